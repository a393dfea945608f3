"""Pooling with a Gaussian window for each channel."""

import functools

import torch

from leaf_port import (
    ChannelWiseLearnablePooling1d,
    GaussianLowpass,
    LearnablePooling1d,
    MaxPooling1d,
)
from parity import spec
from parity.layers._common import asked_memory, uniform, wrong_inputs
from parity.layers._signatures import POOLING
from parity.oracles.exact import pooling
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {
        "inputs": source.normal((config.get("batch", 2), config["frames"], config["channels"])) ** 2
    }


def _arguments(config: spec.Config) -> dict[str, object]:
    return {
        "kernel_size": config["taps"],
        "strides": config["stride"],
        "padding": config["padding"],
    }


def _exact(given: spec.Given) -> spec.Answer:
    config, sigma = given.config, given.weights["kernel"]
    geometry = config["taps"], config["stride"], config["padding"]
    return spec.exactly(pooling.gaussian_lowpass(given.inputs["inputs"], sigma, *geometry))


@torch.no_grad()
def _symmetric() -> str:
    """Of clicks, each output being one tap: every so many frames of SAME padding at a hop of 1."""
    clicks = torch.zeros(2, 130, 2)
    clicks[0, 0] = clicks[0, 60] = clicks[1, 129] = clicks[1, 25] = 1.0
    for taps in (25, 24):
        every = GaussianLowpass(2, taps, 1, "SAME")
        some = GaussianLowpass(2, taps, 7, "symmetric")
        every.kernel.fill_(0.3)
        some.kernel.fill_(0.3)
        if not torch.equal(some(clicks), every(clicks)[:, ::7]):
            return f"another window of {taps} taps"
    return ""


@torch.no_grad()
def _bias() -> str:
    """Silence gives the bias itself, at first 1; a bias of 0 changes nothing."""
    biased, plain = GaussianLowpass(3, 25, 7, additive_bias=True), GaussianLowpass(3, 25, 7)
    plain.kernel.fill_(0.4)
    biased.kernel.fill_(0.4)
    silence, noise = torch.zeros(2, 60, 3), torch.from_numpy(Source(1).normal((2, 60, 3)))
    if not torch.equal(biased(silence), torch.ones(2, 9, 3)):
        return "silence gives no 1"
    assert biased.bias is not None  # noqa: S101
    biased.bias.copy_(torch.tensor([0.5, -2.0, 0.0]))
    if not torch.equal(biased(silence), biased.bias.expand(2, 9, 3)):
        return "silence gives another bias"
    biased.bias.zero_()
    return "" if torch.equal(biased(noise), plain(noise)) else "a bias of 0 counts"


def _memory() -> str:
    """Every pooling asks whether its windows fit."""
    for kind in (
        ChannelWiseLearnablePooling1d,
        GaussianLowpass,
        LearnablePooling1d,
        MaxPooling1d,
    ):
        asked = asked_memory(functools.partial(kind, 3, 25))
        if asked != [(kind.__name__, "kernel_size", 3 * 25)]:
            return f"{asked}"
    return ""


SPEC = spec.LayerSpec(
    name="gaussian_lowpass_layer",
    mirrors="pooling.py, lines 109-155",
    port=lambda config: GaussianLowpass(config["channels"], **_arguments(config)),  # type: ignore[arg-type]
    official=lambda config: spec.Ref("leaf_audio.pooling.GaussianLowpass")(**_arguments(config)),
    configs=[
        *spec.grid(
            frames=[400, 477, 560, 641, 401, 719],
            taps=[101, 64, 25, 401],
            channels=[1, 4, 3],
            stride=[80, 1, 7, 33],
            padding=["same", "SAME", "valid"],
        ),
        {"frames": 560, "taps": 25, "channels": 3, "stride": 80, "padding": "SAME"},
    ],
    inputs=_inputs,
    weights=lambda _: {"kernel": spec.Weight("kernel", uniform(-0.05, 0.6), random=True)},
    initial=False,
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(6.8, 4.854),
        reference=spec.Bound(6.8, 5.624),
        port_gradient=spec.Bound(5.2, 3.181),
        reference_gradient=spec.Bound(5.6, 2.411),
        double=spec.Bound(5.2, 2.842),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    laws=(
        spec.Law("symmetric padding", _symmetric),
        spec.Law("an additive bias", _bias),
        spec.Law("the memory of the windows", _memory),
    ),
    signatures=(
        spec.Signature(
            GaussianLowpass,
            "leaf_audio.pooling.GaussianLowpass",
            own={**POOLING, "additive_bias": spec.Own(False, "what other ports have")},
        ),
    ),
    errors=(
        spec.ErrorCase("num_channels", lambda: GaussianLowpass(0, 5)),
        spec.ErrorCase("kernel_size", lambda: GaussianLowpass(1, 0)),
        spec.ErrorCase("kernel_size", lambda: GaussianLowpass(1, 1), "gives NaN"),
        spec.ErrorCase("padding", lambda: GaussianLowpass(1, 5, padding="full")),
        *wrong_inputs(lambda: GaussianLowpass(3, 25), 3),
    ),
)
