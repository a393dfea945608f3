"""A ``.keras`` archive: a zip file with the weights as HDF5 and the configuration as JSON.

Nothing in it is executed or imported.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError
from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.locate import unreadable

WEIGHTS, CONFIG, VERSION = "model.weights.h5", "config.json", "metadata.json"
LIMIT = 1 << 26
"""Of a part that is read into memory, in bytes."""

_CHUNK = 1 << 20
_FIX = "save the weights instead: model.save_weights(prefix)"


def open_archive(path: Path) -> tuple[KerasWeights, dict[str, Any]]:
    """The weights of a ``.keras`` archive, and its configuration.

    Raises:
        LeafError: no such archive, or weights that cannot be read.
    """
    try:
        with opened(path) as (weights, config):
            try:
                return KerasWeights(weights), config
            except LeafError as error:
                where = error.argument.replace(str(weights), f"{path}: {weights.name}")
                raise LeafError(error.owner, where, error.expected, error.got, error.fix) from None
    except MalformedError as error:
        raise error.of(path) from None
    except OSError as error:
        raise unreadable(path, error) from None


@contextmanager
def opened(path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The weights of a ``.keras`` archive as a file for the while, and its configuration.

    Raises:
        MalformedError: no such archive, or one whose parts are compressed.
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            config = _part(archive, CONFIG)
            target = Path(folder, WEIGHTS)
            _copy(archive, target, path.stat().st_size)
            yield target, json_object(config, CONFIG)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise MalformedError("a .keras archive", error, _FIX) from None


def _info(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        found = archive.getinfo(name)
    except KeyError:
        raise MalformedError(f"{name} in the archive", "none", _FIX) from None
    if found.compress_type != zipfile.ZIP_STORED or found.flag_bits & 1:
        raise MalformedError(f"{name} as Keras stores it, uncompressed", "another", _FIX)
    return found


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    info = _info(archive, name)
    if info.file_size > LIMIT:
        raise MalformedError(f"{name} of at most {LIMIT} bytes", info.file_size)
    return archive.read(info)


def _copy(archive: zipfile.ZipFile, target: Path, most: int) -> None:
    info = _info(archive, WEIGHTS)
    if info.file_size > most:
        raise MalformedError(f"{WEIGHTS} of at most {most} bytes", info.file_size)
    with archive.open(info) as source, target.open("wb") as out:
        while data := source.read(_CHUNK):
            out.write(data)


def json_object(data: bytes, name: str) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        MalformedError: other data.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"JSON in {name}", error) from None
    if not isinstance(found, dict):
        raise MalformedError(f"an object of JSON in {name}", type(found).__name__)
    return found
