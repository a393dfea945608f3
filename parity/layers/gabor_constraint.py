"""The bounds of a Gabor kernel."""

import numpy as np

from leaf_port.constraints import GaborConstraint
from parity import spec
from parity.layers._common import gabor_kernel
from parity.oracles.exact import gabor
from parity.spec.random_arrays import Source


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    kernel = gabor_kernel(source, (config["filters"], 2), config)
    kernel[:1, 0], kernel[1:2, 0] = 0.0, np.float32(np.pi)  # ties: the whole gradient passes
    if config.get("nan"):
        kernel[-1] = np.nan
    return {"kernel": kernel}


def _ties(config: spec.Config) -> dict[str, spec.Array]:
    """The two centres that are put on a bound.

    0 is a tie in either precision. The float32 number next to pi is one in float32, where the
    official graph holds the bound pi, and the whole gradient passes; in float64 it is 8.7e-8 beyond
    pi, and none does.
    """
    mask = np.zeros((config["filters"], 2), bool)
    mask[:2, 0] = True
    return {"input/kernel": mask}


_EXACT = "it chooses elements; both sides compute the bounds by the same expression"

SPEC = spec.LayerSpec(
    name="gabor_constraint",
    mirrors="convolution.py, lines 133-150",
    port=lambda config: GaborConstraint(config["taps"]),
    official=lambda config: spec.Ref("leaf_audio.convolution.GaborConstraint")(config["taps"]),
    configs=[
        *spec.grid(taps=[5, 64, 401], filters=[2, 7, 40]),
        {"taps": 401, "filters": 6, "nan": True},
    ],
    inputs=_inputs,
    differentiable=("kernel",),
    exact=lambda given: spec.exactly(gabor.constrain(given.inputs["kernel"], given.config["taps"])),
    exceptions=spec.Exceptions(
        ties=_ties,
    ),
    budget=spec.Budget(
        port=spec.Bound(3, 0.665),
        reference=spec.Bound(3, 0.665),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(spec.Signature(GaborConstraint, "leaf_audio.convolution.GaborConstraint"),),
    errors=(spec.ErrorCase("kernel_size", lambda: GaborConstraint(0), "builds it"),),
)
