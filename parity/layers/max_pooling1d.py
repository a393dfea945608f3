"""Maximum over a window."""

import numpy as np

from leaf_port import MaxPooling1d
from parity import spec
from parity.layers._common import wrong_inputs
from parity.layers._signatures import POOLING
from parity.oracles.exact import pooling
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    inputs = source.normal((config.get("batch", 2), config["frames"], config["channels"])) ** 2
    if config.get("ties"):  # of two values only: the first greatest one has the gradient
        inputs = np.floor(inputs).clip(0.0, 1.0)
    return {"inputs": inputs + config.get("level", 0.0)}


def _arguments(config: spec.Config) -> dict[str, object]:
    return {
        "kernel_size": config["taps"],
        "strides": config["stride"],
        "padding": config["padding"],
    }


def _exact(given: spec.Given) -> spec.Answer:
    config = given.config
    geometry = config["taps"], config["stride"], config["padding"]
    return spec.exactly(pooling.maximum(given.inputs["inputs"], *geometry))


_EXACT = "it chooses elements and rounds nothing"

# The greatest denormal, in the smallest unit there is (parity/checks/compare.py): which ones count
# as zero in TensorFlow differs within one answer.
FLUSH = spec.Bound(1.2e-14, 1.2e-14)

SPEC = spec.LayerSpec(
    name="max_pooling1d",
    mirrors="pooling.py, lines 158-172",
    port=lambda config: MaxPooling1d(config["channels"], **_arguments(config)),  # type: ignore[arg-type]
    official=lambda config: spec.Ref("leaf_audio.pooling.MaxPooling1D")(**_arguments(config)),
    configs=[
        *spec.grid(
            frames=[400, 477, 560, 641, 401, 719],
            taps=[101, 64, 25, 401],
            channels=[1, 4, 3],
            stride=[80, 1, 7, 33],
            padding=["same", "valid"],
        ),
        # All below 0, the padding's value everywhere else; a hop within and beyond the window.
        {"frames": 400, "taps": 64, "channels": 3, "stride": 33, "padding": "same", "level": -99.0},
        {"frames": 477, "taps": 25, "channels": 2, "stride": 80, "padding": "same", "level": -99.0},
        {"frames": 141, "taps": 4, "channels": 3, "stride": 3, "padding": "same", "ties": True},
        {"frames": 9, "taps": 1, "channels": 1, "stride": 2, "padding": "valid", "batch": 1},
    ],
    inputs=_inputs,
    exact=_exact,
    exceptions=spec.Exceptions(
        divergences=("nan_in_max_pooling",),
        adverse=spec.Budget(
            port=spec.Bound(0, 0, _EXACT),
            reference=FLUSH,
            port_gradient=spec.Bound(5, 0.606),
            reference_gradient=spec.Bound(5, 0.797),
            double=spec.Bound(0, 0, _EXACT),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
    ),
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "max_pooling1d",
                {"frames": 400, "taps": 101, "channels": 1, "stride": 80, "padding": "same"},
                signal="nan",
                draw=1,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(0, 0, _EXACT),
        reference=spec.Bound(0, 0, _EXACT),
        port_gradient=spec.Bound(5, 1.745),
        reference_gradient=spec.Bound(5, 1.691),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(MaxPooling1d, "leaf_audio.pooling.MaxPooling1D", own=POOLING),),
    errors=(
        spec.ErrorCase("num_channels", lambda: MaxPooling1d(0, 5)),
        spec.ErrorCase("kernel_size", lambda: MaxPooling1d(1, 0)),
        spec.ErrorCase("padding", lambda: MaxPooling1d(1, 5, padding="full")),
        *wrong_inputs(lambda: MaxPooling1d(3, 25), 3)[:-1],  # any precision: it has no weights
    ),
)
