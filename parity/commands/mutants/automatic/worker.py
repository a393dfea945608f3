"""Tries an edit in a process of its own: check after check, up to the first that fails."""

from __future__ import annotations

import dataclasses
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from parity.checks import kept_units
from parity.commands.mutants import exchange, hook
from parity.commands.mutants.automatic import tested, traced
from parity.commands.mutants.automatic.asked import TEST, Asked, Layer
from parity.commands.mutants.automatic.edit import Edit
from parity.commands.mutants.exchange import NotExchangedError, Place

MEMORY = 8 << 30
IMPORT = "import"


@dataclasses.dataclass(frozen=True)
class Tried:
    """What became of an edit.

    Attributes:
        caught: the check that failed; ``import`` where the port cannot be imported; empty if none.
        problem: what it said.
        checks: how many were run.
        seconds: of the processor.
    """

    caught: str = ""
    problem: str = ""
    checks: int = 0
    seconds: float = 0.0


def run(
    edit: Edit,
    checks: Sequence[Asked],
    prepared: str,
    limit: float,
    place: Place | None,
    answers: Connection,
) -> None:
    """Sends what became of an edit, after a word for each check so that a hang has a name.

    The target of a process, whose checks have one setting of the kernel. It is killed when it has
    taken ``limit`` seconds of the processor. What an edit makes the port write or delete stays in a
    folder deep in a temporary one.

    Args:
        edit: what is tried.
        checks: by which.
        prepared: the folder of exact answers.
        limit: in seconds.
        place: the loaded function that the edit is in; None in a process that has no port yet.
        answers: takes the checks' names, then a :class:`Tried` or a ``NotExchangedError``.
    """
    os.environ.pop(kept_units.FOLDER, None)
    traced.set_kernel(checks[0].kernel)
    spent = math.ceil(time.process_time() + limit)
    resource.setrlimit(resource.RLIMIT_CPU, (spent, spent))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Path(os.devnull).open("w") as nothing, tempfile.TemporaryDirectory() as top:
        sys.stdout = sys.stderr = nothing
        deep = Path(top) / "a" / "b" / "c"
        deep.mkdir(parents=True)
        os.environ["TMPDIR"] = tempfile.tempdir = str(deep)
        os.chdir(deep)
        began = time.process_time()
        try:
            if place is None:
                caught, problem, count = _imported(edit, checks, prepared, answers)
            else:
                exchange.exchange(edit, place)
                caught, problem, count = _run(checks, prepared, answers)
        except NotExchangedError as error:
            answers.send(error)
        else:
            seconds = round(time.process_time() - began, 2)
            answers.send(Tried(caught, problem[:300], count, seconds))
        answers.close()
        os.chdir(top)


def _imported(
    edit: Edit, checks: Sequence[Asked], prepared: str, answers: Connection
) -> tuple[str, str, int]:
    """Imports the port with the edit, and runs the checks."""
    planted = hook.plant(edit)
    try:
        from parity.port import processor

        processor.prepare()
        if checks[0].kind != TEST:
            _layers(checks, prepared)
    except BaseException as error:
        return IMPORT, f"{type(error).__name__}: {error}", 0
    found = _run(checks, prepared, answers)
    if not (found[0] or planted.found):
        raise RuntimeError(f"{edit.module} was never imported")
    return found


def _run(checks: Sequence[Asked], prepared: str, answers: Connection) -> tuple[str, str, int]:
    """The first check that fails, what it says, and how many were run."""
    if checks[0].kind == TEST:
        return tested.first_failure([each.name for each in checks], answers.send)
    return _checked(checks, _layers(checks, prepared), answers)


def _layers(checks: Sequence[Asked], prepared: str) -> dict[str, Layer]:
    return {name: Layer(name, Path(prepared)) for name in {each.layer for each in checks}}


def _checked(
    checks: Sequence[Asked], layers: Mapping[str, Layer], answers: Connection
) -> tuple[str, str, int]:
    for count, asked in enumerate(checks, 1):
        answers.send(str(asked))
        try:
            problem = layers[asked.layer].problem(asked)
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            return str(asked), problem, count
    return "", "", len(checks)
