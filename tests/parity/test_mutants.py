"""python -m parity mutants: the table of planted bugs, the verdicts, the exit code."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from parity.checks import case_checks, kept_units
from parity.commands import app as command
from parity.commands.cli import planted
from parity.commands.mutants import caught_by, hook, prepare, report, runner, worker
from parity.commands.mutants.bugs import all_mutants
from parity.commands.mutants.mutant import SOURCE, DoesNotApplyError, Mutant, healthy
from parity.layers import all_specs
from parity.oracles import recorded

MUTANTS = all_mutants()
BLATANT = Mutant(
    "everything doubled",
    "test",
    "log_compression",
    "postprocessing.py",
    "return torch.log(inputs + log_offset)",
    "return 2.0 * torch.log(inputs + log_offset)",
)
COMMENT = Mutant(
    "a comment changed",
    "test",
    "log_compression",
    "postprocessing.py",
    "return torch.log(inputs + log_offset)",
    "return torch.log(inputs + log_offset)  # changed",
)
BROKEN = Mutant("gone", "test", "log_compression", "postprocessing.py", "no such text", "")
SYNTAX = Mutant(
    "no Python", "test", "log_compression", "postprocessing.py", "import torch\n", "(\n"
)


def fingerprint() -> dict[str, str]:
    """Every file of the port, caches included, by its contents."""
    files = (path for path in SOURCE.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


IN_SOURCE = [mutant for mutant in MUTANTS if not mutant.damages]
DAMAGES = [mutant for mutant in MUTANTS if mutant.damages]


@pytest.mark.parametrize("mutant", DAMAGES, ids=lambda mutant: mutant.name)
def test_damage_applies(mutant: Mutant) -> None:
    """As many bytes as before, some of them others."""
    whole = mutant.path.read_bytes()
    with hook.damaged(mutant) as folder:
        damaged = (folder / mutant.file).read_bytes()
    assert len(damaged) == len(whole)
    assert 0 < sum(one != other for one, other in zip(damaged, whole, strict=True)) < 8


@pytest.mark.parametrize("mutant", IN_SOURCE, ids=lambda mutant: mutant.name)
def test_mutant_applies(mutant: Mutant) -> None:
    """Its text is there exactly once, what comes of it is Python, and another program."""
    source = mutant.path.read_text()
    edited = ast.parse(mutant.applied(source))
    assert ast.dump(edited) != ast.dump(ast.parse(source))


def test_table_is_complete() -> None:
    """At least fifty bugs of different names and edits; every declared layer has one."""
    assert len(MUTANTS) >= 50
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    places = {(m.layer, m.file, m.old, m.new) for m in MUTANTS}
    assert len(places) == len(MUTANTS)
    assert {mutant.layer for mutant in MUTANTS} == set(all_specs())


def test_text_that_stands_twice_is_refused() -> None:
    """An edit of the wrong place would be another bug than the one declared."""
    with pytest.raises(DoesNotApplyError, match="2 times"):
        BLATANT.applied(f"{BLATANT.old}\n{BLATANT.old}")


def test_verdicts_leave_the_tree_as_it_is() -> None:
    """Caught, survived, broken, healthy: told apart, and no file is touched."""
    before = fingerprint()
    outcomes = runner.run([BLATANT, COMMENT, BROKEN, SYNTAX], lambda *_: None)
    assert [outcome.word for outcome in outcomes] == [
        "healthy",
        "caught",
        "SURVIVED",
        "BROKEN",
        "BROKEN",
    ]
    catch = outcomes[1].verdict.catch
    assert catch is not None
    assert catch.check == "port and official: output/0: values"
    assert catch.units is not None
    assert catch.allowed is not None
    assert catch.units > catch.allowed
    assert "0 times" in outcomes[3].verdict.broken
    assert fingerprint() == before


def test_a_mutant_that_the_known_check_misses_meets_all() -> None:
    """What is known is a hint: a check that passes, or is not there, changes no verdict."""
    told: list[str] = []
    hint = {BLATANT.name: "refusals: 0", COMMENT.name: "laws: no such law"}
    outcomes = runner.run([BLATANT, COMMENT], lambda kind, _: told.append(kind), hint)
    assert [outcome.word for outcome in outcomes] == ["healthy", "caught", "SURVIVED"]
    assert told.count("mutants that meet all checks") == 2


def test_the_known_check_comes_first() -> None:
    """Alone, with its case alone prepared; the control passes it."""
    (_, usual), told = runner.run([BLATANT], lambda *_: None), []
    known = runner.caught_by([usual])
    control, again = runner.run([BLATANT], lambda kind, _: told.append(kind), known)
    assert again.word == "caught"
    assert runner.caught_by([again]) == known
    assert control.word == "healthy"
    assert told == ["units of the healthy port, for mutants", "mutants", "healthy controls"]


def test_what_is_known_is_of_planted_bugs(tmp_path: Path) -> None:
    """No entry of a bug that is gone; what is kept comes back."""
    known = caught_by.read()
    assert known.keys() <= {mutant.name for mutant in MUTANTS}
    file = tmp_path / "caught_by.json"
    assert caught_by.read(file) == {}
    caught_by.keep(known, file)
    assert caught_by.read(file) == known


def test_survivor_makes_the_command_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit code 1, its name, what to do; the JSON file says it too."""
    monkeypatch.setattr(planted, "all_mutants", lambda: [BLATANT, COMMENT])
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "mutants.json"
    done = CliRunner().invoke(command.app, ["mutants", "--json", str(file)])
    assert done.exit_code == 1, done.output
    assert "1 of 2 planted bugs caught at their layer; 1 survived" in done.output
    assert "SURVIVED: a comment changed" in done.output
    verdicts = [outcome["verdict"] for outcome in json.loads(file.read_text())["outcomes"]]
    assert verdicts == ["healthy", "caught", "SURVIVED"]


def test_only_runs_the_named_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And exit code 0 when it is caught."""
    ran: list[Mutant] = []

    def run(mutants: list[Mutant], *_: object) -> bool:
        ran.extend(mutants)
        return True

    monkeypatch.setattr(report, "run", run)
    name = MUTANTS[3].name
    assert CliRunner().invoke(command.app, ["mutants", "--only", name]).exit_code == 0
    assert ran == [MUTANTS[3]]


def test_a_sample_is_another_one_by_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[Mutant]] = []

    def run(mutants: list[Mutant], *_: object) -> bool:
        ran.append(mutants)
        return True

    monkeypatch.setattr(report, "run", run)
    for seed in ("1", "2", "1"):
        asked = ["mutants", "--sample", "9", "--seed", seed]
        assert CliRunner().invoke(command.app, asked).exit_code == 0
    assert all(len(set(each)) == 9 for each in ran)
    assert ran[0] == ran[2] != ran[1]


def test_unknown_name_is_told() -> None:
    """Never a run of nothing that passes."""
    done = CliRunner().invoke(command.app, ["mutants", "--only", MUTANTS[0].name + "x"])
    assert done.exit_code != 0
    assert MUTANTS[0].name in str(done.exception)


def test_sick_control_makes_the_run_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches prove nothing where the healthy port is caught too."""
    control = healthy("log_compression")
    catch = runner.worker.Catch("a case", "output/0: values", message="off", again="again")
    sick = runner.Outcome(control, runner.Verdict(catch, 1))
    monkeypatch.setattr(runner, "run", lambda *_: [sick])
    console = Console(record=True, width=200)
    assert not report.run([], console)
    assert "SICK: healthy control" in console.export_text()


def test_a_control_that_has_the_bug_is_sick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs the very check that caught the mutant."""
    sick = dataclasses.replace(BLATANT, name="healthy control", origin="control")
    monkeypatch.setattr(runner, "healthy", lambda _: sick)
    control, caught = runner.run([BLATANT], lambda *_: None)
    assert control.word == "SICK"
    assert control.verdict.catch == caught.verdict.catch


def test_a_control_runs_all_where_nothing_was_caught() -> None:
    """Neither a survivor nor a damaged recording names a check of the port."""
    control, survivor = runner.run([COMMENT], lambda *_: None)
    assert control.verdict.tried == survivor.verdict.tried > 1


@pytest.mark.parametrize("layer", ["log_compression", "fft_conv1d"])
def test_what_is_prepared_comes_back_whole(layer: str, tmp_path: Path) -> None:
    """With the official side's units where it has its own: else the healthy port is off."""
    spec = all_specs()[layer]
    made = prepare.prepare(layer, 0, str(tmp_path))
    _, ready = case_checks.ready(spec, recorded.cases(spec)[0], recorded.load(spec))
    found = prepare.load(made.file)
    assert (found.official is None) is not spec.exceptions.official_transform
    for part in ("exact", "units", "official"):
        here, there = (getattr(each, part) or {} for each in (found, ready))
        assert here.keys() == there.keys()
        assert all(np.array_equal(here[name], there[name], equal_nan=True) for name in here)


def test_what_is_preloaded_has_not_seen_the_port() -> None:
    """Else no bug could be planted any more."""
    line = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; "
    line += "raise SystemExit('leaf_port' in sys.modules)"
    asked = [sys.executable, "-c", line, *runner.PRELOADED]
    assert subprocess.run(asked, check=False).returncode == 0


def test_a_mutant_takes_no_kept_units(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are the healthy port's: its source on the disk has no bug."""
    monkeypatch.setenv(kept_units.FOLDER, str(tmp_path))
    ours, theirs = multiprocessing.Pipe(duplex=False)
    worker.run(DAMAGES[0], [], None, None, theirs)
    assert ours.recv().catch is not None
    assert kept_units.FOLDER not in os.environ
