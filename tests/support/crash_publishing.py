"""Kills convert, features and record at random moments while a reader loads all the while.

    python tests/support/crash_publishing.py --kills 200 --seed 1

At fault is a load that fails or is of no version that was written, a file or folder beside the
outputs once the next run has ended, and a run that does not end. Each run is a forked process, so
that its moments are those of the work and not those of starting Python.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from _conversion import converted

import leaf_port as lp
from leaf_port import _publish, _stored
from weight_conversion.reference import record

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
MOST_RUNS = 20  # for each kill: on a busy machine many have ended before their signal comes
VERSIONS = ("leaf", "adam_step")

Run = Callable[[int], None]
Read = Callable[[], str]


@dataclass
class Tally:
    """What became of the runs and of the loads."""

    runs: int = 0
    killed: int = 0
    loads: int = 0
    signals: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)


@dataclass
class Subject:
    """A command that is killed.

    Attributes:
        place: where it writes.
        run: writes a version by its number.
        read: loads what is there; says which version it is.
        kept: names that may lie in ``place``.
    """

    place: Path
    run: Run
    read: Read
    kept: frozenset[str]


def conversions(place: Path) -> Subject:
    """``convert --force``, of two checkpoints in turns."""

    def run(number: int) -> None:
        converted(VERSIONS[number % 2], place / "model", force=True)

    known = {}
    for number, name in enumerate(VERSIONS):
        run(number)
        known[_bits(lp.AudioClassifier.from_pretrained(place / "model"))] = name

    def read() -> str:
        return known[_bits(lp.AudioClassifier.from_pretrained(place / "model"))]

    return Subject(place, run, read, frozenset({"model"}))


def _bits(model: torch.nn.Module) -> bytes:
    return b"".join(each.numpy().tobytes() for each in model.state_dict().values())


def features(place: Path) -> Subject:
    """``features --out --force``, with one clip and another number of filters each time."""
    import soundfile
    from typer.main import get_command

    from leaf_port._cli.app import app

    clips = place.parent / "clips"
    clips.mkdir()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4000)
    for name in ("a", "b"):
        soundfile.write(clips / f"{name}.wav", noise, 16000)
    out = place / "made"
    command = get_command(app)

    def run(number: int) -> None:
        arguments = [str(clips), "--out", str(out), "--force", "--n-filters", str(3 + number % 2)]
        command.main(["features", *arguments], standalone_mode=False)

    run(0)

    def read() -> str:
        return "|".join(str(np.load(out / f"{name}.npy").shape) for name in ("a", "b"))

    return Subject(place, run, read, frozenset({"made"}))


class _Fake:
    """Stands for the live official code: answers at once."""

    versions: ClassVar[dict[str, str]] = {}

    def __enter__(self) -> _Fake:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def do(self, _: str, **job: Any) -> dict[str, Any]:
        prefix = Path(job["prefix"])
        for name in ("index", "data-00000-of-00001"):
            prefix.with_name(f"bundle.{name}").write_bytes(os.urandom(1000))
        return {"checkpoints": {"bundle": {}}}


def recordings(place: Path) -> Subject:
    """``record``, with a stand-in for the official code."""
    from rich.console import Console

    record.Official = _Fake  # type: ignore[misc,assignment]
    console = Console(file=io.StringIO())

    def run(_: int) -> None:
        record.record([record.SHARDS], place, console)

    run(0)

    def read() -> str:
        import hashlib

        names = ["bundle.index", "bundle.data-00000-of-00001"]
        fix = "none"
        limits = [(record.MANIFEST, None), *((name, None) for name in names)]
        text, *data = _stored.read_together(place / record.SHARDS, limits, fix)
        noted = json.loads(text)["files"]
        whole = all(
            hashlib.sha256(each).hexdigest() == noted[name]
            for name, each in zip(names, data, strict=True)
        )
        return "whole" if whole else "mixed"

    return Subject(place, run, read, frozenset({record.SHARDS}))


SUBJECTS = {"convert": conversions, "features": features, "record": recordings}


def forked(run: Run, number: int) -> int:
    """Starts a run in a process of its own, as the command runs it.

    Signals wait until the run can be ended, and once it has ended: Ctrl-C in between would unwind
    the copy of what is below, which kills the reader and removes the folder.
    """
    waiting = set(SIGNALS) - {signal.SIGKILL}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return child
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        with _publish.ended_cleanly():
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                run(number)
            finally:
                signal.pthread_sigmask(signal.SIG_BLOCK, waiting)
        code = 0
    except (SystemExit, KeyboardInterrupt):
        code = 3
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def reader(read: Read, pipe: int) -> int:
    """Loads again and again until the pipe is closed; says what was wrong."""
    child = os.fork()
    if child:
        return child
    loads, faults = 0, []
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
    while not ended:
        loads += 1
        try:
            if read() == "mixed":
                faults.append("a load of two versions")
        except Exception as error:  # of any kind: it must not unwind what is below
            faults.append(f"load {loads}: {type(error).__name__}: {str(error)[:300]}")
    os.write(pipe, json.dumps({"loads": loads, "faults": faults[:20]}).encode()[:60_000])
    os._exit(0)


def crash(name: str, kills: int, seed: int, folder: Path) -> Tally:
    """Kills one command so many times; see the module."""
    place = folder / name / "place"
    place.mkdir(parents=True)
    subject = SUBJECTS[name](place)
    rng, tally = random.Random(seed), Tally()
    longest = _longest(subject)
    pipe, end = os.pipe()
    loading = reader(subject.read, end)
    os.close(end)
    try:
        while tally.killed < kills and tally.runs < MOST_RUNS * kills:
            number = tally.runs
            child = forked(subject.run, number)
            time.sleep(rng.uniform(0.0, 1.1 * longest))
            sent = rng.choice(SIGNALS)
            os.kill(child, sent)
            status = os.waitpid(child, 0)[1]
            tally.runs += 1
            tally.killed += status != 0
            tally.signals[signal.Signals(sent).name] += status != 0
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1:
                tally.faults.append(f"run {number} failed otherwise")
        ended = os.waitpid(forked(subject.run, tally.runs), 0)[1]
        if tally.killed < kills:
            tally.faults.append(f"only {tally.killed} runs were met by their signal")
        if ended != 0:
            tally.faults.append(f"the last run ended with {ended}")
    finally:
        os.kill(loading, signal.SIGTERM)
        with os.fdopen(pipe, "rb") as said:
            told = json.loads(said.read() or b'{"loads": 0, "faults": ["the reader died"]}')
        os.waitpid(loading, 0)
    tally.loads = told["loads"]
    tally.faults += told["faults"]
    tally.faults += [f"left: {path}" for path in leftovers(subject)]
    return tally


def _longest(subject: Subject) -> float:
    seconds = []
    for number in range(3):
        start = time.perf_counter()
        os.waitpid(forked(subject.run, number), 0)
        seconds.append(time.perf_counter() - start)
    return max(seconds)


def leftovers(subject: Subject) -> list[Path]:
    """What should not lie there."""
    found = [path for path in subject.place.iterdir() if path.name not in subject.kept]
    return found + [path for path in subject.place.rglob("*") if path.name.startswith(".")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="that meet a run, of each command")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=list(SUBJECTS), help="one of the commands")
    given = parser.parse_args()
    torch.set_num_threads(1)  # before anything computes: more would not outlive a fork
    folder, failed = Path(tempfile.mkdtemp()), False
    try:
        for name in [given.only] if given.only else SUBJECTS:
            found = crash(name, given.kills, given.seed, folder)
            print(name, found, flush=True)
            failed |= bool(found.faults) or not found.loads
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
