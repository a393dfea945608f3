"""python -m parity mutants --automatic: the edits, the checks that they concern, the verdicts."""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from leaf_port.errors import LeafError
from parity.checks.invariants import checker
from parity.commands import app as command
from parity.commands.mutants import exchange, process, runner
from parity.commands.mutants.automatic import (
    campaign,
    equivalent,
    kept,
    near,
    report,
    selection,
    sources,
    statements,
    worker,
)
from parity.commands.mutants.automatic.asked import (
    CASE,
    DERIVATIVES,
    LAW,
    REFUSAL,
    TEST,
    Asked,
    Layer,
)
from parity.commands.mutants.automatic.edit import Edit
from parity.commands.mutants.automatic.selection import Selection, Traced
from parity.layers import all_specs
from parity.report import edits

LAYER, FILE = "log_compression", "leaf_port/postprocessing.py"


def edited(source: str, operator: str) -> list[str]:
    """What a source becomes by edits of a kind, in their order."""
    return [e.applied(source) for e in statements.edits("x.py", source) if e.operator == operator]


@pytest.mark.parametrize(
    ("source", "operator", "expected"),
    [
        ("a = b + c", "operator", ["a = b - c"]),
        ("a = (b) ** (c)", "operator", ["a = (b) * (c)"]),
        ("a = b @ c", "operator", ["a = b * c"]),
        ("a = b < c", "comparison", ["a = b <= c", "a = b >= c"]),
        ("a = b is not c", "comparison", ["a = b is c"]),
        ("a = b not in c", "comparison", ["a = b in c"]),
        ("a = b and c", "boolean", ["a = b or c"]),
        ("a = -b", "sign", ["a = (b)"]),
        ("a = not b", "sign", ["a = (b)"]),
        ("a = 3", "constant", ["a = 4"]),
        ("a = 0.5", "constant", ["a = 1.0"]),
        ("a = 0.0", "constant", ["a = 1.0"]),
        ("a = True", "constant", ["a = False"]),
        ("a = b if c else d", "choice", ["a = (b)", "a = (d)"]),
        ("a = b[c:d]", "slice", ["a = b[:d]", "a = b[c:]"]),
        ("a = b == 'c'", "word", ["a = b == 'c_'"]),
        ("a = f(b, c)", "dropped argument", ["a = f(b)"]),
        ("a = f(b=(c), d=e)", "dropped argument", ["a = f(d=e)", "a = f(b=(c))"]),
        ("a = f(b)", "dropped argument", []),
        ("a = f(b=c)", "dropped argument", ["a = f()"]),
        ("a = f(b, c)", "exchanged arguments", ["a = f(c, b)"]),
        ("a = b.detach()", "call", ["a = (b)"]),
        ("a = torch.abs(b)", "call", []),
        ("a = torch.min(b)", "namesake", ["a = torch.max(b)"]),
        ("f(b)", "dropped statement", ["pass"]),
        ("a += b", "dropped statement", ["pass"]),
        ("if a:\n    b()", "condition", ["if True:\n    b()", "if False:\n    b()"]),
        ("raise E", "dropped raise", ["pass"]),
        ("for a in b:\n    break", "dropped jump", ["for a in b:\n    pass"]),
        ("with a():\n    b()", "dropped context", ["if True:\n    b()"]),
        ("with a() as c:\n    b()", "dropped context", []),
        ("self.a = b", "dropped attribute", ["pass"]),
        ("def f():\n    return a", "returned", ["def f():\n    return None"]),
        (
            "def f(a=1, *, b=2.0):\n    g()",
            "default",
            ["def f(a=2, *, b=2.0):\n    g()", "def f(a=1, *, b=4.0):\n    g()"],
        ),
        ("def f(a='b'):\n    g()", "default", ["def f(a='b_'):\n    g()"]),
        ("@a\ndef f():\n    g()", "decorator", ["\ndef f():\n    g()"]),
        ("@property\ndef f():\n    g()", "decorator", []),
        ("a = 'ä' + b", "operator", ["a = 'ä' - b"]),
    ],
)
def test_edit(source: str, operator: str, expected: list[str]) -> None:
    """Each kind, by what the source becomes."""
    assert edited(source, operator) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A text."""',
        "import torch",
        "from a import b",
        "__all__ = ['a', 'b']",
        "A = Callable[[int], int]",
        "if TYPE_CHECKING:\n    a = 1",
        "a: Literal[1]",
        "assert a == 1",
        "@overload\ndef f(a: int = 1) -> int: ...",
    ],
)
def test_what_nothing_computes_is_left(source: str) -> None:
    """Texts, imports, types."""
    assert statements.edits("x.py", source) == []


def test_edits_of_a_module() -> None:
    """Each compiles, is another program, and says where it stands."""
    source = sources.source(FILE)
    found = statements.edits(FILE, source)
    assert len(found) > 100
    before = ast.dump(ast.parse(source))
    for each in found[::7]:
        assert ast.dump(ast.parse(each.applied(source))) != before
        assert each.begin < len(source.encode())
        assert each.first <= each.last
    assert {each.scope for each in found} >= {"log_compression", "PCEN.__init__", "PCEN.forward"}


def test_a_key_is_of_the_changed_lines() -> None:
    """Lines added elsewhere leave it; a change of the line does not."""
    source = "def f():\n    a = b + c\n    return a\n"
    key = statements.edits("x.py", source)[0].key(source)
    moved = f"import d\n\n{source}"
    assert statements.edits("x.py", moved)[0].key(moved) == key
    other = source.replace("b + c", "b + d")
    assert statements.edits("x.py", other)[0].key(other) != key


def test_edits_that_read_alike_have_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same line twice in a function is two edits."""
    source = "def f():\n    a.b()\n    a.b()\n"
    monkeypatch.setattr(sources, "source", lambda _: source)
    found = [e for e in statements.edits("x.py", source) if e.operator == "dropped statement"]
    assert len(campaign.keys(found)) == 2


def test_a_sample_is_of_a_seed() -> None:
    """The same edits for a seed, others for another; a greater sample begins with a smaller."""
    found = statements.edits(FILE, sources.source(FILE))
    ten = sources.sample(found, 10, 0)
    assert sources.sample(found[::-1], 10, 0) == ten
    assert sources.sample(found, 20, 0)[:10] == ten
    assert sources.sample(found, 10, 1) != ten
    assert len(sources.sample(found, None, 0)) == len(found)


def test_changed_lines_of_a_diff() -> None:
    """As git tells them, of two files."""
    diff = "+++ b/a.py\n@@ -1 +2,2 @@\n-x\n+y\n+z\n@@ -9,2 +9,0 @@\n+++ b/c.py\n@@ -1 +1 @@\n"
    assert sources._changed(diff) == {"a.py": {2, 3}, "c.py": {1}}


def test_since_the_kept_campaign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its commit is the revision; without a record an error says what to do."""
    load, file = edits.load, tmp_path / "edits.json"
    monkeypatch.setattr(edits, "load", lambda: load(file))
    with pytest.raises(LeafError, match="--since kept"):
        kept.revision()
    monkeypatch.setattr(sources, "commit", lambda: "c0ffee")
    monkeypatch.setattr(sources, "is_commit", "c0ffee".__eq__)
    kept.keep(_results(), file)
    asked: list[str] = []

    def since(found: list[Edit], revision: str) -> list[Edit]:
        asked.append(revision)
        return found[:1]

    monkeypatch.setattr(sources, "since", since)
    keyed = campaign.keys(statements.edits(FILE, sources.source(FILE)))
    assert len(report.Chosen(since=report.KEPT).of(keyed)) == 1
    assert asked == ["c0ffee"]


def test_since_a_kept_campaign_whose_commit_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A rewritten history has the commit that brought the record; without it an error says so."""
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(name)  # git's own, in a hook: they would name another checkout
    _git(tmp_path, "init", "-q")
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    file = tmp_path / "edits.json"
    load = edits.load
    monkeypatch.setattr(edits, "load", lambda: load(file))
    monkeypatch.setattr(kept, "FILE", file)
    for named in ("", "c0ffee"):
        monkeypatch.setattr(sources, "commit", lambda named=named: named)
        kept.keep(_results(), file)
        with pytest.raises(LeafError, match=rf"whose commit git knows, got {named or 'none'}"):
            kept.revision()
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "Keep a campaign")
    head = _git(tmp_path, "rev-parse", "HEAD")
    assert kept.revision() == head
    (tmp_path / "other").touch()
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "Change something else")
    assert kept.revision() == head
    monkeypatch.setattr(sources, "commit", lambda: head)
    kept.keep(_results(), file)
    _git(tmp_path, "commit", "-qam", "Keep it again")
    assert kept.revision() == head


def _git(folder: Path, *asked: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    told = subprocess.run(
        ["git", *who, *asked], cwd=folder, capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def test_since_a_revision_that_is_not_there() -> None:
    """One error that names it."""
    with pytest.raises(LeafError, match="no-such-revision"):
        sources.since([], "no-such-revision")


def traced(name: str, seconds: float, *lines: int) -> Traced:
    return Traced(Asked(name, CASE, "c"), seconds, {"leaf_port/utils.py": frozenset(lines)})


def test_selection_is_by_executed_lines() -> None:
    """Cheapest first; what does not execute the line is not asked."""
    checks = [traced("slow", 2.0, 5), traced("fast", 1.0, 4, 5), traced("other", 0.1, 9)]
    edit = Edit("leaf_port/utils.py", 0, 0, "", "operator", "f", 5, 6, imported=False)
    assert [each.layer for each in Selection(checks).of(edit)] == ["fast", "slow"]


def test_a_default_concerns_whoever_runs_the_function() -> None:
    """The line of the head is executed when the module is imported."""
    found = statements.edits(FILE, sources.source(FILE))
    edit = next(e for e in found if e.operator == "default" and e.scope == "log_compression")
    inside = edit.last + 1
    body = max(e.last for e in found if e.scope == "log_compression")
    check = Traced(Asked("a", CASE, "c"), 1.0, {FILE: frozenset(range(inside, body + 1))})
    other = Traced(Asked("b", CASE, "c"), 1.0, {FILE: frozenset([1])})
    assert [each.layer for each in Selection([check, other]).of(edit)] == ["a"]


def test_a_default_concerns_what_compares_signatures() -> None:
    """The law runs no line of the function, and has the name that selection knows."""
    laws = [law.name for law in checker.laws(all_specs()["leaf"])]
    assert laws.count(selection.SIGNATURES) == 1
    law = Traced(Asked("leaf", LAW, selection.SIGNATURES), 1.0, {})
    default, other = _edit("PCEN.__init__", "default"), _edit("PCEN.forward", "dropped argument")
    assert Selection([law]).of(default) == [law.asked]
    assert Selection([law]).of(other) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> campaign.Folder:
    """A campaign's folder for one cheap layer, with exact answers and lines."""
    made = campaign.Folder(tmp_path_factory.mktemp("campaign"), [LAYER])
    made.traced(lambda *_: None)
    return made


def test_every_check_of_a_layer_is_traced(folder: campaign.Folder) -> None:
    """All four kinds, each with lines of the layer's module."""
    found = folder.traced(lambda *_: None)
    assert {each.asked.kind for each in found} == {CASE, REFUSAL, LAW, DERIVATIVES}
    assert {each.asked for each in found} == set(Layer(LAYER, folder.prepared).all())
    assert all(each.lines.get(FILE) for each in found if each.asked.kind == CASE)


def test_verdicts(folder: campaign.Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caught by a check, at import, by its hang; survived; not executed. What is known is kept."""
    monkeypatch.setattr(campaign, "SPARE", 4.0)
    source = sources.source(FILE)
    found = statements.edits(FILE, source)
    of_it = [each for each in found if each.scope == "log_compression"]
    sum_ = next(each for each in of_it if each.operator == "operator")
    line = source[: source.index("inputs + log_offset")].count("\n") + 1
    place = "log_compression", line, line, False
    begin = source.encode().index(b"return torch.log(inputs + log_offset)")
    same = Edit(FILE, begin, begin, "1; ", "nothing", *place)
    hang = Edit(FILE, begin, begin, "while True: pass\n    ", "hang", *place)
    elsewhere = next(each for each in found if each.scope == "PCEN.forward")
    at_import = Edit(FILE, 0, 0, "import no_such_module\n", "import", *place)
    asked = [sum_, same, hang, elsewhere, at_import]
    results = campaign.run(campaign.keys(asked), folder, lambda *_: None)
    assert [each.verdict for each in results] == [
        campaign.CAUGHT,
        campaign.SURVIVED,
        campaign.CAUGHT,
        campaign.NOT_RUN,
        campaign.CAUGHT,
    ]
    assert results[0].caught in {str(each.asked) for each in folder.traced(lambda *_: None)}
    assert "exit code" in results[2].problem
    assert results[4].caught == "import"
    assert report.survivors(results) == [results[1]]
    again = campaign.run(campaign.keys(asked), folder, lambda *_: pytest.fail("known already"))
    assert again == results


def test_verdicts_are_those_of_new_processes(
    folder: campaign.Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port whose function is exchanged answers as one that was imported with the edit."""
    edit = _edit("log_compression", "operator")
    checks = [each.asked for each in folder.traced(lambda *_: None)]
    run = functools.partial(worker.run, edit, checks, str(folder.prepared), 60.0)
    loaded = functools.partial(run, place_of(edit, folder.imported().get(FILE, ())))
    with process.Processes(runner.context(), 60.0) as processes:
        asked = processes.ask(functools.partial(run, None), loaded)
        anew = processes.ask(functools.partial(run, None), None)
    assert asked.caught
    assert dataclasses.replace(asked, seconds=0.0) == dataclasses.replace(anew, seconds=0.0)


def place_of(edit: Edit, imported: Collection[int]) -> exchange.Place | None:
    return exchange.place(sources.source(edit.file), edit.first, edit.last, imported)


def _edit(scope: str, operator: str) -> Edit:
    found = statements.edits(FILE, sources.source(FILE))
    return next(e for e in found if e.scope == scope and e.operator == operator)


CONVERSION = "weight_conversion/official/mapping.py"


def test_tests_as_checks(tmp_path: Path) -> None:
    """The project's tests catch what they execute; of checkpoints no layer's check knows."""
    folder = campaign.Folder(tmp_path, [], ["tests/weight_conversion/test_mapping.py"])
    traced_ = folder.traced(lambda *_: None)
    assert all(each.asked.kind == TEST and CONVERSION in each.lines for each in traced_)
    seen = next(_returned(traced_, CONVERSION, executed=True))
    unseen = next(_returned(traced_, "weight_conversion/official/efficientnet.py", executed=False))
    results = campaign.run(campaign.keys([seen, unseen]), folder, lambda *_: None)
    assert [each.verdict for each in results] == [campaign.CAUGHT, campaign.NOT_RUN]
    assert results[0].caught.startswith("tests/weight_conversion/test_mapping.py::")


def _returned(traced_: Sequence[Traced], file: str, executed: bool) -> Iterator[Edit]:
    """Edits of what functions of a file return, on lines that the checks execute or not."""
    lines = set().union(*(each.lines.get(file, ()) for each in traced_))
    for edit in statements.edits(file, sources.source(file)):
        if edit.operator == "returned" and (edit.first in lines) == executed:
            yield edit


def test_tests_that_are_not_there() -> None:
    """One error that names the path."""
    with pytest.raises(LeafError, match="tests/nowhere"):
        sources.test_files(["tests/nowhere"])


def test_layers_are_not_asked_about_checkpoints() -> None:
    """No check of a layer executes what converts them."""
    assert report.Chosen(layers=["pcen"]).asked_layers([]) == ["pcen"]
    assert report.Chosen().asked_layers([]) == list(all_specs())
    assert not report.Chosen(files=[CONVERSION], layers=["pcen"]).asked_layers([])
    assert report.Chosen(files=[CONVERSION, FILE], layers=["pcen"]).asked_layers([]) == ["pcen"]


def test_a_change_is_tried_by_near_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheapest that enter the function; of a function that none enters, those of its file."""
    inside = _edit("log_compression", "operator")
    outside, elsewhere = (
        _edit("PCEN.__init__", "default"),
        dataclasses.replace(inside, file=CONVERSION),
    )
    place = place_of(inside, ())
    assert place is not None
    of_it = {FILE: [place[1]]}
    asked = [(f"l{n}", float(9 - n), of_it) for n in range(5)] + [("other", 0.5, {FILE: [1]})]
    entered = [near.Entered(*each) for each in asked]
    assert [each.layer for each in near._near(inside, entered)] == ["l4", "l3", "l2"]
    assert [each.layer for each in near._near(outside, entered)] == ["other", "l4", "l3"]
    of_class = near.Entered("log_compression", 10.0, of_it)
    last = near._near(inside, [*entered, of_class])[3:]
    assert last == [of_class]
    assert near._near(elsewhere, entered) == []
    monkeypatch.setattr(near, "layers", lambda edits: [edit.scope for edit in edits])
    assert report.Chosen(since="HEAD").asked_layers([inside]) == ["log_compression"]


def test_first_cases_enter_their_layers() -> None:
    """Measured: the layer of a function enters it."""
    place = place_of(_edit("log_compression", "operator"), ())
    assert place is not None
    entered = {each.layer: each.functions.get(FILE, []) for each in near.of_first_cases()}
    assert entered.keys() == all_specs().keys()
    assert place[1] in entered["log_compression"]
    assert place[1] not in entered["conv1d"]


def test_a_function_that_an_import_runs_is_not_exchanged() -> None:
    """Nor what stands outside functions; a method is named with its class."""
    inside = _edit("PCEN.forward", "dropped argument")
    place = place_of(inside, ())
    assert place is not None
    assert place[0] == "PCEN.forward"
    assert place_of(inside, range(inside.first, inside.last + 1)) is None
    assert place_of(_edit("log_compression", "default"), ()) is None


def test_code_with_other_free_variables_is_not_exchanged() -> None:
    """A constructor without its super() is tried in a new process."""
    source = sources.source(FILE)
    found = [e for e in statements.edits(FILE, source) if e.scope == "PCEN.__init__"]
    dropped = next(e for e in found if "-        super().__init__()" in e.diff(source))
    place = place_of(dropped, ())
    assert place is not None
    with pytest.raises(exchange.NotExchangedError, match="free"):
        exchange.exchange(dropped, place)


def test_folder_of_other_layers_is_refused(folder: campaign.Folder) -> None:
    """Nothing of it would be right."""
    with pytest.raises(LeafError, match="of others"):
        campaign.Folder(folder.prepared.parent, ["pcen"])


def test_a_result_cut_off_is_found_again(tmp_path: Path) -> None:
    """A run that was killed while it wrote."""
    folder = campaign.Folder(tmp_path, [LAYER])
    result = campaign.Result("k", FILE, 1, "operator", "- a\n+ b", campaign.CAUGHT)
    folder.keep(result)
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write("\n" + json.dumps({"key": "x"})[:5])
    folder.keep(campaign.Result("l", FILE, 1, "operator", "", campaign.CAUGHT))
    assert set(folder.results()) == {"k", "l"}


class _Told:
    """A trial whose results are told beforehand: of the cheapest checks, of all others."""

    def __init__(self, first: Mapping[str, str], rest: Mapping[str, str]) -> None:
        self._first, self._rest = first, rest

    def first(self, key: str, edit: Edit) -> campaign.Result:
        return campaign.Result(key, edit.file, 1, edit.operator, "", self._first[key], checks=3)

    def rest(self, passed: campaign.Result, _edit: Edit) -> campaign.Result:
        return dataclasses.replace(passed, verdict=self._rest[passed.key], checks=9)


def test_costly_checks_come_after_the_cheap_ones_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was judged to change nothing has the cheap ones alone; what was found before, none."""
    monkeypatch.setattr(equivalent, "reasons", lambda: {"judged": "it changes nothing"})
    edit = _edit("PCEN.forward", "dropped argument")
    folder = campaign.Folder(tmp_path, [LAYER])
    folder.keep(campaign.Result("before", FILE, 1, "operator", "", campaign.LEFT, checks=3))
    first = {"cheap": campaign.CAUGHT, "costly": campaign.LEFT, "judged": campaign.LEFT}
    rest = {"before": campaign.SURVIVED, "costly": campaign.CAUGHT}
    keyed, steps = dict.fromkeys(["before", *first], edit), list[tuple[str, int]]()
    with ThreadPoolExecutor(1) as pool:
        trial: Any = _Told(first, rest)
        rounds = campaign._Rounds(folder, trial, pool, lambda *step: steps.append(step))
        rounds.first(keyed)
        rounds.second(keyed)
    found = {key: (each.verdict, each.checks) for key, each in folder.results().items()}
    assert found == {
        "before": (campaign.SURVIVED, 9),
        "cheap": (campaign.CAUGHT, 3),
        "costly": (campaign.CAUGHT, 9),
        "judged": (campaign.SURVIVED, 3),
    }
    assert [total for _, total in steps] == [3, 3, 3, 2, 2]


@pytest.mark.parametrize("entry", equivalent.entries(), ids=lambda entry: entry["keys"][0])
def test_judged_edits_are_those_of_the_source(entry: dict[str, Any]) -> None:
    """An entry of a line that has changed says nothing any more; each has a reason."""
    keys = campaign.keys(statements.edits(entry["file"], sources.source(entry["file"])))
    assert set(entry["keys"]) <= set(keys), "lines have changed: try the edits again"
    assert len(entry["reason"]) > 10


def _results() -> list[campaign.Result]:
    def one(key: str, file: str, verdict: str, caught: str = "") -> campaign.Result:
        return campaign.Result(key, file, 3, "operator", "- a\n+ b", verdict, caught)

    return [
        one("a", FILE, campaign.CAUGHT, "pcen: case x"),
        one("b", FILE, campaign.CAUGHT, "tests/leaf_port/test_x.py::test_x"),
        one("c", FILE, campaign.SURVIVED),
        one("d", "leaf_port/padding.py", campaign.SURVIVED),
        one("e", "leaf_port/padding.py", campaign.NOT_RUN),
    ]


def test_the_record_of_a_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures by operator and file, what survived; of these sources until they change."""
    monkeypatch.setattr(equivalent, "reasons", lambda: {"d": "it changes nothing"})
    kept.keep(_results(), tmp_path / "edits.json")
    found = edits.load(tmp_path / "edits.json")
    assert found == kept.of(_results())
    assert found.all == found.by_operator["operator"] == edits.Figures(1, 1, 1, 1, 1)
    assert found.by_file["leaf_port/padding.py"] == edits.Figures(equivalent=1, not_executed=1)
    assert found.all.share() == pytest.approx(2 / 3)
    assert found.all.share(tests=False) == pytest.approx(1 / 3)
    assert edits.Figures().share() is None
    assert [each.file for each in found.survivors] == [FILE]
    assert "| all | 1 | 1 | 1 | 1 | 1 | 66.7 % |" in edits.markdown(found)
    assert "+ b" in edits.markdown(found)
    assert found.is_of_now
    assert not dataclasses.replace(found, sources="0").is_of_now


def test_a_record_that_is_none(tmp_path: Path) -> None:
    """Absent: none. Not readable: one error with file and fix."""
    path = tmp_path / "edits.json"
    assert edits.load(path) is None
    path.write_text('{"date": 3}')
    with pytest.raises(LeafError, match=r"edits\.json.*--keep"):
        edits.load(path)


def test_what_caught_an_edit_earlier_comes_first(tmp_path: Path) -> None:
    """Of another campaign, whatever its sources are; a rerun keeps the order."""
    edit = _edit("PCEN.forward", "dropped argument")
    lines = {FILE: frozenset(range(edit.first, edit.last + 1))}
    checks = [Traced(Asked("pcen", CASE, name), 1.0, lines) for name in ("a", "b", "c")]
    (tmp_path / "earlier").mkdir()
    earlier = campaign.Result("k", FILE, 1, "operator", "", campaign.CAUGHT, "pcen: case b")
    (tmp_path / "earlier/results.jsonl").write_text(json.dumps(dataclasses.asdict(earlier)))
    folder = campaign.Folder(tmp_path / "now", [LAYER])
    folder.follow(tmp_path / "earlier")
    folder.follow(None)
    unused: Any = None
    trial = campaign._Trial(Selection(checks), "", {}, unused, folder.catches())
    assert [each.name for each in trial._checks("k", edit)] == ["b", "a", "c"]
    assert [each.name for each in trial._checks("other", edit)] == ["a", "b", "c"]
    with pytest.raises(LeafError, match="--after"):
        campaign.Folder(tmp_path / "new", [LAYER]).follow(tmp_path / "nowhere")


def test_a_file_that_is_not_edited() -> None:
    """Else nothing would be tried, and all would be well."""
    keyed = campaign.keys(statements.edits(FILE, sources.source(FILE)))
    with pytest.raises(LeafError, match=r"leaf_port/nowhere\.py"):
        report.Chosen(files=["leaf_port/nowhere.py"]).of(keyed)


def test_nothing_in_changed_lines_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tracing or preparing anything."""
    monkeypatch.setattr(sources, "files", lambda: [FILE])
    monkeypatch.setattr(sources, "since", lambda *_: [])
    monkeypatch.setattr(campaign, "Folder", lambda *_: pytest.fail("there is nothing to try"))
    console = Console(record=True, width=100)
    assert report.run(tmp_path, report.Chosen(since="HEAD"), console)
    assert "nothing was tried" in console.export_text()


@pytest.mark.parametrize(
    "chosen",
    [report.Chosen(count=3), report.Chosen(since="HEAD"), report.Chosen(files=[FILE])],
)
def test_a_part_does_not_become_the_record(chosen: report.Chosen, tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="--keep"):
        report.run(tmp_path, chosen, Console(), keep=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--automatic"], "--out"),
        (["--since", "x"], "--automatic"),
        (["--keep", "--only", "CNN10 by default"], "--only"),
        (["--keep", "--sample", "3"], "--sample"),
        (["--after", "x"], "--automatic"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], told: str) -> None:
    """Exit code 2 or an error that names what is missing, or too much."""
    done = CliRunner().invoke(command.app, ["mutants", *arguments])
    assert done.exit_code != 0
    assert told in str(done.exception)
