"""The one error class of the package, and its warnings."""

from __future__ import annotations


class LeafError(ValueError):
    """A wrong argument, input or file, told so that it can be mended.

    Attributes:
        owner: the layer, function or command that refuses (``"GaborConv1d"``).
        argument: its argument, input or file (``"n_filters"``).
        expected: what it takes (``"an integer of at least 1"``).
        got: what came (``"0"``).
        fix: what to do about it.
    """

    def __init__(self, owner: str, argument: str, expected: str, got: object, fix: str) -> None:
        super().__init__(owner, argument, expected, got, fix)
        self.owner = owner
        self.argument = argument
        self.expected = expected
        self.got = got
        self.fix = fix

    def __str__(self) -> str:
        return (
            f"{self.owner}: {self.argument}: expected {self.expected}, got {self.got}; {self.fix}"
        )


class FilterWarning(UserWarning):
    """The filters of a frontend are odd: two coincide, one is empty, or see its subclasses."""


class InitialFilterWarning(FilterWarning):
    """They do at first: training, or weights that are loaded, may make them differ."""


class SampleRateWarning(InitialFilterWarning):
    """The first filters of a frontend are those of 16 kHz, and its sample rate is another."""
