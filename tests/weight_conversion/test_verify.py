"""Verifying a conversion: what is right passes, and each planted bug fails at its row."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import _ports
import numpy as np
import numpy.typing as npt
import pytest
import torch
from _conversion import MODELS, converted, without_sign
from safetensors.torch import load_file, save_file
from torch import Tensor

from leaf_port import LeafError, impulse_responses, pretrained
from parity.commands.conversion import xla
from parity.commands.conversion.exact import Exact
from parity.commands.conversion.judge import DeclaredBudgets
from parity.commands.conversion.official import OfficialCode
from weight_conversion.official.convert import VERIFICATION
from weight_conversion.official.opening import open_source
from weight_conversion.reference.record import RECORDINGS
from weight_conversion.verification import backends, verify
from weight_conversion.verification import clips as verify_clips
from weight_conversion.verification.verify import EXACT, Clips, NotRunError, Subject, Verification

Array = npt.NDArray[np.float64]
CLIPS = verify_clips.seeded(7, 160, 2400)
ONE = {"noise": CLIPS["noise"]}


def verified(
    folder: Path, source: Path | None = None, clips: Clips | None = None, *more: verify.Oracle
) -> Verification:
    checked = verify.subject(folder, None if source is None else open_source(source))
    return verify.verify(checked, clips or ONE, [Exact(), *more], DeclaredBudgets(), [xla.BACKEND])


def off(found: Verification) -> set[tuple[str, str, str]]:
    return {(row.output, row.first, row.second) for row in found.rows if row.ok is False}


def pairs(found: Verification) -> set[tuple[str, str, str]]:
    return {(row.output, row.first, row.second) for row in found.rows}


def with_exact(found: Verification, *outputs: str) -> set[tuple[str, str, str]]:
    """The comparisons of these outputs with the exact oracle."""
    return {each for each in pairs(found) if each[0] in outputs and each[2] == "exact"}


@pytest.mark.parametrize(("name", "file"), MODELS)
def test_every_recorded_checkpoint_in_every_form(name: str, file: str, tmp_path: Path) -> None:
    source = RECORDINGS / name / file
    converted(name, tmp_path / "made", file)
    clips = CLIPS if file == "checkpoint" else ONE
    found = verified(tmp_path / "made", source, clips)
    assert off(found) == set()
    assert found.weights == verify.WeightsRow("checkpoint", True, 0.0)
    assert found.ok
    assert found.judged
    assert with_exact(found, "features", "logits")
    assert {row.clip for row in found.rows} == set(clips)
    assert all(row.units is not None and row.allowed is not None for row in found.rows)


@pytest.fixture(scope="module")
def leaf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "leaf"
    converted("leaf", folder)
    return folder


def tampered(folder: Path, tmp_path: Path, change: Callable[[dict[str, Tensor]], None]) -> Path:
    """A copy whose weights are others."""
    made = tmp_path / "tampered"
    made.mkdir()
    (made / "config.json").write_bytes((folder / "config.json").read_bytes())
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(
        {name: each.contiguous() for name, each in weights.items()}, made / "model.safetensors"
    )
    return made


def one_weight(weights: dict[str, Tensor]) -> None:
    weights["frontend.complex_conv.kernel"][2, 0] *= 1.001


def one_of_the_head(weights: dict[str, Tensor]) -> None:
    weights["head.weight"][0, 0] += 1e-3


def two_filters(weights: dict[str, Tensor]) -> None:
    kernel = weights["frontend.complex_conv.kernel"]
    weights["frontend.complex_conv.kernel"] = kernel[[1, 0, *range(2, len(kernel))]]


def transposed_head(weights: dict[str, Tensor]) -> None:
    head = weights["head.weight"]
    weights["head.weight"] = head.T.reshape(head.shape)


BUGS = {
    one_weight: ("_frontend/_complex_conv/kernel", ("features", "logits")),
    two_filters: ("_frontend/_complex_conv/kernel", ("features", "logits")),
    one_of_the_head: ("_head/kernel", ("logits",)),
    transposed_head: ("_head/kernel", ("logits",)),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_wrong_weight_is_off_wherever_it_is_heard(
    bug: Callable[[dict[str, Tensor]], None], leaf: Path, tmp_path: Path
) -> None:
    made = tampered(leaf, tmp_path, bug)
    path, outputs = BUGS[bug]
    found = verified(made, RECORDINGS / "leaf")
    assert found.weights.ok is False
    assert found.weights.wrong == (path,)
    assert found.weights.relative is not None
    assert found.weights.relative > 1e-5
    assert off(found) == with_exact(found, *outputs)  # and the backends agree with each other


@pytest.mark.parametrize("bug", BUGS)
def test_without_the_checkpoint_the_hash_tells(
    bug: Callable[[dict[str, Tensor]], None], leaf: Path, tmp_path: Path
) -> None:
    found = verified(tampered(leaf, tmp_path, bug))
    assert found.weights.against == "noted hash"
    assert not found.ok
    assert off(found) == set()
    assert verified(leaf).ok


def test_a_dropped_sign_in_real_arithmetic(leaf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impulse_responses, "gabor_impulse_response_real", without_sign)
    found = verified(leaf, RECORDINGS / "leaf")
    real = {each for each in pairs(found) if "CPU real" in each or "XLA" in each}
    if "XLA" not in found.not_run:  # computes in real arithmetic too: both have the bug
        real = {each for each in real if {"CPU real", "XLA"} - set(each)}
    assert off(found) == real
    assert found.weights.ok


def test_a_wrong_float64_path(leaf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Computed in float32 and cast, float64 answers are a hundred million units off."""
    double = backends.Backend("CPU float64")
    monkeypatch.setattr(verify, "DOUBLE", double)
    found = verified(leaf, RECORDINGS / "leaf")
    assert {each for each in off(found) if each[1] != "CPU float64"} == set()
    assert off(found) == {(o, "CPU float64", "exact") for o in ("features", "logits")}


class Other:
    """An oracle whose answers are the exact ones, changed."""

    name, kind = "other", EXACT

    def __init__(self, change: Callable[[dict[str, Array]], object]) -> None:
        self.change = change

    def answers(self, subject: Subject, clips: Clips) -> Mapping[str, dict[str, Array]]:
        made = Exact().answers(subject, clips)
        for each in made.values():
            self.change(each)
        return made


def greatest_moved(answers: dict[str, Array]) -> None:
    answers["logits"] = np.roll(answers["logits"], 1, axis=-1)


def one_nan(answers: dict[str, Array]) -> None:
    answers["features"][0, 0, 0] = np.nan


def fewer_frames(answers: dict[str, Array]) -> None:
    answers["features"] = answers["features"][:, 1:]


def no_logits(answers: dict[str, Array]) -> None:
    del answers["logits"]


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize(
    ("change", "output", "told"),
    [
        (greatest_moved, "logits", ""),
        (one_nan, "features", "NaN"),
        (fewer_frames, "features", "shapes"),
        (no_logits, "logits", "no such output"),
    ],
)
def test_what_needs_no_bound(
    change: Callable[[dict[str, Array]], object],
    output: str,
    told: str,
    judged: bool,
    leaf: Path,
) -> None:
    judge = DeclaredBudgets() if judged else None
    found = verify.verify(verify.subject(leaf, None), ONE, [Other(change)], judge)
    wrong = {row for row in found.rows if row.ok is False}
    assert {(row.output, row.second) for row in wrong} == {(output, "other")}
    assert all(told in row.message for row in wrong)
    assert not found.ok
    json.dumps(found.as_dict(), allow_nan=False)


def test_without_bounds_nothing_is_called_verified(leaf: Path) -> None:
    found = verify.verify(verify.subject(leaf, None), ONE)
    assert found.ok
    assert not found.judged
    assert {row.ok for row in found.rows} == {None}
    # The float64 model stands for the formulas where nothing else does.
    assert {row.second for row in found.rows} >= {"CPU real", "CPU float64"}


class Absent:
    """An oracle that has no answers here."""

    name, kind = "absent", EXACT

    def answers(self, subject: Subject, clips: Clips) -> Mapping[str, dict[str, Array]]:
        raise NotRunError("it is elsewhere")


def test_what_is_not_run_is_named(leaf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dataclasses.replace(xla.BACKEND, missing=lambda: "no device here")
    monkeypatch.setattr(xla, "BACKEND", absent)
    found = verified(leaf, None, ONE, Absent())
    assert found.not_run == {
        "XLA": "no device here",
        "absent": "it is elsewhere",
    }
    assert found.ok


def test_the_file_is_whole_or_the_earlier_one(
    leaf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tampered(leaf, tmp_path, lambda _weights: None)
    found = verify.verify(verify.subject(made, None), ONE)
    verify.write(made, found, VERIFICATION)
    first = (made / VERIFICATION).read_text()
    assert json.loads(first)["rows"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    found.rows.clear()
    with pytest.raises(LeafError, match="No space left"):
        verify.write(made, found, VERIFICATION)
    assert (made / VERIFICATION).read_text() == first
    names = {"config.json", "model.safetensors", VERIFICATION}
    assert {path.name for path in made.iterdir()} == names


def test_a_model_of_another_port(tmp_path: Path) -> None:
    """Within its own bounds of the formulas; the official code has no such model."""
    torch.save(_ports.state("speechbrain"), tmp_path / "theirs.pt")
    _ports.imported(tmp_path / "theirs.pt", tmp_path / "made")
    checked = verify.subject(tmp_path / "made", None)
    assert checked[1] == verify.WeightsRow("noted hash", True)
    found = verify.verify(checked, ONE, [Exact(), OfficialCode()], DeclaredBudgets())
    assert found.ok
    assert found.judged
    assert with_exact(found, "features")
    assert "pooling_padding: expected 'SAME'" in found.not_run["official"]


# The official code, live


@pytest.mark.usefixtures("live_module")
@pytest.mark.parametrize(
    "name", ["leaf", "leaf_fixed", "tfbanks", "sincnet_plus", "mel", "wavegram"]
)
def test_the_official_code_answers_the_same(name: str, tmp_path: Path) -> None:
    converted(name, tmp_path / "made")
    official = OfficialCode()
    found = verified(tmp_path / "made", RECORDINGS / name, CLIPS, official)
    assert found.ok
    assert "official" not in found.not_run
    assert {row.first for row in found.rows if row.second == "official"}
    assert ("official", "exact") in {(row.first, row.second) for row in found.rows}
    assert official.versions["tensorflow"]


@pytest.mark.usefixtures("live_module")
def test_the_official_code_shows_a_wrong_head(leaf: Path, tmp_path: Path) -> None:
    made = tampered(leaf, tmp_path, one_of_the_head)
    found = verified(made, RECORDINGS / "leaf", ONE, OfficialCode())
    expected = {each for each in pairs(found) if each[0] == "logits"}
    assert off(found) == {
        each
        for each in expected
        if {"exact", "official"} & set(each) and not {"exact", "official"} <= set(each)
    }


def test_why_the_official_code_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAF_REFERENCE_PYTHON", raising=False)
    tree = {"kind": "Leaf", "arguments": {"conv1d_cls": "NormalizedConv1d"}}
    for config, told in ((deep(2), "LEAF_REFERENCE_PYTHON"), (tree, "conv1d_cls")):
        with pytest.raises(NotRunError, match=told):
            OfficialCode().answers(Subject(config, torch.nn.Module(), {}), ONE)


# The clips


def test_the_lengths_differ_modulo_the_stride() -> None:
    for stride in (1, 2, 80, 160):
        lengths = {
            name: clip.shape[1] for name, clip in verify_clips.seeded(1, stride, 999).items()
        }
        expected = {"noise": 1 % stride, "chirp": stride // 2, "quiet": stride - 1, "whole": 0}
        assert {name: length % stride for name, length in lengths.items()} == expected
        assert min(lengths.values()) >= 999


def test_the_seed_decides() -> None:
    first, again, other = (verify_clips.seeded(seed, 160, 999) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["noise"], other["noise"])
    assert {clip.dtype for clip in first.values()} == {np.dtype(np.float32)}
    assert 0 < np.abs(first["quiet"]).max() < 10**-2.5


def deep(blocks: int) -> dict[str, object]:
    leaf = {"n_filters": 256, "window_stride": 10.0, "sample_rate": 16000, "window_len": 25.0}
    leaf["compression_fn"] = None  # type: ignore[assignment]
    parts = {
        "frontend": {"kind": "Leaf", "arguments": leaf},
        "encoder": {"kind": "ConvNet", "arguments": {"filters": [1] * blocks}},
    }
    return {"kind": "AudioClassifier", "arguments": {"num_outputs": 2, **parts}}


@pytest.mark.parametrize(("blocks", "frames"), [(2, 25), (8, 50)])
def test_a_deep_encoder_gets_longer_clips(blocks: int, frames: int) -> None:
    tree = deep(blocks)
    made = verify_clips.for_model(tree, pretrained.build(tree).eval(), 1)
    assert made["whole"].shape[1] == frames * 160
