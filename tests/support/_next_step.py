"""The step that a restored Adam makes, and the one that Keras' Adam made: what they may differ by.

Both are computed in float32; what they may differ by is derived, weight by weight, from the
roundings of either:

* ``m = m + (1 - beta_1) (g - m)``: ``u (0.3 (|g| + |m|) + |m'|)``, with ``u = 2^-24``;
* ``v``, its root and the division: 8 roundings of the step;
* ``lr sqrt(b) / a`` in float32 on either side, where ``b = 1 - beta_2^t`` has few digits left: a
  power is off by two units in its last place, so ``2 u / b`` and ``4 u / a`` of the step;
* the new weight: one rounding of it on either side.
* a decay of the weights: two roundings of the weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _conversion import settings

from leaf_port import AudioClassifier, constrain_after_step
from weight_conversion.official import adam
from weight_conversion.official.convert import convert
from weight_conversion.official.opening import open_source

U = 2.0**-24
EPSILON = 1e-7  # Keras'

Array = np.ndarray[Any, Any]


class Step:
    """A step of Keras, and the restored one.

    Args:
        source: a checkpoint before the step.
        recorded: gradients and weights of the step, in the order of the trainable variables.
        folder: to convert to.
        keras: whether it is Keras' Adam, or torch's with the same state.
        kind: of the optimiser, where the checkpoint does not tell.
        given: to ``restore``.
    """

    def __init__(
        self,
        source: Path,
        recorded: Mapping[str, Array],
        folder: Path,
        keras: bool = True,
        kind: str | None = None,
        **given: Any,
    ) -> None:
        made = convert(source, folder, settings("leaf"), optimizer=kind or True)
        rows = {row.path: row for row in made.rows}
        model = AudioClassifier.from_pretrained(folder)
        self.optimizer: torch.optim.Optimizer = adam.restore(folder, model, **given)
        group = self.optimizer.param_groups[0]
        self.decay = float(group["weight_decay"])
        self.lr, self.betas = group["lr"], group["betas"]
        first = next(iter(self.optimizer.state.values()))
        self.t = int(first["step"]) + 1
        if not keras:
            self.optimizer = _torchs(self.optimizer)
            constrain_after_step(self.optimizer, model)
        paths = sorted(adam.moments(open_source(source)), key=adam.keras_order)
        assert len(recorded) == 2 * len(paths)
        named = dict(model.named_parameters())
        self.weights: dict[str, tuple[Array, Array, Array]] = {}
        bounds: dict[str, Array] = {}
        for i, path in enumerate(paths):
            parameter, row = named[rows[path].key], rows[path]
            parameter.grad = row.to_torch(np.asarray(recorded[f"gradient.{i}"]))
            bounds[path] = self.bound(parameter)
        before = {path: named[rows[path].key].detach().numpy().copy() for path in paths}
        self.optimizer.step()
        for i, path in enumerate(paths):
            ours = named[rows[path].key].detach().numpy()
            theirs = rows[path].to_torch(np.asarray(recorded[f"weight.{i}"])).numpy()
            assert not np.array_equal(ours, before[path])
            apart = np.abs(ours.astype(np.float64) - theirs)
            self.weights[path] = (
                apart,
                bounds[path] + 2.0 * U * np.abs(theirs),
                theirs - before[path],
            )

    def bound(self, parameter: torch.nn.Parameter) -> Array:
        """What the two steps of a weight may differ by, in float64; see the module's docstring."""
        state, gradient = self.optimizer.state[parameter], parameter.grad
        assert gradient is not None
        m, v, g = (x.numpy().astype(np.float64) for x in _of(state, gradient))
        first, second = self.betas
        a, b = (1.0 - float(np.float32(beta)) ** self.t for beta in self.betas)
        moved = first * m + (1.0 - first) * g
        rate = self.lr * np.sqrt(b) / a
        v = second * v + (1.0 - second) * g**2
        greatest = state.get("max_exp_avg_sq")
        root = np.sqrt(v if greatest is None else np.maximum(v, greatest.numpy())) + EPSILON
        step = np.abs(rate * moved / root)
        of_m = U * (0.3 * (np.abs(g) + np.abs(m)) + np.abs(moved)) * rate / root
        powers = 2.0 * (2.0 * U / b + 4.0 * U / a)
        decayed = 2.0 * U * np.abs(parameter.detach().numpy()) if self.decay else 0.0
        return np.asarray(2.0 * (of_m + 8.0 * U * step) + powers * step + decayed)

    def beyond(self) -> set[str]:
        """The weights that differ by more."""
        return {path for path, (apart, bound, _) in self.weights.items() if (apart > bound).any()}


def _torchs(adam: torch.optim.Optimizer) -> torch.optim.Adam:
    """torch's Adam with the same numbers and state."""
    group = adam.param_groups[0]
    made = torch.optim.Adam(group["params"], group["lr"], group["betas"], group["eps"])
    made.state.update({key: dict(value) for key, value in adam.state.items()})
    return made


def _of(state: dict[str, Any], gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return state["exp_avg"], state["exp_avg_sq"], gradient
