"""Gabor filters as the taps of a plain convolution, and their energy."""

from typing import Any

import numpy as np
import torch

from leaf_port import GaborInit
from leaf_port.melfilters import Gabor
from parity import spec
from parity.layers.melfilters import matrix_rounding
from parity.oracles.exact import gabor as exact_gabor
from parity.spec.without_derivative import nothing


def tap_rounding(config: spec.Config) -> spec.Array:
    """How far a float32 tap may be off: ``(taps, 1, 2 filters)``, real and imaginary taps alike.

    ``2^-24 |h| (1 + 2 |phase| + 4 exponent + peak / 2)``. The phase is rounded in its centre
    ``k 2 pi / 512`` (twice, and pi itself) and in the product with the time: by about ``2^-24 * 2``
    of itself. The exponent ``t^2 / (2 s^2)`` is rounded in ``s = sqrt(2 ln 2) 512 / (pi w)`` (five
    times, twice as much in its square), in the quotient and in the product: by about ``2^-24 * 4``
    of itself. The gain is the root of an area, which has the rounding of the triangle's peak (see
    ``matrix_rounding`` in melfilters.py); divided by its area, a triangle has lost it.
    """
    gabor = Gabor(
        config["filters"],
        config["min_freq"],
        config["max_freq"],
        config["sample_rate"],
        config["taps"],
        normalize_energy=config.get("normalize_energy", False),
    )
    taps = config["taps"]
    t = np.arange(-(taps // 2), (taps + 1) // 2)
    phase = np.abs(gabor.gabor_params_from_mels[:, :1] * t)
    exponent = 0.5 * (t / gabor.gabor_params_from_mels[:, 1:]) ** 2
    band = config["sample_rate"], config["min_freq"], config["max_freq"]
    triangles = matrix_rounding(gabor.n_fft // 2 + 1, config["filters"], *band).max(axis=0)
    peak = 0.0 if gabor.normalize_energy else triangles[:, None] * 2.0**24
    taps_ = np.abs(gabor.gabor_filters.numpy())
    each = taps_ * 2.0**-24 * (1.0 + 2.0 * phase + 4.0 * exponent + 0.5 * peak)
    both: spec.Array = np.repeat(each, 2, axis=0).T[:, None, :]
    return both


class _Taps(torch.nn.Module):
    """Holds the taps, so that their rounding can be disturbed."""

    def __init__(self, config: spec.Config) -> None:
        super().__init__()
        arguments = {k: v for k, v in config.items() if k not in ("filters", "taps")}
        shape = (config["taps"], 1, 2 * config["filters"])
        taps = GaborInit(**arguments)(shape, torch.float32)
        self.register_buffer("taps", taps, persistent=False)

    def forward(self) -> Any:
        return self.taps


def _official(config: spec.Config) -> spec.Ref:
    arguments = {k: v for k, v in config.items() if k not in ("filters", "taps")}
    shape = spec.Ref("builtins.tuple")([config["taps"], 1, 2 * config["filters"]])
    return spec.Ref("leaf_audio.initializers.GaborInit")(**arguments)(shape)


def _exact(given: spec.Given) -> spec.Answer:
    config = given.config
    band = config["min_freq"], config["max_freq"], config["sample_rate"]
    return spec.exactly(
        exact_gabor.initial_taps(
            config["filters"], config["taps"], *band, config["normalize_energy"]
        )
    )


_EXACT = "it has no float64 answer"

SPEC = spec.LayerSpec(
    name="gabor_init_taps",
    mirrors="initializers.py, lines 69-89; melfilters.py, lines 101-109",
    port=_Taps,
    official=_official,
    configs=spec.grid(
        filters=[40, 23, 7],
        taps=[401, 200, 33],
        sample_rate=[16000, 8000, 24000],
        min_freq=[60.0, 0.0, 30.0],
        max_freq=[7800.0, 4000.0, 12000.0],
        normalize_energy=[False, True],
    ),
    exceptions=spec.Exceptions(
        single=lambda _: (
            "GaborInit computes in float32 alone, in the operations of the official code"
        ),
        constants=lambda config: {"taps": tap_rounding(config)},
        without=(nothing("it computes initial values from sizes: no tensor goes in"),),
    ),
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(8.2, 3.921),
        reference=spec.Bound(8.4, 3.065),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(Gabor, "leaf_audio.melfilters.Gabor"),),
    errors=(
        spec.ErrorCase("shape", lambda: GaborInit()((401, 1, 3), torch.float32)),
        spec.ErrorCase("n_filters", lambda: Gabor(n_filters=0)),
    ),
)
