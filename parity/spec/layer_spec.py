"""What a layer's declaration is.

A layer is declared once, in ``parity/layers/NAME.py``. The declaration says how the port and the
reference are built, which weights correspond, what they are fed and how far they may differ; the
checks, the recordings and the table follow from it and name no layer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from parity.spec.answer import Answer, Array
from parity.spec.budget import Budget
from parity.spec.case import Case, Config
from parity.spec.error_case import ErrorCase
from parity.spec.invariant import Law
from parity.spec.question import Given
from parity.spec.random_arrays import Source
from parity.spec.reference_call import Ref
from parity.spec.signature import Signature
from parity.spec.weight import Weight
from parity.spec.without_derivative import Without


def _call(layer: Callable[..., Any], *inputs: Tensor) -> Any:
    return layer(*inputs)


def no_inputs(_config: Config, _source: Source) -> dict[str, Array]:
    """For values that depend on the configuration alone."""
    return {}


_BATCH_OF_CLIPS: Mapping[str, Sequence[str]] = {"inputs": ("batch", "time")}


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How cases beside the listed configurations come about.

    Attributes:
        sizes: which sizes of a configuration may be drawn between their smallest and greatest
            listed value; the others go together as listed.
        explicit: further cases that are recorded: counter-examples that were found once, and the
            witnesses of divergences.
        edges: further configurations, at an edge of what is taken, which are compared with the
            exact answer alone (``parity/checks/invariants/sizes.py``): nothing is recorded.
        unanswered: why a case that the port takes has no answer to compare (the official code
            fails, say); such ones are not drawn. Empty where it has one.
        batched: names of the inputs whose first axis counts clips, of which there may be none.
        axes: what the leading axes of an input (or, as ``draws``, of each draw) are: ``batch`` or
            ``time``. A graph of the layer must serve every size of those
            (``parity/port/trace_shapes.py``).
    """

    sizes: Sequence[str] = ("samples", "frames", "taps", "stride", "filters", "channels")
    explicit: Sequence[Case] = ()
    edges: Sequence[Config] = ()
    unanswered: Callable[[Case], str] = lambda _case: ""
    batched: Sequence[str] = ("inputs",)
    axes: Callable[[Config], Mapping[str, Sequence[str]]] = lambda _config: _BATCH_OF_CLIPS


@dataclasses.dataclass(frozen=True)
class Exceptions:
    """Where a layer departs from the rules that hold for all others, with the reasons.

    Attributes:
        single: why the port has no float64 answer to a configuration; empty where it has one.
        ties: masks of the elements that stand on a kink of the exact function, by ``input/NAME`` or
            ``weight/PATH``; what their gradient is there, is a rule of each precision. They are
            compared between port and official alone.
        divergences: names in ``parity/checks/expected_divergences.py`` of what this layer does
            otherwise.
        trained: official paths of weights that one side trains and the other does not, with the
            reason.
        adverse: the budget for inputs that are not plain, where it needs another: of silence, say,
            all roundings of a mean go the same way.
        without: derivatives that it can't have, with the reason (``parity/checks/derivatives``).
        constants: how far values that are computed once, when the port's layer is built, may be
            off by rounding, element by element: by the port's name of them, or as ``output/0``
            where the value itself is the answer. Derived in the declaration.
        answers_in_double: whether both sides answer in float64, whatever they are asked in.
        official_transform: whether the official code computes Fourier transforms, whose rounding
            its units then count (``parity/checks/transforms.py``).
    """

    single: Callable[[Config], str] = lambda _config: ""
    ties: Callable[[Config], Mapping[str, Array]] = lambda _config: {}
    divergences: Sequence[str] = ()
    trained: Callable[[Config], Mapping[str, str]] = lambda _config: {}
    adverse: Budget | None = None
    without: Sequence[Without] = ()
    constants: Callable[[Config], Mapping[str, Array]] = lambda _config: {}
    answers_in_double: bool = False
    official_transform: bool = False


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
        sampling: how further cases are drawn; see :class:`Sampling`.
        exceptions: where this layer departs from the rules; see :class:`Exceptions`.
        laws: what holds of this port's layer bit by bit, beside what follows from the declaration
            (``parity/checks/invariants``).
        autocast: whether it computes in the precision of its input also where autocast is on.
        folder: ``kind`` and ``arguments`` by which ``from_pretrained`` builds a configuration;
            None where the layer has no such method.
        signatures: the classes and functions that it declares, whose arguments and defaults are
            the official ones.
        too_large: further configurations of which only what they are made of is compared.
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
    sampling: Sampling = Sampling()
    exceptions: Exceptions = Exceptions()
    laws: Sequence[Law] = ()
    autocast: bool = False
    folder: Callable[[Config], Mapping[str, Any]] | None = None
    signatures: Sequence[Signature] = ()
    too_large: Sequence[Config] = ()

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError(f"{self.name} declares no error case")
        if foreign := {case.layer for case in self.sampling.explicit} - {self.name}:
            raise ValueError(f"{self.name} declares cases of {sorted(foreign)}")

    def budget_of(self, case: Case) -> Budget:
        """What is allowed for a case."""
        adverse = self.exceptions.adverse
        return self.budget if case.signal == "plain" or adverse is None else adverse

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
        return [*made, *self.sampling.explicit]
