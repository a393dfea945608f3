"""Each channel with its own window: what TensorFlow does with a kernel of one input channel."""

from collections.abc import Callable

from torch import Tensor
from torch.func import functional_call

from leaf_port import ChannelWiseLearnablePooling1d
from parity import spec
from parity.commands.primitives._common import Primitive, given_arguments
from parity.oracles.exact import pooling
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> Callable[[Tensor, Tensor], Tensor]:
    layer = ChannelWiseLearnablePooling1d(
        config["channels"], config["taps"], config["stride"], config["padding"]
    )
    return lambda inputs, kernel: functional_call(layer, {"kernel": kernel}, (inputs,))


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    channels = config["channels"]
    inputs = source.normal((2, config["frames"], channels))
    return {"inputs": inputs, "kernel": source.uniform((config["taps"], 1, channels), -0.1, 0.5)}


def _exact(given: spec.Given) -> spec.Answer:
    inputs, kernel = given.inputs.values()
    config = given.config
    return spec.exactly(pooling.channel_wise(inputs, kernel, config["stride"], config["padding"]))


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="depthwise_conv1d",
        mirrors="tf.nn.conv1d with groups",
        port=_port,
        official=lambda config: given_arguments(
            "nn.conv1d", stride=config["stride"], padding=config["padding"]
        ),
        configs=spec.grid(
            frames=[90, 101, 333, 500],
            taps=[1, 2, 64, 90],
            stride=[1, 2, 80, 160],
            channels=[1, 3],
            padding=["SAME", "VALID", "SAME"],
        ),
        inputs=_inputs,
        differentiable=("inputs", "kernel"),
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(11, 5.8),
            reference=spec.Bound(11, 5.8),
            port_gradient=spec.Bound(10, 5.19),
            reference_gradient=spec.Bound(10, 5.19),
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        ),
        errors=(spec.ErrorCase("kernel_size", lambda: ChannelWiseLearnablePooling1d(1, 0)),),
    ),
)
