"""SincNet+."""

from collections.abc import Mapping

from leaf_port import SincNetPlus
from parity import spec
from parity.layers._common import sinc_kernel
from parity.layers._frontends import (
    GAUSSIAN,
    pcen_weights,
    waveforms,
    wrong_sizes,
    wrong_waveforms,
)
from parity.layers._reasons import ONE_BY_ONE_BACKWARD
from parity.oracles.exact import frontends


def _weights(_config: spec.Config) -> Mapping[str, spec.Weight]:
    kernel = spec.Weight("complex_conv.kernel", sinc_kernel)
    return {"_complex_conv/kernel": kernel, **GAUSSIAN, **pcen_weights(learned=False)}


def _fixed() -> str:
    """What makes it SincNet+ is no argument."""
    fixed = "conv1d_cls complex_conv_init activation pooling_cls pooling_init compression_fn"
    for name in fixed.split():
        try:
            SincNetPlus(n_filters=3, **{name: None})
        except TypeError as error:
            if name in str(error):
                continue
        return f"{name} is taken"
    return ""


SPEC = spec.LayerSpec(
    name="sincnet_plus",
    mirrors="frontend.py, lines 285-312",
    port=lambda config: SincNetPlus(n_filters=config["filters"], sample_rate=config["rate"]),
    official=lambda config: spec.Ref("leaf_audio.frontend.SincNetPlus")(
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
        frontends.sincnet_plus(given.inputs["inputs"], given.weights, given.config["rate"])
    ),
    budget=spec.Budget(
        port=spec.Bound(5.1, 4.037),
        reference=spec.Bound(5.2, 4.037),
        port_gradient=spec.Bound(
            21,
            10.57,
            ONE_BY_ONE_BACKWARD,
            at=spec.ELSEWHERE + "x86-64 with AVX-512: samples=3711,filters=29,batch=2,draw=925",
        ),
        reference_gradient=spec.Bound(10.5, 4.788),
        double=spec.Bound(5, 3.16),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    folder=lambda config: {
        "kind": "SincNetPlus",
        "arguments": {"n_filters": config["filters"], "sample_rate": config["rate"]},
    },
    laws=(spec.Law("what is fixed", _fixed),),
    signatures=(
        spec.Signature(SincNetPlus, "leaf_audio.frontend.SincNetPlus, leaf_audio.frontend.Leaf"),
    ),
    errors=(
        *wrong_sizes(SincNetPlus),
        *wrong_waveforms(lambda: SincNetPlus(n_filters=3)),
        spec.ErrorCase("kernel_size", lambda: SincNetPlus(window_len=24.99)),
    ),
)
