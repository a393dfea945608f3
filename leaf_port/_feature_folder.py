"""Reading a folder of features; see ``leaf_port/_feature_files.py`` for what is in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from leaf_port import _feature_files as files
from leaf_port.errors import LeafError

_OWNER = "load_features"
_OPEN = 16  # files at a time
_RERUN = "run the command again with the options of that run: it makes what is missing"


class Features(Mapping[str, Tensor]):
    """Features by the names of their clips, read when they are asked for.

    What :func:`leaf_port.data.load_features` gives. It can be sent to the worker processes of a
    ``DataLoader``.

    Attributes:
        folder: where they are.
        run: the options, hashes and versions that they were made with.
        skipped: why the clips that have none were left out, by name.
    """

    def __init__(
        self,
        folder: Path,
        run: Mapping[str, Any],
        clips: Mapping[str, Mapping[str, Any]],
        skipped: Mapping[str, str],
    ) -> None:
        self.folder, self.run, self.skipped = folder, dict(run), dict(skipped)
        self._clips = clips
        self._open: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Tensor:
        """``(frames, filters)``, float32, of a clip.

        Raises:
            KeyError: no such clip.
            LeafError: a file that is damaged.
        """
        told = self._clips[name]
        try:
            values: Tensor = self._file(told["file"]).get_tensor(name)
        except Exception as error:  # what its reader raises is of many kinds
            raise _damaged(
                self.folder / told["file"], f"{type(error).__name__}: {error}"
            ) from error
        if list(values.shape) != told["shape"]:
            raise _damaged(self.folder / told["file"], f"{name} of shape {tuple(values.shape)}")
        return values

    def _file(self, name: str) -> Any:
        from safetensors import safe_open

        if name not in self._open:
            if len(self._open) >= _OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[name] = safe_open(self.folder / name, framework="pt")
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clips)

    def __len__(self) -> int:
        return len(self._clips)

    def shape(self, name: str) -> tuple[int, int]:
        """Frames and filters of a clip, without reading its features."""
        frames, filters = self._clips[name]["shape"]
        return int(frames), int(filters)

    def sample_rate(self, name: str) -> int:
        """That the features of a clip were computed at, in Hz."""
        return int(self._clips[name]["sample_rate"])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}


def load(folder: str | os.PathLike[str]) -> Features:
    """See :func:`leaf_port.data.load_features`."""
    path = Path(folder)
    parts = {each: files.read_index(_OWNER, each) for each in files.found(path, files.INDICES)}
    if not parts:
        expected = "a folder with index-….json, of features --format safetensors"
        got = "none" if path.is_dir() else "no such folder"
        raise LeafError(_OWNER, str(path), expected, got, "give the --out of a run that is done")
    run = _one_run(parts)
    clips: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for told in parts.values():
        clips |= told["clips"]
        skipped |= {name: str(LeafError(*each["error"])) for name, each in told["skipped"].items()}
    _check_files(path, run, parts)
    _check_clips(path, run, clips, skipped)
    return Features(path, run, dict(sorted(clips.items())), skipped)


def _one_run(parts: Mapping[Path, Mapping[str, Any]]) -> dict[str, Any]:
    """What all indices tell of the run."""
    (first, told), *others = parts.items()
    for path, other in others:
        wanted, given = files.differing(told["run"], other["run"])
        if wanted:
            fix = "make the features of both with the same options, or in two folders"
            expected = f"the run of {first.name} ({wanted})"
            raise LeafError(_OWNER, str(path), expected, given, fix)
    return dict(told["run"])


def _check_files(
    folder: Path, run: Mapping[str, Any], parts: Mapping[Path, Mapping[str, Any]]
) -> None:
    """All files of the run are named, there, and as long as they were."""
    sizes: dict[str, int] = {}
    for told in parts.values():
        sizes |= told["files"]
    count = -(-int(run["clips"]) // int(run["shard_size"]))
    missing = [each for n in range(count) if (each := files.file_name(n, count)) not in sizes]
    if missing:
        expected = f"indices of all {count} files"
        got = f"none that names {missing[0]}" + _more(missing)
        fix = "wait for the shards that are not done, or run them again"
        raise LeafError(_OWNER, str(folder), expected, got, fix)
    for name, size in sizes.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            got = "no such file" if found is None else f"{found} bytes"
            raise LeafError(_OWNER, str(path), f"a file of {size} bytes", got, _RERUN)


def _more(missing: list[str]) -> str:
    return f" and {len(missing) - 1} more" if len(missing) > 1 else ""


def _check_clips(
    folder: Path, run: Mapping[str, Any], clips: Mapping[str, Any], skipped: Mapping[str, str]
) -> None:
    found = len(clips) + len(skipped)
    if found != run["clips"] or clips.keys() & skipped.keys():
        got = f"{len(clips)} and {len(skipped)} that were skipped"
        raise LeafError(_OWNER, str(folder), f"{run['clips']} clips", got, _RERUN)


def _damaged(path: Path, got: str) -> LeafError:
    fix = "delete it and run the command again"
    return LeafError(_OWNER, str(path), "the features that its index tells of", got, fix)
