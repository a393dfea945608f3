"""Convolution with Gabor wavelets."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from leaf_port import GaborConv1d
from parity import spec
from parity.layers._common import audio, convolution_arguments, gabor_kernel, uniform, wrong_inputs
from parity.layers._signatures import ARITHMETIC, CONVOLUTION, INPUT_SHAPE
from parity.oracles.exact import convolution, gabor
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> GaborConv1d:
    return GaborConv1d(
        filters=config["filters"],
        kernel_size=config["taps"],
        strides=config["stride"],
        padding=config["padding"],
        use_bias=config["bias"],
        sort_filters=config["sort"],
        arithmetic=config.get("arithmetic", "complex"),
    )


def _kernel(source: Source, shape: Sequence[int], config: spec.Config) -> spec.Array:
    kernel = gabor_kernel(source, shape, config)
    if config.get("equal"):  # centres that the bounds make equal, two at either end
        kernel[:, 0] = np.resize(np.array([9.0, -1.0, 0.5, -2.0, 8.0], np.float32), len(kernel))
    return kernel


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    weights = {"kernel": spec.Weight("kernel", _kernel, random=True)}
    if config["bias"]:
        weights["bias"] = spec.Weight("bias", uniform(-0.5, 0.5), random=True)
    return weights


def _exact(given: spec.Given) -> spec.Answer:
    config, weights = given.config, given.weights
    taps = gabor.taps(weights["kernel"], config["taps"], config["sort"])
    made = convolution.conv1d(given.inputs["inputs"], taps, config["stride"], config["padding"])
    return spec.exactly(convolution.with_bias(made, weights.get("bias")))


def _order() -> str:
    """Wavelets of one centre frequency stay in their order, however many there are."""
    count = 200
    layer = GaborConv1d(2 * count, 9, sort_filters=True)
    kernel = torch.stack([torch.arange(count) % 3 + 0.5, torch.linspace(1.6, 3.3, count)], dim=1)
    with torch.no_grad():
        layer.kernel.copy_(kernel)
        sorted_ = layer.impulse_responses()
        layer.sort_filters = False
        layer.kernel.copy_(torch.cat([kernel[first::3] for first in range(3)]))
        wanted = layer.impulse_responses()
    return "" if torch.equal(sorted_, wanted) else "the order is another one"


SPEC = spec.LayerSpec(
    name="gabor_conv1d",
    mirrors="convolution.py, lines 153-204",
    port=_port,
    official=lambda config: spec.Ref("leaf_audio.convolution.GaborConv1D")(
        **convolution_arguments(config), sort_filters=config["sort"]
    ),
    configs=[
        *spec.grid(
            samples=[333, 400, 477, 560, 601, 450],
            taps=[101, 200, 25, 401],
            filters=[8, 2, 5],
            stride=[1, 3, 1, 7],
            padding=["SAME", "VALID"],
            bias=[False, True],
            sort=[False, False, True],
        ),
        {
            "samples": 40,
            "taps": 9,
            "filters": 10,
            "stride": 11,
            "padding": "SAME",
            "bias": False,
            "sort": True,
            "equal": True,
            "batch": 1,
        },
    ],
    inputs=audio,
    weights=_weights,
    initial=False,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(5.4, 3.114),
        reference=spec.Bound(5.2, 2.836),
        port_gradient=spec.Bound(5, 3.449),
        reference_gradient=spec.Bound(5, 2.53),
        double=spec.Bound(5.5, 4.194),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            GaborConv1d,
            "leaf_audio.convolution.GaborConv1D",
            own={**CONVOLUTION, "arithmetic": ARITHMETIC},
            lacks=INPUT_SHAPE,
        ),
    ),
    laws=(spec.Law("the order of equal centres", _order),),
    errors=(
        spec.ErrorCase("filters", lambda: GaborConv1d(1, 5), "builds a layer without filters"),
        spec.ErrorCase("kernel_size", lambda: GaborConv1d(8, 0)),
        spec.ErrorCase("padding", lambda: GaborConv1d(8, 5, padding="causal")),
        spec.ErrorCase("arithmetic", lambda: GaborConv1d(8, 5, arithmetic="quaternion")),  # type: ignore[arg-type]
        *wrong_inputs(lambda: GaborConv1d(8, 25)),
    ),
    arithmetics=("complex", "real"),
)
