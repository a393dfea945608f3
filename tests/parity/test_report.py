"""python -m parity report: the page and the JSON say what was found, and nothing is lost by it."""

from __future__ import annotations

import dataclasses
import json
import re
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from _page import Page
from rich.console import Console

from leaf_port import LeafError
from parity.checks import case_checks, compare, monte_carlo
from parity.checks.case_checks import Result
from parity.checks.compare import Difference
from parity.checks.gradients import Skip
from parity.layers import all_specs
from parity.oracles import official, recorded
from parity.oracles.official import Official
from parity.report import (
    clip,
    clip_layers,
    command,
    content,
    document,
    edits,
    files,
    heat_map,
    page,
    rows,
)
from parity.report.command import Outputs
from parity.report.rows import Row
from parity.spec import Case, LayerSpec

SPECS = all_specs()
BROKEN = Result(
    "squared_modulus",
    "a planted case",
    None,
    [
        Difference("output/0", "values", False, 2e-3, 40.0, message="<far> & off", allowed=4.0),
        Difference("output/1", "shape", False, np.inf, np.inf, message="shape (1,)"),
    ],
)


def checked(layer: str, cases: int = 2) -> Row:
    """The row of a layer's first cases."""
    row = Row(SPECS[layer])
    recording = recorded.load(row.spec)
    for case in row.spec.cases()[:cases]:
        for result in case_checks.check(row.spec, case, recording.answer):
            row.add(result)
    row.refuse(case_checks.check_errors_named(layer))
    return row


@pytest.fixture(scope="module")
def healthy() -> list[Row]:
    """Two layers, checked, one of them in both arithmetics."""
    return [checked("gabor_filters"), checked("squared_modulus")]


@pytest.fixture
def failing(healthy: list[Row]) -> list[Row]:
    """The same with a failing result in the second."""
    row = Row(healthy[1].spec, refusals=healthy[1].refusals)
    for result in (*healthy[1].results, BROKEN):
        row.add(result)
    return [healthy[0], row]


def _small(spec: LayerSpec) -> Case:
    return min(spec.cases(), key=lambda case: (case.config["samples"], not case.initial))


@pytest.fixture
def small_clip(monkeypatch: pytest.MonkeyPatch) -> clip.Clip:
    """A short recorded clip through one frontend."""
    monkeypatch.setattr(clip_layers, "longest", _small)
    made = clip.make([SPECS["time_domain_filterbanks"]], None, lambda: None)
    assert made is not None
    return made


# The JSON document


def test_the_document_holds_every_result(healthy: list[Row]) -> None:
    told = json.loads(document.text(content.make(healthy, None)))
    assert told["schema"] == document.SCHEMA
    assert (told["ok"], told["failed"]) == (True, 0)
    for row in healthy:
        layer = told["layers"][row.spec.name]
        assert len(layer["results"]) == len(row.results)
        assert len(layer["refusals"]) == len(row.spec.errors)
        for result, found in zip(layer["results"], row.results, strict=True):
            names = [(d["check"], d["array"]) for d in result["differences"]]
            assert names == [(d.check, d.array) for d in found.differences]
            assert {"relative", "units", "allowed", "budget_used"} <= set(result["differences"][0])
            assert (result["backend"], result["arithmetic"]) == ("cpu", found.arithmetic)
    assert {"python", "torch", "numpy", "leaf_port"} <= set(told["versions"])
    assert {"tensorflow", "leaf_audio"} <= set(told["official_versions"][0])
    known = told["units"]
    assert (known["runs"], known["sturdy"]["runs"]) == (monte_carlo.RUNS, monte_carlo.STURDY_RUNS)
    assert known["known_to"][0] < known["sturdy"]["known_to"][0] < 1.0
    assert 1.0 < known["sturdy"]["known_to"][1] < known["known_to"][1]


def test_a_failing_result_turns_the_documents_verdict(failing: list[Row]) -> None:
    """And what is not finite is null, as JSON has no word for it."""
    text = document.text(content.make(failing, None))
    assert not re.search(r"\b(NaN|Infinity)\b", text)
    told = json.loads(text)
    assert (told["ok"], told["failed"]) == (False, 2)
    assert told["layers"]["gabor_filters"]["ok"]
    assert not told["layers"]["squared_modulus"]["ok"]
    values, shape = told["layers"]["squared_modulus"]["results"][-1]["differences"]
    assert (values["budget_used"], values["ok"]) == (10.0, False)
    assert shape["units"] is None
    assert BROKEN.again in told["failures"][0]


def test_a_failing_refusal_is_told(healthy: list[Row]) -> None:
    row = Row(SPECS["squared_modulus"], refusals=[rows.Refusal("inputs", "refuses", "accepted")])
    cell = heat_map.refusals(row)
    assert (page.shade(cell), cell.told) == ("off", "accepted")
    told = document.document(content.make([row], None))
    assert told["layers"]["squared_modulus"]["refusals"][0]["problem"] == "accepted"


def test_neither_names_this_machine(healthy: list[Row]) -> None:
    report = content.make(healthy, None)
    for text in (document.text(report), page.html(report)):
        assert str(Path(sys.prefix)) not in text
        assert str(Path(__file__).parents[2]) not in text


# The page


def test_the_page_is_well_formed_and_self_contained(
    failing: list[Row], small_clip: clip.Clip
) -> None:
    text = page.html(content.make(failing, small_clip))
    read = Page(text)
    assert not read.problems
    assert len(read.ids) == len(set(read.ids))
    local = [link for link in read.links if link.startswith("#")]
    assert {link[1:] for link in local} <= set(read.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(read.ids)
    elsewhere = [link for link in read.links if not link.startswith(("#", "data:image/png;base64"))]
    assert not elsewhere
    assert "http" not in text
    assert "@import" not in text
    assert len(text) < 3_000_000


def test_every_layer_has_its_line_and_only_a_failure_is_red(
    healthy: list[Row], failing: list[Row]
) -> None:
    good, bad = (Page(page.html(content.make(each, None))) for each in (healthy, failing))
    for layer in ("gabor_filters", "squared_modulus"):
        assert not [kind for kind, _ in good.cells[layer] if kind == "off"]
        assert any(kind.startswith("u") for kind, _ in good.cells[layer])
    assert not [kind for kind, _ in bad.cells["gabor_filters"] if kind == "off"]
    (red,) = [text for kind, text in bad.cells["squared_modulus"] if kind == "off"]
    assert red == "✗ off"


def test_the_page_tells_the_verdict_and_the_failure(healthy: list[Row], failing: list[Row]) -> None:
    assert "Nothing is off" in page.html(content.make(healthy, None))
    text = page.html(content.make(failing, None))
    assert "Nothing is off" not in text
    assert "&lt;far&gt; &amp; off" in text
    assert "<far>" not in text


def test_columns_come_from_the_results(healthy: list[Row]) -> None:
    """A backend that is new has its column; where it was not run, the cell says why."""
    other = Row(SPECS["squared_modulus"])
    first = healthy[1].results[0]
    other.add(Result("squared_modulus", first.case, None, first.differences, backend="xla"))
    other.add(Result("squared_modulus", first.case, None, first.differences[:1]))
    skipped = Result("gabor_filters", "", "real", skips=[Skip("all", "no sort")], backend="xla")
    gabor = Row(SPECS["gabor_filters"], [*healthy[0].results, skipped])
    heads, lines = heat_map.lines([gabor, other])
    names = [head.text for head in heads]
    assert names[-1] == "official"
    assert {"xla float32", "xla float32 real", "cpu float32 complex", "xla float64"} <= set(names)
    states = dict(zip(names, (forward for forward, _ in lines[0].cells), strict=True))
    assert states["cpu float32 complex"].state == "ok"
    assert states["cpu float32"].state == "none"
    assert states["xla float32 real"].state == "not run"
    assert "no sort" in states["xla float32 real"].told


def test_an_error_is_red_in_every_run_of_its_layer() -> None:
    row = Row(SPECS["gabor_filters"])
    row.add(Result("gabor_filters", "x", None, error="raised ValueError: no"))
    heads, lines = heat_map.lines([row])
    assert [head.arithmetic for head in heads] == ["complex", "real"]
    assert {cell.state for pair in lines[0].cells for cell in pair} == {"off"}


def test_shades_grow_with_the_budget() -> None:
    steps = [page.shade(heat_map.Cell("ok", used)) for used in (0.0, 0.5, 1.0)]
    assert steps == ["u0", "u5", "u10"]
    assert page.shade(heat_map.Cell("off", 1.01)) == "off"
    assert heat_map.Cell("off", 3.2).text == "✗ 3.20"


def test_histograms_count_every_element(healthy: list[Row]) -> None:
    from parity.report.charts import histograms

    row = healthy[1]
    outputs = sum(
        np.prod(recorded.load(row.spec).answers[result.case].outputs[0].shape, dtype=int)
        for result in row.results
    )
    found = histograms.series([row], gradient=False)
    assert {column.text: sum(counts) for column, counts in found.items()} == {
        "cpu float32": outputs,
        "official": outputs,
    }
    both = histograms.merged(healthy, gradient=False)
    assert len({sum(counts) for counts in both.values()}) == 1


# What was not run


def test_what_was_not_run_is_told_with_its_reason(
    healthy: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(official.PYTHON, raising=False)
    skips = [Skip("gradients/input/inputs", "a planted kink")]
    told = Result("squared_modulus", "x", None, skips=skips, single="a planted single")
    report = content.make([healthy[0], Row(SPECS["squared_modulus"], [told])], None)
    text = page.html(report).partition("<h3>Not run</h3>")[2]
    named = [
        official.PYTHON,
        "a planted kink",
        "a planted single",
        "backend cuda",
        "not chosen with --layer",
        "no frontend was chosen",
    ]
    listed = json.dumps(document.document(report)["not_run"])
    assert [each for each in named if each not in text] == []
    assert [each for each in named if each not in listed] == []


def test_the_clip_says_why_it_is_not_the_recording(
    monkeypatch: pytest.MonkeyPatch, healthy: list[Row]
) -> None:
    monkeypatch.delenv(official.PYTHON, raising=False)
    monkeypatch.setattr(clip_layers, "longest", _small)
    waveform = clip.Waveform("spoken.wav", np.zeros(800, np.float32), 8000)
    made = clip.make([SPECS["time_domain_filterbanks"]], waveform, lambda: None)
    assert made is not None
    assert not made.live
    assert "spoken.wav" in made.why
    assert official.PYTHON in made.why
    assert made.why in page.html(content.make(healthy, made))
    (answer,) = made.answers
    assert answer.port.shape == answer.official.shape == answer.unit.shape
    assert (answer.unit > 0.0).all()
    assert answer.worst_units <= answer.allowed  # 0 where both are the same to the last bit
    moved = dataclasses.replace(answer, port=answer.official + 2.0 * answer.unit)
    assert moved.worst_units == pytest.approx(2.0)


def test_a_frontend_that_raises_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clip_layers, "longest", _small)
    broken, whole = SPECS["mel_filterbanks"], SPECS["time_domain_filterbanks"]
    monkeypatch.setattr(recorded, "load", _refusing(broken.name))
    made = clip.make([broken, whole], None, lambda: None)
    assert made is not None
    assert [answer.frontend for answer in made.answers] == [whole.name]
    assert "planted" in made.not_run[0].why


def _refusing(name: str) -> object:
    load = recorded.load

    class Refusing:
        versions = load(SPECS[name]).versions

        def answer(self, *_: object) -> None:
            raise RuntimeError("planted")

    return lambda spec: Refusing() if spec.name == name else load(spec)


# Recordings


def write_wav(path: Path, seconds: float, rate: int = 8000) -> Path:
    """A tone."""
    samples = (9000 * np.sin(np.arange(int(seconds * rate)) / 3)).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return path


def test_a_long_recording_is_cut(tmp_path: Path) -> None:
    read = clip.read(write_wav(tmp_path / "a.wav", clip.MOST_SECONDS + 1.0))
    assert (read.name, read.rate) == ("a.wav", 8000)
    assert len(read.samples) == clip.MOST_SECONDS * 8000


@pytest.mark.parametrize("text", [None, "no audio"])
def test_an_unreadable_recording_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "a.wav"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LeafError, match="report: --audio"):
        clip.read(path)


@pytest.mark.usefixtures("live")
def test_a_recording_through_the_live_official_code() -> None:
    """At 8 kHz, with filters for that rate on both sides."""
    noise = np.random.default_rng(3).standard_normal(900).astype(np.float32)
    specs = [SPECS[name] for name in ("leaf", "sincnet", "time_domain_filterbanks")]
    with Official() as live:
        waveform = clip.Waveform("noise.wav", noise, 8000)
        made = clip.from_official(specs, waveform, live, lambda: None)
    assert [answer.frontend for answer in made.answers] == ["leaf", "sincnet"]
    assert all(answer.worst_units <= answer.allowed for answer in made.answers)
    assert "16 kHz" in made.not_run[0].why


# Files and the command


@pytest.mark.parametrize("option", ["html", "json"])
def test_nothing_is_overwritten_unasked(tmp_path: Path, option: str) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    paths: dict[str, Path | None] = {"html": None, "json": None, option: there}
    with pytest.raises(LeafError, match=f"--{option}: expected a name that is free"):
        Outputs.chosen(**paths, force=False)
    assert Outputs.chosen(**paths, force=True).force
    with pytest.raises(LeafError, match="a name that is free"):  # it came to be meanwhile
        files.write({there: "new"}, force=False)
    assert there.read_text() == "mine"
    files.write({there: "new"}, force=True)
    assert there.read_text() == "new"
    assert list(tmp_path.iterdir()) == [there]


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="a folder that exists"):
        files.check("--html", tmp_path / "none" / "a.html", force=True)
    with pytest.raises(LeafError, match="expected a file"):
        files.check("--html", tmp_path, force=True)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "b"  # its folder was removed meanwhile
    with pytest.raises(LeafError, match="a place to write to"):
        files.write({tmp_path / "a": "text", gone: "text"}, force=False)
    assert not list(tmp_path.iterdir())


def test_without_names_both_are_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Outputs.chosen(None, None, False) == Outputs(command.HTML, command.JSON)
    assert Outputs.chosen(Path("a.html"), None, False).json is None


def _run(found: list[Row], outputs: Outputs, monkeypatch: pytest.MonkeyPatch) -> tuple[bool, str]:
    monkeypatch.setattr(rows, "gather", lambda *_: found)
    console = Console(record=True, width=200)
    ok = command.run([row.spec for row in found], outputs, None, console)
    return ok, console.export_text()


def test_a_failure_is_written_and_fails_the_command(
    failing: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = Outputs(tmp_path / "a.html", tmp_path / "a.json")
    ok, text = _run(failing, outputs, monkeypatch)
    assert not ok
    assert "2 failed" in text
    assert str(tmp_path / "a.html") in text
    assert not json.loads((tmp_path / "a.json").read_text())["ok"]
    assert 'class="off"' in (tmp_path / "a.html").read_text()


def test_a_campaign_of_edits_is_shown(healthy: list[Row]) -> None:
    """Its figures and what survived; that the port has changed since; that there is none."""
    some, none = edits.Figures(30, 2, 1, 4, 5), edits.Figures(equivalent=1)
    survivor = edits.Survivor("leaf_port/padding.py", 7, "operator", "- a < b\n+ a <= b")
    groups = {"operator": some, "word": none}
    kept = edits.Kept("2026-01-02", "a processor", "c0ffee", "0", groups, groups, [survivor])
    report = dataclasses.replace(content.make(healthy, None), edits=kept)
    text = page.html(report)
    told = ("90.9 % were", "97.0 % with", "a &lt; b", "leaf_port/padding.py", "have changed since")
    assert all(each in " ".join(text.split()) for each in told)
    read = Page(text)
    assert not read.problems
    assert [told for _, told in read.cells["word"]] == [*["0"] * 3, "1", "0", "–"] * 2
    assert json.loads(document.text(report))["edits"]["by_file"]["word"]["equivalent"] == 1
    assert "No campaign is kept" in page.html(dataclasses.replace(report, edits=None))


def test_the_command(tmp_path: Path) -> None:
    """As a user runs it: the table, both files, exit code 0; and then 2, as they exist."""
    line = [sys.executable, "-m", "parity", "report", "--layer", "squared_modulus"]
    line += ["--html", str(tmp_path / "a.html"), "--json", str(tmp_path / "a.json")]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
    assert json.loads((tmp_path / "a.json").read_text())["ok"]
    assert not Page((tmp_path / "a.html").read_text()).problems
    again = subprocess.run(line, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1
    assert "--force" in again.stderr


def test_the_table_of_run_is_that_of_report(
    healthy: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parity.report import table

    ok, text = _run(healthy, Outputs(None, tmp_path / "a.json"), monkeypatch)
    console = Console(record=True, width=200)
    assert table.run([row.spec for row in healthy], None, console)
    assert ok
    assert text.startswith(console.export_text())


def test_checks_of_both_sides_are_in_the_histograms(healthy: list[Row]) -> None:
    """What the checks yield, not only what is constructed."""
    for row in healthy:
        for each in (d for result in row.results for d in result.differences):
            wanted = each.check in (compare.PORT, compare.REFERENCE)
            assert bool(each.histogram) == wanted
