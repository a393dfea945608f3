"""Opens a file of weights of any format: names, shapes and numbers, and no model yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from weight_conversion.formats.keras_archive import open_archive
from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.torch_file import TorchFile, is_torch_file


class Reader(Protocol):
    """The tensors of a file, by the names that the file gives them."""

    def keys(self) -> list[str]:
        """The names of all tensors."""

    def shape(self, key: str) -> tuple[int, ...]:
        """A tensor's axes."""

    def dtype(self, key: str) -> str:
        """A tensor's type."""

    def tensor(self, key: str) -> Any:
        """A tensor, as an array of NumPy."""


def open_reader(path: Path) -> Checkpoint | KerasWeights | TorchFile:
    """Opens a TensorFlow checkpoint, SavedModel, ``.keras``, ``.h5`` or PyTorch file.

    The suffix of the path decides; a path without a known one is a checkpoint or a SavedModel.

    Args:
        path: the file, the folder, or the prefix of a checkpoint's files.

    Raises:
        LeafError: no such file, or one that is damaged or of another format.
    """
    if path.suffix == ".keras":
        return open_archive(path)[0]
    if path.suffix in (".h5", ".hdf5"):
        return KerasWeights(path)
    return TorchFile(path) if is_torch_file(path) else Checkpoint(path)
