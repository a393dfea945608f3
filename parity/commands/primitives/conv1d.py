"""A convolution under SAME padding with a stride or a dilation."""

from leaf_port import Conv1d
from parity import spec
from parity.commands.primitives import same_padding
from parity.commands.primitives._common import Primitive
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    taps, channels = config["taps"], config["channels"]
    inputs = source.audio(2, config["samples"], channels)
    return {"inputs": inputs, "kernel": source.normal((taps, channels, config["filters"]), 0.1)}


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="conv1d",
        mirrors="tf.nn.convolution, padding SAME",
        port=same_padding.convolve,
        official=same_padding.official,
        configs=spec.grid(
            samples=[8, 90, 333, 500],
            taps=[1, 2, 64, 101],
            stride=[1, 2, 80, 160],
            dilation=[1, 1, 2, 7],
            channels=[1, 3],
            filters=[1, 5],
        ),
        inputs=_inputs,
        differentiable=("inputs", "kernel"),
        exact=same_padding.exact,
        budget=spec.Budget(
            port=spec.Bound(17, 8.45),
            reference=spec.Bound(17, 8.45),
            port_gradient=spec.Bound(15, 7.34),
            reference_gradient=spec.Bound(15, 7.34),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("padding", lambda: Conv1d(1, 2, padding="full")),),
    ),
    left_out=dict.fromkeys(
        ("nan", "infinity"),
        "TensorFlow's dilated convolution multiplies samples by zeros of its own (space-to-batch): "
        "what is not finite becomes NaN in other gradients too",
    ),
)
