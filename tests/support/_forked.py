"""Children that are forked instead of started anew: what reads a file, a hundred times as fast."""

from __future__ import annotations

import importlib
import os
import signal
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def started(module: str, path: Path, seconds: float) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """As ``weight_conversion.formats.child_process.started``."""
    main = importlib.import_module(module).main
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child needs not
        child = os.fork()
    if child == 0:
        os.close(out)
        os.close(err)
        _run(main, path, out_end, err_end)
    os.close(out_end)
    os.close(err_end)
    try:
        with os.fdopen(out, "rb") as said, os.fdopen(err, "rb") as told:
            yield said, told
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _run(main: object, path: Path, out: int, err: int) -> None:
    """In the child: as ``python -m`` does, and no more."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    code = 1
    try:
        with os.fdopen(out, "wb") as said:
            main(path, said)  # type: ignore[operator]
        code = 0
    except BaseException:
        os.write(err, traceback.format_exc().encode()[-4000:])
    finally:
        os._exit(code)
