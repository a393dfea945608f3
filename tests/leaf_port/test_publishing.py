"""Conversions appear whole and replace conversions alone; who loads meanwhile gets one of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import crash_publishing
import pytest
import torch
from _conversion import converted
from crash_publishing import SUBJECTS
from safetensors.torch import load_file, save_file

import leaf_port as lp
from leaf_port import _publish
from weight_conversion.official import adam
from weight_conversion.official.place import new_folder


def folder(place: Path, count: int) -> None:
    """A conversion, as far as ``from_pretrained`` looks: another number of filters each time."""
    made = lp.Leaf(n_filters=count)
    save_file(made.state_dict(), place / "model.safetensors")
    config = {"format_version": 1, "kind": "Leaf", "arguments": {"n_filters": count}}
    (place / "config.json").write_text(json.dumps(config))


def noted(place: Path) -> None:
    """What ``convert`` notes beside."""
    from weight_conversion.official.folder import sha256

    path = place / "config.json"
    weights = {"model.safetensors": sha256(place / "model.safetensors")}
    config = {**json.loads(path.read_text()), "weights": weights, "source": {}, "versions": {}}
    path.write_text(json.dumps(config))


def put(final: Path, count: int, force: bool = True) -> None:
    with new_folder(final, force) as made:
        folder(made, count)
        noted(made)


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_load_finds_one_conversion_while_others_take_its_place(tmp_path: Path) -> None:
    final = tmp_path / "made"
    for count in (3, 4):
        put(tmp_path / str(count), count)
    shutil.copytree(tmp_path / "3", final)
    writer = os.fork()
    if writer == 0:  # copies only: a forked process in which torch computes may wait for ever
        while True:
            for count in (4, 3):
                with new_folder(final, True) as made:
                    shutil.copytree(tmp_path / str(count), made, dirs_exist_ok=True)
    found = set()
    try:
        end = time.monotonic() + 3.0
        while time.monotonic() < end or len(found) < 2:
            found.add(len(lp.Leaf.from_pretrained(final).complex_conv.kernel))
            assert found <= {3, 4}
            assert time.monotonic() < end + 60.0
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)


@pytest.mark.parametrize("name", SUBJECTS)
def test_killed_at_random_moments(name: str) -> None:
    # In a process of its own: OpenMP's threads of this one would not outlive a fork.
    command = [sys.executable, crash_publishing.__file__, "--kills", "6", "--only", name]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_at_once_ends_the_run_alone(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it comes before a forked run has begun."""
    fork = os.fork

    def met_at_once() -> int:
        child = fork()
        if child == 0:
            default = number == signal.SIGTERM
            signal.signal(number, signal.SIG_DFL if default else signal.default_int_handler)
            os.kill(os.getpid(), number)
        return child

    monkeypatch.setattr(os, "fork", met_at_once)
    child = crash_publishing.forked(lambda _: (tmp_path / "ran").touch(), 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_cleans_up(number: signal.Signals, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        signal.signal(number, signal.SIG_DFL)  # the tests may run below nohup, which ignores some
        try:
            with _publish.ended_cleanly(), new_folder(tmp_path / "made", False):
                (tmp_path / "ready").touch()
                time.sleep(60.0)
        except SystemExit as error:
            code = int(error.code or 0)
        finally:
            os._exit(code)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + number
    assert names(tmp_path) == ["ready"]


def test_what_killed_runs_left_goes_with_the_next(tmp_path: Path) -> None:
    for left in (".made.0123abcd.leaf-tmp", ".other.0123abcd.leaf-tmp", ".made.0123abcd.tmp"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "model.safetensors").touch()
    put(tmp_path / "made", 3)
    assert names(tmp_path) == [".made.0123abcd.tmp", ".other.0123abcd.leaf-tmp", "made"]


def test_what_somebody_else_put_there_stays(tmp_path: Path) -> None:
    for left, held in ((".made.0123abcd.leaf-tmp", "thesis.tex"), (".made.01234567.leaf-tmp", "")):
        (tmp_path / left).mkdir()
        if held:
            (tmp_path / left / held).touch()
        else:
            (tmp_path / left / "model.safetensors").symlink_to(tmp_path)
    put(tmp_path / "made", 3)
    assert len(names(tmp_path)) == 3


def test_a_living_run_keeps_its_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "made", True) as first:
        folder(first, 3)
        noted(first)
        put(tmp_path / "made", 4)
        assert first.is_dir()
    assert names(tmp_path) == ["made"]
    assert len(lp.Leaf.from_pretrained(tmp_path / "made").complex_conv.kernel) == 3


def test_a_lock_that_another_run_takes_for_a_leftover_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a file's birth and its lock: then nobody would know the files of a killed run."""
    lock_file = _publish._lock_file

    def late(file: int) -> None:
        monkeypatch.setattr(_publish, "_lock_file", lock_file)
        _publish._discard_marked(tmp_path)
        _publish.discard_files(tmp_path, "made")
        lock_file(file)

    monkeypatch.setattr(_publish, "_lock_file", late)
    marks = _publish.Marks()
    marks.name(tmp_path).touch()
    _publish._discard_marked(tmp_path)
    assert len(names(tmp_path)) == 2
    marks.close()
    monkeypatch.setattr(_publish, "_lock_file", late)
    with _publish.new_file(tmp_path / "made") as made:
        _publish.discard_files(tmp_path, "made")
        made.write_bytes(b"whole")
    assert (tmp_path / "made").read_bytes() == b"whole"


def test_a_number_of_a_process_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    for name in (f".made.{os.getpid()}.tmp", f".made.{os.getpid()}.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "held").touch()
    converted("mel", tmp_path / "made")
    converted("mel", tmp_path / "made", force=True)
    assert "made" in names(tmp_path)


def _another_model(place: Path) -> None:
    place.mkdir()
    (place / "config.json").write_text('{"model_type": "bert", "hidden_size": 768}')
    (place / "model.safetensors").write_bytes(b"a thousand hours of training")


def _by_hand(place: Path) -> None:
    place.mkdir()
    folder(place, 3)


def _trained_on(place: Path) -> None:
    converted("mel", place)
    weights = load_file(place / "model.safetensors")
    changed = {name: each + 1 for name, each in weights.items()}
    save_file(changed, place / "model.safetensors")


def _with_a_link(place: Path) -> None:
    converted("mel", place)
    shutil.move(place / "model.safetensors", place.parent / "weights")
    (place / "model.safetensors").symlink_to(place.parent / "weights")


def _with_a_log(place: Path) -> None:
    converted("mel", place)
    (place / "train.log").touch()


@pytest.mark.parametrize(
    "make",
    [_another_model, _by_hand, _trained_on, _with_a_link, _with_a_log],
    ids=lambda f: f.__name__,
)
def test_what_convert_did_not_write_is_not_replaced(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    place = tmp_path / "made"
    make(place)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(lp.LeafError, match="remove it yourself"):
        converted("mel", place, force=True)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_comes_at_the_last_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "made"
    put(place, 3)
    exchange = _publish.exchange

    def late(first: Path, second: Path) -> bool:
        monkeypatch.setattr(_publish, "exchange", exchange)
        shutil.rmtree(place)
        _another_model(place)
        return exchange(first, second)

    monkeypatch.setattr(_publish, "exchange", late)
    with pytest.raises(lp.LeafError, match="remove it yourself"):
        put(place, 4)
    assert "bert" in (place / "config.json").read_text()
    assert names(tmp_path) == ["made"]


def test_where_names_cannot_be_exchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_publish, "_renamed", lambda *_: False)
    for count in (3, 4, 5):
        put(tmp_path / "made", count)
        assert len(lp.Leaf.from_pretrained(tmp_path / "made").complex_conv.kernel) == count
        assert names(tmp_path) == ["made"]


def test_one_that_was_taken_away_comes_back(tmp_path: Path) -> None:
    put(tmp_path / "made", 3)
    (tmp_path / "made").rename(tmp_path / ".made.0123abcd.leaf-old")
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "made", True):
        raise ZeroDivisionError
    assert names(tmp_path) == ["made"]


def test_files_are_synced_before_they_get_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        _publish,
        "_fsync",
        lambda file: synced.append(str(Path(f"/proc/self/fd/{file}").readlink())),
    )
    put(tmp_path / "made", 3)
    *inside, made, above = synced
    assert sorted(Path(path).name for path in inside) == ["config.json", "model.safetensors"]
    assert ".made." in made
    assert above == str(tmp_path)


def test_other_weights_than_noted_are_not_loaded(tmp_path: Path) -> None:
    converted("leaf", tmp_path / "made")
    for name in ("model.safetensors", "optimizer.safetensors"):
        path = tmp_path / "made" / name
        held = path.read_bytes()
        path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
        with pytest.raises(lp.LeafError, match="SHA-256"):
            adam.restore(tmp_path / "made", lp.AudioClassifier.from_pretrained(tmp_path / "made"))
        path.write_bytes(held)
    adam.restore(tmp_path / "made", lp.AudioClassifier.from_pretrained(tmp_path / "made"))


def test_a_killed_verification_does_not_block_replacing(tmp_path: Path) -> None:
    converted("mel", tmp_path / "made")
    (tmp_path / "made" / ".verification.json.0123abcd.leaf-tmp").touch()
    converted("mel", tmp_path / "made", force=True)


def test_loading_keeps_no_meta_tensors(tmp_path: Path) -> None:
    put(tmp_path / "made", 3)
    loaded = lp.Leaf.from_pretrained(tmp_path / "made")
    assert all(each.device == torch.device("cpu") for each in loaded.state_dict().values())
    assert all(each.requires_grad for each in loaded.parameters())
