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
import numpy.typing as npt
import torch
from torch import Tensor

from parity.source import Source

Array = npt.NDArray[Any]
Config = Mapping[str, Any]


SIGNALS = ("plain", "silence", "click", "denormal", "huge", "nan", "infinity")
_HUGE = np.float32(1e12)


def with_signal(inputs: dict[str, Array], signal: str, source: Source) -> dict[str, Array]:
    """The inputs of a case, ``inputs`` replaced by a signal that breaks careless code."""
    if "inputs" not in inputs or signal == "plain":
        return inputs
    x = inputs["inputs"].copy()
    at = tuple(int(source.integers((), 0, size)) for size in x.shape)
    if signal in ("silence", "click"):
        x[...] = 0
    if signal == "denormal":
        x = x * np.float32(1e-20) * np.float32(1e-19)
    if signal == "huge":
        x = x * _HUGE
    if signal in ("click", "nan", "infinity"):
        x[at] = {"click": 1.0, "nan": np.nan, "infinity": np.inf}[signal]
    return {**inputs, "inputs": x}


class Ref:
    """A piece of the official implementation, as data that its own interpreter evaluates.

    ``Ref("leaf_audio.convolution.GaborConv1D")`` is the class itself; calling the Ref gives the Ref
    of a call, ``.attribute(name)`` that of an attribute. Arguments are numbers, strings, lists,
    None and other Refs.
    """

    def __init__(self, name: str | None = None, tree: dict[str, Any] | None = None) -> None:
        self.tree: dict[str, Any] = {"$name": name} if tree is None else tree

    def __call__(self, *args: Any, **kwargs: Any) -> Ref:
        """The call of what this stands for."""
        call = {"$call": self.tree, "args": _plain(args), "kwargs": _plain(kwargs)}
        return Ref(tree=call)

    def attribute(self, name: str) -> Ref:
        """The attribute ``name`` of what this stands for."""
        return Ref(tree={"$attribute": self.tree, "name": name})


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return value.tree
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


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
class Bound:
    """How far one side may be from the exact answer, in units of each element's rounding.

    Attributes:
        allowed: greatest distance; about twice the worst observed, never more than three times.
        worst: the worst observed, over all recorded cases.
        why: what explains a worst value above 10 units.
    """

    allowed: float
    worst: float
    why: str = ""

    def __post_init__(self) -> None:
        if not self.worst <= self.allowed <= 3.0 * self.worst:
            raise ValueError(f"allowed {self.allowed} is not 1 to 3 times the worst {self.worst}")
        if self.worst > 10.0 and not self.why:
            raise ValueError(f"{self.worst} units from the exact answer need their explanation")


EXPLAINED_BY_ROUNDING = 3.0  # norms of the units


@dataclasses.dataclass(frozen=True)
class Budget:
    """How far port and reference may differ.

    Attributes:
        forward: greatest difference of an output element, in units of its own rounding.
        gradient: the same for gradients.
        port: of the port's float32 outputs from the exact ones.
        reference: of the official outputs from the exact ones.
        port_gradient: of the port's float32 gradients from the exact ones.
        reference_gradient: of the official gradients from the exact ones.
        double: of the port's float64 answers from the exact ones, in units of float64: both are
            rounded, the oracle by as much as the port.
        relative: greatest difference of a whole output, in relative terms (Frobenius norm).
        relative_gradient: the same for each gradient.
        norm: a relative difference above its limit passes where rounding makes one that large:
            where its norm is at most this many times that of the units.
        worst: the greatest values observed (forward, gradient: units; then relative), with the
            versions.
        reason: what explains a ``relative`` above 1e-6, a ``relative_gradient`` above 1e-5 or a
            ``norm`` above 3.
    """

    forward: float
    gradient: float
    port: Bound
    reference: Bound
    port_gradient: Bound = Bound(0.0, 0.0)
    reference_gradient: Bound = Bound(0.0, 0.0)
    double: Bound = Bound(20.0, 9.8)
    relative: float = 1e-6
    relative_gradient: float = 1e-5
    norm: float = EXPLAINED_BY_ROUNDING
    worst: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        beyond = self.relative > 1e-6 or self.relative_gradient > 1e-5
        if (beyond or self.norm > EXPLAINED_BY_ROUNDING) and not self.reason:
            raise ValueError("a budget beyond 1e-6 (gradients: 1e-5; norm: 3) needs its reason")
        most = self.port.allowed + self.reference.allowed
        most_gradient = self.port_gradient.allowed + self.reference_gradient.allowed
        if self.forward > most or self.gradient > most_gradient:
            raise ValueError("port and official may differ by what both may be off, and no more")

    def off_the_cpu(self) -> Budget:
        """The same where the port's sums are not added up in the order of a CPU's kernels.

        On a CPU torch and TensorFlow often add up alike, one tap after the other, and agree more
        closely with each other than with the exact answer. Elsewhere they may differ by what both
        may be off.
        """
        forward = self.port.allowed + self.reference.allowed
        gradient = self.port_gradient.allowed + self.reference_gradient.allowed
        return dataclasses.replace(self, forward=forward, gradient=gradient)


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
class Kept:
    """The elements of an array that a compact recording holds.

    Attributes:
        shape: of the whole array.
        at: their positions in it, flattened.
    """

    shape: tuple[int, ...]
    at: Array

    def of(self, array: Array) -> Array:
        """These elements; an array of another shape is given back whole, and so differs."""
        return array.reshape(-1)[self.at] if array.shape == self.shape else array


@dataclasses.dataclass
class Answer:
    """What the port or an oracle computed.

    Attributes:
        outputs: in order; complex ones with real and imaginary part along a last axis.
        gradients: by ``input/NAME`` and ``weight/PATH`` (official path and layout).
        initial: initial weights by official path, official layout.
        state: moving statistics after a call in training mode, by official path.
        kept: of an answer that was recorded in part, where its elements stood.
    """

    outputs: list[Array]
    gradients: dict[str, Array] = dataclasses.field(default_factory=dict)
    initial: dict[str, Array] = dataclasses.field(default_factory=dict)
    state: dict[str, Array] = dataclasses.field(default_factory=dict)
    kept: dict[str, Kept] = dataclasses.field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """All arrays under one name each."""
        named = {f"output/{index}": output for index, output in enumerate(self.outputs)}
        for kind in ("gradients", "initial", "state"):
            named |= {f"{kind}/{name}": array for name, array in getattr(self, kind).items()}
        return named

    def pick(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Of other whole arrays, the elements that this answer has."""
        return {
            name: self.kept[name].of(array) if name in self.kept else array
            for name, array in arrays.items()
        }


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
        adverse: the budget for inputs that are not plain, where it needs another: of silence, say,
            all roundings of a mean go the same way.
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
    adverse: Budget | None = None

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
