"""The live official implementation: one clear error where it cannot run, else the same answers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leaf_port import LeafError
from parity.checks import case_checks, ground_truth
from parity.checks.checked_case import CheckedCase
from parity.layers import all_specs
from parity.oracles import official, recorded
from parity.oracles.official import Official
from parity.port import runner

SPECS = all_specs()


def test_unset_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which, and what it should hold."""
    monkeypatch.delenv(official.PYTHON, raising=False)
    with pytest.raises(LeafError, match=official.PYTHON):
        Official()
    monkeypatch.setenv(official.PYTHON, sys.executable)
    monkeypatch.delenv(official.CHECKOUT, raising=False)
    with pytest.raises(LeafError, match=official.CHECKOUT):
        Official()


def test_interpreter_without_the_official_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error gives the reason of the failed import."""
    (tmp_path / "leaf_audio").mkdir()
    (tmp_path / "leaf_audio" / "frontend.py").touch()
    monkeypatch.setenv(official.PYTHON, sys.executable)
    monkeypatch.setenv(official.CHECKOUT, str(tmp_path))
    with pytest.raises(LeafError, match="No module named 'tensorflow'"):
        Official()


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("layer", ["gabor_conv1d", "pcen", "max_pooling1d", "sinc_filters"])
def test_live_answer_is_the_recorded_one(layer: str) -> None:
    """Within the same bound of the exact answer; another processor rounds otherwise."""
    spec = SPECS[layer]
    recording, case = recorded.load(spec), spec.cases()[0]
    question, truth = case_checks.ready(spec, case, recording)
    with Official() as live:
        answer = ground_truth.compared_part(live.answer(spec, question), case)
    kept = ground_truth.compared_part(recording.answer(spec, question), case).arrays()
    assert {name: array.shape for name, array in answer.arrays().items()} == {
        name: array.shape for name, array in kept.items()
    }
    found = CheckedCase(spec, question, answer, truth).official_to_exact()
    assert found
    assert not [each.message for each in found if not each.ok]


@pytest.mark.usefixtures("live")
def test_an_error_in_the_official_code_does_not_end_the_worker() -> None:
    """It is told, and the next question is answered."""
    spec = SPECS["utils"]
    broken = runner.ask(SPECS["pcen"], SPECS["pcen"].cases()[0])
    with Official() as live:
        broken.inputs.clear()
        with pytest.raises(RuntimeError, match="official code raised"):
            live.answer(SPECS["pcen"], broken)
        assert live.answer(spec, runner.ask(spec, spec.cases()[0])).outputs
