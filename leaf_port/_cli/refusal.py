"""The command's errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from leaf_port.errors import LeafError

WHERE = "features"


def refusal(argument: object, expected: str, got: object, fix: str) -> LeafError:
    """What the command raises about an option, a file or a folder."""
    return LeafError(WHERE, str(argument), expected, got, fix)


@contextlib.contextmanager
def in_words_of(command: str, weights: str = "--weights") -> Iterator[None]:
    """Makes errors of what ``features`` shares errors of another command.

    Args:
        command: its name.
        weights: what it calls ``--weights``.
    """
    try:
        yield
    except LeafError as error:
        if error.owner != WHERE:
            raise
        argument = weights if error.argument == "--weights" else error.argument
        raise LeafError(command, argument, error.expected, error.got, error.fix) from error
