"""What a layer's declaration is.

A layer is declared once, in ``parity/layers/NAME.py``. The declaration says how the port and the
reference are built, which weights correspond, what they are fed and how far they may differ; the
checks, the recordings and the table follow from it and name no layer.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity.answer import Answer as Answer
from parity.answer import Array as Array
from parity.answer import Kept as Kept
from parity.budget import ELSEWHERE as ELSEWHERE
from parity.budget import EXPLAINED_BY_ROUNDING as EXPLAINED_BY_ROUNDING
from parity.budget import Bound as Bound
from parity.budget import Budget as Budget
from parity.derivatives.without import Without as Without
from parity.laws.law import Law as Law
from parity.ref import Ref as Ref
from parity.signals import SIGNALS as SIGNALS
from parity.signals import with_signal as with_signal
from parity.source import Source

Config = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Weight:
    """A weight of the official layer and the port's parameter or buffer that holds it.

    Attributes:
        key: the port's name, as in ``state_dict``.
        draw: gives values moved off the initial ones: from a source, a shape and a configuration.
        axes: how the official axes are permuted into the port's; None for not at all.
        random: whether the initial values are drawn at random, so that they cannot agree.
        differentiable: whether its gradient is compared.
    """

    key: str
    draw: Callable[[Source, Sequence[int], Config], Array]
    axes: tuple[int, ...] | None = None
    random: bool = False
    differentiable: bool = True

    def to_port(self, value: Array) -> Array:
        """The official array in the port's layout."""
        return value if self.axes is None else np.transpose(value, self.axes)

    def to_official(self, value: Array) -> Array:
        """The port's array in the official layout."""
        return value if self.axes is None else np.transpose(value, np.argsort(self.axes))


@dataclasses.dataclass(frozen=True)
class ErrorCase:
    """Something that the port refuses.

    Attributes:
        argument: which argument the error must name.
        act: what is done.
        official: what the official implementation does with it ("refuses", or what passes
        silently).
    """

    argument: str
    act: Callable[[], object]
    official: str = "refuses"


@dataclasses.dataclass(frozen=True)
class Case:
    """One configuration with its seed.

    Attributes:
        layer: name of the declaration.
        config: arguments of its builders.
        initial: whether the weights are the initial ones; else they are drawn.
        training: whether the layer runs in training mode.
        signal: what becomes of the input (see :data:`SIGNALS`).
        draw: tells drawn examples of one configuration apart.
    """

    layer: str
    config: Config
    initial: bool = False
    training: bool = False
    signal: str = "plain"
    draw: int = 0

    @property
    def name(self) -> str:
        """What tells the case from others of its layer; a file name and a pytest id."""
        parts = [f"{key}={_short(value)}" for key, value in self.config.items()]
        parts += ["initial"] * self.initial + ["training"] * self.training
        parts += [self.signal] * (self.signal != "plain") + [f"draw={self.draw}"] * bool(self.draw)
        return ",".join(parts) or "default"

    def as_json(self) -> str:
        """Everything about the case, to run it again by."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Case:
        """The inverse of :meth:`as_json`."""
        return cls(**json.loads(text))

    @property
    def seed(self) -> int:
        """Seed of inputs, weights and cotangents, from layer and case alone."""
        digest = hashlib.sha256(f"{self.layer}/{self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "little")


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "x".join(str(item) for item in value)
    return str(value)


def grid(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Configurations in which every value of every axis occurs, end points included.

    Not the product: as many as the longest axis has values. Each axis is cycled, shifted by one at
    every lap, so that the same values do not always meet.
    """
    rows = range(max(len(values) for values in axes.values()))
    return [
        {name: values[(row + row // len(values)) % len(values)] for name, values in axes.items()}
        for row in rows
    ]


def product(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """The product of all axes."""
    names = list(axes)
    return [dict(zip(names, row, strict=True)) for row in itertools.product(*axes.values())]


def _call(layer: Callable[..., Any], *inputs: Tensor) -> Any:
    return layer(*inputs)


def no_inputs(_config: Config, _source: Source) -> dict[str, Array]:
    """For values that depend on the configuration alone."""
    return {}


@dataclasses.dataclass(frozen=True)
class Given:
    """What the exact oracle is given: a case's numbers, the floats in float64.

    Attributes:
        config: of the case.
        inputs: by name, in order.
        weights: by official path, in the official layout; always all of them.
        draws: for the official random functions.
        training: whether the layer runs in training mode.
    """

    config: Config
    inputs: Mapping[str, Array]
    weights: Mapping[str, Array]
    draws: Sequence[Array]
    training: bool


def exactly(*outputs: Array | float, state: Mapping[str, Array] | None = None) -> Answer:
    """An exact answer; complex outputs get a last axis of real and imaginary part."""
    arrays = [np.asarray(output) for output in outputs]
    split = [np.stack([a.real, a.imag], axis=-1) if np.iscomplexobj(a) else a for a in arrays]
    return Answer(split, state=dict(state or {}))


_BATCH_OF_CLIPS: Mapping[str, Sequence[str]] = {"inputs": ("batch", "time")}


@dataclasses.dataclass(frozen=True)
class LayerSpec:
    """The declaration of a layer, function or model.

    Attributes:
        name: the port's name of it.
        mirrors: file and lines of the official implementation.
        port: builds the port's module or function from a configuration.
        official: the same of the reference.
        exact: the float64 answer, from the formulas alone: see ``parity/oracles/exact``.
        configs: the configurations that are recorded.
        budget: see :class:`Budget`.
        errors: what the port refuses.
        inputs: what both are called with, by name and in order.
        weights: by path in the official object graph, as checkpoints name them; a function of the
            configuration where it decides which there are.
        differentiable: names of the inputs whose gradient is compared.
        call: calls the port where layouts differ.
        initial: whether every configuration is also recorded with its initial weights.
        training: whether every configuration is also recorded in training mode.
        training_argument: whether the official call takes ``training``.
        patches: official random functions that a case replaces, in order of their calls, by the
            arrays of ``draws``.
        draws: gives those arrays.
        arithmetics: arithmetics that the port can be built in (``config["arithmetic"]``).
        sizes: which sizes of a configuration may be drawn between their smallest and greatest
            listed value; the others go together as listed.
        constants: how far values that are computed once, when the port's layer is built, may be
            off by rounding, element by element: by the port's name of them, or as ``output/0``
            where the value itself is the answer. Derived in the declaration.
        answers_in_double: whether both sides answer in float64, whatever they are asked in.
        ties: masks of the elements that stand on a kink of the exact function, by ``input/NAME`` or
            ``weight/PATH``; what their gradient is there, is a rule of each precision. They are
            compared between port and official alone.
        single: why the port has no float64 answer to a configuration; empty where it has one.
        unanswered: why a case that the port takes has no answer to compare (the official code
            fails, say); such ones are not drawn. Empty where it has one.
        explicit: further cases that are recorded: counter-examples that were found once, and the
            witnesses of divergences.
        divergences: names in ``parity/divergences.py`` of what this layer does otherwise.
        axes: what the leading axes of an input (or, as ``draws``, of each draw) are: ``batch`` or
            ``time``. A graph of the layer must serve every size of those (``parity/dynamic.py``).
        adverse: the budget for inputs that are not plain, where it needs another: of silence, say,
            all roundings of a mean go the same way.
        laws: what holds of this port's layer bit by bit, beside what follows from the declaration
            (``parity/laws``).
        without: derivatives that it can't have, with the reason (``parity/derivatives``).
        batched: names of the inputs whose first axis counts clips, of which there may be none.
        autocast: whether it computes in the precision of its input also where autocast is on.
        folder: ``kind`` and ``arguments`` by which ``from_pretrained`` builds a configuration;
            None where the layer has no such method.
    """

    name: str
    mirrors: str
    port: Callable[[Config], Callable[..., Any]]
    official: Callable[[Config], Ref]
    exact: Callable[[Given], Answer]
    configs: Sequence[Config]
    budget: Budget
    errors: Sequence[ErrorCase]
    inputs: Callable[[Config, Source], dict[str, Array]] = no_inputs
    weights: Callable[[Config], Mapping[str, Weight]] = lambda _config: {}
    differentiable: Sequence[str] = ("inputs",)
    call: Callable[..., Any] = _call
    initial: bool = True
    training: bool = False
    training_argument: bool = False
    patches: Sequence[str] = ()
    draws: Callable[[Config, Source], Sequence[Array]] | None = None
    arithmetics: Sequence[str] = ()
    sizes: Sequence[str] = ("samples", "frames", "taps", "stride", "filters", "channels")
    constants: Callable[[Config], Mapping[str, Array]] = lambda _config: {}
    ties: Callable[[Config], Mapping[str, Array]] = lambda _config: {}
    answers_in_double: bool = False
    single: Callable[[Config], str] = lambda _config: ""
    unanswered: Callable[[Case], str] = lambda _case: ""
    explicit: Sequence[Case] = ()
    divergences: Sequence[str] = ()
    axes: Callable[[Config], Mapping[str, Sequence[str]]] = lambda _config: _BATCH_OF_CLIPS
    adverse: Budget | None = None
    laws: Sequence[Law] = ()
    without: Sequence[Without] = ()
    batched: Sequence[str] = ("inputs",)
    autocast: bool = False
    folder: Callable[[Config], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError(f"{self.name} declares no error case")
        if foreign := {case.layer for case in self.explicit} - {self.name}:
            raise ValueError(f"{self.name} declares cases of {sorted(foreign)}")

    def budget_of(self, case: Case) -> Budget:
        """What is allowed for a case."""
        return self.budget if case.signal == "plain" or self.adverse is None else self.adverse

    def differentiable_weights(self, config: Config) -> list[str]:
        """Official paths of the weights whose gradient is compared."""
        return [path for path, weight in self.weights(config).items() if weight.differentiable]

    def state(self, case: Case) -> list[str]:
        """Official paths of what a call in training mode changes: moving statistics."""
        weights = self.weights(case.config) if case.training else {}
        return [path for path, weight in weights.items() if not weight.differentiable]

    def cases(self) -> list[Case]:
        """All recorded cases."""
        made: list[Case] = []
        for config in self.configs:
            weighted = bool(self.weights(config))
            made.append(Case(self.name, config))
            if weighted and self.initial:
                made.append(Case(self.name, config, initial=True))
            if self.training:
                made.append(Case(self.name, config, training=True))
        return [*made, *self.explicit]


@dataclasses.dataclass(frozen=True)
class Question:
    """A case with its numbers: what the port and every oracle are asked.

    Attributes:
        case: the case.
        inputs: by name, in order.
        weights: by official path, in the official layout; empty for the initial ones.
        draws: for the official random functions.
        seed: of the cotangents, whose shapes only the answer knows.
    """

    case: Case
    inputs: dict[str, Array]
    weights: dict[str, Array]
    draws: list[Array]

    def cotangent(self, index: int, shape: Sequence[int]) -> Array:
        """What output ``index`` is multiplied with before the gradient of the sum is taken."""
        return Source(self.case.seed + 1 + index).uniform(shape, -1.0, 1.0)

    def digest(self) -> str:
        """SHA-256 of everything in here."""
        arrays = {**self.inputs, **{f"weight/{name}": w for name, w in self.weights.items()}}
        arrays |= {f"draw/{index}": draw for index, draw in enumerate(self.draws)}
        return digest(arrays)


def digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of named arrays: names, dtypes, shapes, little-endian bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        head = json.dumps([name, array.dtype.str, list(array.shape)])
        total.update(head.encode() + array.tobytes())
    return total.hexdigest()


def torch_dtype(array: Array, precision: torch.dtype) -> torch.dtype:
    """The dtype an array takes in a computation of ``precision``: integers stay."""
    return precision if np.issubdtype(array.dtype, np.floating) else torch.from_numpy(array).dtype
