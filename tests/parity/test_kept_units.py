"""Units of rounding that runs of other settings take over."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.checks import expected_divergences, kept_units, monte_carlo
from parity.layers import all_specs
from parity.port import runner

SPEC = all_specs()["gaussian_lowpass"]
QUESTION = runner.ask(SPEC, SPEC.cases()[0])


def _counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts how often units are computed."""
    real, runs = monte_carlo._units, list[int]()

    def counted(*arguments: Any) -> Any:
        runs.append(arguments[3])
        return real(*arguments)

    monkeypatch.setattr(monte_carlo, "_units", counted)
    return runs


def test_nothing_is_kept_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kept_units.FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    runs = _counting(monkeypatch)
    monte_carlo.units(SPEC, QUESTION, runs=2)
    monte_carlo.units(SPEC, QUESTION, runs=2)
    assert runs == [2, 2]
    assert not list(tmp_path.iterdir())


def test_units_are_computed_once_and_the_answer_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kept_units.FOLDER, str(tmp_path / "units"))
    runs = _counting(monkeypatch)
    first = monte_carlo.units(SPEC, QUESTION, runs=2)
    monkeypatch.setattr(runner, "answer", _shifted(runner.answer))
    second = monte_carlo.units(SPEC, QUESTION, runs=2)
    assert runs == [2]
    assert first.units.keys() == second.units.keys()
    assert all(np.array_equal(first.units[name], second.units[name]) for name in first.units)
    assert not np.array_equal(first.exact["output/0"], second.exact["output/0"])


def _shifted(answer: Any) -> Any:
    """The port of another processor."""

    def other(*arguments: Any) -> Any:
        made = answer(*arguments)
        made.outputs[0] = np.nextafter(made.outputs[0], np.inf)
        return made

    return other


@pytest.mark.parametrize(
    "other",
    [
        {"runs": 3},
        {"arithmetic": "real"},
        {"question": runner.ask(SPEC, SPEC.cases()[1])},
        {"within": expected_divergences.Flushing},
        {"side": "official"},
    ],
)
def test_other_units_have_another_name(
    other: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kept_units.FOLDER, str(tmp_path))
    asked = {
        "question": QUESTION,
        "arithmetic": None,
        "runs": 2,
        "within": contextlib.nullcontext,
        "side": "",
    }
    names = {kept_units._file(SPEC, **each) for each in (asked, asked | other)}  # type: ignore[arg-type]
    assert len(names) == 2
    assert None not in names


def test_a_change_of_the_source_is_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kept_units.FOLDER, str(tmp_path))
    asked = (SPEC, QUESTION, None, 2, contextlib.nullcontext, 1.0)
    before = kept_units._file(*asked)
    monkeypatch.setattr(kept_units, "source", lambda: "another")
    assert kept_units._file(*asked) != before


def test_a_context_without_a_name_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kept_units.FOLDER, str(tmp_path))
    assert kept_units._file(SPEC, QUESTION, None, 2, lambda: contextlib.nullcontext(), 1.0) is None
