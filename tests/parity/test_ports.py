"""python -m parity ports: imported models against leaf-pytorch and SpeechBrain themselves."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _layers import same_bits

import leaf_port as lp
from parity.checks import case_checks
from parity.commands.ports.command import FOLDER
from parity.commands.ports.spec import PORTS, RATE, RECORDED, build, milliseconds
from parity.oracles import recorded
from parity.oracles.exact.convolution import frames
from parity.port import runner
from parity.spec import Config, LayerSpec, Weight
from parity.spec.random_arrays import Source
from weight_conversion.foreign.import_port import import_port
from weight_conversion.foreign.ports import PortSettings

NO_SPEECHBRAIN = "needs speechbrain and torchaudio: pip install leaf-port[audit]"
RECORDINGS = {name: recorded.load(spec, FOLDER / name) for name, spec in RECORDED.items()}
CASES = [(name, case) for name, recording in RECORDINGS.items() for case in recording.entries]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def failures(name: str, spec: LayerSpec, case_name: str) -> list[str]:
    recording = RECORDINGS[name]
    case = next(each for each in [*spec.cases(), *recording.drawn] if each.name == case_name)
    results = case_checks.check(spec, case, recording.answer)
    assert [result.arithmetic for result in results] == ["complex", "real"]
    return [line for result in results for line in result.failures]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_recorded_answers(name: str, case: str) -> None:
    assert failures(name, RECORDED[name], case) == []


def test_recordings_are_small_and_tell_where_they_come_from() -> None:
    told = {name: recording.versions for name, recording in RECORDINGS.items()}
    assert {name: each[name] for name, each in told.items()} == {
        "leaf-pytorch": "ecaed50",
        "speechbrain": "1.1.2",
    }
    assert all("torch" in each for each in told.values())
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.safetensors")) < 200e3
    for name, spec in RECORDED.items():
        declared = {case.name for case in spec.cases()}
        assert declared < {case for each, case in CASES if each == name}


def test_both_ports_gave_the_same_numbers() -> None:
    """Recorded on one machine, to the last bit: leaf-pytorch's function is SpeechBrain's."""
    theirs, others = (RECORDINGS[name] for name in ("leaf-pytorch", "speechbrain"))
    assert theirs.answers.keys() == others.answers.keys()
    for case, answer in theirs.answers.items():
        pcen = "pcen=True" in case
        tables = [PORTS[name].table(pcen) for name in ("leaf-pytorch", "speechbrain")]
        ours = dict(zip(tables[0], tables[1], strict=True))
        assert [tables[0][key] for key in ours] == [tables[1][key] for key in ours.values()]
        other = others.answers[case]
        assert np.array_equal(answer.outputs[0], other.outputs[0], equal_nan=True)
        if answer.kept:  # of drawn cases the elements that are kept follow the weights' names
            continue
        for name, gradient in answer.gradients.items():
            kind, _, key = name.partition("/")
            same = other.gradients[f"weight/{ours[key]}" if kind == "weight" else name]
            assert np.array_equal(gradient, same, equal_nan=True)


def _weights(change: Callable[[Mapping[str, Weight]], dict[str, Weight]]) -> dict[str, Any]:
    spec = RECORDED["speechbrain"]
    return {"weights": lambda config: {**spec.weights(config), **change(spec.weights(config))}}


def _swapped(weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """Alpha where delta belongs, and the other way round."""
    if "compression.alpha" not in weights:
        return {}
    alpha, delta = weights["compression.alpha"], weights["compression.delta"]
    return {
        "compression.alpha": dataclasses.replace(alpha, key=delta.key),
        "compression.delta": dataclasses.replace(delta, key=alpha.key),
    }


def _same(config: Config) -> lp.Leaf:
    """The official padding, with the bias."""
    made = build(config)
    made.pooling.padding = "SAME"  # type: ignore[assignment]
    return made


BROKEN: dict[str, dict[str, Any]] = {
    "padding": {"port": _same},
    "names": _weights(_swapped),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_seen(name: str) -> None:
    spec = dataclasses.replace(RECORDED["speechbrain"], **BROKEN[name])
    assert failures("speechbrain", spec, spec.cases()[0].name)


@pytest.mark.parametrize("error_case", RECORDED["speechbrain"].errors, ids=lambda e: e.argument)
def test_what_is_refused(error_case: Any) -> None:
    assert case_checks.check_error(error_case) is None


@pytest.mark.parametrize("taps", [2, 3, 5, 8])
@pytest.mark.parametrize("stride", [1, 3, 9])
def test_the_exact_padding_is_the_one_of_a_stride_of_1(taps: int, stride: int) -> None:
    """As many frames as SAME, each tap from where a stride of 1 has it."""
    x = Source(0).normal((1, 11, 1))
    whole = frames(x, taps, 1, "SAME")
    assert (frames(x, taps, stride, "SYMMETRIC") == whole[:, ::stride]).all()
    pooled = lp.GaussianLowpass(1, taps, stride, "symmetric")(torch.from_numpy(x))
    assert pooled.shape[1] == frames(x, taps, stride, "SAME").shape[1]


@pytest.mark.parametrize("name", RECORDED)
def test_an_imported_file_is_what_was_checked(name: str, tmp_path: Path) -> None:
    """From the state dict's file to the outputs: the bits of the model of the declaration."""
    spec = RECORDED[name]
    case = spec.cases()[2]
    question = runner.ask(spec, case)
    state = {key: torch.from_numpy(value) for key, value in question.weights.items()}
    torch.save({"state_dict": state}, tmp_path / "model.pt")
    settings = PortSettings({"sample_rate": RATE, **milliseconds(case.config)})
    import_port(tmp_path / "model.pt", tmp_path / "made", settings)
    made = lp.Leaf.from_pretrained(tmp_path / "made")
    with torch.no_grad():
        got = made(torch.from_numpy(question.inputs["inputs"]))
    expected = runner.answer(spec, question, runner.Run(arithmetic="complex")).outputs[0]
    assert same_bits(got, torch.from_numpy(expected))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-W", "error", "-m", "parity", "ports", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("speechbrain", "torchaudio")),
    reason=NO_SPEECHBRAIN,
)
def test_speechbrain_on_drawn_cases() -> None:
    """In a process of its own: hypothesis cannot draw where SpeechBrain was imported."""
    done = command("speechbrain", "--examples", "6", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "speechbrain 1.1.2" in done.stdout
    assert "off" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--record"], "TARGET: expected a port whose code is at hand"),
        (["HERE", "--examples", "0"], "a folder with leaf_pytorch/frontend.py"),
    ],
)
def test_exit_code_2_and_one_line(arguments: list[str], told: str, tmp_path: Path) -> None:
    done = command(*[str(tmp_path) if each == "HERE" else each for each in arguments])
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
