"""A damaged recording is refused as a whole: no bit, no case and no answer gets lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from rich.console import Console
from typer.testing import CliRunner

from leaf_port import LeafError
from parity.commands import record, reseal
from parity.commands.app import app
from parity.layers import all_specs
from parity.oracles import recorded, sealed_file
from parity.oracles.recorded import path_of

SPEC = all_specs()["squared_modulus"]
WHOLE = path_of(SPEC).read_bytes()
HEADER = 8 + int.from_bytes(WHOLE[:8], "little")
REFUSED = "a recording as it was written|a recording of format 2"


def load(folder: Path, data: bytes) -> recorded.Recording:
    """What is read of a file with this content."""
    path_of(SPEC, folder).write_bytes(data)
    return recorded.load(SPEC, folder)


def flipped(at: int, bit: int) -> bytes:
    """The file with one other bit."""
    return WHOLE[:at] + bytes([WHOLE[at] ^ (1 << bit)]) + WHOLE[at + 1 :]


def test_the_file_itself_is_read(tmp_path: Path) -> None:
    """Or nothing below would mean anything."""
    found = load(tmp_path, WHOLE)
    assert found.entries == recorded.load(SPEC).entries
    assert len(found.drawn) >= 10


@pytest.mark.parametrize(("start", "end"), [(0, 8), (8, 400), (8, HEADER), (HEADER, len(WHOLE))])
def test_no_flipped_bit_passes(tmp_path: Path, start: int, end: int) -> None:
    """The header's length, the seal, the header, the numbers: a sample of each."""
    draw = np.random.default_rng(start + end)
    positions = range(start, end) if end - start < 500 else draw.integers(start, end, 400)
    for at in positions:
        data = flipped(int(at), int(draw.integers(8)))
        with pytest.raises(LeafError, match=REFUSED) as caught:
            load(tmp_path, data)
        assert caught.value.argument.endswith("/squared_modulus.safetensors"), at


def test_every_drawn_case_stays_one(tmp_path: Path) -> None:
    """``"case"`` to ``"aase"``, which made a drawn case nobody's, at each place."""
    sign, at, places = b'\\"case\\"', 0, 0
    while (at := WHOLE.find(sign, at + 1, HEADER)) > 0:
        places += 1
        with pytest.raises(LeafError, match="another hash than its seal"):
            load(tmp_path, flipped(at + 2, 1))
    assert places == len(recorded.load(SPEC).drawn)


def test_a_file_that_is_cut_or_longer(tmp_path: Path) -> None:
    """At lengths of all orders."""
    lengths = {0, 1, 7, 8, 9, HEADER - 1, HEADER, HEADER + 1, len(WHOLE) - 1}
    lengths |= {int(n) for n in np.random.default_rng(0).integers(0, len(WHOLE), 100)}
    for data in [*(WHOLE[:length] for length in sorted(lengths)), WHOLE + b"x", WHOLE + WHOLE]:
        with pytest.raises(LeafError, match=REFUSED):
            load(tmp_path, data)


def test_what_is_no_file(tmp_path: Path) -> None:
    """None, a folder, and one that may not be read."""
    with pytest.raises(LeafError, match=r"expected a file, got '?none"):
        recorded.load(SPEC, tmp_path)
    path_of(SPEC, tmp_path).mkdir()
    with pytest.raises(LeafError, match="a folder"):
        recorded.load(SPEC, tmp_path)


def test_the_recording_of_another_layer(tmp_path: Path) -> None:
    """Under this one's name."""
    other = path_of(all_specs()["log_compression"])
    with pytest.raises(LeafError, match="the recording of 'log_compression'"):
        load(tmp_path, other.read_bytes())


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None], seal: bool = True) -> Path:
    """The recording with another record, sealed anew or in format 1."""
    content, arrays = sealed_file.read(path_of(SPEC))
    change(content)
    path = path_of(SPEC, folder)
    if seal:
        content = {key: value for key, value in content.items() if key != "seal"}
        sealed_file.write(path, arrays, content)
    else:
        old = {key: content[key] for key in ("versions", "cases")}
        safetensors.numpy.save_file(arrays, path, metadata={"record": json.dumps(old)})
    return path


def last(content: dict[str, Any]) -> dict[str, Any]:
    """The entry of the last case, which is a drawn one."""
    return list(content["cases"].values())[-1]


def lose_mark(content: dict[str, Any]) -> None:
    """What one flipped bit did."""
    entry = last(content)
    entry["aase"] = entry.pop("case")


def lose_description(content: dict[str, Any]) -> None:
    """The entry is one of a declared case then, which nobody declares."""
    del last(content)["case"]


def lose_case(content: dict[str, Any]) -> None:
    """Its arrays are nobody's then."""
    content["cases"].popitem()


def rename(content: dict[str, Any]) -> None:
    """Another case under the old name."""
    last(content)["case"]["draw"] += 1


def lose_number(content: dict[str, Any]) -> None:
    """One that should be there."""
    content["drawn"] += 1


def another_format(content: dict[str, Any]) -> None:
    """Of a later leaf_port."""
    content["format"] = 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lose_mark, "aase"),
        (lose_case, "an array of no case"),
        (lose_description, "drawn cases"),
        (rename, "under another name"),
        (lose_number, "drawn cases"),
        (another_format, "one of format 3"),
    ],
)
def test_a_record_that_contradicts_itself(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    """Even with a fitting seal."""
    rewritten(tmp_path, change)
    with pytest.raises(LeafError, match=told):
        recorded.load(SPEC, tmp_path)


def test_format_1_is_refused_and_sealed(tmp_path: Path) -> None:
    """The same recording afterwards, byte by byte; a second time nothing is done."""
    path = rewritten(tmp_path, lambda _: None, seal=False)
    with pytest.raises(LeafError, match=r"one of format 1.*--reseal"):
        recorded.load(SPEC, tmp_path)
    console = Console(record=True, width=300)
    assert reseal.reseal([SPEC], console, tmp_path)
    assert path.read_bytes() == WHOLE
    assert reseal.reseal([SPEC], console, tmp_path)
    text = console.export_text()
    assert f"sealed, {len(recorded.load(SPEC).entries)} cases" in text
    assert "sealed already" in text


def other_answer(content: dict[str, Any]) -> None:
    """A hash that the answer does not have."""
    last(content)["kept"] = "0" * 64


def other_seed(content: dict[str, Any]) -> None:
    """From which other elements would be taken."""
    last(content)["seed"] += 1


def lose_declared(content: dict[str, Any]) -> None:
    """Made a drawn one of another name."""
    name, entry = next(iter(content["cases"].items()))
    del content["cases"][name]
    content["cases"]["other"] = entry


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lose_mark, "aase"),
        (lose_description, "an entry of no case"),
        (lose_case, "an array of no case"),
        (rename, "under another name"),
        (other_answer, "another hash of the answer"),
        (other_seed, "another seed"),
        (lose_declared, "no case|KeyError"),
    ],
)
def test_what_is_not_whole_is_not_sealed(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: str
) -> None:
    """It stays as it is, and the cause is told."""
    path = rewritten(tmp_path, change, seal=False)
    before, console = path.read_bytes(), Console(record=True, width=300)
    assert not reseal.reseal([SPEC], console, tmp_path)
    text = console.export_text()
    assert any(each in text for each in told.split("|")), text
    assert path.read_bytes() == before


def test_a_broken_seal_is_not_renewed(tmp_path: Path) -> None:
    """Only a file that never had one gets one."""
    path = path_of(SPEC, tmp_path)
    path.write_bytes(flipped(HEADER + 3, 2))
    console = Console(record=True, width=300)
    assert not reseal.reseal([SPEC], console, tmp_path)
    assert "another hash than its seal" in console.export_text()


def test_another_question_is_told_and_sealed(tmp_path: Path) -> None:
    """It is recorded again from the sealed file, which knows its drawn cases."""

    def other(content: dict[str, Any]) -> None:
        last(content)["question"] = "0" * 64

    rewritten(tmp_path, other, seal=False)
    console = Console(record=True, width=300)
    assert reseal.reseal([SPEC], console, tmp_path)
    assert "1 questions are others here" in console.export_text()
    assert len(recorded.load(SPEC, tmp_path).drawn) == len(recorded.load(SPEC).drawn)


def test_recording_again_loses_no_drawn_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file does not count as none, whose declared cases alone would be asked."""
    shutil.copy(path_of(SPEC), tmp_path)
    monkeypatch.setattr(recorded.path_of, "__defaults__", (tmp_path,))
    monkeypatch.setattr(recorded.load, "__defaults__", (tmp_path,))
    assert len(record.cases(SPEC, None)) == len(recorded.load(SPEC).entries)
    path_of(SPEC).write_bytes(flipped(HEADER // 2, 0))
    for ask in (record.cases, record.drift):
        with pytest.raises(LeafError, match=REFUSED):
            ask(SPEC, {})  # type: ignore[arg-type]
    path_of(SPEC).unlink()
    assert record.cases(SPEC, None) == SPEC.cases()


def test_the_command_seals_and_asks_nothing() -> None:
    """Of one layer, with no reference at hand; not beside what would ask."""
    run = CliRunner().invoke
    done = run(app, ["record", "--reseal", "--layer", "squared_modulus"])
    assert done.exit_code == 0
    assert path_of(SPEC).read_bytes() == WHOLE
    refused = run(app, ["record", "--reseal", "--check"])
    assert isinstance(refused.exception, LeafError)
    assert refused.exception.argument == "--reseal"
