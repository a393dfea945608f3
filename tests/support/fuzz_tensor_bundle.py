"""Mutated checkpoints for the reader: nothing but the project's error may come, in little memory.

    python tests/support/fuzz_tensor_bundle.py --inputs 1000000 --seed 1 --workers 2

Four in ten mutants are spoiled files. The others are spoiled below the checksums, which are made
again: keys, entries, blocks, handles, string lengths, the object graph. What is counted: read
whole, refused at opening or at reading, and by which check.
"""

from __future__ import annotations

import argparse
import collections
import functools
import multiprocessing
import random
import re
import signal
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from _bundle_writer import (
    BFloat16,
    Bundle,
    Made,
    Pairs,
    header,
    node,
    number,
    part,
    table,
    write_files,
)

from leaf_port.errors import LeafError
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked
from weight_conversion.formats.tensorflow.object_graph import KEY
from weight_conversion.reference import record

SECONDS = 10.0  # of the processor's time: other load on the machine is no hang
TIMES, PLUS = 16, 32_000
"""What a reader may allocate: so many times the size of the files, and a constant."""

EDGES = (0, 1, 2, 3, 7, 16, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40)
EDGES += (2**56, 2**62, 2**63 - 1, 2**63, 2**64 - 1)

Random = random.Random


class HangError(Exception):
    """An input took longer than any should."""


def graph_nodes() -> list[bytes]:
    return [
        node({"_head": 1, "optimizer": 2, "root": 0}),
        node({"kernel": 3, "bias": 4}),
        node({"_variables": 1}, slots=[(3, "m", 5), (4, "m", 4)]),
        node(variable=("dense/kernel", "_head/kernel/.ATTRIBUTES/VARIABLE_VALUE")),
        node(variable=("dense/bias", "_head/bias/.ATTRIBUTES/VARIABLE_VALUE")),
        node(variable=("m", "_head/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE")),
    ]


def model() -> Bundle:
    made = Bundle().add_graph(graph_nodes())
    made.add("_head/kernel/.ATTRIBUTES/VARIABLE_VALUE", np.ones((5, 3), np.float32))
    made.add("_head/bias/.ATTRIBUTES/VARIABLE_VALUE", np.ones(3, np.float32))
    slot = "_head/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE"
    return made.add(slot, np.ones((5, 3), np.float32)).add("step", np.int64(7))


def motley() -> Bundle:
    made = Bundle(shards=2)
    made.add("b", np.array([True, False])).add("h", BFloat16(np.arange(4, dtype=np.uint16)), 1)
    made.add("e", np.zeros((0, 3))).add("s", np.array([[b"", b"ab"], [b"\x00", b"c" * 20]], object))
    whole = np.arange(12, dtype=np.int32).reshape(4, 3)
    pieces = [[(0, 1), (0, None)], [(1, 3), (0, 2)], [(1, 3), (2, 1)]]
    return made.add_pieces("p", whole, pieces).add("z", np.complex64(1j), 1)


@functools.cache
def seeds() -> tuple[Bundle, ...]:
    return model(), motley()


@functools.cache
def seed_files() -> tuple[dict[str, bytes], ...]:
    return recorded(), *(bundle.files() for bundle in seeds())


def recorded() -> dict[str, bytes]:
    """A file that TensorFlow itself wrote."""
    folder = record.RECORDINGS / "leaf" / "frontend"
    found = sorted(path for path in folder.iterdir() if path.name != "checkpoint")
    return {path.name.removeprefix("frontend"): path.read_bytes() for path in found}


def spoil(rng: Random, data: bytes, other: bytes) -> bytes:
    """One to three changes of bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(data) + 1)
        size = rng.choice((1, 1, 2, 4, 8, 40))
        kind = rng.randrange(8)
        if kind <= 1 and at < len(data):
            flipped = data[at] ^ (1 << rng.randrange(8))
            data = data[:at] + bytes([flipped]) + data[at + 1 :]
        elif kind == 2:
            data = data[:at] + rng.randbytes(size) + data[at + size :]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            data = data[:at] + data[at + size :]
        elif kind == 5:
            data = data[:at] + data[at : at + size] * 2 + data[at + size :]
        elif kind == 6:
            start = rng.randrange(len(other) + 1)
            data = data[:at] + other[start : start + size] + data[at + size :]
        else:
            data = data[:at] + number(0, rng.choice(EDGES))[1:] + data[at + size :]
    return data


def spoiled_files(rng: Random) -> dict[str, bytes]:
    files = dict(rng.choice(seed_files()))
    name = rng.choice([".index", *files])
    files[name] = spoil(rng, files[name], rng.choice(list(files.values())))
    if rng.random() < 0.02:
        files.pop(rng.choice(list(files)))
    return files


def spoiled_pairs(rng: Random, pairs: Pairs) -> Pairs:
    """Keys and values changed, left out, repeated or out of order."""
    at = rng.randrange(len(pairs))
    key, value = pairs[at]
    kind = rng.randrange(7)
    if kind <= 2:
        pairs[at] = key, spoil(rng, value, rng.choice(pairs)[1])
    elif kind == 3:
        pairs[at] = spoil(rng, key, rng.choice(pairs)[0]), value
    elif kind == 4:
        del pairs[at]
    elif kind == 5:
        pairs.insert(at, (key, rng.choice(pairs)[1]))
    else:
        pairs[at] = key, header(rng.choice(EDGES) or 1, rng.random() < 0.5, rng.choice((0, 0, 2)))
    return sorted(pairs) if rng.random() < 0.7 else pairs


def spoiled_table(rng: Random, bundle: Bundle) -> dict[str, bytes]:
    pairs = bundle.pairs()
    for _ in range(rng.choice((1, 1, 2))):
        if pairs:
            pairs = spoiled_pairs(rng, pairs)
    size, restarts = rng.choice((1, 60, 1 << 18)), rng.choice((1, 2, 16))
    return bundle.files(table(pairs, size, restarts))


def spoiled_blocks(rng: Random, bundle: Bundle) -> dict[str, bytes]:
    """Blocks and handles changed below their CRC."""
    size, restarts = rng.choice((1, 60, 1 << 18)), rng.choice((1, 2, 16))
    chance = rng.choice((0.1, 0.3, 1.0))

    def change(data: bytes) -> bytes:
        return spoil(rng, data, data) if rng.random() < chance else data

    return bundle.files(table(bundle.pairs(), size, restarts, change, rng.choice((0, 0, 0, 1, 9))))


def spoiled_entry(rng: Random, made: Made) -> Made:
    """One field that is at an edge, or off by one."""
    name = rng.choice(("dtype", "shape", "shard", "offset", "size", "slices", "shape"))
    if name == "dtype":
        return replace(made, dtype=rng.choice((rng.randrange(32), rng.choice(EDGES))))
    if name == "slices":
        piece = tuple((rng.choice(EDGES[:8]), rng.choice((None, *EDGES[:8]))) for _ in made.shape)
        return replace(made, slices=(*made.slices, piece))
    if name == "shape":
        shape = list(made.shape) * rng.choice((1, 1, 1, 40))
        if shape and rng.random() < 0.6:
            shape[rng.randrange(len(shape))] = rng.choice(EDGES)
        else:
            shape.insert(rng.randrange(len(shape) + 1), rng.choice((0, 1, *EDGES)))
        return replace(made, shape=tuple(shape))
    value = getattr(made, name)
    return replace(made, **{name: rng.choice((value + 1, max(0, value - 1), rng.choice(EDGES)))})


def spoiled_entries(rng: Random, bundle: Bundle) -> dict[str, bytes]:
    for _ in range(rng.choice((1, 1, 2))):
        key = rng.choice(list(bundle.entries))
        bundle.entries[key] = spoiled_entry(rng, bundle.entries[key])
    return bundle.files()


def spoiled_data(rng: Random, bundle: Bundle) -> dict[str, bytes]:
    """A tensor's bytes changed, its CRC made again."""
    key = rng.choice([key for key, made in bundle.entries.items() if made.size])
    made = bundle.entries[key]
    shard = bundle.shards[made.shard]
    data = bytes(shard[made.offset : made.offset + made.size])
    data = spoil(rng, data, data)[: made.size].ljust(made.size, b"\x01")
    shard[made.offset : made.offset + made.size] = data
    bundle.entries[key] = replace(made, crc=masked(crc32c(data)))
    return bundle.files()


def spoiled_strings(rng: Random, _bundle: Bundle) -> dict[str, bytes]:
    """The object graph changed below its CRC, or strings whose lengths are."""
    nodes = graph_nodes()
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(nodes))
        nodes[at] = spoil(rng, nodes[at], rng.choice(nodes))
    message = b"".join(part(1, each) for each in nodes)
    if rng.random() < 0.3:
        message = spoil(rng, message, message)
    bundle = model()
    bundle.entries.pop(KEY.encode())
    return bundle.add(KEY, np.array(message, object)).files()


BELOW: tuple[Callable[[Random, Bundle], dict[str, bytes]], ...] = (
    spoiled_table,
    spoiled_blocks,
    spoiled_entries,
    spoiled_data,
    spoiled_strings,
)


def mutant(rng: Random) -> dict[str, bytes]:
    """The files of one mutated checkpoint."""
    if rng.random() < 0.4:
        return spoiled_files(rng)
    return rng.choice(BELOW)(rng, rng.choice(seeds()).copy())


@dataclass
class Tally:
    """What became of the inputs."""

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    checks: collections.Counter[str] = field(default_factory=collections.Counter)
    slowest: float = 0.0
    most: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Takes in what became of others."""
        self.outcomes.update(other.outcomes)
        self.checks.update(other.checks)
        self.slowest, self.most = max(self.slowest, other.slowest), max(self.most, other.most)
        self.failures += other.failures


def read_all(prefix: Path, tally: Tally) -> None:
    """All that the reader can do with a checkpoint."""
    try:
        found = Checkpoint(prefix)
    except LeafError as error:
        tally.outcomes["refused at opening"] += 1
        tally.checks[_check(error)] += 1
        return
    refused = False
    attempts = [lambda key=key: found.tensor(key) for key in found.keys()]  # noqa: SIM118
    for attempt in (*attempts, lambda: graph(found)):
        try:
            attempt()
        except LeafError as error:
            tally.checks[_check(error)] += 1
            refused |= "_CHECKPOINTABLE" not in error.argument or error.got != "none"
    tally.outcomes["refused at reading" if refused else "read"] += 1


def graph(found: Checkpoint) -> None:
    made = found.object_graph()
    made.slots()
    made.child("_head/kernel")
    found.variables()


def _check(error: LeafError) -> str:
    """Which check refused: its expectation without numbers and names."""
    text = re.sub(r"b['\"].*", "...", error.expected)
    return re.sub(r"0x[0-9a-f]+|\d+", "#", text)[:60]


def _alarm(*_: object) -> None:
    raise HangError


def measured(prefix: Path, tally: Tally) -> int:
    """Reads once; how much memory it took at its peak."""
    tracemalloc.start()
    start = time.process_time()
    try:
        read_all(prefix, tally)
    finally:
        tally.slowest = max(tally.slowest, time.process_time() - start)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return taken


def judge(files: dict[str, bytes], prefix: Path, tally: Tally) -> None:
    """Reads, and again where it took too much: an input that is at fault takes it each time.

    (Every 16,000 inputs or so the interpreter moves its table of interned names, 4 MB.)
    """
    limit = TIMES * sum(map(len, files.values())) + PLUS
    taken = measured(prefix, tally)
    if taken > limit:
        taken = measured(prefix, Tally())
    tally.most = max(tally.most, taken)
    if taken > limit:
        raise MemoryError(f"{taken} bytes, more than {limit}")


def run(inputs: int, seed: int, folder: Path, told: Callable[[int, Tally], None]) -> Tally:
    """Feeds the reader mutants ``seed``, ``seed + 1``, ...; each can be made again alone."""
    tally = Tally()
    previous = signal.signal(signal.SIGPROF, _alarm)
    try:
        for i in range(seed, seed + inputs):
            files = mutant(Random(i))
            for old in folder.iterdir():
                old.unlink()
            prefix = write_files(folder / "c", files)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                judge(files, prefix, tally)
            except Exception as error:
                tally.failures.append(f"input {i}: {type(error).__name__}: {error}"[:300])
            signal.setitimer(signal.ITIMER_PROF, 0)
            told(i - seed + 1, tally)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    return tally


CHUNK = 20_000  # of a process: tracemalloc keeps 6 kB of each measurement to itself


def run_chunk(seed: int, inputs: int) -> Tally:
    """A share of the inputs, in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return run(inputs, seed, Path(folder), lambda *_: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    given = parser.parse_args()
    start, tally, done = time.time(), Tally(), 0
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.workers, mp_context=spawn, max_tasks_per_child=1) as pool:
        for chunk in as_completed(
            pool.submit(run_chunk, given.seed + first, min(CHUNK, given.inputs - first))
            for first in range(0, given.inputs, CHUNK)
        ):
            tally.add(chunk.result())
            done = sum(tally.outcomes.values())
            seconds, failed = time.time() - start, f"{len(tally.failures)} failures"
            print(f"{done} inputs, {seconds:.0f} s, {dict(tally.outcomes)}, {failed}", flush=True)
    print("\n".join(f"{count:8} {check}" for check, count in tally.checks.most_common()))
    print(f"{given.inputs} inputs, seeds from {given.seed}, {time.time() - start:.0f} s")
    print(f"{dict(tally.outcomes)}; slowest {tally.slowest:.3f} s; most memory {tally.most} bytes")
    print("\n".join([f"{len(tally.failures)} failures", *tally.failures[:20]]))
    raise SystemExit(1 if tally.failures or done + len(tally.failures) < given.inputs else 0)


if __name__ == "__main__":
    main()
