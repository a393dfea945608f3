"""The mel matrix: triangles that are linear in mel."""

import numpy as np

from leaf_port.melfilters import linear_to_mel_weight_matrix
from parity import spec
from parity.commands.primitives._common import Constant, Primitive
from parity.oracles.exact import mel


def _arguments(config: spec.Config) -> dict[str, float]:
    """The band in Hz: from ``low`` to ``low + width``, in thousandths of Nyquist."""
    nyquist = config["sample_rate"] / 2.0
    high = min(config["low"] + config["width"], 1000)
    return {
        "num_mel_bins": config["filters"],
        "num_spectrogram_bins": config["bins"],
        "sample_rate": config["sample_rate"],
        "lower_edge_hertz": nyquist * config["low"] / 1000.0,
        "upper_edge_hertz": nyquist * high / 1000.0,
    }


def _rounding(config: spec.Config) -> dict[str, spec.Array]:
    """How far a float32 weight may be off: ``2^-24 (1127 + 2 m)`` over the width of its slope.

    The reason is in ``parity/layers/melfilters.py``. Where a bin lies on the corner of a triangle
    to rounding, either side may find it inside; elsewhere zeros are exact.
    """
    mels, bins, rate, low, high = _arguments(config).values()
    at = mel.tensorflow_mel(np.linspace(0.0, rate / 2.0, int(bins)))[:, None]
    bottom, top = (float(mel.tensorflow_mel(np.array(hertz))) for hertz in (low, high))
    edges = np.linspace(bottom, top, int(mels) + 2)
    width = edges[1] - edges[0]
    rounding = 2.0**-24 * (1127.0 + 2.0 * at) / width
    inside = np.minimum(at - edges[:-2], edges[2:] - at) / width
    made = np.where(inside > -4.0 * rounding, rounding, 0.0)
    made[0] = 0.0
    return {"value": made}


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="mel_weight_matrix",
        mirrors="tf.signal.linear_to_mel_weight_matrix",
        port=lambda config: Constant(
            lambda dtype: linear_to_mel_weight_matrix(**_arguments(config), dtype=dtype)  # type: ignore[arg-type]
        ),
        official=lambda config: spec.Ref("tensorflow.signal.linear_to_mel_weight_matrix")(
            **_arguments(config)
        ),
        configs=spec.grid(
            filters=[1, 23, 40, 80],
            bins=[2, 129, 257, 513],
            sample_rate=[8000, 16000, 22050, 48000],
            low=[0, 5, 100, 500],
            width=[1000, 900, 300, 1],
        ),
        sampling=spec.Sampling(
            sizes=("filters", "bins", "sample_rate", "low", "width"),
        ),
        exceptions=spec.Exceptions(
            constants=_rounding,
        ),
        exact=lambda given: spec.exactly(mel.weight_matrix(*_arguments(given.config).values())),  # type: ignore[arg-type]
        budget=spec.Budget(
            port=spec.Bound(9.6, 4.8),
            reference=spec.Bound(9.6, 4.8),
            relative=5e-4,
            reason="slopes of triangles a few mels wide lose the digits that the mels share",
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("num_mel_bins", lambda: linear_to_mel_weight_matrix(0)),),
    ),
)
