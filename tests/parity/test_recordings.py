"""Recordings: whole, bound to their questions, small."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from leaf_port import LeafError
from parity.commands import record as recorder
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


def test_new_answers_stand_beside_what_is_kept(tmp_path: Path) -> None:
    """Those kept are the same bytes, compact ones too, and still belong to their questions."""
    before, (first, *_) = recorded.load(SPEC), SPEC.cases()
    rest = [case for case in recorded.cases(SPEC) if case.name != first.name]
    kept = recorder.unchanged(SPEC, rest, before.versions)
    assert kept.entries.keys() == before.entries.keys() - {first.name}
    question = runner.ask(SPEC, first)
    fresh = {first.name: (question, before.answer(SPEC, question))}
    recorded.save(SPEC, fresh, before.versions, tmp_path, before.witnesses, kept)
    again = recorded.load(SPEC, tmp_path)
    assert again.entries == before.entries
    for case in recorded.cases(SPEC):
        question = runner.ask(SPEC, case)
        one, other = again.answer(SPEC, question), before.answer(SPEC, question)
        assert all(np.array_equal(one.arrays()[n], a) for n, a in other.arrays().items())


def test_other_questions_are_not_kept() -> None:
    """What would be asked otherwise today is asked again; with other versions everything is."""
    before = recorded.load(SPEC)
    other = dataclasses.replace(
        SPEC, inputs=lambda *given: {"inputs": 2 * SPEC.inputs(*given)["inputs"]}
    )
    assert not recorder.unchanged(other, SPEC.cases(), before.versions).entries
    with pytest.raises(LeafError, match="leave --new out"):
        recorder.unchanged(SPEC, SPEC.cases(), {**before.versions, "tensorflow": "0"})
