"""How much rounding a stage's value carries, element by element, fed with its right input.

The sums over a window err with the order of their terms, which foreign ports choose anew: by about
``sqrt(terms)`` roundings of ``sum |h| |x|`` (Higham and Mary 2019,
https://doi.org/10.1137/18M1226312). All else is measured by Monte Carlo arithmetic, as in
:mod:`parity.rounding`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from parity.audit import rules as r
from parity.audit.probes import Probe
from parity.compare import SMALLEST
from parity.rounding import RUNS, UNIT_ROUNDOFF, Noise
from parity.spec import Array

# Fewer for the whole, whose units are an average over its stages.
_RUNS = {"output": RUNS // 2}
_SUM = math.sqrt(r.TAPS) * UNIT_ROUNDOFF


@dataclasses.dataclass(frozen=True)
class Expected:
    """A stage's value under some rules.

    Attributes:
        exact: in float64.
        unit: how much rounding each element carries in float32.
    """

    exact: Array
    unit: Array


def _monte_carlo(compute: Callable[[], Tensor], exact: Array, runs: int = RUNS) -> Array:
    total = np.zeros(exact.shape)
    for seed in range(runs):
        with Noise(seed):
            disturbed = compute()
        total += (disturbed.numpy() - exact) ** 2
    return np.sqrt(total / runs)


def expected(probe: Probe, stage: str, rules: r.Rules = r.OFFICIAL) -> Expected:
    """A stage's value and unit on a probe."""
    with torch.no_grad():
        exact = probe.stage(stage, rules).numpy()
        if stage == "convolution":
            wave, taps = probe.wave.double().abs(), probe.filters.double().abs()
            unit = _SUM * r.convolve(wave, taps, rules).numpy()
        elif stage == "pooling":
            energies, windows = probe.energies.double().abs(), probe.windows.double()
            unit = _SUM * r.pool(energies, windows, rules).numpy()
        elif stage == "modulus":  # two squares and their sum
            unit = 2 * UNIT_ROUNDOFF * np.abs(exact)
        else:
            runs = _RUNS.get(stage, RUNS)
            unit = _monte_carlo(lambda: probe.stage(stage, rules), exact, runs)
    unit = np.maximum(np.nan_to_num(unit), UNIT_ROUNDOFF * np.abs(np.nan_to_num(exact)))
    return Expected(exact, np.maximum(unit, SMALLEST))


def expected_initial(rules: r.Rules, name: str) -> Expected:
    """Initial weights and their units; the analytic ones are disturbed as computations are."""
    exact = r.initial(rules)[name].numpy()
    unit = UNIT_ROUNDOFF * np.abs(exact)
    if rules.mel == "analytic":
        unit = np.maximum(unit, _monte_carlo(lambda: r.initial(rules)[name], exact))
    return Expected(exact, np.maximum(unit, SMALLEST))
