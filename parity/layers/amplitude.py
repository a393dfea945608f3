"""Magnitude of a filter's spectrum."""

import torch
from torch import Tensor

from leaf_port import impulse_responses
from parity.layers._common import gabor_kernel
from parity.oracles.exact import gabor
from parity.spec import Bound, Budget, Config, ErrorCase, LayerSpec, Ref, exactly, grid


class _Amplitude(torch.nn.Module):
    """Of one of the Gabor filters of a kernel."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.taps, self.index = config["taps"], config["index"]

    def forward(self, kernel: Tensor) -> Tensor:
        filters = impulse_responses.gabor_filters(kernel, self.taps)
        return impulse_responses.amplitude(filters.T, self.index)


SPEC = LayerSpec(
    name="amplitude",
    mirrors="impulse_responses.py, lines 22-23",
    port=_Amplitude,
    official=lambda config: Ref("amplitude_of_gabor_filters")(config["taps"], config["index"]),
    configs=grid(taps=[64, 401, 33], index=[0, 2, 1]),
    inputs=lambda config, source: {"kernel": gabor_kernel(source, (3, 2), config)},
    differentiable=("kernel",),
    sizes=("taps",),
    exact=lambda given: exactly(
        gabor.amplitude(given.inputs["kernel"], given.config["taps"], given.config["index"])
    ),
    budget=Budget(
        forward=23,
        gradient=6.8,
        port=Bound(8.9, 4.41),
        reference=Bound(18, 9.37),
        port_gradient=Bound(1.6, 0.785),
        reference_gradient=Bound(5, 2.5),
        worst="11, 3.4 units; 9.0e-07, 1.2e-05 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("filters", lambda: impulse_responses.amplitude(torch.ones(5, 2), 0)),
        ErrorCase(
            "i", lambda: impulse_responses.amplitude(torch.ones(5, 2, dtype=torch.complex64), 2)
        ),
    ),
)
