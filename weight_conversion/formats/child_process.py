"""Has a file read in a process of its own, which may hang, crash or run out of memory.

The child (``weight_conversion.formats.keras_h5_child``,
``weight_conversion.formats.torch_file_child``) writes a line of JSON to its standard output, and
then the bytes of the arrays that the line lists, one after another. What it says is checked here:
it may have been led astray by the file.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from weight_conversion.formats.malformed import MalformedError

SECONDS = 60.0
BYTES_PER_SECOND = 10e6
"""How long the child may take: so long, and as long as a slow disk takes for the file."""

HEAD = 1 << 20
HEAD_TIMES = 16
"""How long its line may be: so many bytes, and so many times the file."""

Array = npt.NDArray[Any]
Said = tuple[dict[str, Any], list[Array]]


def ask(module: str, path: Path, size: int, expected: str, fix: str) -> Said:
    """What a child finds in a file.

    Args:
        module: that is run, ``"weight_conversion.formats.keras_h5_child"``.
        path: the file.
        size: in bytes.
        expected: what to say where the child hangs or crashes: ``"a file that ..."``.
        fix: likewise.

    Returns:
        Its line, and the arrays that the line lists.

    Raises:
        MalformedError: what the child says against the file, or that it said nothing.
        ModuleNotFoundError: a package that the child needs.
    """
    with started(module, path, SECONDS + size / BYTES_PER_SECOND) as (out, err):
        made = received(out, size, fix)
        told = err.read(1 << 16) if made is None else b""
    if made is None:
        last = (told.decode(errors="replace").strip().splitlines() or ["it crashed, or hung"])[-1]
        if "No module named" in last:
            raise ModuleNotFoundError(last, name=last.rpartition("'")[0].rpartition("'")[2])
        raise MalformedError(expected, last, fix)
    return made


@contextmanager
def started(module: str, path: Path, seconds: float) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The outputs of a child that reads ``path``; it ends with the block, or when time is over."""
    command = [*interpreter(), "-m", module, str(path.absolute())]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, env=environment()) as child:
        timer = threading.Timer(seconds, child.kill)
        timer.start()
        try:
            if child.stdout is None or child.stderr is None:
                raise AssertionError
            yield child.stdout, child.stderr
        finally:
            timer.cancel()
            child.kill()


def interpreter() -> list[str]:
    """This Python, told not to look for modules where it is started."""
    return [sys.executable, "-P"]


def environment() -> dict[str, str]:
    """The variables of a child: it finds the packages that are found here, but for the folder in
    which the user happens to be, unless this package itself lies there.
    """
    own = Path(__file__).resolve().parents[2]
    here = Path.cwd()
    paths = [each for each in sys.path if each and os.path.isabs(each)]  # noqa: PTH117
    kept = [each for each in paths if Path(each).resolve() == own or Path(each).resolve() != here]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([*kept, str(own)])),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
    }


def received(stream: IO[bytes], size: int, fix: str) -> Said | None:
    """What a child says; None where it ends before it has said all.

    Raises:
        MalformedError: what it says against the file, or more bytes than the file has.
    """
    line = stream.readline(HEAD + HEAD_TIMES * size)
    if not line.endswith(b"\n"):
        return None
    head: dict[str, Any] = json.loads(line)
    if "expected" in head:
        raise MalformedError(head["expected"], head["got"], head["fix"])
    arrays = []
    for one in head["arrays"]:
        dtype, shape = np.dtype(one["dtype"]), tuple(one["shape"])
        length = math.prod(shape) * dtype.itemsize
        size -= length
        if size < 0:
            raise MalformedError("arrays within the file", one.get("name", "more"), fix)
        raw = np.empty(length, np.uint8)
        if not _fill(raw, stream):
            return None
        array = raw.view(dtype).reshape(shape)
        arrays.append(array.astype(dtype.newbyteorder("="), copy=False))
    return head, arrays


def _fill(raw: npt.NDArray[np.uint8], stream: IO[bytes]) -> bool:
    """Whether as many bytes came as there is room for."""
    view, done = memoryview(raw.data), 0
    while done < raw.size:
        part = stream.read(min(1 << 20, raw.size - done))
        if not part:
            return False
        view[done : done + len(part)] = part
        done += len(part)
    return True


def answer(head: dict[str, Any], arrays: Iterator[Array], out: IO[bytes]) -> None:
    """The child's side: writes its line and its arrays."""
    out.write(json.dumps(head).encode() + b"\n")
    for array in arrays:
        out.write(array.tobytes())
    out.flush()


def refused(error: MalformedError) -> dict[str, Any]:
    """The child's side: its line about a file that it does not take."""
    return {"expected": error.expected, "got": error.got, "fix": error.fix}
