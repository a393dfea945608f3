"""An experiment in one file, to keep beside a document: JSON Lines.

The first line has the settings, each other one a finished cell, by name. An epoch has its scores;
of the filters' parameters those of the best epoch alone are kept, which tables and pictures show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaf_port import _publish
from leaf_port.errors import LeafError
from parity.commands.accuracy import loop
from parity.commands.accuracy.experiment import FORMAT_VERSION, Experiment

CELL = "cell"
_DERIVED = ("final", "best")  # made from the epochs again
_LARGE = "parameters"
_EXPECTED = f"a file of format_version {FORMAT_VERSION} that --save wrote"
_FIX = "name such a file"

Cells = dict[str, dict[str, Any]]


def save(experiment: Experiment, path: Path, owner: str) -> int:
    """Writes what is finished, and keeps cells that the file has already; how many it has then.

    Raises:
        LeafError: the file is of other settings, is none of these, or has another result of a cell.
    """
    settings = experiment.settings()
    cells = {name: _lean(result) for name, result in experiment.cells().items()}
    if path.exists():
        before, kept = _read(path, owner)
        if before != settings:
            expected, fix = "an experiment of the same settings", "name another file"
            raise LeafError(owner, str(path), expected, "other settings", fix)
        for name in kept.keys() & cells.keys():
            if kept[name] != cells[name]:
                expected, fix = f"one result of {name}", "name another file"
                raise LeafError(owner, str(path), expected, "another one in the folder", fix)
        cells |= kept
    lines = [settings, *({CELL: name, **cells[name]} for name in sorted(cells))]
    with _publish.new_file(path) as made:
        text = "".join(f"{json.dumps(each, separators=(',', ':'))}\n" for each in lines)
        made.write_text(text, encoding="utf-8")
    return len(cells)


def load(path: Path, experiment: Experiment, owner: str) -> int:
    """Makes the folder of an experiment, or adds to it the cells that it lacks; how many these are.

    Raises:
        LeafError: no such file, or a folder of other settings.
    """
    settings, cells = _read(path, owner)
    experiment.begin({name: settings[name] for name in settings if name != "format_version"})
    missing = [name for name in cells if not experiment.finished(name)]
    for name in missing:
        experiment.finish(name, {**cells[name], **loop.judged(cells[name]["epochs"])})
    return len(missing)


def _lean(result: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is there twice, and without the parameters of all epochs but the best."""
    best = result["best"]["epoch"] if "best" in result else None
    epochs = [
        {name: value for name, value in each.items() if name != _LARGE or each["epoch"] == best}
        for each in result["epochs"]
    ]
    told = {name: value for name, value in result.items() if name not in _DERIVED}
    return {**told, "epochs": epochs}


def _read(path: Path, owner: str) -> tuple[dict[str, Any], Cells]:
    """The settings, and the cells by name."""
    try:
        settings, *cells = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        version = settings["format_version"]
        found = {each.pop(CELL): each for each in cells if loop.judged(each["epochs"])}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise LeafError(owner, str(path), _EXPECTED, got, _FIX) from error
    if version != FORMAT_VERSION:
        raise LeafError(owner, str(path), _EXPECTED, f"format_version {version!r}", _FIX)
    return settings, found
