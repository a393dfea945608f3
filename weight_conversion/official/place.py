"""Where a conversion is put: a folder that appears whole, and replaces conversions alone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from leaf_port._model_folder import OPTIMIZER as OPTIMIZER
from leaf_port._model_folder import VERIFICATION as VERIFICATION
from leaf_port._model_folder import Place


def _place(folder: Path) -> Place:
    return Place(folder, "convert", "--force", "conversion")


def refuse_existing(folder: Path, force: bool) -> None:
    """Refuses a place that is taken, or where there is none.

    Raises:
        LeafError: no parent folder; something of this name, unless it is an earlier conversion
            and ``force`` is given.
    """
    _place(folder).refuse_existing(force)


def new_folder(folder: Path, force: bool) -> AbstractContextManager[Path]:
    """A folder under a temporary name, which gets its own when the block ends well.

    Raises:
        LeafError: the system refuses (permissions, a full disk).
    """
    return _place(folder).new_folder(force)
