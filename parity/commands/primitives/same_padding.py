"""How many samples SAME adds to which side: by values that float32 adds up without rounding."""

from collections.abc import Callable

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from leaf_port.padding import check_padding, pad_time
from parity import spec
from parity.commands.primitives._common import Primitive, given_arguments, time_last
from parity.oracles.exact import convolution
from parity.spec.random_arrays import Source


def steps(config: spec.Config) -> tuple[int, int]:
    """Stride and dilation: TensorFlow takes one or the other."""
    return (config["stride"] if config["dilation"] == 1 else 1), config["dilation"]


def convolve(config: spec.Config) -> Callable[[Tensor, Tensor], Tensor]:
    """The port's convolution under SAME padding."""
    stride, dilation = steps(config)

    def call(inputs: Tensor, kernel: Tensor) -> Tensor:
        padded = pad_time(time_last(inputs), kernel.shape[0], stride, dilation)
        return time_last(F.conv1d(padded, kernel.permute(2, 1, 0), None, stride, 0, dilation))

    return call


def official(config: spec.Config) -> spec.Ref:
    """TensorFlow's."""
    stride, dilation = steps(config)
    return given_arguments("nn.convolution", strides=stride, padding="SAME", dilations=dilation)


def exact(given: spec.Given) -> spec.Answer:
    """The dot products."""
    stride, dilation = steps(given.config)
    inputs, kernel = given.inputs.values()
    return spec.exactly(convolution.conv1d(inputs, kernel, stride, "SAME", dilation))


def _whole_numbers(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    shape = (config["taps"], config["channels"], 2)
    inputs = source.integers((2, config["samples"], config["channels"]), -8, 9)
    kernel = source.integers(shape, -8, 9)
    return {"inputs": inputs.astype(np.float32), "kernel": kernel.astype(np.float32)}


_EXACT = "whole numbers and copies"

PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="same_padding",
        mirrors="tf.nn.convolution, padding SAME",
        port=convolve,
        official=official,
        configs=spec.grid(
            samples=[1, 2, 90, 333],
            taps=[1, 2, 64, 101],
            stride=[1, 2, 80, 160],
            dilation=[1, 1, 2, 7],
            channels=[1, 3],
        ),
        inputs=_whole_numbers,
        differentiable=(),
        exact=exact,
        budget=spec.Budget(port=spec.Bound(0, 0, _EXACT), reference=spec.Bound(0, 0, _EXACT)),
        errors=(spec.ErrorCase("padding", lambda: check_padding("same_padding", "full")),),
    ),
    left_out=dict.fromkeys(
        spec.SIGNALS[1:], "whole numbers only, which are added up without rounding"
    ),
)
