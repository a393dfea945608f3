"""Writing a folder of features; see ``leaf_port/_feature_files.py`` for what is in it.

Clips are dealt in blocks of ``--shard-size``, a file each. Block b is part ``b mod N``'s: the files
are the same, bit for bit, however many parts there are, and no part needs to know of another.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]
import torch

import leaf_port
from leaf_port import _feature_files as files
from leaf_port import _publish
from leaf_port._cli.audio import Float32
from leaf_port._cli.failures import Failures
from leaf_port._cli.finding import Source
from leaf_port._cli.frontends import Settings
from leaf_port._cli.refusal import WHERE, refusal
from leaf_port._cli.sharding import Shard
from leaf_port._cli.summary import Row
from leaf_port._cli.weights import folder_of
from leaf_port._cli.work import Done, Recipe
from leaf_port.errors import LeafError
from leaf_port.pretrained import CONFIG, WEIGHTS

SHARD_SIZE = 256
"""Clips a file: of 10 s each 40 MB, at the default sizes of the frontends."""


def identity(
    recipe: Recipe, settings: Settings, sources: Sequence[Source], shard_size: int
) -> dict[str, Any]:
    """What two runs must have in common to write into one folder, as JSON holds it."""
    names = [source.name.as_posix() for source in sources]
    return {
        "frontend": settings.name.value,
        "n_filters": settings.n_filters,
        "window_len": float(settings.window_len),
        "window_stride": float(settings.window_stride),
        **{key: float(hertz) for key, hertz in settings.band().items()},
        "sample_rate": recipe.sample_rate,
        "weights_rate": recipe.weights_rate,
        "mono": recipe.mono,
        "weights": _hashes(recipe.weights),
        "clips": len(names),
        "names_sha256": hashlib.sha256(json.dumps(names).encode()).hexdigest(),
        "shard_size": shard_size,
        "versions": {
            "leaf_port": leaf_port.__version__,
            "torch": str(torch.__version__),
            "libsndfile": soundfile.__libsndfile_version__,
        },
    }


def _hashes(weights: Path | None) -> dict[str, str] | None:
    """The SHA-256 of each file that the weights are in."""
    if weights is None:
        return None
    folder = folder_of(weights)
    paths = [weights] if folder is None else [folder / CONFIG, folder / WEIGHTS]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def refuse_names(sources: Sequence[Source]) -> None:
    """Refuses clips that could not be told apart in the files, or whose name is no text.

    Raises:
        LeafError: naming the first.
    """
    seen: dict[str, Path] = {}
    for source in sources:
        name = source.name.as_posix()
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise refusal(source.path, "a name in UTF-8", repr(name), "rename the clip") from error
        if name == "__metadata__":
            raise refusal(source.path, "another name", "safetensors' own", "rename the clip")
        if name in seen:
            got = f"{name} of {seen[name]} and {source.path}"
            fix = "rename one of the two clips"
            raise refusal("--out", "a name of its own for each clip", got, fix)
        seen[name] = source.path


@dataclass
class Block:
    """The clips of one file; their features as they come."""

    path: Path
    sources: Sequence[Source]
    values: dict[str, Float32] = field(default_factory=dict)
    clips: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, Any] = field(default_factory=dict)

    def add(self, source: Source, done: Done) -> None:
        """Takes the features of a clip."""
        assert done.values is not None  # noqa: S101
        name = source.name.as_posix()
        self.values[name] = np.ascontiguousarray(done.values)
        self.clips[name] = {"bytes": _size(source), **_described(done.row)}

    def tell(self, bad: Failures) -> None:
        """Names the clips that an earlier run skipped."""
        for told in self.skipped.values():
            bad.add(LeafError(*told["error"]))

    def skip(self, source: Source, error: LeafError) -> None:
        """Takes that a clip has none."""
        told = [error.owner, error.argument, error.expected, str(error.got), error.fix]
        self.skipped[source.name.as_posix()] = {"bytes": _size(source), "error": told}


def _described(row: Row) -> dict[str, Any]:
    return {"shape": [row.frames, row.filters], "sample_rate": row.rate}


def _size(source: Source) -> int:
    """Bytes of a clip's file: another number tells that it is another recording."""
    try:
        return source.path.stat().st_size
    except OSError:
        return -1


class Store:
    """The files of one part of a run, and its index.

    Args:
        folder: where they go.
        run: see :func:`identity`.
        sources: of the whole corpus.
        shard: which part.
        skip_bad: whether a file that lacks broken clips is whole.
        force: whether files are made anew.

    Raises:
        LeafError: the folder of another run, a file made from other clips.
    """

    def __init__(
        self,
        folder: Path,
        run: Mapping[str, Any],
        sources: Sequence[Source],
        shard: Shard,
        skip_bad: bool,
        force: bool,
    ) -> None:
        self.folder, self.run, self.shard = folder, dict(run), shard
        self._skip_bad = skip_bad
        size = int(run["shard_size"])
        starts = range(0, len(sources), size)
        self.blocks = [
            Block(folder / files.file_name(number, len(starts)), sources[start : start + size])
            for number, start in enumerate(starts)
            if shard.takes(number)
        ]
        self._refuse_other_runs()
        self.ready = [] if force else [block for block in self.blocks if self._is_ready(block)]
        done = {block.path for block in self.ready}
        self.missing = [block for block in self.blocks if block.path not in done]

    def _refuse_other_runs(self) -> None:
        """Of all files that there are: they must be of this run."""
        for path in files.found(self.folder, files.INDICES):
            self._refuse_other(path, files.read_index(WHERE, path)["run"])
        for path in files.found(self.folder, files.FILES):
            self._refuse_other(path, files.read_header(WHERE, path)["run"])

    def _refuse_other(self, path: Path, run: Mapping[str, Any]) -> None:
        wanted, given = files.differing(self.run, run)
        if wanted:
            expected = f"an empty folder or one of the same run ({wanted})"
            fix = "give another folder, or the options and clips of that run"
            raise refusal("--out", expected, f"{path} ({given})", fix)

    def _is_ready(self, block: Block) -> bool:
        """Whether its file is there with all its clips; takes over what it tells then."""
        if not block.path.exists():
            return False
        told = files.read_header(WHERE, block.path)
        for source in block.sources:
            name = source.name.as_posix()
            made = told["clips"].get(name)
            if made is not None and made["bytes"] != _size(source):
                got = f"{block.path}, made when that clip had {made['bytes']} bytes"
                fix = "delete that file, or --force to make all files anew"
                raise refusal(source.path, f"a clip of {_size(source)} bytes", got, fix)
            skipped = told["skipped"].get(name)
            as_before = skipped is not None and skipped["bytes"] == _size(source)
            if made is None and not (self._skip_bad and as_before):
                return False
        block.clips, block.skipped = told["clips"], told["skipped"]
        return True

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Makes the folder; it goes again if nothing came to lie in it. Ends with the index."""
        made = not self.folder.is_dir()
        with _told(self.folder):
            self.folder.mkdir(exist_ok=True)
        try:
            yield
            self._write_index()
        finally:
            if made:
                with contextlib.suppress(OSError):
                    self.folder.rmdir()

    def write(self, block: Block) -> None:
        """Writes the file of a block whose clips have all come; its features leave the memory.

        Raises:
            LeafError: the system refuses.
        """
        from safetensors.numpy import save

        told = self._told(clips=block.clips, skipped=block.skipped)
        data = save(block.values, metadata={files.METADATA: json.dumps(told, sort_keys=True)})
        block.values.clear()
        _write(block.path, data)

    def _write_index(self) -> None:
        clips, skipped = {}, {}
        for block in self.blocks:
            for name, told in block.clips.items():
                clips[name] = {"file": block.path.name, **told}
            for name, told in block.skipped.items():
                skipped[name] = {"file": block.path.name, **told}
        sizes = {block.path.name: block.path.stat().st_size for block in self.blocks}
        told = self._told(files=sizes, clips=clips, skipped=skipped)
        name = files.index_name(self.shard.index, self.shard.count)
        _write(self.folder / name, (json.dumps(told, sort_keys=True) + "\n").encode())

    def _told(self, **content: Any) -> dict[str, Any]:
        return {"format_version": files.FORMAT_VERSION, "run": self.run, **content}


def _write(path: Path, data: bytes) -> None:
    with _told(path), _publish.new_file(path) as made:
        made.write_bytes(data)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fix = "check the folder's permissions and the free space"
        got = error.strerror or os.strerror(error.errno or 0)
        raise refusal(path, "a place to write to", got, fix) from error
