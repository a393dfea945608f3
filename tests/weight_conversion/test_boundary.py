"""Names, shapes and types that no official checkpoint has: one line, with file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _workers
import numpy as np
import pytest
from _conversion import settings
from _rewritten import Graph
from fuzz_files import FORMATS, input_of, kept, run

from leaf_port import LeafError
from weight_conversion.formats.boundary import reading
from weight_conversion.official.convert import convert
from weight_conversion.reference.record import RECORDINGS

Arrays = dict[str, np.ndarray[Any, Any]]


def written(
    prefix: Path,
    name: str,
    *,
    edge: tuple[str, str] = ("", ""),
    change: Callable[[Arrays], object] = lambda _: None,
) -> Path:
    """A recorded checkpoint with an edge of its graph renamed, or with other arrays."""
    made = Graph(name)
    change(made.tensors)
    for each in made.objects:
        each.children = {edge[1] if n == edge[0] else n: to for n, to in each.children.items()}
    return made.write(prefix)


def of(ending: str, value: Any) -> Callable[[Arrays], object]:
    """Another value under the key that ends so."""

    def change(arrays: Arrays) -> None:
        (key,) = (each for each in arrays if each.startswith(ending))
        arrays[key] = np.asarray(value)

    return change


EDGES = {
    "a slot that is no number": ("leaf", ("3", "x")),
    "a slot of digits without end": ("leaf", ("3", "9" * 5000)),
    "a slot of other digits": ("leaf", ("3", "٣")),
    "a layer that is no number": ("leaf", ("layer_with_weights-1", "layer_with_weights-x")),
    "a layer that is not next": ("leaf", ("layer_with_weights-1", "layer_with_weights-99999999")),
    "a layer of many digits": (
        "leaf",
        ("layer_with_weights-1", f"layer_with_weights-{'9' * 5000}"),
    ),
}
FOUR = np.ones((1, 1, 1, 2), np.float32)
GABOR = "_frontend/_complex_conv/kernel/.ATTR"
VALUES: dict[str, tuple[str, str, Any]] = {
    "two step counts": ("leaf", "optimizer/_iterations", [1, 2]),
    "a step count that is half": ("leaf", "optimizer/_iterations", 1.5),
    "a step count below zero": ("leaf", "optimizer/_iterations", -1),
    "a text for a step count": ("leaf", "optimizer/_iterations", np.array(b"7", object)),
    "two learning rates": ("leaf", "optimizer/_learning_rate", [1e-3, 1e-3]),
    "a learning rate that is none": ("leaf", "optimizer/_learning_rate", np.float32("nan")),
    "a head of one axis": ("leaf", "_head/kernel/.ATTR", np.ones(3, np.float32)),
    "a head of no axis": ("leaf", "_head/kernel/.ATTR", np.float32(1)),
    "a frontend of one axis": ("leaf", GABOR, np.ones(2, "f4")),
    "a frontend of four axes": ("tfbanks", GABOR, FOUR),
    "sinc of four axes": ("sincnet", GABOR, FOUR),
    "PCEN of no axis": ("leaf", "_frontend/_compress_fn/alpha/.ATTR", np.float32(1)),
    "a text for a weight": ("leaf", "_head/bias/.ATTR", np.array(b"x", object)),
}


@pytest.mark.parametrize("case", EDGES)
def test_names_of_objects(case: str, tmp_path: Path) -> None:
    name, edge = EDGES[case]
    refused(written(tmp_path / "c", name, edge=edge), name, tmp_path)


@pytest.mark.parametrize("case", VALUES)
def test_values(case: str, tmp_path: Path) -> None:
    name, ending, value = VALUES[case]
    refused(written(tmp_path / "c", name, change=of(ending, value)), name, tmp_path)


def refused(source: Path, name: str, place: Path) -> None:
    """By a check that foresaw it."""
    with pytest.raises(LeafError) as caught:
        convert(source, place / "made", settings(name))
    told = str(caught.value)
    assert str(source) in told
    assert "what it says" not in told
    assert len(told) < 4000
    assert not (place / "made").exists()


def test_whatever_else_is_raised_names_the_file(tmp_path: Path) -> None:
    for error in (
        IndexError("7"),
        RecursionError(),
        MemoryError(),
        UnicodeDecodeError("a", b"", 0, 1, "c"),
    ):
        with pytest.raises(LeafError) as caught, reading("convert", tmp_path / "c", "key"):
            raise error
        assert f"{tmp_path / 'c'}: key" in str(caught.value)
        assert type(error).__name__ in str(caught.value)
        assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ModuleNotFoundError("x", name="h5py")])
def test_what_is_not_about_a_file_passes(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises(type(error)), reading("convert", tmp_path):
        raise error


def test_what_a_check_of_the_user_raises_passes(tmp_path: Path) -> None:
    def check(_: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        convert(RECORDINGS / "mel", tmp_path / "made", settings("mel"), check=check)
    assert not (tmp_path / "made").exists()


def test_a_short_run_of_the_fuzzer(tmp_path: Path) -> None:
    found = run(0, 10 * len(FORMATS), tmp_path)
    assert found.failures == []
    assert sum(found.outcomes.values()) == 10 * len(FORMATS)
    assert {each.partition(":")[2] for each in found.outcomes} == {" taken", " refused"}


@pytest.mark.parametrize("form", FORMATS)
def test_an_input_is_the_same_each_time(form: str) -> None:
    first = FORMATS.index(form)
    for number in range(first, first + 40 * len(FORMATS), len(FORMATS)):
        assert input_of(number) == input_of(number)


def _line(first: int, sources: str, **others: Any) -> str:
    told = {"first": first, "count": 10, "sources": sources, "slowest": 0.5, "most_bytes": 7}
    counts = {"outcomes": {"h5: taken": 10}, "boundary": {}, "failures": []}
    return json.dumps({**told, **counts, **others})


def test_a_log_is_gone_on_with(tmp_path: Path) -> None:
    """Chunks of other sources, and those behind a gap, are not summed."""
    log = tmp_path / "log"
    log.write_text("\n".join([_line(5, "a"), _line(15, "a"), _line(25, "b"), _line(45, "a")]))
    first, tally = kept(log, "a", 5)
    assert (first, tally.outcomes["h5: taken"], tally.most) == (25, 20, 7)
    assert kept(log, "c", 5)[0] == 5
    assert kept(tmp_path / "none", "a", 5)[0] == 5


def test_a_log_keeps_its_failures(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(_line(0, "a", failures=["input 3"]))
    assert kept(tmp_path / "log", "a", 0)[1].failures == ["input 3"]


# Linux samples what a timer of processor time counts: on a busy machine it runs ahead.
AHEAD = 0.5
CHILD = "import sys, time\ndef main(path, out):\n    exec(path.read_text())\n"


@pytest.mark.parametrize(
    ("code", "seconds", "taken"),
    [
        ("out.write(b'x')", 0.0, 0),
        ("bytearray(b'1' * 50_000_000)", 0.0, 50_000_000),
        ("end = time.process_time() + 0.3\nwhile time.process_time() < end: pass", 0.3, 0),
        ("bytearray(b'1' * 50_000_000); import os; os.abort()", 0.0, 50_000_000),
        ("import os, signal; signal.setitimer(signal.ITIMER_PROF, 0.3)\nwhile 1: pass", 0.3, 0),
    ],
)
def test_what_a_kept_child_takes_is_told(
    code: str, seconds: float, taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one that died of it."""
    (tmp_path / "a_child_of_tests.py").write_text(CHILD)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "code").write_text(code)
    try:
        for _ in range(2):
            _workers.usage.clear()
            with _workers.started("a_child_of_tests", tmp_path / "code", 9.0) as (out, _):
                out.read()
            ((used, grown),) = _workers.usage
            assert AHEAD * seconds <= used < seconds + 1.0
            assert taken <= grown < taken + 60_000_000
    finally:
        _workers.close()
