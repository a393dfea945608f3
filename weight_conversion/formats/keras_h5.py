"""Weights that Keras wrote into an HDF5 file, ``.h5`` or ``.weights.h5``.

Layouts, as Keras 2.13 and tf-keras 2.21 write them:

* ``model.save_weights("x.h5")``, in both: the root's attribute ``layer_names`` lists groups, each
  group's ``weight_names`` the datasets below it. Keras loads them by order, trained weights before
  others, so :meth:`KerasWeights.keys` keeps it: ``"conv_net/conv2d/kernel:0"``. No optimiser.
* ``model.save_weights("x.weights.h5")`` in 2.13: groups are the attributes of the model, each with
  a group ``vars`` of datasets by number: ``"_frontend/_complex_conv/vars/0"``,
  ``"optimizer/vars/12"``; children of a Sequential below ``_layer_checkpoint_dependencies``.
* the same in 2.21: groups are the layers by the name of their class:
  ``"layers/leaf/layers/gabor_conv1d/vars/0"``, ``"optimizer/vars/12"``.

Nothing is followed out of the file or out of its tree (soft and external links, external storage,
virtual datasets), nothing is unpickled or decompressed, and only numbers are read that fill as many
bytes of the file as they take. HDF5 keeps no checksums of them, though. Its C library does not run
in this process but in a child, since damaged files can crash or hang it (``keras_h5_child``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy.typing as npt

from weight_conversion.formats import child_process
from weight_conversion.formats.malformed import MalformedError, refusal
from weight_conversion.formats.tensorflow.locate import size_of, unreadable

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIX = "save the weights again with Keras: model.save_weights(name)"

Array = npt.NDArray[Any]


class KerasWeights:
    """The arrays of a Keras weights file, by name; all are read at once.

    Args:
        path: the ``.h5`` file.

    Attributes:
        path: the file.
        by_layer: whether it is of the layout by layer names (``.h5``) rather than by attributes.
        layers: of a file by layer names, all of them in order, those without weights too.
        groups: of a file by attributes, all of its groups, those without weights too.

    Raises:
        LeafError: not such a file, one that holds what is not followed, or one that HDF5's library
            hangs or crashes on.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        size = size_of(self.path)
        _check_signature(self.path)
        try:
            head, self._found = _read(self.path, size)
        except MalformedError as error:
            raise error.of(self.path) from None
        self.by_layer = bool(head["by_layer"])
        self.layers: list[str] = head["layers"]
        self.groups: list[str] = head["groups"]

    def keys(self) -> list[str]:
        """Paths of the datasets: in Keras' order in a file by layers, else sorted."""
        return list(self._found)

    def shape(self, key: str) -> tuple[int, ...]:
        """An array's axes.

        Raises:
            LeafError: no such key.
        """
        return self._of(key).shape

    def dtype(self, key: str) -> str:
        """The type of an array's numbers: ``"float32"``.

        Raises:
            LeafError: no such key.
        """
        return str(self._of(key).dtype.name)

    def tensor(self, key: str) -> Array:
        """An array, the same one each time, in the machine's byte order.

        Raises:
            LeafError: no such key.
        """
        return self._of(key)

    def _of(self, key: str) -> Array:
        if key not in self._found:
            fix = "see keys(), or `python -m weight_conversion inspect`"
            raise refusal(self.path, key, f"one of {len(self._found)} keys", "no such key", fix)
        return self._found[key]


def _check_signature(path: Path) -> None:
    try:
        with path.open("rb") as file:
            found = file.read(len(SIGNATURE))
    except OSError as error:
        raise unreadable(path, error) from None
    if found != SIGNATURE:
        raise refusal(path, None, "an HDF5 file", found, _FIX)


def _read(path: Path, size: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """What the child finds in the file."""
    expected = "a file that HDF5's library can read"
    head, arrays = child_process.ask(
        "weight_conversion.formats.keras_h5_child", path, size, expected, _FIX
    )
    names = [one["name"] for one in head["arrays"]]
    return head, dict(zip(names, arrays, strict=True))
