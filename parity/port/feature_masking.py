"""The port's other ways, for devices that lack an operation, on a CPU that is told to lack it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, get_args
from unittest import mock

import torch
from torch import Tensor

from leaf_port._ops import devices
from parity.port.backends import CPU

_CPU = CPU.device


class _Asked(frozenset[str]):
    """What the CPU lacks; remembers what was asked for."""

    def __init__(self, _features: object = ()) -> None:
        self.features: set[str] = set()

    def __contains__(self, feature: object) -> bool:
        self.features.add(str(feature))
        return super().__contains__(feature)


@contextlib.contextmanager
def asked() -> Iterator[set[str]]:
    """Fills the set with the features that the port asks the CPU for."""
    watch = _Asked(devices._LACKS[_CPU])
    with mock.patch.object(devices, "_LACKS", {**devices._LACKS, _CPU: watch}):
        yield watch.features


@contextlib.contextmanager
def _everything() -> Iterator[None]:
    table = {**devices._LACKS, _CPU: frozenset(get_args(devices.Feature))}
    with mock.patch.object(devices, "_LACKS", table):
        yield


@contextlib.contextmanager
def _everything_and_nan() -> Iterator[None]:
    with contextlib.ExitStack() as patched:
        patched.enter_context(_everything())
        for owner, name in _MAXIMA:
            without = _of_numbers(getattr(owner, name))
            patched.enter_context(mock.patch.object(owner, name, without))
        yield


# Of values with a NaN, the maximum of the others, as on a device that lacks "maximum of NaN".
_MAXIMA: tuple[tuple[Any, str], ...] = ((torch.nn.functional, "max_pool2d"), (Tensor, "amax"))


def _of_numbers(maximum: Callable[..., Any]) -> Callable[..., Any]:
    def without_nan(x: Tensor, *arguments: Any, **named: Any) -> Any:
        return maximum(torch.where(torch.isnan(x), -torch.inf, x), *arguments, **named)

    return without_nan


# The CPU, told to lack whatever some device lacks.
LACKING = dataclasses.replace(CPU, settings=_everything)

# The same, whose maxima are those of such a device. Not beside TensorFlow's maxima, which
# `parity/checks/expected_divergences.py` puts in their place.
DROPPING_NAN = dataclasses.replace(CPU, settings=_everything_and_nan)
