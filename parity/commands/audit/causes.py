"""Known causes, each tested: it is applied to our port, whose output must then be theirs."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.checks.compare import relative_difference
from parity.commands.audit import rules as r
from parity.commands.audit.probes import Probe
from parity.commands.audit.stages import Reading, judge
from parity.commands.audit.units import expected, expected_initial
from parity.spec import Array

# A candidate further off than this is not worth measuring in units of rounding.
_NEAR = 1e-3
MOST_CAUSES = 3


@dataclasses.dataclass(frozen=True)
class Cause:
    """A way to leave the official implementation.

    Attributes:
        stage: where it acts.
        changes: the rules that it changes.
        text: what a reader is told.
    """

    stage: str
    changes: Mapping[str, Any]
    text: str


def _causes() -> Iterator[Cause]:
    def of(stage: str, text: str, **changes: Any) -> Cause:
        return Cause(stage, changes, text)

    stage = "initialisation"
    yield of(stage, "mel triangles linear in Hz, as torchaudio's", mel="hz")
    yield of(stage, "mel triangles linear in Hz, widened to 1.5 bins", mel="hz widened")
    yield of(stage, "centres and widths from mel band edges by formula", mel="analytic")
    yield of(stage, "upper edge at Nyquist, 8000 Hz", max_freq=8000.0)
    yield of(stage, "lower edge at 0 Hz", min_freq=0.0)
    yield of(
        stage, "full widths where deviations belong", init_sigma=2 * math.sqrt(2 * math.log(2))
    )
    yield of(stage, "half the deviations", init_sigma=0.5)
    stage = "filters"
    yield of(stage, "no bounds on Gabor parameters", gabor_bounds="none")
    yield of(stage, "lower bound of deviations halved", gabor_bounds="lower halved")
    yield of(stage, "full width taken for the deviation", filter_sigma="fwhm")
    yield of(stage, "no factor 1 / (sqrt(2 pi) sigma)", filter_scale="none")
    yield of(stage, "filters of unit norm", filter_scale="unit norm")
    yield of(stage, "filters centred one tap late", filter_shift=1)
    yield of(stage, "filters centred one tap early", filter_shift=-1)
    yield of(stage, "conjugated filters, or filters reversed in time", filter_sign=-1)
    yield of(stage, "real and imaginary parts swapped", filter_parts="imaginary, real")
    stage = "convolution"
    yield of(stage, "padding one sample more on the left", conv_padding="one more left")
    yield of(stage, "padding one sample more on the right", conv_padding="one more right")
    yield of(stage, "causal padding", conv_padding="causal")
    yield of(stage, "no padding", conv_padding="valid")
    yield of(stage, "bias of 1", conv_bias=1.0)
    stage = "modulus"
    yield of(stage, "mean of the squares, not their sum", modulus="mean")
    yield of(stage, "modulus, not its square", modulus="root")
    yield of(stage, "real part alone", modulus="real")
    stage = "windows"
    yield of(stage, "no bounds on the width", pool_bounds=False)
    yield of(stage, "window centred half a tap late", pool_center="late")
    yield of(stage, "width in whole windows, not halves", pool_unit="whole")
    yield of(stage, "windows divided by their sum", pool_norm=True)
    stage = "pooling"
    yield of(stage, "symmetric padding, kernel // 2", pool_padding="symmetric")
    yield of(stage, "odd padding sample on the left", pool_padding="reversed")
    yield of(stage, "causal padding", pool_padding="causal")
    yield of(stage, "no padding", pool_padding="valid")
    yield of(stage, "bias of 1", pool_bias=1.0)
    stage = "compression"
    yield of(stage, "1 added to the pooled energies", energy_offset=1.0)
    yield of(stage, "energies not raised to 1e-5", smallest=0.0)
    yield of(stage, "energies raised to 1e-6, not 1e-5", smallest=1e-6)
    yield of(stage, "energies raised to 1e-4, not 1e-5", smallest=1e-4)
    yield of(stage, "PCEN's floor 1e-6, not 1e-12", floor=1e-6)
    yield of(stage, "PCEN's floor 1e-5, not 1e-12", floor=1e-5)
    yield of(stage, "smoother starts at zero", ema_start="zero")
    yield of(stage, "smoother weighs the past with the coefficient", ema_swap=True)
    yield of(stage, "smoother one frame late", ema_lag=True)
    yield of(stage, "smoothing coefficient not clipped to [0, 1]", smooth_bounds=False)
    yield of(stage, "alpha not bounded by 1", alpha_bound=False)
    yield of(stage, "root not bounded by 1", root_bound=False)
    yield of(stage, "root for one over root", root_inverted=False)
    yield of(stage, "delta^(1 / root) not subtracted", delta_removed=False)
    yield of(stage, "logarithm with offset 1e-5 instead of PCEN", compression=1e-5)
    yield of(stage, "logarithm with offset 1e-6 instead of PCEN", compression=1e-6)


CAUSES: Sequence[Cause] = tuple(_causes())


def merged(causes: Sequence[Cause]) -> dict[str, Any]:
    """All their changes."""
    return {name: value for cause in causes for name, value in cause.changes.items()}


def _compatible(causes: Sequence[Cause]) -> bool:
    """Whether no two change the same rule."""
    return sum(len(cause.changes) for cause in causes) == len(merged(causes))


@dataclasses.dataclass(frozen=True)
class Finding:
    """Why a stage diverges.

    Attributes:
        stage: which.
        causes: which together reproduce its values; else those that come nearest, if any.
        confirmed: whether they reproduce them on every probe, to rounding.
        before: relative difference between theirs and the official values.
        after: relative difference between theirs and our port's with the causes.
        units: greatest difference after, in units of rounding.
        also: other single causes that reproduce the values as well.
        at_output: relative difference of the output that the causes make in our port, without those
            of other stages.
        shares: the same of each of them alone.
    """

    stage: str
    causes: Sequence[Cause]
    confirmed: bool
    before: float
    after: float
    units: float
    also: Sequence[Cause] = ()
    at_output: float = math.nan
    shares: Sequence[float] = ()


def _apart(theirs: Array | None, ours: Array) -> float:
    """Relative difference; infinite where shape or finiteness differ."""
    if theirs is None or theirs.shape != ours.shape:
        return np.inf
    finite = np.isfinite(ours)
    if (finite != np.isfinite(theirs)).any():
        return np.inf
    return relative_difference(np.where(finite, theirs, 0.0), np.where(finite, ours, 0.0))


class _Stage:
    """A stage's readings, and our port's values under any rules beside them."""

    def __init__(self, stage: str, readings: Sequence[Reading], probes: Sequence[Probe]) -> None:
        self.stage = stage
        self._theirs = {reading.what: reading.theirs for reading in readings}
        self._probes = probes
        constants = self._constants() if stage == "initialisation" else []
        self.causes = [cause for cause in CAUSES if cause.stage == stage] + constants

    def _constants(self) -> list[Cause]:
        """Other constants that their initial weights hold."""
        found = []
        for name in r.WEIGHTS[1:]:
            theirs, right = self._theirs[name], getattr(r.OFFICIAL, f"init_{name}")
            if theirs is not None and np.ptp(theirs) == 0 and theirs[0] != np.float32(right):
                text = f"{name} starts at {theirs[0]:.6g}, not {right:g}"
                changes = {f"init_{name}": float(theirs[0])}
                found.append(Cause(self.stage, changes, text))
        return found

    def _values(self, rules: r.Rules) -> Iterator[tuple[str, Array]]:
        if self.stage == "initialisation":
            for name, value in r.initial(rules).items():
                yield name, value.numpy()
        else:
            for probe in self._probes:
                yield probe.name, probe.stage(self.stage, rules).numpy()

    def apart(self, rules: r.Rules, enough: float = np.inf) -> float:
        """Worst relative difference over all probes; stops at the first beyond ``enough``."""
        worst = 0.0
        for name, ours in self._values(rules):
            worst = max(worst, _apart(self._theirs[name], ours))
            if worst > enough:
                break
        return worst

    def reproduced(self, rules: r.Rules) -> tuple[bool, float]:
        """Whether rounding explains what is left on every probe; the worst units."""
        if self.stage == "initialisation":
            pairs = [(name, expected_initial(rules, name)) for name in r.WEIGHTS]
        else:
            pairs = [(p.name, expected(p, self.stage, rules)) for p in self._probes]
        readings = [judge(name, self._theirs[name], right) for name, right in pairs]
        return all(reading.ok for reading in readings), max(each.units for each in readings)


def find(stage: str, readings: Sequence[Reading], probes: Sequence[Probe]) -> Finding:
    """The fewest known causes that reproduce a stage's values, or those that come nearest."""
    beside = _Stage(stage, readings, probes)
    before = beside.apart(r.OFFICIAL)
    best: tuple[float, Sequence[Cause]] = before, ()
    for count in range(1, MOST_CAUSES + 1):
        fits = []
        for causes in itertools.combinations(beside.causes, count):
            if not _compatible(causes):
                continue
            after = beside.apart(r.OFFICIAL.but(merged(causes)), max(_NEAR, best[0]))
            best = min(best, (after, causes), key=lambda each: each[0])
            if after <= _NEAR:
                ok, units = beside.reproduced(r.OFFICIAL.but(merged(causes)))
                fits += [(after, causes, units)] if ok else []
        if fits:
            after, causes, units = min(fits, key=lambda each: each[2])
            also = [each[1][0] for each in fits if count == 1 and each[1] != causes]
            return Finding(stage, causes, True, before, after, units, also)
    return Finding(stage, best[1], False, before, best[0], np.inf)
