"""Keras' plain convolution: pre-emphasis and time-domain filterbanks."""

import functools
import itertools
from collections.abc import Mapping

import torch

from leaf_port import (
    ChannelWiseLearnablePooling1d,
    Conv1d,
    FFTConv1d,
    GaborConv1d,
    GaussianLowpass,
    NormalizedConv1d,
    SincConv1d,
)
from leaf_port._description import data
from leaf_port.convolution import conv1d
from leaf_port.errors import LeafError
from leaf_port.padding import pad_time, same_padding
from parity import spec
from parity.layers._common import asked_memory, keras, normal, uniform, wrong_inputs
from parity.layers._signatures import KERAS_CONVOLUTION, KERAS_LACKS
from parity.oracles.exact import convolution
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    shape = config.get("batch", 2), config["samples"]
    channels = config.get("channels")
    inputs = source.normal((*shape, channels)) if channels else source.audio(*shape, 1)
    return {"inputs": inputs}


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    weights = {"kernel": spec.Weight("kernel", normal(0.1), random=True)}
    if config["bias"]:
        weights["bias"] = spec.Weight("bias", uniform(-0.5, 0.5))
    return weights


def _exact(given: spec.Given) -> spec.Answer:
    config, weights = given.config, given.weights
    made = convolution.conv1d(
        given.inputs["inputs"], weights["kernel"], config["stride"], config["padding"]
    )
    return spec.exactly(convolution.with_bias(made, weights.get("bias")))


def _dilation() -> str:
    """It puts zeros between the taps; of whole numbers all sums are exact."""
    source = Source(1)
    x = torch.from_numpy(source.integers((2, 41, 3), -9, 10).astype("float32"))
    for taps, dilation, stride, padding in itertools.product(
        (1, 3, 4, 9), (1, 2, 3), (1, 2), ("SAME", "VALID")
    ):
        kernel = torch.from_numpy(source.integers((2, 3, taps), -9, 10).astype("float32"))
        spread = torch.zeros(2, 3, (taps - 1) * dilation + 1)
        spread[..., ::dilation] = kernel
        got = conv1d(x, kernel, stride, padding, dilation)
        if not torch.equal(got, conv1d(x, spread, stride, padding)):
            return f"{taps} taps, {dilation} apart, a hop of {stride}, {padding}: another answer"
    return ""


def _defaults() -> str:
    """A hop of 1, SAME, no dilation."""
    x, kernel = torch.arange(24.0).reshape(2, 12, 1), torch.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    if not torch.equal(conv1d(x, kernel), conv1d(x, kernel, 1, "SAME", 1)):
        return "of conv1d"
    padded = pad_time(x.mT, 4)
    if not torch.equal(padded, pad_time(x.mT, 4, 1, 1, "SAME", 0.0)) or padded.shape[-1] != 15:
        return "of pad_time"
    return "" if same_padding(12, 4) == same_padding(12, 4, 1, 1) == (1, 2) else "of same_padding"


def _saved() -> str:
    """A frontend with it, or with another part of those that fit, can be kept in a folder."""
    poolings = (ChannelWiseLearnablePooling1d, GaussianLowpass)
    for kind in (Conv1d, GaborConv1d, NormalizedConv1d, *poolings):
        try:
            told = data(kind, "conv1d_cls")
        except LeafError as error:
            return str(error)
        if told != kind.__name__:
            return f"{kind.__name__} is told as {told}"
    return ""


def _exported() -> str:
    """Where a hop is within the window, a graph takes any length from a hop and a sample on."""
    for taps, hop in ((4, 4), (9, 3)):
        layer, shortest = Conv1d(1, taps, hop, "SAME"), torch.ones(2, hop + 1, 1)
        free = ({1: torch.export.Dim("time", min=hop + 1)},)
        graph = torch.export.export(layer, (torch.ones(2, 50, 1),), dynamic_shapes=free).module()
        if not torch.equal(graph(shortest), layer(shortest)):
            return f"{taps} taps and a hop of {hop}: {hop + 1} samples are answered otherwise"
    return _end_to_end()


class _Windows(torch.nn.Module):
    """Sums of windows of four, laid end to end."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return pad_time(inputs, 4, 4).unflatten(-1, (-1, 4)).sum(-1)


def _end_to_end() -> str:
    """A graph of any length knows that padded windows which touch fill the length exactly."""
    layer, free = _Windows(), ({2: torch.export.Dim("time", min=5, max=4096)},)
    graph = torch.export.export(layer, (torch.ones(2, 3, 17),), dynamic_shapes=free).module()
    clips = torch.ones(2, 3, 6)
    same = torch.equal(graph(clips), layer(clips))
    return "" if same else "windows laid end to end are answered otherwise"


def _memory() -> str:
    """Every convolution asks whether its filters fit."""
    for kind in (Conv1d, FFTConv1d, GaborConv1d, NormalizedConv1d, SincConv1d):
        asked = asked_memory(functools.partial(kind, 6, 25))
        if asked != [(kind.__name__, "kernel_size", 6 * 25)]:
            return f"{asked}"
    return ""


SPEC = spec.LayerSpec(
    name="conv1d",
    mirrors="frontend.py, lines 143-166 (tf.keras.layers.Conv1D)",
    port=lambda config: Conv1d(
        config["filters"],
        config["taps"],
        config["stride"],
        config["padding"],
        config["bias"],
        in_channels=config.get("channels", 1),
    ),
    official=lambda config: keras(
        "layers.Conv1D",
        config["filters"],
        config["taps"],
        strides=config["stride"],
        padding=config["padding"],
        use_bias=config["bias"],
    ),
    configs=[
        *spec.grid(
            samples=[333, 400, 477, 560, 601],
            taps=[2, 101, 200, 25],
            filters=[1, 4, 5],
            stride=[1, 3, 1, 7],
            padding=["SAME", "VALID"],
            bias=[False, True],
        ),
        # Several channels: few taps, which are padded otherwise; a hop beyond the window.
        *spec.grid(
            samples=[31, 12],
            taps=[5, 3],
            filters=[4, 2],
            stride=[1, 5],
            padding=["SAME"],
            bias=[True],
            channels=[3, 2],
            batch=[3, 1],
        ),
    ],
    inputs=_inputs,
    weights=_weights,
    initial=False,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(9.8, 5.107),
        reference=spec.Bound(6.7, 3.987),
        port_gradient=spec.Bound(6.1, 3.562),
        reference_gradient=spec.Bound(5.9, 2.545),
        double=spec.Bound(5, 2.763),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            Conv1d,
            "tensorflow.keras.layers.Conv1D",
            own={
                **KERAS_CONVOLUTION,
                "in_channels": spec.Own(1, "a waveform; torch is told it, Keras finds it out"),
            },
            lacks={**KERAS_LACKS, "activation": "of the frontends"},
        ),
    ),
    laws=(
        spec.Law("dilation", _dilation),
        spec.Law("the memory of the filters", _memory),
        spec.Law("defaults of the functions", _defaults),
        spec.Law("graphs of any length", _exported),
        spec.Law("kept in a folder by name", _saved),
    ),
    errors=(
        spec.ErrorCase("strides", lambda: Conv1d(1, 2, strides=0)),
        *wrong_inputs(lambda: Conv1d(8, 25)),
        spec.ErrorCase("inputs", lambda: Conv1d(2, 9, padding="valid")(torch.ones(1, 5, 1))),
    ),
)
