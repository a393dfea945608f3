"""A process that has the healthy port and the suite loaded, and forks for each bug."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import pkgutil
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import ModuleType

Target = Callable[[Connection], None]
"""What a process does; what it sends goes to whoever asked."""

PACKAGES = (
    "leaf_port",
    "parity.checks",
    "parity.layers",
    "parity.oracles",
    "parity.port",
    "weight_conversion",
)
LEFT_OUT = (
    "leaf_port._cli",
    "leaf_port.__main__",
    "leaf_port._ops.energies._kernel",
    "parity.oracles.official_worker",
    "weight_conversion.__main__",
    "weight_conversion.reference.worker",
)
"""What no check imports: the commands, a library that is none of Python, another interpreter's."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """A fork's end: its exit code."""

    code: int


def load() -> None:
    """Imports what checks import; nothing of it is run.

    Optional packages may be absent: whoever asks for them is told so then.
    """
    for package in PACKAGES:
        found = _imported(package)
        for each in pkgutil.walk_packages(found.__path__, f"{package}.") if found else ():
            if not each.name.startswith(LEFT_OUT):
                _imported(each.name)
    from parity.layers import all_specs

    all_specs()


def _imported(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").split(".")[0] in {each.split(".")[0] for each in PACKAGES}:
            raise
        return None


def serve(asked: Connection, kernel: str = "") -> None:
    """Forks for each target that comes, until the other side closes. The target of a process.

    Args:
        asked: brings the targets.
        kernel: of ``LEAF_PORT_KERNEL``; empty for what the machine has.

    A fork speaks on the same connection, its number first. This process says nothing before the
    fork has ended.
    """
    from parity.port import processor

    if kernel:
        os.environ["LEAF_PORT_KERNEL"] = kernel
    processor.prepare()  # one thread of torch: a fork would lose the others
    load()
    with contextlib.suppress(EOFError):
        while True:
            target: Target = asked.recv()
            forked = os.fork()
            if not forked:
                _run(target, asked)
            _, status = os.waitpid(forked, 0)
            asked.send(Ended(os.waitstatus_to_exitcode(status)))


def _run(target: Target, answers: Connection) -> None:
    """Runs a target in a fork, and ends it."""
    code = 1
    try:
        answers.send(os.getpid())
        target(answers)
        code = 0
    finally:
        os._exit(code)
