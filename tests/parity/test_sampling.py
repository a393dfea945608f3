"""Drawn examples: within the domain, reproducible, shrunk when they fail, kept compactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from leaf_port import LeafError
from parity.checks import case_checks, sampling
from parity.checks.case_checks import Result
from parity.commands import record
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import runner
from parity.spec import SIGNALS, Answer, Case, LayerSpec, Question, Sampling

SPECS = all_specs()
SPEC = SPECS["gaussian_lowpass_layer"]
VERSIONS = {"tensorflow": "0", "leaf_audio": "none"}


def echo(spec: LayerSpec, question: Question) -> Answer:
    """A stand-in for the official code: the port's own answer."""
    return runner.answer(spec, question, runner.Run(arithmetic=case_checks.arithmetics(spec)[0]))


def test_same_seed_same_cases() -> None:
    """Another seed, others."""
    assert sampling.sample(SPEC, 8, seed=1) == sampling.sample(SPEC, 8, seed=1)
    assert sampling.sample(SPEC, 8, seed=1) != sampling.sample(SPEC, 8, seed=2)


def test_sizes_lie_between_the_declared_ends() -> None:
    """And the stride divides some lengths and not others."""
    ranges = sampling.ranges(SPEC)
    found = sampling.sample(SPEC, 40, seed=3)
    for case in found:
        for key, (low, high) in ranges.items():
            assert low <= case.config[key] <= high
    rests = {case.config["frames"] % case.config["stride"] for case in found}
    assert len(rests) > 3


def test_signals_are_drawn() -> None:
    """Each of them."""
    assert {case.signal for case in sampling.sample(SPEC, 150, seed=0)} == set(SIGNALS)


def test_a_healthy_layer_passes_and_is_seen() -> None:
    """Every example is told."""
    seen: list[Result] = []
    sampling.check(SPECS["squared_modulus"], echo, 15, 0, lambda _, results: seen.extend(results))
    assert len(seen) == 15


def test_a_failure_is_shrunk_and_can_be_run_again() -> None:
    """An answer that is wrong from 40 frames on: the smallest such case is told, as JSON."""
    spec = SPECS["log_compression"]

    def ask(spec: LayerSpec, question: Question) -> Answer:
        answer = echo(spec, question)
        if question.case.config["frames"] >= 40:
            answer.outputs[0] = answer.outputs[0] + np.float32(1.0)
        return answer

    with pytest.raises(AssertionError) as caught:
        sampling.check(spec, ask, 60, 0, lambda *_: None)
    told = str(caught.value)
    again = Case.from_json(told.rpartition("--case '")[2].rstrip("'"))
    assert again.config["frames"] == 40
    assert again.signal == "plain"
    assert [f for r in case_checks.check(spec, again, ask) for f in r.failures]


def test_patience_bounds_the_shrink() -> None:
    """With none, the first failing example is told as it is."""
    asked: list[Question] = []

    def ask(spec: LayerSpec, question: Question) -> Answer:
        asked.append(question)
        answer = echo(spec, question)
        answer.outputs[0] = answer.outputs[0] + np.float32(1.0)
        return answer

    with pytest.raises(AssertionError):
        sampling.check(SPECS["log_compression"], ask, 60, 0, lambda *_: None, patience=3)
    assert len(asked) <= 4


def test_an_official_error_is_not_taken_for_a_refusal() -> None:
    """A worker that dies must not discard examples."""

    def ask(spec: LayerSpec, question: Question) -> Answer:
        raise LeafError("official oracle", "LEAF_REFERENCE_PYTHON", "an answer", "none", "look")

    with pytest.raises(LeafError, match="official oracle"):
        sampling.check(SPECS["log_compression"], ask, 5, 0, lambda *_: None)


def test_compact_recordings_keep_few_elements_and_still_tell(tmp_path: Path) -> None:
    """At most ``KEPT`` of each array; a wrong one fails, directly and by the exact oracle."""
    found = sampling.sample(SPEC, 30, seed=5)
    case = next(case for case in found if case.signal == "plain" and not case.initial)
    question = runner.ask(SPEC, case)
    answer = echo(SPEC, question)
    answer.initial = {}
    recorded.save(SPEC, {case.name: (question, answer)}, VERSIONS, tmp_path)
    recording = recorded.load(SPEC, tmp_path)
    assert recording.drawn == [case]
    kept = recording.answer(SPEC, question)
    assert all(array.size <= recorded.KEPT for array in kept.arrays().values())
    (result,) = case_checks.check(SPEC, case, recording.answer)
    assert not result.failures
    kept.outputs[0] = kept.outputs[0] * np.float32(1.001)
    (result,) = case_checks.check(SPEC, case, lambda *_: kept)
    assert any(failure.startswith("port and official") for failure in result.failures)
    assert any(failure.startswith("official and exact") for failure in result.failures)


def test_kept_elements_of_another_shape_differ() -> None:
    """A transposed output does not pass by its elements."""
    case = SPEC.cases()[0]
    question = runner.ask(SPEC, case)
    answer = echo(SPEC, question)
    part, shapes = recorded.compact(question, answer, recorded.KEPT)
    assert shapes["output/0"] == list(answer.outputs[0].shape)
    kept = recorded.kept(
        {
            "seed": case.seed,
            "most": recorded.KEPT,
            "shapes": {"output/0": [*reversed(shapes["output/0"])]},
        }
    )
    told = Answer([part["output/0"]], kept=kept)
    assert told.pick(answer.arrays())["output/0"].shape == answer.outputs[0].shape


def test_recording_asks_the_kept_drawn_cases_again() -> None:
    """Unless it is told to draw anew; then the witnesses of bounds, and new ones."""
    for spec in SPECS.values():
        assert record.cases(spec, None) == recorded.cases(spec)
    fresh = record.cases(SPEC, 2)
    assert fresh[: len(SPEC.cases())] == SPEC.cases()
    witnesses = recorded.load(SPEC).witnesses
    assert witnesses <= {case.name for case in fresh}
    assert len(fresh) == len(SPEC.cases()) + len(witnesses) + 2


def test_a_kept_case_is_recorded_too() -> None:
    """As a witness, beside the drawn ones."""
    case = dataclasses.replace(SPEC.cases()[0], draw=12345)
    other = dataclasses.replace(case, layer="pcen")
    asked = record.cases(SPEC, None, [case, other])
    assert asked == [*recorded.cases(SPEC), case]
    assert case.name in record.witnesses(SPEC, [case])


def test_recordings_hold_drawn_cases_of_every_layer() -> None:
    """At least 400 together."""
    counts = {name: len(recorded.load(spec).drawn) for name, spec in SPECS.items()}
    assert sum(counts.values()) >= 400
    assert min(counts.values()) >= 1, counts


def test_unanswered_configurations_are_not_drawn() -> None:
    """Where the official code fails and the port does not."""
    spec = dataclasses.replace(SPEC, sampling=Sampling(unanswered=lambda _case: "always"))
    assert sampling.sample(spec, 3, seed=0) == []
