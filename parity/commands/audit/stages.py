"""Runs a foreign port stage by stage, each fed its right input, and judges what comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from parity.checks.compare import relative_difference
from parity.commands.audit.foreign import Foreign, does_not_fit
from parity.commands.audit.probes import Probe
from parity.commands.audit.rules import OFFICIAL, WEIGHTS
from parity.commands.audit.taps import Taps
from parity.commands.audit.units import Expected, expected, expected_initial
from parity.spec import Array

# In the order of computation; "output" is the whole, end to end.
STAGES: Mapping[str, str] = {
    "initialisation": "initial weights",
    "filters": "Gabor filters",
    "convolution": "convolution",
    "modulus": "squared modulus",
    "windows": "pooling windows",
    "pooling": "pooling",
    "compression": "compression (PCEN)",
}
OUTPUT = "output"

# A healthy foreign computation orders its operations anew. The worst one observed is
# EfficientLEAF's PCEN, which takes a logarithm and an exponential more: 8.1 units.
LIMIT = 16.0
# The same for whole arrays, norm of the difference over norm of the units; observed: 1.7.
NORM_LIMIT = 3.0


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a foreign port gave at a stage on a probe, beside the right value.

    Attributes:
        what: the weight or the probe.
        theirs: its value; None where it never came by.
        ok: whether rounding explains the difference.
        relative: Frobenius norm of the difference over that of the right value.
        units: greatest difference of an element, in units of its rounding.
        message: what is wrong, with the worst element.
    """

    what: str
    theirs: Array | None
    ok: bool
    relative: float = 0.0
    units: float = 0.0
    message: str = ""


def judge(what: str, theirs: Array | None, right: Expected) -> Reading:
    """Compares a value with the right one."""
    if theirs is None:
        return Reading(what, None, False, np.inf, np.inf, "no such step was seen")
    if theirs.shape != right.exact.shape:
        message = f"shape {theirs.shape}, official {right.exact.shape}"
        return Reading(what, theirs, False, np.inf, np.inf, message)
    odd = np.isfinite(theirs) != np.isfinite(right.exact)
    if odd.any():
        at = tuple(int(i) for i in np.argwhere(odd)[0])
        message = f"{int(odd.sum())} of {odd.size} elements, first at {at}: "
        message += f"{theirs[at]:.7g}, official {right.exact[at]:.7g}"
        return Reading(what, theirs, False, np.inf, np.inf, message)
    finite = np.isfinite(right.exact)
    got, exact = np.where(finite, theirs, 0.0), np.where(finite, right.exact, 0.0)
    apart = np.abs(got - exact)
    each = apart / right.unit
    at = tuple(int(i) for i in np.unravel_index(int(each.argmax()), each.shape))
    whole = float(np.linalg.norm(apart) / np.linalg.norm(right.unit))
    units = float(each[at])
    ok = units <= LIMIT and whole <= NORM_LIMIT
    message = "" if ok else f"worst at {at}: {got[at]:.7g}, official {exact[at]:.7g}"
    return Reading(what, theirs, ok, relative_difference(got, exact), units, message)


class Reference:
    """Right values, computed once for all audits of a process.

    Args:
        probes: what is asked.
    """

    def __init__(self, probes: Sequence[Probe]) -> None:
        self.probes = probes
        self._kept: dict[tuple[str, str], Expected] = {}

    def right(self, stage: str, probe: Probe) -> Expected:
        """The right value of a stage on a probe; of the output the recorded official one."""
        key = stage, probe.name
        if key not in self._kept:
            made = expected(probe, stage)
            if stage == OUTPUT:
                made = dataclasses.replace(made, exact=probe.official.astype(np.float64))
            self._kept[key] = made
        return self._kept[key]


def _numpy(tensor: Tensor | None) -> Array | None:
    return None if tensor is None else tensor.detach().double().numpy()


def read(foreign: Foreign, reference: Reference) -> dict[str, list[Reading]]:
    """What comes out of every stage and at the end.

    Raises:
        LeafError: the port does not let its stages be told apart, or fails.
    """
    own = foreign.weights()
    readings: dict[str, list[Reading]] = {stage: [] for stage in (*STAGES, OUTPUT)}
    for name in WEIGHTS:
        value = own[name].double().numpy()
        readings["initialisation"].append(judge(name, value, expected_initial(OFFICIAL, name)))
    try:
        for probe in reference.probes:
            for stage, reading in _on(foreign, probe, own, reference).items():
                readings[stage].append(reading)
    finally:
        foreign.load(own)
    return readings


def _on(
    foreign: Foreign, probe: Probe, own: Mapping[str, Tensor], reference: Reference
) -> dict[str, Reading]:
    """All stages on a probe; the output with the port's own initial weights, or the drawn ones."""
    foreign.load(probe.weights)
    taps = Taps(probe)
    with taps:
        features = foreign.run(probe.wave)
    _check_seen(foreign, taps)
    values = {
        stage: _numpy(getattr(taps.seen, stage))
        for stage in STAGES
        if stage not in ("initialisation", "compression")
    }
    foreign.load(own if probe.initial else probe.weights)
    values |= {"compression": _numpy(features), OUTPUT: _numpy(foreign.run(probe.wave))}
    return {
        stage: judge(probe.name, value, reference.right(stage, probe))
        for stage, value in values.items()
    }


def _check_seen(foreign: Foreign, taps: Taps) -> None:
    seen = taps.seen
    steps = {"convolution": seen.convolution, "modulus": seen.modulus, "pooling": seen.pooling}
    missing = [name for name, value in steps.items() if value is None]
    if missing:
        expected_ = (
            "torch's conv1d or conv2d with 80 filters on the waveform, then with 40 groups on the "
            "energies"
        )
        fix = "the audit follows those two calls; write the stages with them"
        raise does_not_fit(foreign.adapter, expected_, f"no {', '.join(missing)}", fix)


def agrees(readings: Mapping[str, Sequence[Reading]]) -> bool:
    """Whether every stage and the output do."""
    return all(reading.ok for each in readings.values() for reading in each)


def worst(readings: Sequence[Reading]) -> Reading:
    """The one that is furthest off: not all right before all right, then by units."""
    return max(readings, key=lambda reading: (not reading.ok, reading.units))
