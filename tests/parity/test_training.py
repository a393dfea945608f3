"""One step of training is the official one; a port that trains otherwise is found out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from leaf_port import LeafError, normalization
from leaf_port import optim as leaf_optim
from parity.checks.compare import REFERENCE
from parity.commands.app import app
from parity.commands.training import (
    ask_official,
    free_run,
    kinks,
    optimizer,
    question,
    recording,
    step,
)
from parity.commands.training.models import MODELS
from parity.commands.training.recording import Layout, Recording, Step
from parity.commands.training.step import LIKE, Checked
from parity.port import runner

MEL = "mel_filterbanks"
FRONTENDS = ("leaf", "time_domain_filterbanks", "sincnet", "sincnet_plus", MEL)
LOADED: dict[str, Recording] = {}


def recorded(name: str) -> Recording:
    if name not in LOADED:
        LOADED[name] = recording.load(MODELS[name])
    return LOADED[name]


def checked(name: str, number: int) -> list[Checked]:
    return step.check(MODELS[name], recorded(name).steps[number])


def failing(name: str, number: int) -> set[str]:
    """The checks, with the array or weight, that a step fails."""
    once = step._check(
        MODELS[name], recorded(name).steps[number], recorded(name).steps[number].units, (step.CPU,)
    )
    return {": ".join(line.split(": ")[:2]) for each in once for line in each.failures}


EVERY = [(name, number) for name in FRONTENDS for number in MODELS[name].steps]
OTHERS = [(n, number) for n in MODELS if n not in FRONTENDS for number in MODELS[n].steps[::3]]


@pytest.mark.parametrize(("name", "number"), [*EVERY, *OTHERS])
def test_a_step_is_the_official_one(name: str, number: int) -> None:
    for each in checked(name, number):
        assert each.failures == []
        assert each.skipped == ""


def test_tensorflows_sums_make_the_official_distance() -> None:
    """Where the official gradients are farthest, the port that adds up so is near them."""
    found = [each for n in (10, 20, 50) for each in checked("time_domain_filterbanks", n)]
    official = max(each.worst(REFERENCE, "gradient") for each in found)
    like = max(each.worst(LIKE, "gradient") for each in found)
    assert official > 5
    assert like < official / 1.5


def build_with(monkeypatch: pytest.MonkeyPatch, **given: Any) -> None:
    """The encoder has another batch normalisation."""
    model = MODELS[MEL]

    def build(**arguments: Any) -> Any:
        built = model.build(**arguments)
        for layer in built.modules():
            if isinstance(layer, normalization.BatchNormalization):
                for name, value in given.items():
                    setattr(layer, name, value)
        return built

    monkeypatch.setitem(MODELS, MEL, dataclasses.replace(model, build=build))  # type: ignore[arg-type]


def test_another_epsilon_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    build_with(monkeypatch, epsilon=1e-5)
    found = failing(MEL, 2)
    assert any("output/0" in line for line in found)
    assert any("gradients/" in line for line in found)


def test_another_momentum_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    build_with(monkeypatch, momentum=0.9)
    assert any("moving_mean" in line for line in failing(MEL, 2))


def test_the_biased_variance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalization, "_FUSED_AXES", ())
    found = failing(MEL, 2)
    assert found
    assert all("moving_variance" in line for line in found)


def torchs_adam(model: torch.nn.Module, lr: float, betas: Any, eps: float) -> torch.optim.Adam:
    made = torch.optim.Adam(model.parameters(), lr, betas, eps)
    leaf_optim.constrain_after_step(made, model)
    return made


def test_torchs_adam_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Keras' numbers: its epsilon stands elsewhere."""
    monkeypatch.setattr(optimizer, "KerasAdam", torchs_adam)
    found = failing(MEL, 1)
    assert any("weight" in line for line in found)
    assert all(line.startswith(step.OPTIMIZER) for line in found)


def test_a_missing_constraint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaf_optim, "constrain_after_step", lambda *_: None)
    found = failing("leaf", 1)
    assert found == {f"{step.OPTIMIZER}: weight _frontend/_complex_conv/kernel"}


Change = Callable[[Step], Step]
PATH = "_head/bias"


def after(change: float) -> Change:
    def changed(each: Step) -> Step:
        return dataclasses.replace(each, after=each.after | {PATH: each.after[PATH] + change})

    return changed


def test_the_bound_of_the_optimiser_is_narrow() -> None:
    """A weight that is off by a thousandth of the step is beyond it."""
    model, each = MODELS[MEL], recorded(MEL).steps[5]
    moved = {m.name: m.used for m in optimizer.moved(model, each)}
    assert max(moved.values()) <= 1
    off = after(1e-3 * 0.01)(each)
    assert {m.name for m in optimizer.moved(model, off) if m.used > 1} == {f"weight {PATH}"}


def test_units_are_measured_again() -> None:
    """Of 12 runs either: ratios of root mean squares are near 1, their median very near."""
    model, each = MODELS[MEL], recorded(MEL).steps[2]
    spec = question.declaration(model)
    asked = question.question(model, 2, each.draw, each.before)
    rounded, margin = kinks.measured(spec, asked, None)
    picked = recording.official(Layout(model), each).pick(rounded.units)
    ratios = np.concatenate([(picked[n] / unit).ravel() for n, unit in each.units.items()])
    assert 0.9 < np.median(ratios) < 1.1
    assert 0.5 < margin / each.margin < 2


def test_a_batch_near_a_kink_is_told() -> None:
    """A bias that takes one argument of a rectifier to within a rounding of 0."""
    model, each = MODELS[MEL], recorded(MEL).steps[2]
    spec = question.declaration(model)
    path = "_encoder/layer_with_weights-0/layer_with_weights-0/bias"
    asked = question.question(model, 2, each.draw, each.before)
    arguments: list[torch.Tensor] = []
    layer = runner.build(spec, asked.case)
    runner._load(runner.held(layer, spec.weights({})), spec.weights({}), asked)
    layer.encoder[0][0].register_forward_hook(lambda *given: arguments.append(given[2]))
    layer(torch.from_numpy(asked.inputs["clips"]))
    nearest = arguments[0][:, 0].abs().argmin()
    bias = each.before[path].copy()
    bias[0] -= arguments[0][:, 0].flatten()[nearest].item()
    near = question.question(model, 2, each.draw, each.before | {path: bias})
    _, margin = kinks.measured(spec, near, None)
    assert margin < ask_official.MARGIN


def test_gradients_near_a_kink_are_not_compared() -> None:
    near = dataclasses.replace(recorded(MEL).steps[2], margin=3.0)
    (found,) = step.check(MODELS[MEL], near)
    assert "3.0 units from a kink" in found.skipped
    assert found.differences
    assert not any(each.is_gradient for each in found.differences)


def test_the_free_run_begins_at_the_official_weights() -> None:
    """After two steps it is as near as the official training is to itself after a hundred."""
    whole = recorded(MEL)
    two = dataclasses.replace(
        whole,
        model=dataclasses.replace(whole.model, steps=(1, 2)),
        steps={n: whole.steps[n] for n in (1, 2)},
    )
    found = free_run.drift(two)
    assert all(0 < each < 1e-4 for each in found)


@pytest.mark.parametrize("name", MODELS)
def test_the_official_drift_is_recorded(name: str) -> None:
    assert set(recorded(name).drift) == set(ask_official.SETTINGS)
    assert all(len(each) == len(MODELS[name].steps) for each in recorded(name).drift.values())


def test_a_constraint_moves_a_weight() -> None:
    """In a recorded step, or the planted bug above would prove nothing."""
    kernels = [
        each.after["_frontend/_complex_conv/kernel"] for each in recorded("leaf").steps.values()
    ]
    assert any((kernel[:, 0] == 0).any() for kernel in kernels)


def test_other_steps_than_declared_are_refused() -> None:
    other = dataclasses.replace(MODELS[MEL], steps=(1, 3))
    with pytest.raises(LeafError, match=r"the steps 1, 3.*--record --model mel_filterbanks"):
        recording.load(other)


def test_another_batch_than_recorded_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS[MEL]

    class Other(type(model)):  # type: ignore[misc]
        def batch(self, number: int, draw: int) -> Any:
            clips, labels = super().batch(number, draw)
            return clips, (labels + 1) % 3

    other = Other(**{f.name: getattr(model, f.name) for f in dataclasses.fields(model)})
    with pytest.raises(LeafError, match="the batch of step 1"):
        recording.load(other)


def test_a_damaged_recording_is_refused(tmp_path: Path) -> None:
    data = bytearray(recording.path_of(MODELS[MEL]).read_bytes())
    data[-7] ^= 4
    recording.path_of(MODELS[MEL], tmp_path).write_bytes(data)
    with pytest.raises(LeafError, match="another hash than its seal"):
        recording.load(MODELS[MEL], tmp_path)


def test_a_missing_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="--record --model mel_filterbanks"):
        recording.load(MODELS[MEL], tmp_path)


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    recording.save(recorded(MEL), tmp_path)
    found = recording.load(MODELS[MEL], tmp_path)
    assert found.drift == recorded(MEL).drift
    for number, each in found.steps.items():
        for field in dataclasses.fields(Step):
            ours, theirs = (getattr(s, field.name) for s in (each, recorded(MEL).steps[number]))
            np.testing.assert_equal(ours, theirs)


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["training", *arguments])


def test_the_command_prints_a_table() -> None:
    made = command("--model", MEL, "--step", "5")
    assert made.exit_code == 0, made.output
    assert MEL in made.output.replace("\n", "")


def test_the_command_names_what_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "KerasAdam", torchs_adam)
    made = command("--model", MEL, "--step", "1")
    assert made.exit_code == 1
    assert "again: python -m parity training --model mel_filterbanks --step 1" in made.output


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--model", "lief"], "--model"),
        (["--model", MEL, "--step", "3"], "--step"),
        (["--model", MEL, "--backend", "onnx"], "--backend"),
    ],
)
def test_bad_input_is_refused(arguments: list[str], names: str) -> None:
    made = command(*arguments)
    assert isinstance(made.exception, LeafError)
    assert names in str(made.exception)
