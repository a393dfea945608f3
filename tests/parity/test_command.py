"""python -m parity: the table, the exit code, the one case."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from leaf_port import pooling
from parity import report
from parity.checks import case_checks
from parity.checks.gradients import Skip
from parity.commands import cases
from parity.layers import all_specs
from parity.oracles import recorded


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a user does."""
    environment = {**os.environ, "COLUMNS": "200"}
    line = [sys.executable, "-m", "parity", *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


def test_run_ends_with_the_table() -> None:
    """Layer, figures, verdict; exit code 0."""
    done = command("run", "--layer", "gaussian_lowpass", "--layer", "utils")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gaussian_lowpass" in done.stdout
    assert "ok" in done.stdout
    assert "0 failed" in done.stdout


def test_run_of_one_case() -> None:
    """The command that a failure prints."""
    name = all_specs()["gaussian_lowpass"].cases()[0].name
    done = command("run", "--layer", "gaussian_lowpass", "--case", name)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 0 failed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--layer", "nonsense"], "expected one of"), (["--layer", "utils", "--case", "x"], "named")],
)
def test_unknown_names_are_told(arguments: list[str], told: str) -> None:
    """Never a run of nothing that passes."""
    done = command("run", *arguments)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr


def test_a_planted_bug_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug of three public ports: a symmetric padding, whatever the length."""

    def symmetric(_length: int, kernel_size: int, *_: int) -> tuple[int, int]:
        return kernel_size // 2, kernel_size // 2

    monkeypatch.setattr(pooling.padding, "same_padding", symmetric)
    spec = all_specs()["gaussian_lowpass_layer"]
    case = next(case for case in spec.cases() if case.config["padding"].upper() == "SAME")
    (result,) = case_checks.check(spec, case, recorded.load(spec).answer)
    assert result.failures
    assert "--layer gaussian_lowpass_layer --case" in result.again


def test_a_failure_makes_the_run_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """And prints the case and the command that runs it again."""
    spec = all_specs()["utils"]
    failing = report.Row(spec)
    broken = case_checks.Result("utils", "some case", None, error="raised ValueError: no")
    failing.add(broken)
    monkeypatch.setattr(report.rows, "gather", lambda *_: [failing])
    console = Console(record=True, width=200)
    assert not report.run([spec], None, console)
    text = console.export_text()
    assert "raised ValueError: no" in text
    assert broken.again in text
    assert "1 failed" in text


def test_cases_lists_what_case_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Every recorded case and no other, in the order of a run."""
    spec = all_specs()["gaussian_lowpass"]
    cases.show([spec], as_json=False)
    told = capsys.readouterr()
    rows = [line.split("\t") for line in told.out.splitlines()]
    assert [row[:2] for row in rows] == [[spec.name, c.name] for c in recorded.cases(spec)]
    assert {row[2].split(", ")[0] for row in rows} == {"declared", "drawn"}
    assert told.err.startswith(f"{len(rows)} cases of 1 layer; ")
    cases.show([spec], as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [[each["layer"], each["case"], each["about"]] for each in listed] == rows


def test_what_was_left_out_is_a_sentence_with_its_count() -> None:
    """No number stands beside another without a word."""
    result = case_checks.Result("utils", "some case", None)
    assert "No gradient was left out." in " ".join(report.table.notes([row_of(result)]))
    skips = [Skip("gradients/a", "2 elements are declared ties, where"), Skip("gradients/b", "no")]
    result = dataclasses.replace(result, skips=[skips[0], *skips])
    told = " ".join(report.table.notes([row_of(result)]))
    assert "3 were compared in part or not at all: 2 because 2 elements are declared ties" in told
    assert "; 1 because no." in told
    assert "1 result of 1 recorded case" in told


def row_of(result: case_checks.Result) -> report.Row:
    row = report.Row(all_specs()["utils"])
    row.add(result)
    return row


def test_off_a_terminal_each_layer_is_a_line() -> None:
    """On stderr, so that the output stays the table."""
    name = all_specs()["gaussian_lowpass"].cases()[0].name
    done = command("run", "--layer", "gaussian_lowpass", "--case", name)
    assert "gaussian_lowpass: recorded cases run: 1 (layer 1 of 1)\n" in done.stderr
