"""The Hann window: periodic where its size is even, symmetric where it is odd."""

import functools

import numpy as np
import numpy.typing as npt

from leaf_port import MelFilterbanks
from leaf_port.mel_filterbanks import periodic_hann
from parity import spec
from parity.commands.primitives._common import Constant, Primitive
from parity.oracles.exact import windows


def rounding(size: int, cosine: float = 0.5) -> spec.Array:
    """Of ``1 - c - c cos(x)`` in float32: both terms are rounded, and the phase by ``2^-24`` of
    itself.
    """
    phase = 2.0 * np.pi * np.arange(size) / max(size - size % 2, 1)
    made: spec.Array = 2.0**-24 * (1.0 - cosine + cosine * np.abs(phase * np.sin(phase)))
    return made


def _hann(size: int, dtype: npt.DTypeLike) -> spec.Array:
    return periodic_hann(size, np.float64 if dtype == np.float64 else np.float32)


def _official(config: spec.Config) -> spec.Ref:
    """Of an odd size both forms are one; of an even one the port has the periodic form alone."""
    periodic = config["taps"] % 2 == 0 or config["periodic"]
    return spec.Ref("tensorflow.signal.hann_window")(config["taps"], periodic=periodic)


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="hann_window",
        mirrors="tf.signal.hann_window",
        port=lambda config: Constant(functools.partial(_hann, config["taps"])),
        official=_official,
        configs=spec.grid(taps=[1, 2, 3, 401, 800], periodic=[True, False]),
        exceptions=spec.Exceptions(
            constants=lambda config: {"value": rounding(config["taps"])},
        ),
        exact=lambda given: spec.exactly(windows.periodic_hann(given.config["taps"])),
        budget=spec.Budget(
            port=spec.Bound(10, 5.17),
            reference=spec.Bound(10, 5.17),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("window_len", lambda: MelFilterbanks(window_len=-1.0)),),
    ),
)
