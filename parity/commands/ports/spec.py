"""What an imported model is checked on: the four checks of a layer, the port as the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from leaf_port import Leaf, MaxPooling1d, pretrained
from parity import spec
from parity.layers._common import gabor_kernel, uniform
from parity.layers._frontends import waveforms, wrong_waveforms
from parity.oracles.exact import frontends
from weight_conversion.foreign import ports
from weight_conversion.foreign.ports import PORTS as ALL
from weight_conversion.foreign.ports import Port, PortSettings

# One name for both: the same seeds, so that both ports answer the same questions.
NAME = "imported_leaf"
RATE = 16000
_PER_MS = RATE // 1000

# By our name; around and beyond the bounds, as in the declarations of the layers.
_DRAWS = {
    "complex_conv.kernel": gabor_kernel,
    "pooling.kernel": uniform(0.05, 0.55),
    "pooling.bias": uniform(-0.2, 1.2),
    "compress_fn.alpha": uniform(0.6, 1.1),
    "compress_fn.delta": uniform(1.0, 3.0),
    "compress_fn.root": uniform(0.8, 4.0),
    "compress_fn.ema.smooth": uniform(-0.01, 0.3),
}

# Lengths modulo the stride; windows odd, even and shorter than the stride; both of their
# arithmetics ("legacy" is theirs without complex numbers).
_CONFIGS: list[spec.Config] = [
    {"samples": 1600, "taps": 401, "stride": 160, "filters": 4, "pcen": True, "legacy": False},
    {"samples": 1759, "taps": 401, "stride": 160, "filters": 3, "pcen": True, "legacy": True},
    {"samples": 801, "taps": 200, "stride": 80, "filters": 5, "pcen": True, "legacy": False},
    {"samples": 777, "taps": 64, "stride": 1, "filters": 2, "pcen": False, "legacy": False},
    {"samples": 333, "taps": 25, "stride": 33, "filters": 1, "pcen": True, "legacy": True},
    {"samples": 1, "taps": 101, "stride": 7, "filters": 40, "pcen": True, "legacy": False},
]


def milliseconds(config: spec.Config) -> dict[str, float]:
    """Window and hop that make ``taps`` and ``stride`` samples; exact, 16 being a power of two."""
    return {
        "window_len": (config["taps"] - 1) / _PER_MS,
        "window_stride": config["stride"] / _PER_MS,
    }


def build(config: spec.Config) -> Leaf:
    """The Leaf that an import makes for a configuration, with its initial weights."""
    settings = PortSettings({"sample_rate": RATE, **milliseconds(config)})
    tree = ports.tree(config["filters"], config["pcen"], settings)
    arguments = {**tree["arguments"], "arithmetic": config.get("arithmetic", "complex")}
    made = pretrained.build({**tree, "arguments": arguments})
    assert isinstance(made, Leaf)  # noqa: S101
    return made


def _weights(port: Port) -> Mapping[bool, Mapping[str, spec.Weight]]:
    return {
        pcen: {theirs: spec.Weight(ours, _DRAWS[ours]) for theirs, ours in port.table(pcen).items()}
        for pcen in (False, True)
    }


def _exact(port: Port, given: spec.Given) -> spec.Answer:
    names = port.table(given.config["pcen"])
    weights = {f"_{names[key].replace('.', '/')}": each for key, each in given.weights.items()}
    times = milliseconds(given.config)
    made = frontends.leaf(
        given.inputs["inputs"],
        weights,
        rate=RATE,
        window=times["window_len"],
        stride=times["window_stride"],
        pooling_padding="SYMMETRIC",
    )
    return spec.exactly(made)


def _no_official(_config: spec.Config) -> spec.Ref:
    raise NotImplementedError("the reference of an imported model is its port")


# torch's convolution adds its products up from the bias: a sum of small products is rounded to the
# bias' unit in the last place, which a unit counts by the number of terms
# (parity/checks/summation.py).
_OFF = spec.Bound(11, 5.544, at="leaf-pytorch: samples=777,taps=64,stride=1,filters=2")

RECORDED_BUDGET = spec.Budget(
    port=_OFF,
    reference=_OFF,
    port_gradient=spec.Bound(6.5, 3.274),
    reference_gradient=spec.Bound(5.5, 2.774),
    double=spec.Bound(9.7, 4.882),
    measured="leaf-pytorch, SpeechBrain 1.1.2; torch 2.13.0",
)
# The foreign code on the same machine adds up in the same order; that of the recordings may not.
BUDGET = dataclasses.replace(RECORDED_BUDGET, narrow=8.0)


def spec_of(port: Port, budget: spec.Budget) -> spec.LayerSpec:
    """The declaration of the models of a port."""
    weights = _weights(port)
    return spec.LayerSpec(
        name=NAME,
        mirrors=f"the Leaf of {port.name}",
        port=build,
        official=_no_official,
        configs=_CONFIGS,
        inputs=waveforms,
        weights=lambda config: weights[config["pcen"]],
        initial=False,
        exact=lambda given: _exact(port, given),
        budget=budget,
        errors=(
            *wrong_waveforms(lambda: Leaf(n_filters=3, pooling_bias=True)),
            spec.ErrorCase("padding", lambda: Leaf(pooling_padding="full")),
            spec.ErrorCase(
                "pooling_bias", lambda: Leaf(pooling_cls=MaxPooling1d, pooling_bias=True)
            ),
        ),
        arithmetics=("complex", "real"),
    )


PORTS: Mapping[str, Port] = {port.name: port for port in ALL}

SPECS: Mapping[str, spec.LayerSpec] = {name: spec_of(port, BUDGET) for name, port in PORTS.items()}
"""By name of the port whose code answers."""

RECORDED: Mapping[str, spec.LayerSpec] = {
    name: spec_of(port, RECORDED_BUDGET) for name, port in PORTS.items()
}
"""By name of the port whose answers were recorded."""
