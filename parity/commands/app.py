"""The commands of ``python -m parity``; their options are in ``parity/commands/cli``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import typer

from leaf_port.errors import LeafError
from parity.commands.cli import (
    complex_numbers,
    foreign,
    planted,
    questions,
    recorded,
    recording,
    trained,
)

_HELP = "Record the official answers; check the port and others against them."
_COMMANDS: Mapping[str, Callable[..., None]] = {
    "record": recording.record,
    "run": recorded.run,
    "cases": recorded.cases,
    "machines": recorded.machines,
    "report": recorded.report_,
    "live": questions.live,
    "primitives": questions.primitives,
    "blame": questions.blame,
    "mutants": planted.mutants,
    "audit": foreign.audit,
    "ports": foreign.ports,
    "training": trained.training,
    "accuracy": trained.accuracy,
    "study": trained.study,
    "xla-complex": complex_numbers.xla_complex,
}

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=_HELP, pretty_exceptions_enable=False
)
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)


def main(program: str) -> None:
    """Runs the command; an error of ours is one line and exit code 2."""
    try:
        app(prog_name=program)
    except LeafError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
