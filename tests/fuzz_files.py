"""Mutated files of every format, the whole way: nothing but the project's error, in little memory.

    python tests/fuzz_files.py --inputs 1000000 --seed 1 --log fuzz.log

Each input is opened, listed, told apart, converted or imported, and what came of it is loaded. At
fault is an error of another kind, more than 2 s of the processor's time, or more memory than 300 MB
and ten times the file. Formats take turns; the input of a number can be made again alone.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import multiprocessing
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import _forked
import torch
from _mutants import MUTANTS

from leaf_port import _registry, pretrained
from leaf_port.errors import LeafError
from weight_conversion.cli import app as conversion_app
from weight_conversion.foreign.import_port import import_port
from weight_conversion.foreign.ports import PortSettings
from weight_conversion.formats import child_process, torch_file
from weight_conversion.official import adam
from weight_conversion.official import folder as folders
from weight_conversion.official.convert import convert
from weight_conversion.official.settings import Settings

SECONDS = 2.0  # of the processor's time: other load on the machine is no hang
STOPPED = 10.0
SPARE, TIMES = 300_000_000, 10
CHUNK = 500  # of a process

PORT = {"sample_rate": 8000, "window_len": 20.0, "window_stride": 5.0}
FORMATS = list(MUTANTS)


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
            conversion_app.look(path)
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


def _resident() -> tuple[int, int]:
    """Memory of this process, and the most since it was asked last."""
    text = Path("/proc/self/status").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    now, peak = (int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def judge(number: int, place: Path, tally: Tally) -> None:
    """One input, the whole way."""
    form, files = input_of(number)
    source, out = place / "in", place / "out"
    shutil.rmtree(source, ignore_errors=True)
    write(source, files)
    size = sum(map(len, files.values()))
    _forked.usage.clear()
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _resident()[0], time.process_time()
    signal.setitimer(signal.ITIMER_PROF, STOPPED)
    failed = ""
    try:
        whole_way(form, path_of(source, form, files), out, number)
        outcome = "taken"
    except LeafError as error:
        outcome = "refused"
        if error.expected == "a file that is what it says":
            _at_boundary(error, tally)
    except (Exception, HangError) as error:
        outcome, failed = "failed", _last(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds, taken = time.process_time() - start, _resident()[1] - before
    for used, peak in _forked.usage:
        seconds, taken = seconds + used, max(taken, peak - before)
    tally.outcomes[f"{form}: {outcome}"] += 1
    tally.slowest, tally.most = max(tally.slowest, seconds), max(tally.most, taken)
    if seconds > SECONDS:
        failed += f" {seconds:.2f} s"
    if taken > SPARE + TIMES * size:
        failed += f" {taken} bytes for a file of {size}"
    if failed:
        tally.failures.append(f"input {number} ({form}): {failed}"[:600])


def _at_boundary(error: LeafError, tally: Tally) -> None:
    """Counts where an error was met that no check foresaw."""
    cause = error.__cause__
    if cause is None:
        return
    last = traceback.extract_tb(cause.__traceback__)
    ours = [each for each in last if "weight_conversion" in each.filename] or last
    at = ours[-1]
    tally.boundary[f"{type(cause).__name__} {Path(at.filename).name}:{at.lineno}"] += 1


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
    kept = child_process.started
    child_process.started = _forked.started
    try:
        for number in range(first, first + count):
            judge(number, place, tally)
    finally:
        child_process.started = kept
        signal.signal(signal.SIGPROF, previous)
    return tally


def run_chunk(first: int, count: int, pipe: multiprocessing.connection.Connection) -> None:
    """A share of the inputs, in a process and a folder of its own."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as place:
        pipe.send(run(first, count, Path(place)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=7_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="told after each chunk, as JSON lines")
    given = parser.parse_args()
    start, tally = time.time(), Tally()
    spawn = multiprocessing.get_context("spawn")
    for first in range(0, given.inputs, CHUNK):
        count = min(CHUNK, given.inputs - first)
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=run_chunk, args=(given.seed + first, count, theirs))
        process.start()
        theirs.close()
        try:
            tally.add(ours.recv())
        except EOFError:
            numbers = f"{given.seed + first} to {given.seed + first + count - 1}"
            tally.failures.append(f"inputs {numbers}: the process died")
        process.join()
        _tell(tally, first + count, time.time() - start, given.log)
    raise SystemExit(1 if tally.failures else 0)


def _tell(tally: Tally, done: int, seconds: float, log: Path | None) -> None:
    told = {
        "inputs": done,
        "seconds": round(seconds),
        "slowest": round(tally.slowest, 3),
        "most_bytes": tally.most,
        "failed": len(tally.failures),
        "failures": tally.failures[-20:],
        "outcomes": dict(sorted(tally.outcomes.items())),
        "boundary": dict(tally.boundary.most_common(20)),
    }
    print(json.dumps(told), flush=True)
    if log is not None:
        with log.open("a") as file:
            file.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
