"""Recordings: whole, bound to their questions, small."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from leaf_port import LeafError
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import runner

SPEC = all_specs()["log_compression"]
CASE = SPEC.cases()[0]


def test_all_recordings_together_are_small() -> None:
    """At most 20 MB."""
    sizes = [path.stat().st_size for path in recorded.FOLDER.glob("*.safetensors")]
    assert sum(sizes) < 20e6


def test_no_recording_without_declaration() -> None:
    """A recording of a layer that is gone proves nothing."""
    names = {path.stem for path in recorded.FOLDER.glob("*.safetensors")}
    assert names == set(all_specs())


@pytest.mark.parametrize("name", all_specs())
def test_recording_tells_its_provenance(name: str) -> None:
    """Versions, and hashes for each declared case, each drawn one and no other."""
    spec = all_specs()[name]
    recording = recorded.load(spec)
    assert {"python", "numpy", "tensorflow", "keras", "leaf_audio"} <= set(recording.versions)
    assert set(recording.entries) == {case.name for case in recorded.cases(spec)}


def test_a_changed_answer_is_noticed() -> None:
    """One other value, after the file was read."""
    recording = recorded.load(SPEC)
    recording.answers[CASE.name].outputs[0][0, 0, 0] += np.float32(1e-6)
    with pytest.raises(LeafError, match="another hash"):
        recording.answer(SPEC, runner.ask(SPEC, CASE))


def test_another_question_is_noticed() -> None:
    """Other inputs than were recorded."""
    question = runner.ask(SPEC, CASE)
    question.inputs["inputs"] = question.inputs["inputs"] * np.float32(2)
    with pytest.raises(LeafError, match="other inputs"):
        recorded.load(SPEC).answer(SPEC, question)


def test_unrecorded_case_is_told() -> None:
    """With the command that records it."""
    other = dataclasses.replace(CASE, config={**CASE.config, "frames": 3})
    with pytest.raises(LeafError, match="python -m parity record"):
        recorded.load(SPEC).answer(SPEC, runner.ask(SPEC, other))


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not a recording"])
def test_broken_or_missing_file_is_told(tmp_path: Path, content: bytes) -> None:
    """As one error of ours."""
    with pytest.raises(LeafError, match="expected a file"):
        recorded.load(SPEC, tmp_path)
    recorded.path_of(SPEC, tmp_path).write_bytes(content)
    with pytest.raises(LeafError, match="expected a recording"):
        recorded.load(SPEC, tmp_path)


def test_save_and_load_are_inverse(tmp_path: Path) -> None:
    """Bit by bit."""
    question = runner.ask(SPEC, CASE)
    answer = recorded.load(SPEC).answer(SPEC, question)
    recorded.save(SPEC, {CASE.name: (question, answer)}, {"tensorflow": "0"}, tmp_path)
    again = recorded.load(SPEC, tmp_path).answer(SPEC, question)
    assert again.arrays().keys() == answer.arrays().keys()
    assert all(np.array_equal(again.arrays()[n], array) for n, array in answer.arrays().items())
