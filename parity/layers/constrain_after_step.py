"""The bounds of a kernel after a step of the optimiser, where Keras applies constraints too."""

from typing import Any

import torch
from torch import Tensor

from leaf_port import GaborConv1d, constrain_after_step
from leaf_port.constraints import apply_constraints
from leaf_port.optim import KerasAdam, KerasAdamW
from parity import spec
from parity.layers._common import gabor_kernel
from parity.layers._signatures import REQUIRED
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


_ADAM = {"lr": "learning_rate", "eps": "epsilon"}
_TORCHS = {
    "params": spec.Own(REQUIRED, "torch's optimisers are given what they train"),
    "betas": spec.Own((0.9, 0.999), "both in one argument, as torch's optimisers have them"),
}
_KERAS = {
    **dict.fromkeys(("beta_1", "beta_2"), "both are betas"),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm"), "torch.nn.utils clips gradients"),
    **dict.fromkeys(
        ("use_ema", "ema_momentum", "ema_overwrite_frequency"), "torch.optim.swa_utils averages"
    ),
    "jit_compile": "torch.compile does it",
}

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
    signatures=(
        spec.Signature(
            KerasAdam,
            "tensorflow.keras.optimizers.Adam",
            named=_ADAM,
            own={**_TORCHS, "weight_decay": spec.Own(0.0, "none, which Keras calls None")},
            lacks=_KERAS,
        ),
        spec.Signature(
            KerasAdamW, "tensorflow.keras.optimizers.AdamW", named=_ADAM, own=_TORCHS, lacks=_KERAS
        ),
    ),
    errors=(spec.ErrorCase("kernel_size", lambda: GaborConv1d(2, 0)),),
)
