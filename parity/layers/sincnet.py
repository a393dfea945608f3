"""SincNet."""

from collections.abc import Mapping

import torch

from leaf_port import SincNet
from parity import spec
from parity.layers._common import normal, sinc_kernel, uniform
from parity.layers._frontends import waveforms, wrong_sizes, wrong_waveforms
from parity.oracles.exact import frontends


def _weights(_config: spec.Config) -> Mapping[str, spec.Weight]:
    return {
        "_complex_conv/kernel": spec.Weight("complex_conv.kernel", sinc_kernel),
        "_compress_fn/gamma": spec.Weight("compress_fn.gamma", uniform(0.5, 1.5)),
        "_compress_fn/beta": spec.Weight("compress_fn.beta", normal(0.5)),
    }


@torch.no_grad()
def _below_zero() -> str:
    """A fifth of what is below zero goes through; features are kept above it, energies are not."""
    model = SincNet(n_filters=9)
    clips = torch.tensor([[[0.5]], [[-0.5]]])  # of one sample, so that nothing is pooled
    filtered = model.complex_conv(clips)
    wanted = torch.where(filtered > 0, filtered, 0.2 * filtered)
    if not bool((filtered < 0).any()):
        return "no filter gives less than 0"
    return "" if torch.equal(model.energies(clips), wanted) else "another share goes through"


def _unanswered(case: spec.Case) -> str:
    """Of one sample every filter gives the same: what is normalised are the roundings."""
    chaotic = case.config["samples"] == 1 and case.signal == "huge"
    return "a layer normalisation of equal values of 1e12" if chaotic else ""


SPEC = spec.LayerSpec(
    name="sincnet",
    mirrors="frontend.py, lines 259-282",
    port=lambda config: SincNet(n_filters=config["filters"], sample_rate=config["rate"]),
    official=lambda config: spec.Ref("leaf_audio.frontend.SincNet")(
        n_filters=config["filters"], sample_rate=config["rate"]
    ),
    configs=spec.grid(
        samples=[16000, 1, 1760, 2222, 333],
        filters=[40, 6, 9, 5],
        batch=[1, 2, 2, 2, 2],
        rate=[16000, 16000, 8000],
    ),
    inputs=waveforms,
    weights=_weights,
    exact=lambda given: spec.exactly(
        frontends.sincnet(given.inputs["inputs"], given.weights, given.config["rate"])
    ),
    sampling=spec.Sampling(
        unanswered=_unanswered,
        explicit=(
            spec.Case(
                "sincnet",
                {"samples": 1, "filters": 5, "batch": 1, "rate": 16000},
                signal="nan",
                draw=1,
            ),
        ),
    ),
    exceptions=spec.Exceptions(
        divergences=("nan_in_max_pooling",),
    ),
    budget=spec.Budget(
        port=spec.Bound(11, 6.266),
        reference=spec.Bound(9.9, 6.083),
        port_gradient=spec.Bound(6.6, 4.977),
        reference_gradient=spec.Bound(8.9, 5.117),
        double=spec.Bound(5, 2.541),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    folder=lambda config: {
        "kind": "SincNet",
        "arguments": {"n_filters": config["filters"], "sample_rate": config["rate"]},
    },
    signatures=(spec.Signature(SincNet, "leaf_audio.frontend.SincNet, leaf_audio.frontend.Leaf"),),
    laws=(spec.Law("energies below zero", _below_zero),),
    errors=(
        *wrong_sizes(SincNet),
        *wrong_waveforms(lambda: SincNet(n_filters=3)),
        spec.ErrorCase("kernel_size", lambda: SincNet(window_len=24.99)),
    ),
)
