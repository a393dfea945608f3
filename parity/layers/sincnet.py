"""SincNet."""

from collections.abc import Mapping

from leaf_port import SincNet
from parity.layers._common import normal, sinc_kernel, uniform
from parity.layers._frontends import waveforms, wrong_sizes, wrong_waveforms
from parity.oracles.exact import frontends
from parity.spec import (
    Bound,
    Budget,
    Case,
    Config,
    ErrorCase,
    LayerSpec,
    Ref,
    Weight,
    exactly,
    grid,
)


def _weights(_config: Config) -> Mapping[str, Weight]:
    return {
        "_complex_conv/kernel": Weight("complex_conv.kernel", sinc_kernel),
        "_compress_fn/gamma": Weight("compress_fn.gamma", uniform(0.5, 1.5)),
        "_compress_fn/beta": Weight("compress_fn.beta", normal(0.5)),
    }


def _unanswered(case: Case) -> str:
    """Of one sample every filter gives the same: what is normalised are the roundings."""
    chaotic = case.config["samples"] == 1 and case.signal == "huge"
    return "a layer normalisation of equal values of 1e12" if chaotic else ""


SPEC = LayerSpec(
    name="sincnet",
    mirrors="frontend.py, lines 259-282",
    port=lambda config: SincNet(n_filters=config["filters"], sample_rate=config["rate"]),
    official=lambda config: Ref("leaf_audio.frontend.SincNet")(
        n_filters=config["filters"], sample_rate=config["rate"]
    ),
    configs=grid(
        samples=[16000, 1, 1760, 2222, 333],
        filters=[40, 6, 9, 5],
        batch=[1, 2, 2, 2, 2],
        rate=[16000, 16000, 8000],
    ),
    inputs=waveforms,
    weights=_weights,
    exact=lambda given: exactly(
        frontends.sincnet(given.inputs["inputs"], given.weights, given.config["rate"])
    ),
    unanswered=_unanswered,
    explicit=(
        Case(
            "sincnet",
            {"samples": 1, "filters": 5, "batch": 1, "rate": 16000},
            signal="nan",
            draw=1,
        ),
    ),
    divergences=("nan_in_max_pooling",),
    budget=Budget(
        port=Bound(11, 6.022),
        reference=Bound(9.9, 6.083),
        port_gradient=Bound(6.6, 4.977),
        reference_gradient=Bound(8.9, 5.117),
        double=Bound(5, 2.128),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    folder=lambda config: {
        "kind": "SincNet",
        "arguments": {"n_filters": config["filters"], "sample_rate": config["rate"]},
    },
    errors=(
        *wrong_sizes(SincNet),
        *wrong_waveforms(lambda: SincNet(n_filters=3)),
        ErrorCase("kernel_size", lambda: SincNet(window_len=24.99)),
    ),
)
