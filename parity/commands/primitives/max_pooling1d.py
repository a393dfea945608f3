"""Maximum over a window, padding left out; many values are equal, and the first is the one."""

from leaf_port import MaxPooling1d
from parity import spec
from parity.commands.primitives._common import FLUSHED, Primitive, coarse, normal
from parity.layers._common import keras
from parity.oracles.exact import pooling


def _geometry(config: spec.Config) -> tuple[int, int, str]:
    return config["taps"], config["stride"], config["padding"]


def _exact(given: spec.Given) -> spec.Answer:
    return spec.exactly(pooling.maximum(given.inputs["inputs"], *_geometry(given.config)))


_EXACT = "it chooses elements and rounds nothing"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="max_pooling1d",
        mirrors="tf.keras.layers.MaxPool1D",
        port=lambda config: MaxPooling1d(config["channels"], *_geometry(config)),
        official=lambda config: keras("layers.MaxPool1D", *_geometry(config)),
        configs=spec.grid(
            frames=[90, 101, 333, 500],
            taps=[1, 2, 64, 90],
            stride=[1, 2, 80, 160],
            channels=[1, 3],
            padding=["same", "valid", "same"],
        ),
        inputs=lambda config, source: coarse(normal(config, source)),
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(0, 0, _EXACT),
            reference=spec.Bound(0, 0, _EXACT),
            port_gradient=spec.Bound(16, 7.8),
            reference_gradient=spec.Bound(16, 7.8),
            measured="0, 0 units; torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("kernel_size", lambda: MaxPooling1d(1, 0)),),
    ),
    left_out={
        "nan": "TensorFlow may drop a NaN under a maximum; the port keeps it",
        "denormal": FLUSHED.format("is a tie"),
    },
)
