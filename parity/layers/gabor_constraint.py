"""The bounds of a Gabor kernel."""

import numpy as np

from leaf_port.constraints import GaborConstraint
from parity.layers._common import gabor_kernel
from parity.source import Source
from parity.spec import Array, Budget, Config, ErrorCase, LayerSpec, Ref, grid


def _inputs(config: Config, source: Source) -> dict[str, Array]:
    kernel = gabor_kernel(source, (config["filters"], 2), config)
    kernel[0, 0], kernel[1, 0] = 0.0, np.float32(np.pi)  # ties: the whole gradient passes
    if config.get("nan"):
        kernel[-1] = np.nan
    return {"kernel": kernel}


SPEC = LayerSpec(
    name="gabor_constraint",
    mirrors="convolution.py, lines 133-150",
    port=lambda config: GaborConstraint(config["taps"]),
    official=lambda config: Ref("leaf_audio.convolution.GaborConstraint")(config["taps"]),
    configs=[
        *grid(taps=[5, 64, 401], filters=[2, 7, 40]),
        {"taps": 401, "filters": 6, "nan": True},
    ],
    inputs=_inputs,
    differentiable=("kernel",),
    budget=Budget(
        forward=0,
        gradient=0,
        worst="0, 0 units; 0.0e+00, 0.0e+00 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(ErrorCase("kernel_size", lambda: GaborConstraint(0), "builds it"),),
)
