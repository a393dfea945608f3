"""Keras' Adam and AdamW, step for step, with Keras' constraints and regularisers.

torch's Adam is another function: it divides by ``sqrt(v / b) + eps`` where Keras divides by
``(sqrt(v) + epsilon) / sqrt(b)``, with ``b = 1 - beta_2^t`` and an epsilon ten times as large. At
the first step, where a gradient is of the size of epsilon, they differ by several per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn

from leaf_port import _checks
from leaf_port.constraints import constrain_after_step
from leaf_port.errors import LeafError
from leaf_port.regularizers import regularization_loss

Parameters = nn.Module | Iterable[Tensor] | Iterable[dict[str, Any]]


class KerasAdam(torch.optim.Optimizer):
    """``tf.keras.optimizers.Adam``.

    At step ``t``, with the gradient ``g``::

        m = m + (g - m) (1 - beta_1)
        v = v + (g^2 - v) (1 - beta_2)
        w = w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    With ``amsgrad`` the greatest ``v`` so far takes the place of ``v`` in the third line. With a
    ``weight_decay`` the step begins with ``w = w - w weight_decay lr``. All of it is computed in
    the dtype of the weight, powers included, as Keras does.

    Given a model, it does what ``compile`` and ``fit`` do: it steps the trainable parameters, adds
    the gradient of :func:`~leaf_port.regularizers.regularization_loss`, and applies the
    :mod:`~leaf_port.constraints` after every step. Then leave ``regularization_loss`` out of the
    loss, and :func:`~leaf_port.constraints.constrain_after_step` out of the loop. Given parameters,
    it only steps.

    The state has the names of ``torch.optim.Adam``'s, and the moments mean the same.

    Args:
        params: a model, parameters, or groups of parameters.
        lr: the learning rate.
        betas: ``beta_1`` and ``beta_2``.
        eps: ``epsilon``, outside the bias correction.
        weight_decay: share of the weights, times ``lr``, that a step takes away.
        amsgrad: whether to divide by the greatest second moment so far.

    Raises:
        LeafError: bad argument, a sparse or complex gradient, or a model without trainable
            parameters.

    Source: keras/src/optimizers/adam.py, ``update_step``; optimizer.py, ``apply_weight_decay``
    (Keras 2.13).

    Example:
        >>> from leaf_port import Leaf
        >>> leaf = Leaf()
        >>> optimizer = KerasAdam(leaf, lr=1e-4)
        >>> leaf(torch.ones(1, 1600)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
    ) -> None:
        owner = type(self).__name__
        defaults = {
            "lr": lr if isinstance(lr, Tensor) else _not_negative(owner, "lr", lr),
            "betas": _betas(owner, betas),
            "eps": _not_negative(owner, "eps", eps),
            "weight_decay": _not_negative(owner, "weight_decay", weight_decay),
            "amsgrad": amsgrad,
        }
        model = None
        if isinstance(params, nn.Module):
            model, params = params, _trainable(owner, params)
        super().__init__(params, defaults)
        self._model = model
        if model is not None:
            constrain_after_step(self, model)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Moves every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients again, as torch's optimisers take it.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        penalties = self._penalties()
        for group in self.param_groups:
            for weight in group["params"]:
                gradient = _sum(weight.grad, penalties.get(id(weight)))
                if gradient is not None:
                    self._move(group, weight, gradient)
        return loss

    def _penalties(self) -> dict[int, Tensor]:
        """The regularisers' gradients, by the identity of the parameter."""
        if self._model is None:
            return {}
        with torch.enable_grad():
            loss = regularization_loss(self._model)
        if not loss.requires_grad:
            return {}
        weights = [weight for group in self.param_groups for weight in group["params"]]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        found = zip(weights, gradients, strict=True)
        return {id(weight): each for weight, each in found if each is not None}

    def _move(self, group: dict[str, Any], weight: Tensor, gradient: Tensor) -> None:
        _check_gradient(type(self).__name__, gradient)
        state = self._state_of(group, weight)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        lr = _number(group["lr"], weight)
        if group["weight_decay"]:
            weight.sub_(weight * _number(group["weight_decay"], weight) * lr)
        first, second = state["exp_avg"], state["exp_avg_sq"]
        first.add_((gradient - first) * (1 - beta1))
        second.add_((gradient.square() - second) * (1 - beta2))
        if group["amsgrad"]:
            second = torch.maximum(state["max_exp_avg_sq"], second, out=state["max_exp_avg_sq"])
        step = state["step"].to(weight.dtype)
        power1, power2 = _number(beta1, weight) ** step, _number(beta2, weight) ** step
        rate = lr * torch.sqrt(1 - power2) / (1 - power1)
        weight.sub_(first * rate / (second.sqrt() + group["eps"]))

    def _state_of(self, group: dict[str, Any], weight: Tensor) -> dict[str, Any]:
        """The moments and the count of steps, where the weight is."""
        state: dict[str, Any] = self.state[weight]
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            state.update({name: torch.zeros_like(weight) for name in names})
        elif state["step"].device != weight.device:  # a loaded one
            state["step"] = state["step"].to(weight.device)
        return state


class KerasAdamW(KerasAdam):
    """``tf.keras.optimizers.AdamW``: :class:`KerasAdam` with a decay of the weights.

    Args:
        params, lr, betas, eps, amsgrad: see :class:`KerasAdam`.
        weight_decay: Keras' default is 0.004, torch's 0.01.

    Source: keras/src/optimizers/adamw.py.
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.004,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad)


def _trainable(owner: str, model: nn.Module) -> list[nn.Parameter]:
    found = [weight for weight in model.parameters() if weight.requires_grad]
    if not found:
        fix = "call requires_grad_() on what is to be trained"
        raise LeafError(owner, "params", "a model with trainable parameters", "none", fix)
    return found


def _not_negative(owner: str, name: str, value: float) -> float:
    if _checks.finite(owner, name, value) < 0:
        raise LeafError(owner, name, "a number of at least 0", value, "give its amount")
    return value


def _betas(owner: str, betas: tuple[float, float]) -> tuple[float, float]:
    fix = "Keras' are 0.9 and 0.999"
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise LeafError(owner, "betas", "two numbers", repr(betas), fix)
    for value in betas:
        if not 0 <= _checks.finite(owner, "betas", value) < 1:
            raise LeafError(owner, "betas", "two numbers from 0 to below 1", repr(betas), fix)
    return betas[0], betas[1]


def _number(value: float | Tensor, like: Tensor) -> Tensor:
    """A number in the dtype and on the device of a weight."""
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _sum(gradient: Tensor | None, penalty: Tensor | None) -> Tensor | None:
    if gradient is None or penalty is None:
        return penalty if gradient is None else gradient
    return gradient + penalty


def _check_gradient(owner: str, gradient: Tensor) -> None:
    if gradient.is_sparse or gradient.is_complex():
        fix = "train with a dense, real gradient, or with another optimiser"
        raise LeafError(owner, "gradient", "dense and real", str(gradient.layout), fix)
