"""The folder of a run: what is trained, how far it is, its figures, its best model.

``run.json`` tells recipe, data set and versions; ``state.pt`` is where the run goes on from;
``metrics.jsonl`` has a line an epoch; ``best`` is a folder for ``from_pretrained``. Each appears
whole, so a run may be killed at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from leaf_port import _publish
from leaf_port.errors import LeafError

FORMAT_VERSION = 1
RUN, STATE, METRICS, BEST = "run.json", "state.pt", "metrics.jsonl", "best"


class RunFolder:
    """A run's folder.

    Args:
        path: of the folder; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def best(self) -> Path:
        """The folder of the best model."""
        return self.path / BEST

    def begin(self, told: Mapping[str, Any], resume: bool) -> None:
        """Makes the folder of a new run, or checks that a resumed one is the same.

        Args:
            told: what the run is: whatever changes its numbers.
            resume: whether to go on where it stopped.

        Raises:
            LeafError: a new run where there is something, or another run's folder.
        """
        told = {"format_version": FORMAT_VERSION, **told}
        if not (self.path / RUN).exists():
            self._make_new(told)
            return
        if not resume:
            fix = "give --resume to go on with it, or another folder"
            raise _refusal(self.path, "a folder that does not exist yet", "a run", fix)
        kept = read_json(self.path / RUN)
        different = sorted(
            name for name in kept.keys() | told.keys() if kept.get(name) != told.get(name)
        )
        if different:
            name = different[0]
            expected = f"the same {name} as the run's: {_short(kept.get(name))}"
            fix = "give the options that the run began with, or another folder"
            raise _refusal(self.path / RUN, expected, _short(told.get(name)), fix)

    def _make_new(self, told: Mapping[str, Any]) -> None:
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            fix = "give a folder that does not exist yet"
            got = "files that are no run" if self.path.is_dir() else "a file"
            raise _refusal(self.path, "a new or empty folder", got, fix)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _refusal(self.path, "a folder to write", error.strerror, "check it") from error
        self.write_json(RUN, told)

    def write_json(self, name: str, value: Any) -> None:
        """Writes a file, whole or not at all."""
        with _publish.new_file(self.path / name) as made:
            made.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Writes where the run is, in place of where it was."""
        with _publish.new_file(self.path / STATE) as made:
            torch.save(dict(state), made)

    def state(self) -> dict[str, Any] | None:
        """Where the run is; None where it has not begun.

        Raises:
            LeafError: a file that is damaged.
        """
        path = self.path / STATE
        if not path.exists():
            return None
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
            return dict(found)
        except Exception as error:  # what its reader raises is of many kinds
            got = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
            fix = "it is damaged: train again in a new folder"
            raise _refusal(path, "a run's state", got, fix) from error

    def metrics(self) -> list[dict[str, Any]]:
        """The figures of each epoch."""
        path = self.path / METRICS
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def write_metrics(self, epochs: list[dict[str, Any]]) -> None:
        """Writes the figures of all epochs, a line each."""
        with _publish.new_file(self.path / METRICS) as made:
            made.write_text("".join(f"{json.dumps(each)}\n" for each in epochs), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """What a run's file says.

    Raises:
        LeafError: no such file, not JSON, or of another version.
    """
    fix = "give the folder of a run: python -m leaf_port train"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refusal(path, "a run's file", f"{type(error).__name__}: {error}", fix) from error
    version = found.get("format_version") if isinstance(found, dict) else None
    if version != FORMAT_VERSION:
        raise _refusal(path, f"format_version {FORMAT_VERSION}", repr(version), fix)
    return dict(found)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 300 else f"{text[:300]}..."


def _refusal(path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("train", str(path), expected, got, fix)
