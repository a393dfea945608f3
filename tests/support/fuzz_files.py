"""Mutated files of every format, the whole way: nothing but the project's error, in little memory.

    python tests/support/fuzz_files.py --inputs 1000000 --seed 1 --log fuzz.jsonl

Each input is opened, listed, told apart, converted or imported, and what came of it is loaded. At
fault is an error of another kind, more than 2 s of the processor's time, or more memory than 300 MB
and ten times the file. Formats take turns; the input of a number can be made again alone.

The log has a line for each chunk: its numbers, the sources that were tried (a hash of the project's
and of this harness' modules), the revision. Started again with the same log, it goes on behind the
last chunk; chunks of other sources are neither summed nor left out.

What is not as a user has it, for speed: children that read files are kept (``_workers``), files lie
in memory and are not synced, and the versions of packages are looked up once. An input that is at
fault is tried again by new children, and is at fault where it is so again.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import hashlib
import json
import multiprocessing
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import _workers
import torch
from _mutants import MUTANTS

import leaf_port
import weight_conversion
from leaf_port import _publish, _registry, pretrained
from leaf_port.errors import LeafError
from weight_conversion.cli import inspect_command
from weight_conversion.foreign import import_port as port_import
from weight_conversion.foreign.import_port import import_port
from weight_conversion.foreign.ports import PortSettings
from weight_conversion.formats import child_process, torch_file
from weight_conversion.official import adam
from weight_conversion.official import convert as conversion
from weight_conversion.official import folder as folders
from weight_conversion.official.convert import convert
from weight_conversion.official.settings import Settings

SECONDS = 2.0  # of the processor's time: other load on the machine is no hang
STOPPED = 10.0
SPARE, TIMES = 300_000_000, 10
CHUNK = 28_000  # of a process: its imports take 15 s

PORT = {"sample_rate": 8000, "window_len": 20.0, "window_stride": 5.0}
FORMATS = list(MUTANTS)
IN_MEMORY = Path("/dev/shm")
CHILDREN = resource.RUSAGE_CHILDREN
HARNESS = ("fuzz_files.py", "_mutants.py", "_small.py", "_edited.py", "_workers.py")


class HangError(BaseException):
    """An input took far longer than any should."""


@dataclass
class Tally:
    """What became of the inputs."""

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    boundary: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest: float = 0.0
    most: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Takes in what became of others."""
        self.outcomes.update(other.outcomes)
        self.boundary.update(other.boundary)
        self.slowest, self.most = max(self.slowest, other.slowest), max(self.most, other.most)
        self.failures += other.failures


def input_of(number: int) -> tuple[str, dict[str, bytes]]:
    """Format and files of an input."""
    form = FORMATS[number % len(FORMATS)]
    return form, MUTANTS[form](random.Random(number))


def write(place: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def path_of(place: Path, form: str, files: dict[str, bytes]) -> Path:
    """What a user would name."""
    if form in ("h5", "weights_h5", "torch", "safetensors"):
        return place / next(iter(files))
    return place / "c" if form == "bundle" else place


def whole_way(form: str, path: Path, out: Path, number: int) -> None:
    """All that the project does with such a file."""
    if form == "folder":
        _, model = folders.load(path)
        adam.restore(path, model)
        return
    if number % 3 == 0:
        with contextlib.suppress(LeafError):  # the same errors as below, and its own
            inspect_command.look(path)
    if form in ("torch", "safetensors"):
        torch_file.is_torch_file(path)
        import_port(path, out, PortSettings(PORT), force=True)
    else:
        convert(path, out, settings(number), force=True)
    loaded(out)


def settings(number: int) -> Settings:
    """The official defaults; the frontend is told for every second one."""
    kinds = (None, None, None, "leaf", "tfbanks", "sincnet", "mel", "none")
    given = {"frontend": kinds[number // 7 % len(kinds)], "n_filters": 8}
    return Settings(given, defaults=True)


def loaded(out: Path) -> None:
    """As users load what was converted."""
    config = pretrained.read_config(out)
    kind = _registry.KINDS[config["kind"]]
    model = kind.from_pretrained(out)  # type: ignore[attr-defined]
    if config.get("optimizer") and (out / adam.FILE).exists():
        adam.restore(out, model)


def _alarm(*_: object) -> None:
    raise HangError


@dataclass
class Verdict:
    """What became of an input."""

    outcome: str
    failed: str
    seconds: float
    taken: int
    unforeseen: str


def judge(number: int, place: Path, tally: Tally) -> None:
    """One input, the whole way; what is at fault, again with new children."""
    form, files = input_of(number)
    found = attempt(number, form, files, place)
    if found.failed:
        _workers.close()
        found = attempt(number, form, files, place)
    tally.outcomes[f"{form}: {found.outcome}"] += 1
    tally.slowest, tally.most = max(tally.slowest, found.seconds), max(tally.most, found.taken)
    if found.unforeseen:
        tally.boundary[found.unforeseen] += 1
    if found.failed:
        tally.failures.append(f"input {number} ({form}): {found.failed}"[:600])


def attempt(number: int, form: str, files: dict[str, bytes], place: Path) -> Verdict:
    """One input, the whole way."""
    source, out = place / "in", place / "out"
    shutil.rmtree(source, ignore_errors=True)
    write(source, files)
    size = sum(map(len, files.values()))
    _workers.usage.clear()
    _workers.forget()
    before, start = _workers.memory()[0], time.process_time()
    signal.setitimer(signal.ITIMER_PROF, STOPPED)
    failed = unforeseen = ""
    try:
        whole_way(form, path_of(source, form, files), out, number)
        outcome = "taken"
    except LeafError as error:
        outcome = "refused"
        if error.expected == "a file that is what it says":
            unforeseen = _at_boundary(error)
    except (Exception, HangError) as error:
        outcome, failed = "failed", _last(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds, taken = time.process_time() - start, _workers.memory()[1] - before
    for used, grown in _workers.usage:
        seconds, taken = seconds + used, max(taken, grown)
    if seconds > SECONDS:
        failed += f" {seconds:.2f} s"
    if taken > SPARE + TIMES * size:
        failed += f" {taken} bytes for a file of {size}"
    return Verdict(outcome, failed, seconds, taken, unforeseen)


def _at_boundary(error: LeafError) -> str:
    """Where an error was met that no check foresaw."""
    cause = error.__cause__
    if cause is None:
        return ""
    last = traceback.extract_tb(cause.__traceback__)
    ours = [each for each in last if "weight_conversion" in each.filename] or last
    at = ours[-1]
    return f"{type(cause).__name__} {Path(at.filename).name}:{at.lineno}"


def _last(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " > ".join(f"{Path(each.filename).name}:{each.lineno}" for each in frames)
    return f"{type(error).__name__}: {str(error)[:200]} at {where}"


def run(first: int, count: int, place: Path) -> Tally:
    """Inputs ``first``, ``first + 1``, ..."""
    tally = Tally()
    torch.set_num_threads(1)
    warm = torch.optim.Adam([torch.zeros(1)])
    warm.load_state_dict(warm.state_dict())  # torch takes seconds to load what this needs
    previous = signal.signal(signal.SIGPROF, _alarm)
    try:
        with fast():
            for number in range(first, first + count):
                judge(number, place, tally)
    finally:
        _workers.close()
        signal.signal(signal.SIGPROF, previous)
    return tally


@contextlib.contextmanager
def fast() -> Iterator[None]:
    """What the module's docstring says that is not as a user has it."""
    with contextlib.ExitStack() as stack:
        versions = functools.cache(conversion.versions)
        for module, name, value in (
            (child_process, "started", _workers.started),
            (_publish, "_fsync", lambda _: None),
            (conversion, "versions", versions),
            (port_import, "versions", versions),
        ):
            stack.enter_context(mock.patch.object(module, name, value))
        yield


def run_chunk(first: int, count: int, pipe: multiprocessing.connection.Connection) -> None:
    """A share of the inputs, in a process and a folder of its own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start = time.time()
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as place:
        tally = run(first, count, Path(place))
    own, children = (resource.getrusage(each) for each in (resource.RUSAGE_SELF, CHILDREN))
    seconds = sum(each.ru_utime + each.ru_stime for each in (own, children))
    pipe.send((tally, {"seconds": round(time.time() - start), "cpu_seconds": round(seconds)}))


def sources() -> str:
    """A hash of the project's modules and of this harness'."""
    found = hashlib.sha256()
    folders = [Path(str(module.__file__)).parent for module in (leaf_port, weight_conversion)]
    harness = [Path(__file__).with_name(name) for name in HARNESS]
    for path in [*(each for folder in folders for each in sorted(folder.rglob("*.py"))), *harness]:
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def revision() -> str:
    """The commit of this file, ``+`` where the tree differs from it; empty where there is none."""
    here = Path(__file__).parent
    said = []
    for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"]):
        told = subprocess.run(["git", "-C", here, *command], capture_output=True, check=False)
        said.append(told.stdout.decode().strip())
    return said[0][:12] + ("+" if said[1] else "")


def kept(log: Path | None, of: str, seed: int) -> tuple[int, Tally]:
    """How far a log's chunks of these sources reach from ``seed`` on, and what became of them."""
    tally, next_one = Tally(), seed
    lines = log.read_text().splitlines() if log is not None and log.exists() else []
    told = [each for each in map(json.loads, lines) if each["sources"] == of]
    for each in sorted(told, key=lambda each: int(each["first"])):
        if each["first"] == next_one:
            next_one += each["count"]
            counts = (collections.Counter(each[name]) for name in ("outcomes", "boundary"))
            tally.add(Tally(*counts, each["slowest"], each["most_bytes"], each["failures"]))
    return next_one, tally


def chunk(spawn: Any, first: int, count: int) -> tuple[Tally, dict[str, int]]:
    """A share of the inputs, in another process; its death is a failure."""
    ours, theirs = spawn.Pipe(duplex=False)
    process = spawn.Process(target=run_chunk, args=(first, count, theirs))
    process.start()
    theirs.close()
    try:
        found: tuple[Tally, dict[str, int]] = ours.recv()
    except EOFError:
        told = f"inputs {first} to {first + count - 1}: the process died"
        found = Tally(failures=[told]), {}
    process.join()
    return found


def told(tally: Tally) -> dict[str, Any]:
    return {
        "slowest": round(tally.slowest, 3),
        "most_bytes": tally.most,
        "failures": tally.failures,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "boundary": dict(tally.boundary.most_common()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=7_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--log", type=Path, help="told after each chunk, as JSON lines")
    given = parser.parse_args()
    of, commit, end = sources(), revision(), given.seed + given.inputs
    first, tally = kept(given.log, of, given.seed)
    spawn = multiprocessing.get_context("spawn")
    while first < end:
        count = min(CHUNK, end - first)
        found, used = chunk(spawn, first, count)
        tally.add(found)
        line = {"first": first, "count": count, "sources": of, "revision": commit, **used}
        if given.log is not None:
            with given.log.open("a") as file:
                file.write(json.dumps(line | told(found)) + "\n")
        first += count
        print(json.dumps({"inputs": first - given.seed, **used, **told(tally)}), flush=True)
    print(json.dumps({"inputs": first - given.seed, "sources": of, **told(tally)}))
    raise SystemExit(1 if tally.failures else 0)


if __name__ == "__main__":
    main()
