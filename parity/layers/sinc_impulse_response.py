"""sin(x) / x of a frequency over time."""

import torch

from leaf_port import impulse_responses
from parity import spec
from parity.oracles.exact import sinc
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {
        "t": source.uniform((config["taps"], 1), 1e-5, 0.0125),
        "frequency": source.uniform((1, config["filters"]), 50.0, 8000.0),
    }


SPEC = spec.LayerSpec(
    name="sinc_impulse_response",
    mirrors="impulse_responses.py, lines 55-57",
    port=lambda _: impulse_responses.sinc_impulse_response,
    official=lambda _: spec.Ref("leaf_audio.impulse_responses.sinc_impulse_response"),
    configs=spec.grid(taps=[1, 64, 401], filters=[1, 7, 5]),
    inputs=_inputs,
    differentiable=("frequency",),
    exact=lambda given: spec.exactly(sinc.impulse_response(*given.inputs.values())),
    budget=spec.Budget(
        port=spec.Bound(6.4, 5.046),
        reference=spec.Bound(6.4, 4.676),
        port_gradient=spec.Bound(5.4, 2.767),
        reference_gradient=spec.Bound(5.5, 2.748),
        double=spec.Bound(5, 1.003),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            impulse_responses.sinc_impulse_response,
            "leaf_audio.impulse_responses.sinc_impulse_response",
        ),
    ),
    errors=(
        spec.ErrorCase(
            "t",
            lambda: impulse_responses.sinc_impulse_response(torch.ones(5), torch.ones(1, 3)),
            "broadcasts or fails",
        ),
        spec.ErrorCase(
            "t",
            lambda: impulse_responses.sinc_impulse_response(torch.ones(5, 3), torch.ones(1, 3)),
            "broadcasts",
        ),
        spec.ErrorCase(
            "frequency",
            lambda: impulse_responses.sinc_impulse_response(torch.ones(5, 1), torch.ones(3)),
            "broadcasts",
        ),
    ),
)
