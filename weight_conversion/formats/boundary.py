"""Whatever goes wrong with a file of somebody else's is an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leaf_port.errors import LeafError
from weight_conversion.formats.malformed import MalformedError, shown

_FIX = "it is damaged, or of a kind that is not known here: report it with the file"


@contextmanager
def reading(where: str, path: Path, key: str = "", *, writes: bool = False) -> Iterator[None]:
    """What is raised within is a LeafError of ``where`` about ``path``, and ``key`` in it.

    A MalformedError has its own way there; a package that is missing is told elsewhere.

    Args:
        where: the command.
        path: the file.
        key: of a tensor in it.
        writes: whether files are written within: then an OSError passes.
    """
    try:
        yield
    except (LeafError, MalformedError, ModuleNotFoundError):
        raise
    except OSError as error:
        if writes:
            raise
        got, fix = error.strerror or error, "check its name and its permissions"
        raise LeafError(where, shown(str(path)), "a file that can be read", got, fix) from error
    except Exception as error:
        place = f"{shown(str(path))}: {shown(key)}" if key else shown(str(path))
        got = f"{type(error).__name__}: {shown(str(error))}".removesuffix(": ")
        raise LeafError(where, place, "a file that is what it says", got, _FIX) from error
