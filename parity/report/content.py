"""Everything that a report says, before it is JSON or a page."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
from collections.abc import Sequence

import numpy as np
import scipy
import torch

from parity.layers import all_specs
from parity.report import closeness, edits, not_run, rows, table
from parity.report.clip import Clip
from parity.report.closeness import Closeness
from parity.report.edits import Kept
from parity.report.not_run import NotRun
from parity.report.rows import Row


@dataclasses.dataclass(frozen=True)
class Report:
    """What was run, and what came of it.

    Attributes:
        rows: one a layer.
        clip: one clip through both sides; None where no frontend was chosen.
        closeness: of each frontend.
        not_run: what was not run, and why.
        versions: of what ran here.
        official: of what answered the recordings; more than one entry where they differ.
        machine: system and processor architecture.
        time: when, in UTC.
        arguments: what the command was given, to run it again by.
        edits: what the last campaign of edits found; None where none is kept.
    """

    rows: Sequence[Row]
    clip: Clip | None
    closeness: Sequence[Closeness]
    not_run: Sequence[NotRun]
    versions: dict[str, str]
    official: Sequence[dict[str, str]]
    machine: str
    time: str
    arguments: Sequence[str]
    edits: Kept | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is off."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """Everything that is wrong, with the command that runs it again."""
        return rows.failures(self.rows)

    @property
    def passed(self) -> int:
        """Results and refusals that are as they should be, as the table counts them."""
        return rows.passed(self.rows)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "a checkout, not installed"


def versions() -> dict[str, str]:
    """Of everything that computes."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "leaf_port": _version("leaf-port"),
    }


def make(checked: Sequence[Row], clip: Clip | None, arguments: Sequence[str] = ()) -> Report:
    """The report of what was checked."""
    specs = all_specs().values()
    left = clip.not_run if clip else [NotRun("the clip", "no frontend was chosen with --layer")]
    return Report(
        rows=checked,
        clip=clip,
        closeness=closeness.closeness(checked),
        not_run=not_run.list_all(checked, specs, clip is not None and clip.live, left),
        versions=versions(),
        official=table.official_versions(checked),
        machine=f"{platform.system()}, {platform.machine()}",
        time=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        arguments=arguments,
        edits=edits.load(),
    )
