"""The port's other ways, for devices that lack an operation, on a CPU that is told to lack it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import get_args
from unittest import mock

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


# The CPU, told to lack whatever some device lacks.
LACKING = dataclasses.replace(CPU, settings=_everything)
