"""Magnitude of a filter's spectrum."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leaf_port import impulse_responses
from leaf_port.errors import LeafError
from parity import spec
from parity.layers._common import gabor_kernel
from parity.layers._reasons import MATRIX_FOURIER, MKL_DOUBLE_FFT
from parity.oracles.exact import gabor

_FILTERS = torch.ones(5, 2, dtype=torch.complex64)
_NO_INDEX: tuple[Any, ...] = (2, -1, True, 1.0, np.array([1]), torch.tensor([1]))


class _Amplitude(torch.nn.Module):
    """Of one of the Gabor filters of a kernel."""

    def __init__(self, config: spec.Config) -> None:
        super().__init__()
        self.taps, self.index = config["taps"], config["index"]
        self.real = config.get("arithmetic") == "real"

    def forward(self, kernel: Tensor) -> Tensor:
        if self.real:
            pairs = impulse_responses.gabor_filters_real(kernel, self.taps)
            return impulse_responses.amplitude(pairs.transpose(0, 1), self.index)
        filters = impulse_responses.gabor_filters(kernel, self.taps)
        return impulse_responses.amplitude(filters.T, self.index)


def _told() -> str:
    """What is no filter bank is told by its shape, or by its type where it has none."""
    shapes = ((5, 2), (5, 2, 3), (5, 2, 2, 1))
    given = [*((torch.ones(shape), shape) for shape in shapes), ([1.0], "list")]
    for wrong, told in given:
        try:
            impulse_responses.amplitude(wrong, 0)  # type: ignore[arg-type]
        except LeafError as error:
            if error.got != told:
                return f"{error.got}, not {told}"
        else:
            return f"{told} is taken"
    return ""


SPEC = spec.LayerSpec(
    name="amplitude",
    mirrors="impulse_responses.py, lines 22-23",
    port=_Amplitude,
    official=lambda config: spec.Ref("amplitude_of_gabor_filters")(config["taps"], config["index"]),
    configs=spec.grid(taps=[64, 401, 33], index=[0, 2, 1]),
    inputs=lambda config, source: {"kernel": gabor_kernel(source, (3, 2), config)},
    differentiable=("kernel",),
    sampling=spec.Sampling(
        sizes=("taps",),
        explicit=(spec.Case("amplitude", {"taps": 194, "index": 0}, draw=20103),),
    ),
    arithmetics=("complex", "real"),
    exact=lambda given: spec.exactly(
        gabor.amplitude(given.inputs["kernel"], given.config["taps"], given.config["index"])
    ),
    budget=spec.Budget(
        port=spec.Bound(23.5, 17.506, MATRIX_FOURIER, at="taps=194,index=0,draw=20103"),
        reference=spec.Bound(20, 9.721),
        port_gradient=spec.Bound(5, 1.08),
        reference_gradient=spec.Bound(5, 1.878),
        double=spec.Bound(640, 345.945, MKL_DOUBLE_FFT, at=spec.ELSEWHERE + "x86-64 with AVX-512"),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    exceptions=spec.Exceptions(official_transform=True),
    laws=(spec.Law("what came", _told),),
    signatures=(
        spec.Signature(impulse_responses.amplitude, "leaf_audio.impulse_responses.amplitude"),
    ),
    errors=(
        spec.ErrorCase("filters", lambda: impulse_responses.amplitude(torch.ones(5, 2), 0)),
        *(
            spec.ErrorCase("i", partial(impulse_responses.amplitude, _FILTERS, i))
            for i in _NO_INDEX
        ),
    ),
)
