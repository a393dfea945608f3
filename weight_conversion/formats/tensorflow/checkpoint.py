"""TensorFlow checkpoints, read without TensorFlow.

A checkpoint (tensorflow/core/util/tensor_bundle) is a table of entries, ``prefix.index``, and the
tensors' bytes in data files, ``prefix.data-00000-of-00002``, ... All is checked before it is used:
each offset and size against the real size of its file when the checkpoint is opened, each CRC-32C
when a tensor is read. Nothing in a file can make this code run, hang, or allocate more than a small
multiple of the file's size; there is no pickle in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weight_conversion.formats.malformed import MalformedError, refusal
from weight_conversion.formats.tensorflow import dtypes, index_table, object_graph, slices, strings
from weight_conversion.formats.tensorflow import entries as _entries
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked
from weight_conversion.formats.tensorflow.entries import ByteOrder, Entry, Header
from weight_conversion.formats.tensorflow.locate import find_prefix, shard_path, size_of, unreadable
from weight_conversion.formats.tensorflow.object_graph import ObjectGraph
from weight_conversion.formats.tensorflow.protobuf_wire import utf8

Array = npt.NDArray[Any]

MOST_INDEX = 16 << 20
"""Bytes of an index; 200,000 tensors take as many."""


class Checkpoint:
    """A TF2 object checkpoint, a SavedModel's variables, or a TF1 checkpoint of the V2 format.

    Args:
        path: its prefix (``.../ckpt-3``), its ``.index`` file, a folder with a ``checkpoint``
            file or with one ``.index`` file alone, or a SavedModel's folder.

    Attributes:
        prefix: what the names of its files begin with.
        index: its ``.index`` file.
        header: number of data files and byte order.

    Raises:
        LeafError: it is not there or not whole, or its index is damaged; names file and key.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.prefix = find_prefix(Path(path))
        self.index = self.prefix.with_name(f"{self.prefix.name}.index")
        self.header, self._entries, self._pieces = _Index(self.index).parse()
        self._check_places()

    def keys(self) -> list[str]:
        """The names of all tensors, sorted, the object graph's among them."""
        return list(self._entries)

    def files(self) -> list[Path]:
        """The index, and the data files that hold a tensor."""
        shards = sorted({entry.shard for _, entry in self._stored()})
        return [self.index, *map(self._shard, shards)]

    def shape(self, key: str) -> tuple[int, ...]:
        """A tensor's axes; ``()`` for a scalar.

        Raises:
            LeafError: no such key.
        """
        return self._entry(key).shape

    def dtype(self, key: str) -> str:
        """TensorFlow's name of a tensor's type: ``"float32"``, ``"bfloat16"``, ``"string"``.

        Raises:
            LeafError: no such key.
        """
        return dtypes.name(self._entry(key).dtype) or "?"

    def tensor(self, key: str) -> Array:
        """A tensor, as an array of its own, in the machine's byte order.

        bfloat16, which NumPy does not have, becomes float32 without loss; strings become an array
        of ``bytes`` objects.

        Raises:
            LeafError: no such key, a type that NumPy has not, bytes that cannot be read, a wrong
                CRC-32C, or pieces that do not make up the whole.
        """
        entry = self._entry(key)
        if not entry.slices:
            return self._read(key, entry)
        pieces = self._pieces[key]
        with self._telling(key):
            return slices.assemble(entry, pieces, lambda piece: self._read(key, piece))

    def object_graph(self) -> ObjectGraph:
        """The objects that the keys belong to.

        Raises:
            LeafError: there is none, as in checkpoints of TF1, or it is damaged.
        """
        key = object_graph.KEY
        if key not in self._entries:
            fix = "save the model again with TF2: model.save_weights(prefix)"
            raise refusal(self.index, key, "an object graph", "none", fix)
        entry = self._entries[key]
        with self._telling(key):
            if entry.dtype != dtypes.STRING or entry.shape != ():
                got = f"{self.dtype(key)} of shape {entry.shape}"
                raise MalformedError("one string", got)
            return object_graph.parse(bytes(self.tensor(key)[()]))

    def variables(self) -> dict[str, str]:
        """The keys by their variable's path in the model.

        ``{"_frontend/_pooling/kernel": "variables/2/.ATTRIBUTES/VARIABLE_VALUE"}``: the path is
        the same in checkpoints and SavedModels (:meth:`ObjectGraph.variables`).

        Raises:
            LeafError: as of :meth:`object_graph`, or a key that is not there.
        """
        graph = self.object_graph()
        with self._telling(object_graph.KEY):
            found = {path: variable.key for path, variable in graph.variables().items()}
        for key in found.values():
            self._entry(key)
        return found

    def _entry(self, key: str) -> Entry:
        if key not in self._entries:
            fix = "see keys(), or `python -m weight_conversion inspect`"
            expected = f"one of {len(self._entries)} keys"
            raise refusal(self.index, key, expected, "no such key", fix)
        return self._entries[key]

    @contextmanager
    def _telling(self, key: str, path: Path | None = None) -> Iterator[None]:
        """Makes errors of the format tell file and key."""
        try:
            yield
        except MalformedError as error:
            raise error.of(path or self.index, key) from None

    def _stored(self) -> Iterator[tuple[str, Entry]]:
        """All that has bytes of its own: tensors, and the pieces of those that are in pieces."""
        for key, entry in self._entries.items():
            for stored in self._pieces.get(key, [entry]):
                yield key, stored

    def _check_places(self) -> None:
        """Every tensor lies within its data file, has its size, and no two overlap."""
        stored = sorted(self._stored(), key=lambda item: (item[1].shard, item[1].offset))
        limits = {shard: self._shard_size(shard) for shard in sorted({e.shard for _, e in stored})}
        shard, free = -1, 0
        for key, entry in stored:
            if entry.shard != shard:
                shard, free = entry.shard, 0
            with self._telling(key):
                _check_size(entry)
            if entry.offset + entry.size > limits[shard]:
                expected = f"a file of at least {entry.offset + entry.size} bytes"
                raise refusal(self._shard(shard), key, expected, f"{limits[shard]} bytes")
            if entry.size and entry.offset < free:
                expected = f"bytes of its own, from {free} on"
                raise refusal(self.index, key, expected, f"from {entry.offset} on")
            free = max(free, entry.offset + entry.size)

    def _shard(self, shard: int) -> Path:
        return shard_path(self.prefix, shard, self.header.num_shards)

    def _shard_size(self, shard: int) -> int:
        if shard >= self.header.num_shards:
            expected = f"shards below {self.header.num_shards}"
            raise refusal(self.index, None, expected, shard)
        return size_of(self._shard(shard))

    def _read(self, key: str, entry: Entry) -> Array:
        path = self._shard(entry.shard)
        dtype = dtypes.stored(entry.dtype)
        if dtype is None and entry.dtype != dtypes.STRING:
            fix = "leave it out: no weight has this type"
            raise refusal(path, key, "numbers or strings", self.dtype(key), fix)
        with self._telling(key, path):
            raw = _bytes(path, entry)
            if dtype is None:
                args = raw.tobytes(), entry.elements, entry.crc, self.header.order
                return strings.strings(*args).reshape(entry.shape)
            found = masked(crc32c(raw))
            if found != entry.crc:
                raise MalformedError(f"CRC-32C {entry.crc:#010x}", f"{found:#010x}")
            return _numbers(raw, entry, dtype, self.header.order)


class _Index:
    """The index file: header, entries by key, and pieces by the key of their whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def parse(self) -> tuple[Header, dict[str, Entry], dict[str, list[Entry]]]:
        """All of it."""
        found = self._pairs()
        if not found or found[0][0] != b"":
            raise refusal(self.path, None, "a bundle's header under the empty key", "none")
        try:
            header = _entries.header(found[0][1])
        except MalformedError as error:
            raise error.within("header").of(self.path) from None
        entries: dict[str, Entry] = {}
        pieces: dict[bytes, Entry] = {}
        for key, value in found[1:]:
            entry = self._entry(key, value)
            if key.startswith(slices.PIECE):
                pieces[key] = entry
            else:
                entries[self._name(key)] = entry
        return header, entries, self._by_whole(entries, pieces)

    def _pairs(self) -> list[tuple[bytes, bytes]]:
        try:
            with self.path.open("rb") as file:
                # The footer first: a huge file of another kind is never read.
                size = file.seek(0, os.SEEK_END)
                if size > MOST_INDEX:
                    raise MalformedError(f"an index of at most {MOST_INDEX} bytes", size)
                file.seek(max(0, size - index_table.FOOTER))
                index_table.check_footer(file.read(index_table.FOOTER))
                file.seek(0)
                return list(index_table.pairs(file.read(size)))
        except OSError as error:
            raise unreadable(self.path, error) from None
        except MalformedError as error:
            raise error.of(self.path) from None

    def _entry(self, key: bytes, value: bytes) -> Entry:
        try:
            entry = _entries.entry(value)
            if dtypes.name(entry.dtype) is None:
                raise MalformedError("a type that TensorFlow has", entry.dtype)
            return entry
        except MalformedError as error:
            raise error.of(self.path, key.decode(errors="backslashreplace")) from None

    def _name(self, key: bytes) -> str:
        try:
            return utf8(key, "a key")
        except MalformedError as error:
            raise error.of(self.path) from None

    def _by_whole(
        self, entries: dict[str, Entry], pieces: dict[bytes, Entry]
    ) -> dict[str, list[Entry]]:
        """The pieces of each tensor that is in pieces, in the order of its slices."""
        made: dict[str, list[Entry]] = {}
        used = set[bytes]()
        for key, entry in entries.items():
            if not entry.slices:
                continue
            names = [slices.piece_key(key.encode(), piece) for piece in entry.slices]
            if any(name not in pieces for name in names):
                lacking = sum(name not in pieces for name in names)
                raise refusal(self.path, key, f"{len(names)} pieces", f"{lacking} are missing")
            made[key] = [pieces[name] for name in names]
            used.update(names)
            try:
                slices.check_pieces(entry, made[key])
            except MalformedError as error:
                raise error.of(self.path, key) from None
        if len(used) != len(pieces):
            got = f"{len(pieces) - len(used)} of none"
            raise refusal(self.path, None, "pieces of tensors that are there", got)
        return made


def _check_size(entry: Entry) -> None:
    """Whether a tensor's bytes are as many as its shape and type need."""
    dtype = dtypes.stored(entry.dtype)
    if dtype is not None and entry.size != entry.elements * dtype.itemsize:
        expected = f"{entry.elements * dtype.itemsize} bytes for shape {entry.shape} of {dtype}"
        raise MalformedError(expected, entry.size)
    if entry.dtype == dtypes.STRING and entry.size < entry.elements + 4:
        expected = f"at least {entry.elements + 4} bytes for {entry.elements} strings"
        raise MalformedError(expected, entry.size)


def _bytes(path: Path, entry: Entry) -> npt.NDArray[np.uint8]:
    """A tensor's bytes."""
    raw = np.empty(entry.size, np.uint8)
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(entry.offset)
            view, done = memoryview(raw.data), 0
            while done < entry.size and (count := file.readinto(view[done:])):
                done += count
    except OSError as error:
        raise unreadable(path, error) from None
    if done < entry.size:
        raise MalformedError(f"{entry.size} bytes from {entry.offset} on", f"{done} bytes")
    return raw


def _numbers(
    raw: npt.NDArray[np.uint8], entry: Entry, dtype: np.dtype[Any], order: ByteOrder
) -> Array:
    """Bytes as numbers."""
    if entry.dtype == dtypes.BOOL and raw.size and raw.max() > 1:
        raise MalformedError("0 or 1 for each bool", int(raw.max()))
    values = raw.view(dtype.newbyteorder(order)).astype(dtype, copy=False).reshape(entry.shape)
    if entry.dtype == dtypes.BFLOAT16:
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return values
