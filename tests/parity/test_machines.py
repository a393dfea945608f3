"""python -m parity machines: settings, their runs, what is kept of them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from leaf_port.errors import LeafError
from parity.checks import tightness, worst_values
from parity.checks.compare import DOUBLE, PORT, REFERENCE
from parity.checks.worst_values import Seen, Worst
from parity.commands import app as parity_command
from parity.commands.machines import command, outcome, runner, table
from parity.commands.machines.outcome import Outcome
from parity.layers import all_specs
from parity.port import processor
from parity.port.processor import AS_IT_IS, Setting
from parity.spec.budget import NOT_RECORDED, Bound

LAYER = "log_compression"
CACHE = "TORCHINDUCTOR_CACHE_DIR"
PLACE = f"plain, {PORT}, forward"
PLAYABLE = [setting for setting in processor.settings() if not setting.missing]
BASELINE = Setting("NumPy up to its baseline", {"NPY_DISABLE_CPU_FEATURES": ""})


def _worst(units: float, on: str = "here") -> Worst:
    return {LAYER: {PLACE: Seen(units, "frames=1", on)}}


def _outcome(digest: str, units: float = 2.0, failures: Sequence[str] = ()) -> Outcome:
    return Outcome(50, failures, {LAYER: digest}, _worst(units))


def test_each_setting_can_be_played_or_says_why_not() -> None:
    found = processor.settings()
    assert len({setting.name for setting in found}) == len(found)
    assert AS_IT_IS in PLAYABLE
    assert all(setting.missing or setting.environment for setting in found if setting != AS_IT_IS)
    variables = {name for setting in found for name in setting.environment}
    assert variables >= {
        "NPY_DISABLE_CPU_FEATURES",
        processor.THREADS,
        processor.ONEDNN,
        "MKL_CBWR",
    }


def test_processors_of_one_name_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"model name": "AMD EPYC", "cpu family": "25", "model": "17", "flags": "sse avx avx2"}
    monkeypatch.setattr(processor, "_cpuinfo", lambda key: told.get(key, ""))
    assert processor.processor() == "AMD EPYC, family 25, model 17, AVX2"
    told |= {"model": "1", "flags": "sse avx avx2 avx512f"}
    assert processor.processor() == "AMD EPYC, family 25, model 1, AVX-512"


@pytest.mark.parametrize("level", ["avx2", ""])
def test_compiled_code_of_a_level_has_its_own_folder(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the user has named one; torch's default is that of the machine as it is."""
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", level)
    monkeypatch.setenv(CACHE, "whatever there was")
    monkeypatch.delenv(CACHE)
    processor.separate_compiled()
    assert os.environ.get(CACHE, "").endswith(f"_{level}" if level else "")
    assert (CACHE in os.environ) is bool(level)
    monkeypatch.setenv(CACHE, "/own")
    processor.separate_compiled()
    assert os.environ[CACHE] == "/own"


def test_numpy_is_played_from_its_baseline_up() -> None:
    dispatched = ["X86_V3", "X86_V4", "AVX512_ICL"]
    enabled = {"X86_V3": True, "X86_V4": True, "AVX512_ICL": False}
    found = list(processor.numpy_levels(dispatched, enabled))
    disabled = [setting.environment["NPY_DISABLE_CPU_FEATURES"] for setting in found]
    assert disabled == ["X86_V3 X86_V4", "X86_V4", "", ""]
    assert [bool(setting.missing) for setting in found] == [False, False, True, True]
    assert "AVX512_ICL" in found[3].missing


def test_the_environment_reaches_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    before = torch.get_num_threads(), torch.backends.mkldnn.enabled
    monkeypatch.setenv(processor.THREADS, "3")
    monkeypatch.setenv(processor.ONEDNN, "off")
    try:
        processor.prepare()
        assert torch.get_num_threads() == 3
        assert not torch.backends.mkldnn.enabled
        assert processor.played()[processor.THREADS] == "3"
    finally:
        torch.set_num_threads(before[0])
        torch.backends.mkldnn.set_flags(before[1])


def test_a_setting_is_run_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several threads, and as many for OpenMP as it likes: workers that are forked behind a
    parallel loop would wait for ever.
    """
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(runner, "SECONDS", 600.0)
    threads = Setting("threads=2", {processor.THREADS: "2"})
    found = runner.run(threads, [LAYER], tmp_path)
    assert found.passed > 10
    assert not found.failures
    assert found.digests.keys() == {LAYER}
    assert f"{processor.THREADS}=2" in found.worst[LAYER][PLACE].on


def test_a_run_without_an_outcome_is_told_with_its_command(tmp_path: Path) -> None:
    broken = Setting("no threads", {processor.THREADS: "none"})
    with pytest.raises(LeafError, match="PARITY_THREADS='none' python -m parity run"):
        runner.run(broken, [LAYER], tmp_path)


def test_a_part_that_is_another_one_each_day() -> None:
    firsts = [runner.rotated(PLAYABLE, day)[0].name for day in range(len(PLAYABLE) - 1)]
    assert sorted(firsts) == sorted(setting.name for setting in PLAYABLE if setting.environment)


def test_minutes_bound_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one setting is run, and none that would likely end too late."""
    now = iter(range(0, 10_000, 50))  # each look at the clock is 50 s later
    monkeypatch.setattr(runner.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(runner, "run", lambda *_: _outcome("a"))
    todo = [Setting(str(index), {"X": "1"}) for index in range(5)]
    assert list(runner.run_all(todo, (), 0.0, lambda *_: None)) == ["0"]
    assert 1 < len(runner.run_all(todo, (), 5.0, lambda *_: None)) < 5
    assert len(runner.run_all(todo, (), None, lambda *_: None)) == 5


def test_the_table_tells_what_moved_and_what_was_not_run() -> None:
    absent = Setting("avx512", {"A": "avx512"}, "this processor has no avx512")
    others = [Setting(name, {"A": name}) for name in ("same", "moved", "lost")]
    lost = LeafError("machines", "lost", "a run", "exit code 1", "run it by hand")
    found = {
        AS_IT_IS.name: _outcome("a"),
        "same": _outcome("a"),
        "moved": _outcome("b", 4.5, ["off"]),
        "lost": lost,
    }
    lines = {line[0]: line[1:] for line in table.lines([AS_IT_IS, *others, absent], found)}
    assert lines["same"][2] == "0"
    assert lines["moved"] == ("50", "1", LAYER, f"4.5 ({LAYER}: {PLACE})")
    assert lines["lost"][:3] == ("-", "1", "no outcome")
    assert lines["avx512"][3] == absent.missing
    text = table.markdown("title", [AS_IT_IS, *others, absent], found)
    assert f"| {LAYER} | 2.0 | = | 4.5 |" in text


@pytest.mark.parametrize(
    ("came", "ok"), [(_outcome("a"), True), (_outcome("a", failures=["off"]), False)]
)
def test_a_failure_in_any_setting_is_one(
    came: Outcome, ok: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runner, "run", lambda *_: came)
    options = command.Options(markdown=tmp_path / "table.md")
    assert command.run(PLAYABLE[:2], options, Console(quiet=True)) == ok
    assert AS_IT_IS.name in (tmp_path / "table.md").read_text()


def test_the_command_lists_and_refuses() -> None:
    listed = CliRunner().invoke(parity_command.app, ["machines", "--list"])
    assert listed.exit_code == 0
    assert all(setting.name in listed.output for setting in processor.settings())
    wrong = CliRunner().invoke(parity_command.app, ["machines", "--setting", "abacus"])
    assert isinstance(wrong.exception, LeafError)
    partial = CliRunner().invoke(parity_command.app, ["machines", "--keep", "--layer", LAYER])
    assert isinstance(partial.exception, LeafError)


def test_the_greater_of_two_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "machines.json"
    for units, on in ((2.0, "one"), (3.0, "another"), (1.0, "a third")):
        worst_values.keep(_worst(units, on), path)
    assert worst_values.load(path) == _worst(3.0, "another")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["", "[]", '{"pcen": 1}', '{"pcen": {"port": {"units": 1}}}'])
def test_a_record_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "machines.json"
    path.write_text(text)
    with pytest.raises(LeafError, match=r"machines\.json"):
        worst_values.load(path)


def test_a_bound_is_judged_by_the_worst_of_all_machines() -> None:
    here = tightness.Used(LAYER, False, PORT, "forward", 9.0, 1.0, "frames=1")
    assert here.loose
    (elsewhere,) = worst_values.over_machines([here], _worst(3.5, "another processor"))
    assert not elsewhere.loose
    assert "another processor" in elsewhere.case
    assert worst_values.over_machines([here], _worst(0.5)) == [here]


def test_outcomes_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "outcome.json"
    came = _outcome("a", failures=["off"])
    path.write_text(
        json.dumps(dataclasses.asdict(came) | {"worst": worst_values.as_json(came.worst)})
    )
    assert outcome.read(path) == came
    path.write_text("{}")
    with pytest.raises(LeafError, match="--worst"):
        outcome.read(path)


def _declared(place: str, layer: str) -> Bound:
    adverse, check, kind = place.split(", ")
    spec = all_specs()[layer]
    budget = (
        spec.budget
        if adverse == "plain" or spec.exceptions.adverse is None
        else spec.exceptions.adverse
    )
    if check == DOUBLE:
        return spec.budget.double
    side = {PORT: "port", REFERENCE: "reference"}[check]
    bound: Bound = getattr(budget, side + "_gradient" * (kind == "gradient"))
    return bound


def test_the_worst_beside_a_bound_is_the_worst_of_all_machines() -> None:
    """What ``parity/recordings/machines.json`` holds, declarations tell too."""
    kept = worst_values.load()
    assert kept.keys() == all_specs().keys()
    other = [
        f"{layer}: {place}: {seen.units:.4g} on {seen.on}"
        for layer, places in kept.items()
        for place, seen in places.items()
        if not (bound := _declared(place, layer)).at.startswith(NOT_RECORDED)
        and bound.worst < seen.units * (1 - 1e-3)
    ]
    assert not other


def test_a_worst_beyond_the_record_says_where_it_was() -> None:
    """The greatest of a bound's places in the record, or ``at`` names another one."""
    greatest: dict[int, tuple[float, Bound, str]] = {}
    for layer, places in worst_values.load().items():
        for place, seen in places.items():
            bound = _declared(place, layer)
            units = max(seen.units, greatest.get(id(bound), (0.0,))[0])
            greatest[id(bound)] = units, bound, f"{layer}: {place}"
    beyond = [
        (place, bound.worst, units)
        for units, bound, place in greatest.values()
        if not bound.at and bound.worst > units * (1 + 1e-3) + 1e-3
    ]
    assert not beyond
