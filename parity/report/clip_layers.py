"""The frontends' declarations as a clip of any sample rate needs them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from leaf_port import GaborInit, Leaf
from leaf_port._rates import max_frequency
from parity.oracles.exact import frontends
from parity.spec import Array, Case, Config, LayerSpec, Question, Ref, exactly

FILTERS = 40
RATE = 16000  # of the recorded clips
_LOWEST = 60.0  # Hz


def forward_only(spec: LayerSpec) -> LayerSpec:
    """The declaration without gradients, which a picture of features does not need."""

    def weights(config: Config) -> dict[str, Any]:
        declared = spec.weights(config)
        return {
            path: dataclasses.replace(weight, differentiable=False)
            for path, weight in declared.items()
        }

    return dataclasses.replace(spec, differentiable=(), weights=weights)


def longest(spec: LayerSpec) -> Case:
    """The recorded case with the longest clip, with the initial weights if there are any."""
    return max(spec.cases(), key=lambda case: (case.config["samples"], case.initial))


def question(spec: LayerSpec, config: Config, samples: Array) -> Question:
    """A clip as a question: initial weights, a batch of one."""
    case = Case(spec.name, config, initial=bool(spec.weights(config)))
    return Question(case, {"inputs": samples[None]}, {}, [])


def at_rate(spec: LayerSpec, rate: int) -> tuple[LayerSpec, Config] | None:
    """The frontend for clips of ``rate``, and its configuration; None where there is no official
    one.
    """
    if spec.name == "leaf":
        return _leaf(spec, rate), {"kind": "default"}
    if spec.name == "mel_filterbanks":
        return spec, _mel(rate)
    if spec.name == "time_domain_filterbanks" and rate != RATE:
        return None
    return spec, {"filters": FILTERS, "rate": rate}


def _leaf(spec: LayerSpec, rate: int) -> LayerSpec:
    """Leaf with filters for the rate: the default ones are those of 16 kHz whatever it is."""
    band = {"sample_rate": rate, "min_freq": _LOWEST, "max_freq": max_frequency(rate)}
    default = spec.official({"kind": "default"}).tree
    init = Ref("leaf_audio.initializers.GaborInit")(**band).tree
    own = {"sample_rate": rate, "complex_conv_init": init}
    theirs = Ref(tree={**default, "kwargs": {**default["kwargs"], **own}})

    def port(config: Config) -> Leaf:
        arithmetic = config.get("arithmetic", "complex")
        return Leaf(
            sample_rate=rate,
            complex_conv_init=GaborInit(rate, _LOWEST, max_frequency(rate)),
            arithmetic=arithmetic,
        )

    return dataclasses.replace(
        spec,
        port=port,
        official=lambda _config: theirs,
        exact=lambda given: exactly(
            frontends.leaf(given.inputs["inputs"], given.weights, rate=rate)
        ),
    )


def _mel(rate: int) -> dict[str, Any]:
    window = int(rate * 25.0 // 1000 + 1)
    return {
        "n_filters": FILTERS,
        "sample_rate": rate,
        "n_fft": max(512, 2 ** math.ceil(math.log2(window))),
        "window_len": 25.0,
        "window_stride": 10.0,
        "min_freq": _LOWEST,
        "max_freq": max_frequency(rate),
    }
