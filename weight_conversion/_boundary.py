"""Whatever goes wrong with a file of somebody else's is an error that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from leaf_port.errors import LeafError
from weight_conversion._malformed import MalformedError, shown

_FIX = "it is damaged, or of a kind that is not known here: report it with the file"


@contextmanager
def reading(where: str, path: Path, key: str = "") -> Iterator[None]:
    """What is raised within is a LeafError of ``where`` about ``path``, and ``key`` in it.

    An OSError passes: it is about the file system, and who writes there knows better. So does a
    package that is missing.
    """
    try:
        yield
    except (LeafError, OSError, ModuleNotFoundError):
        raise
    except MalformedError as error:
        raise error.of(path, key or None) from None
    except Exception as error:
        place = f"{shown(str(path))}: {shown(key)}" if key else shown(str(path))
        got = f"{type(error).__name__}: {shown(str(error))}".removesuffix(": ")
        raise LeafError(where, place, "a file that is what it says", got, _FIX) from error
