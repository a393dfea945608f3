"""What a conversion depends on and nobody gave: all of it in one error, with a line to copy."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leaf_port.errors import LeafError


@dataclass(frozen=True)
class Asked:
    """A value that is asked for.

    Attributes:
        name: of the argument.
        what: what it is, and its unit.
        default: the official one; None where there is none.
        choices: what to choose from where there is no default.
    """

    name: str
    what: str
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """As the command takes it: ``--sample-rate``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def value(self) -> str:
        """The official default, or what to choose from, which no command takes as it is."""
        if self.default is None:
            return "-OR-".join(self.choices).upper()
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


class NotGivenError(LeafError):
    """Values are lacking; a line for libraries, :func:`in_full` for people.

    Attributes:
        asked: all of them, in the order of the model.
        elsewhere: where else they can come from.
    """

    asked: Sequence[Asked] = ()
    elsewhere = ""


def not_given(command: str, asked: Sequence[Asked], file: str) -> NotGivenError:
    """The error about ``asked``.

    Args:
        command: ``"convert"`` or ``"import"``.
        asked: what is lacking, at least one.
        file: which file answers too: ``"its .gin file with --gin"``; empty for none.
    """
    has_default = any(each.default is not None for each in asked)
    ways = [file] * bool(file) + ["--defaults"] * has_default
    elsewhere = "".join(f", {'or ' * (way == ways[-1])}{way}" for way in ways)
    given = " ".join(f"{each.option} {each.value}" for each in asked)
    made = NotGivenError(
        command,
        ", ".join(each.option for each in asked),
        "; ".join(each.what for each in asked),
        "nothing: no checkpoint tells it" if len(asked) == 1 else "nothing: no checkpoint tells",
        f"give {given}{elsewhere}",
    )
    made.asked, made.elsewhere = tuple(asked), elsewhere
    return made


def in_full(lacking: NotGivenError, line: Sequence[str]) -> str:
    """All that is asked for, one a line, and the command with it.

    Args:
        lacking: what is not given.
        line: the command as it was given: the program's name and its arguments.
    """
    asked = lacking.asked
    count = "1 value" if len(asked) == 1 else f"{len(asked)} values"
    rows = [f"  {row}" for row in table(asked)]
    arguments = [part for each in asked for part in (each.option, each.value)]
    return "\n".join(
        [
            f"error: {lacking.owner}: the features depend on {count} that the file does not tell:",
            *rows,
            f"Give those of the training{lacking.elsewhere}. With the values above:",
            f"  {line[0]} {shlex.join([*line[1:], *arguments])}",
        ]
    )


def table(asked: Sequence[Asked]) -> list[str]:
    """``--option value  what it is`` of each, the columns aligned."""
    heads = [f"{each.option} {each.value}" for each in asked]
    width = max(map(len, heads), default=0)
    return [f"{head:{width}}  {_explained(each)}" for head, each in zip(heads, asked, strict=True)]


def _explained(each: Asked) -> str:
    return each.what if each.default is None else f"{each.what} (official default)"
