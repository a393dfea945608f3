"""Two models are the same, or the first thing is told that one of them has otherwise.

What is saved is loaded again and compared with the model; an activation is told by Keras' name if
it is the one that the name makes. What the comparison does not see, a folder forgets.
"""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaf_port._same import difference, same_state
from parity.checks.invariants import one_object
from parity.port import runner
from parity.port.seeded import seeded
from parity.spec import LayerSpec

_MORE = "a_more"
"""The name of what one of two models has more."""


class _Other(nn.Module):
    """A layer of no other class."""


def otherwise(spec: LayerSpec) -> str:
    """Everything that a small model of a declaration may have otherwise than its twin."""
    case = one_object.smallest_of(spec)
    model, twin = (_built(spec, case) for _ in range(2))
    for law in (_alike, _layers, _settings, _values, _weights):
        for problem in law(model, twin):
            return f"{case.name}: {problem}"
    return ""


def _built(spec: LayerSpec, case: Any) -> nn.Module:
    with seeded(0):
        layer = runner.build(spec, case)
    assert isinstance(layer, nn.Module)  # noqa: S101
    return layer


def _unlike(what: str, model: nn.Module, twin: nn.Module, told: str) -> Iterator[str]:
    """How a difference is told in other words; the first words are enough."""
    found = difference(model, twin)
    if not (found.startswith(told) if told else found == ""):
        yield f"{what}: {found!r} is told, not {told!r}"


def _alike(model: nn.Module, twin: nn.Module) -> Iterator[str]:
    """A model is its twin in either mode, with weights that are not trained or are others."""
    yield from _unlike("the same", model, twin, "")
    model.train(not twin.training)
    yield from _unlike("in another mode", model, twin, "")
    model.train(twin.training)
    trained = [each for each in model.parameters() if each.requires_grad]
    for each in trained:
        each.requires_grad_(False)
    yield from _unlike("not trained", model, twin, "")
    for each in trained:
        each.requires_grad_(True)


@contextlib.contextmanager
def _with(layers: Sequence[nn.Module], layer: nn.Module) -> Iterator[None]:
    """Layers that have a further one inside."""
    for each in layers:
        each.add_module(_MORE, layer)
    try:
        yield
    finally:
        for each in layers:
            delattr(each, _MORE)


def _layers(model: nn.Module, twin: nn.Module) -> Iterator[str]:
    """Layers that one of them lacks, of another class, or with a hook."""
    more, shared = nn.ReLU(), next(iter(model.children()), nn.ReLU())
    with _with([model], more):
        told = f"{_MORE}: a ReLU, where there is none"
        yield from _unlike("a layer more", model, twin, told)
        with _with([twin], _Other()):
            named = f"{__name__}.{_Other.__qualname__}"
            told = f"{_MORE}.class: torch.nn.modules.activation.ReLU for {named}"
            yield from _unlike("another class", model, twin, told)
    with _with([twin], more):
        yield from _unlike("a layer less", model, twin, f"{_MORE}: none")
    with _with([model], shared):
        told = f"{_MORE}: a {type(shared).__name__}, where there is none"
        yield from _unlike("a layer twice", model, twin, told)
    own = next(iter(twin.children()), nn.ReLU())
    with _with([twin], own):
        yield from _unlike("a layer once", model, twin, f"{_MORE}: none")
        with _with([model], shared):
            yield from _unlike("both have it twice", model, twin, "")
    for name, layer in _one_of_each(model).items():
        dot = "." if name else ""
        registers: Mapping[str, Callable[..., Any]] = {
            "forward_hooks": layer.register_forward_hook,
            "forward_pre_hooks": layer.register_forward_pre_hook,
        }
        for hooks, register in registers.items():
            handle = register(lambda *_: None)
            told = f"{name}{dot}{hooks}: a hook, which may change what it computes"
            yield from _unlike("a hook", model, twin, told)
            handle.remove()


def _one_of_each(model: nn.Module) -> dict[str, nn.Module]:
    """Of every class of its layers the last one, by its name, and the model itself."""
    last = {type(layer): name for name, layer in model.named_modules()}
    layers = dict(model.named_modules())
    return {name: layers[name] for name in ("", *last.values())}


def _settings(model: nn.Module, twin: nn.Module) -> Iterator[str]:
    """A setting or constant of one of each class of layers is another one."""
    for name, layer in _one_of_each(model).items():
        dot = "." if name else ""
        for setting, value in list(vars(layer).items()):
            for other in () if setting.startswith("_") else _others(value):
                setattr(layer, setting, other)
                told = "" if setting == "training" else f"{name}{dot}{setting}: {other!r:.80} for"
                yield from _unlike(setting, model, twin, told)
            setattr(layer, setting, value)
        for constant in sorted(layer._non_persistent_buffers_set):
            kept = layer._buffers[constant]
            if kept is not None and kept.numel():
                layer._buffers[constant] = kept.clone().fill_(3)
                told = f"{name}{dot}{constant}: tensor("
                yield from _unlike(constant, model, twin, told)
                layer._buffers[constant] = kept


def _others(value: Any) -> Iterator[Any]:
    """Values that are not this one, if it is plain."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    elif isinstance(value, str):
        yield f"{value}_"
    elif isinstance(value, tuple):
        yield (*value, 1)


class _Own:
    """Something that has attributes."""

    def __init__(self, value: object) -> None:
        self.value = value


class _Elsewhere(Tensor):
    """As one on another device: it is compared with nothing before it is moved."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What torch calls in place of its functions."""
        if func is torch.equal:
            raise RuntimeError("tensors on two devices are compared")
        result = super().__torch_function__(func, types, args, kwargs or {})
        if func in (Tensor.cpu, Tensor.to):
            with torch._C.DisableTorchFunctionSubclass():
                return result.as_subclass(Tensor)
        return result


def _first(x: int, y: int = 1) -> int:
    return x + y


def _second(x: int, y: int = 1) -> int:
    return x + y


_NAN = torch.tensor(math.nan)
_PAIRS: Sequence[tuple[Any, Any, bool]] = (
    (1, 1.0, True),
    (np.float64(0.5), 0.5, True),
    (np.int64(2), 2, True),
    (True, 1, False),
    (0, False, False),
    (True, True, True),
    (math.nan, math.nan, False),
    (0.5, math.nextafter(0.5, 1.0), False),
    (None, 0, False),
    ("1", 1, False),
    ((1, 2), [1, 2], True),
    ((1, 2), (1, 3), False),
    ((1, 2), (1, 2, 3), False),
    ([1, [2, 3]], [1, [2, 4]], False),
    ((), None, False),
    ({"a": 1, "b": (2,)}, {"b": [2], "a": 1.0}, True),
    ({"a": 1}, {"a": 2}, False),
    ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ({"a": 1}, {"b": 1}, False),
    ({"a": 1}, {"a": 1, "b": 2}, False),
    ({}, [], False),
    (torch.ones(2), torch.ones(2), True),
    (torch.ones(2), torch.ones(1, 2), False),
    (torch.ones(2), torch.ones(2, dtype=torch.float64), False),
    (torch.zeros(2), -torch.zeros(2), False),
    (_NAN, _NAN.clone(), True),
    (_NAN, -_NAN, False),
    (torch.arange(6).reshape(2, 3).T, torch.tensor([[0, 3], [1, 4], [2, 5]]), True),
    (torch.arange(6.0)[::2], torch.tensor([0.0, 2.0, 4.0]), True),
    (torch.ones(2, requires_grad=True), torch.ones(2), True),
    (torch.ones(2).as_subclass(_Elsewhere), torch.ones(2), True),
    (torch.ones(2).as_subclass(_Elsewhere), torch.zeros(2), False),
    (torch.ones(()), 1.0, False),
    (_first, _first, True),
    (_first, _second, False),
    (_first, functools.partial(_first), True),
    (functools.partial(_first, y=1), _first, True),
    (functools.partial(_first, y=2), _first, False),
    (functools.partial(functools.partial(_first, y=2), y=3), functools.partial(_first, y=3), True),
    (functools.partial(_first, 1), _first, False),
    (torch.relu, torch.relu, True),
    (torch.relu, torch.sigmoid, False),
    (operator.neg, operator.neg, True),
    (_first, None, False),
    (_Own(1), _Own(1.0), True),
    (_Own(1), _Own(2), False),
    (_Own(1), SimpleNamespace(value=1), False),
    (_Own, _Own, True),
    (_Own, _Other, False),
    (torch.float32, torch.float32, True),
    (torch.float32, torch.float64, False),
)
"""Two settings, and whether they are the same."""


def _values(model: nn.Module, twin: nn.Module) -> Iterator[str]:
    """Settings of every kind, and one that only one of the two has."""
    for pair in ((each[:2], each[2]) for each in _PAIRS):
        (one, other), same = pair
        for mine, its in ((one, other), (other, one)):
            vars(model)[_MORE], vars(twin)[_MORE] = mine, its
            told = "" if same else f"{_MORE}: {mine!r:.80} for {its!r:.80}"
            yield from _unlike(f"{mine!r} and {its!r}", model, twin, told)
    del vars(twin)[_MORE]
    for with_it, without in ((model, twin), (twin, model)):
        vars(model).pop(_MORE, None)
        vars(with_it)[_MORE] = None
        told = f"{_MORE}: None for None"
        yield from _unlike("a setting more", with_it, without, told)
        yield from _unlike("a setting less", without, with_it, told)
    del vars(twin)[_MORE]


def _weights(model: nn.Module, twin: nn.Module) -> Iterator[str]:
    """Weights are compared by name and bit by bit."""
    if not same_state(model, twin):
        yield "its weights are others than its twin's"
    state: dict[str, Tensor] = dict(model.state_dict())
    for name, tensor in state.items():
        if tensor.numel() and tensor.is_floating_point():
            kept = tensor.clone()
            for value in (0.0, math.nan):
                for weight in (tensor, twin.state_dict()[name]):
                    weight.flatten()[:1].fill_(value)
                if not same_state(model, twin):
                    yield f"{name}: {value} is another one than {value}"
                tensor.flatten()[:1].neg_()
                if same_state(model, twin):
                    yield f"{name}: {-value} is no other one than {value}"
            for weight in (tensor, twin.state_dict()[name]):
                weight.copy_(kept)
            break
    model.register_buffer(_MORE, torch.zeros(1))
    if same_state(model, twin) or same_state(twin, model):
        yield "a weight more is not seen"
    delattr(model, _MORE)
