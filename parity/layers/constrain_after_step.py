"""The bounds of a kernel after a step of the optimiser, where Keras applies constraints too."""

from typing import Any

import torch
from torch import Tensor

from leaf_port import GaborConv1d, constrain_after_step
from leaf_port.constraints import apply_constraints
from parity import spec
from parity.layers._common import gabor_kernel
from parity.oracles.exact import gabor
from parity.spec.random_arrays import Source
from parity.spec.without_derivative import nothing


def _step(config: spec.Config) -> Any:
    """Puts a kernel into a layer, makes a step of no length, and gives the kernel back."""

    def step(kernel: Tensor) -> Tensor:
        layer = GaborConv1d(2 * config["filters"], config["taps"]).to(kernel.device, kernel.dtype)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
        with torch.no_grad():
            layer.kernel.copy_(kernel)
        if config["by"] == "hand":
            apply_constraints(layer)
        else:
            handle = constrain_after_step(optimizer, layer)
            layer.kernel.grad = torch.zeros_like(layer.kernel)
            optimizer.step()
            handle.remove()
        return layer.kernel.detach().clone()

    return step


def _untouched() -> str:
    """What is frozen, or what the optimiser does not hold, stays beyond its bounds."""
    layers = [GaborConv1d(4, 25), GaborConv1d(4, 25)]
    beyond = torch.tensor([[4.0, 90.0], [-1.0, 0.1]])
    for layer in layers:
        with torch.no_grad():
            layer.kernel.copy_(beyond)
    model, (held, other) = torch.nn.ModuleList(layers), layers
    held.kernel.grad = torch.zeros_like(held.kernel)
    optimizer = torch.optim.SGD([held.kernel], lr=0.0)
    constrain_after_step(optimizer, model)
    optimizer.step()
    if torch.equal(held.kernel, beyond) or not torch.equal(other.kernel, beyond):
        return "the step bounds another kernel than the optimiser holds"
    other.requires_grad_(False)
    apply_constraints(model)
    return "" if torch.equal(other.kernel, beyond) else "a frozen kernel is bounded"


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {"kernel": gabor_kernel(source, (config["filters"], 2), config)}


def _exact(given: spec.Given) -> spec.Answer:
    return spec.exactly(gabor.constrain(given.inputs["kernel"], given.config["taps"]))


_EXACT = "it chooses elements; both sides compute the bounds by the same expression"

SPEC = spec.LayerSpec(
    name="constrain_after_step",
    mirrors="convolution.py, lines 171-185 (Keras assigns a variable its constraint of it)",
    port=_step,
    official=lambda config: spec.Ref("leaf_audio.convolution.GaborConstraint")(config["taps"]),
    configs=spec.grid(taps=[5, 64, 401, 33], filters=[2, 7, 40, 3], by=["step", "hand"]),
    inputs=_inputs,
    differentiable=(),
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(3, 0.792),
        reference=spec.Bound(3, 0.792),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    laws=(spec.Law("kernels that are not trained", _untouched),),
    exceptions=spec.Exceptions(
        without=(
            nothing("it moves a parameter in place, without gradient, as an optimiser's step does"),
        ),
    ),
    errors=(spec.ErrorCase("kernel_size", lambda: GaborConv1d(2, 0)),),
)
