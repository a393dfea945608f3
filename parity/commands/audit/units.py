"""How much rounding a stage's value carries, element by element, fed with its right input.

The sums over a window err with the order of their terms, which foreign ports choose anew: by about
``sqrt(terms)`` roundings of ``sum |h| |x|`` (Higham and Mary 2019,
https://doi.org/10.1137/18M1226312). All else is measured by Monte Carlo arithmetic, as in
:mod:`parity.checks.monte_carlo`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from parity.checks.compare import SMALLEST
from parity.checks.monte_carlo import RUNS, UNIT_ROUNDOFF, Noise
from parity.commands.audit import rules as r
from parity.commands.audit.probes import Probe
from parity.spec import Array

# The root of the smallest float32: squares below it are lost before their root is taken.
_UNDERFLOW = 2.0**-74.5
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


def _monte_carlo(compute: Callable[[], Tensor], exact: Array) -> Array:
    total = np.zeros(exact.shape)
    for seed in range(RUNS):
        with Noise(seed):
            disturbed = compute()
        total += (disturbed.numpy() - exact) ** 2
    return np.sqrt(total / RUNS)


def _sizes(filters: Tensor) -> Tensor:
    """Magnitudes of the complex taps, for both parts: complex convolutions mix their rounding."""
    return filters.norm(dim=2, keepdim=True).expand(filters.shape)


def _sum_units(stage: str, probe: Probe, rules: r.Rules) -> Tensor:
    """Of the convolution or the pooling, fed right."""
    if stage == "convolution":
        return _SUM * r.convolve(probe.wave.double().abs(), _sizes(probe.filters.double()), rules)
    return _SUM * r.pool(probe.energies.double(), probe.windows.double(), rules).abs()


def _at_output(probe: Probe, rules: r.Rules, exact: Array) -> Array:
    """What the units of all stages amount to at the output."""
    wave = probe.wave.double()
    taps, windows = (expected(probe, stage, rules) for stage in ("filters", "windows"))
    filters, gauss = torch.from_numpy(taps.exact), torch.from_numpy(windows.exact)
    pairs = r.convolve(wave, filters, rules)
    sums = _SUM * r.convolve(wave.abs(), _sizes(filters), rules)
    from_taps = r.convolve(wave**2, torch.from_numpy(taps.unit) ** 2, rules.but({"conv_bias": 0}))
    pair_units = (sums**2 + from_taps.clamp(min=0)).sqrt()
    total = np.zeros(exact.shape)
    for seed in range(RUNS):
        source = torch.Generator().manual_seed(seed)

        def off(value: Tensor, unit: Tensor, source: torch.Generator = source) -> Tensor:
            draw = torch.rand(value.shape, generator=source, dtype=torch.float64)
            return value + (2.0 * draw - 1.0) * unit

        energies = r.modulus(off(pairs, pair_units), rules)
        energies = off(energies, 2 * UNIT_ROUNDOFF * energies)
        pooled = r.pool(energies, off(gauss, torch.from_numpy(windows.unit)), rules)
        pooled = off(pooled, _SUM * pooled.abs())
        with Noise(seed):
            disturbed = r.compress(pooled, probe.double, rules)
        total += (disturbed.numpy() - exact) ** 2
    return np.sqrt(total / RUNS)


def expected(probe: Probe, stage: str, rules: r.Rules = r.OFFICIAL) -> Expected:
    """A stage's value and unit on a probe; of the output, with the units of all stages."""
    with torch.no_grad():
        exact = probe.stage(stage, rules).numpy()
        if stage in ("convolution", "pooling"):
            unit = _sum_units(stage, probe, rules).numpy()
        elif stage == "modulus":  # two squares and their sum
            unit = 2 * UNIT_ROUNDOFF * np.abs(exact)
            unit = np.maximum(unit, _UNDERFLOW) if rules.modulus == "root" else unit
        elif stage == "output":
            unit = _at_output(probe, rules, exact)
        else:
            unit = _monte_carlo(lambda: probe.stage(stage, rules), exact)
    unit = np.maximum(np.nan_to_num(unit), UNIT_ROUNDOFF * np.abs(np.nan_to_num(exact)))
    return Expected(exact, np.maximum(unit, SMALLEST))


def expected_initial(rules: r.Rules, name: str) -> Expected:
    """Initial weights and their units; the analytic ones are disturbed as computations are."""
    exact = r.initial(rules)[name].numpy()
    unit = UNIT_ROUNDOFF * np.abs(exact)
    if rules.mel == "analytic":
        unit = np.maximum(unit, _monte_carlo(lambda: r.initial(rules)[name], exact))
    return Expected(exact, np.maximum(unit, SMALLEST))
