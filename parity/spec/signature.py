"""Arguments and defaults of the port's classes and functions beside the official ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Own:
    """An argument of the port that the official code has otherwise, or has not.

    Attributes:
        value: the port's default.
        why: why it is another one.
    """

    value: Any
    why: str

    def __post_init__(self) -> None:
        if not self.why:
            raise ValueError("a default of the port's own needs its reason")


@dataclasses.dataclass(frozen=True)
class Signature:
    """A public class or function of the port and its counterpart.

    All that is not listed has the official name and the official default. An entry that no longer
    applies fails (``parity/checks/invariants/signatures.py``).

    Attributes:
        port: the class or function.
        official: dotted name of the counterpart; after a comma, of what takes its other keyword
            arguments.
        named: official name of an argument, by the port's.
        own: the port's defaults that are not the official ones, by name.
        lacks: official arguments that the port has not, with the reason.
        told_by: of arguments that a class hands on, who refuses wrong ones.
    """

    port: Callable[..., Any]
    official: str
    named: Mapping[str, str] = dataclasses.field(default_factory=dict)
    own: Mapping[str, Own] = dataclasses.field(default_factory=dict)
    lacks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    told_by: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def counterparts(self) -> tuple[str, ...]:
        """The dotted names."""
        return tuple(name.strip() for name in self.official.split(","))
