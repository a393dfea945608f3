"""A wrong argument that one class refuses, every class refuses that takes it, in the same words.

The values and the words stand here once, by the names that arguments have throughout the port.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from leaf_port import _model_layers
from leaf_port.errors import LeafError
from parity.spec import LayerSpec, Signature

_NAN, _INFINITE = float("nan"), float("inf")
_ONE, _TWO = "an integer of at least 1", "an integer of at least 2"
_FINITE, _POSITIVE = "a finite number", "a number above 0"

# What is refused by name, and what the error tells that was expected, one of these.
_Wrong = Mapping[str, tuple[Sequence[Any], Sequence[str]]]
_COUNTS: _Wrong = dict.fromkeys(
    (
        "depth",
        "filters",
        "in_channels",
        "kernel_size",
        "n_filters",
        "num_channels",
        "num_features",
        "num_filters",
        "num_outputs",
        "strides",
    ),
    ((0, -1, 2.5), (_ONE, _TWO, "a sequence of numbers of channels")),
)
_NUMBERS: _Wrong = dict.fromkeys(
    (
        "alpha",
        "coeff_init",
        "delta",
        "floor",
        "gain",
        "l1",
        "l2",
        "min_band_hz",
        "min_freq",
        "min_low_hz",
        "root",
        "smooth_coef",
        "value",
    ),
    ((_NAN, _INFINITE), (_FINITE,)),
)
_SIZES: _Wrong = dict.fromkeys(
    ("epsilon", "sample_rate", "window_len", "window_stride"),
    ((_NAN, 0.0, -1.0), (_FINITE, _POSITIVE, _ONE)),
)
_SHARES: _Wrong = {
    name: ((_NAN, 1.5, -0.5), (_FINITE, between))
    for name, between in (
        ("dropout", "a share from 0 to 1"),
        ("dropout_rate", "a share from 0 to 1"),
        ("momentum", "a number from 0 to 1"),
    )
}
_FUNCTION = "a module or a function of a tensor"
_CHOICES: _Wrong = {
    "activation": (
        ("swirl", 3),
        (_FUNCTION, f"one of {', '.join(sorted(_model_layers.ACTIVATIONS))}, {_FUNCTION}"),
    ),
    "axis": ((1.5, True), ("an integer", "1, 2 or 3")),
    "arithmetic": (("half", None), ("one of 'auto', 'complex', 'real'",)),
    "padding": (("causal", 3), ("'SAME' or 'VALID'", "'SAME' or 'VALID' or 'SYMMETRIC'")),
    "n_fft": ((0, 1, 2.5), (_TWO,)),
    "max_freq": ((1e9,), ("at most the Nyquist frequency, 8000.0 Hz at 16000 Hz",)),
    "pool_size": ((0, 2.5), (_ONE, "two integers")),
}
WRONG: _Wrong = {**_COUNTS, **_NUMBERS, **_SIZES, **_SHARES, **_CHOICES}

# What the classes are built with that have no default for it.
_RIGHT: Mapping[str, Any] = {
    "coeff_init": 0.1,
    "filters": 4,
    "in_channels": 1,
    "kernel_size": 5,
    "num_channels": 3,
    "num_features": 8,
    "num_filters": 3,
    "num_outputs": 3,
    "pool_size": 2,
}


def as_siblings(spec: LayerSpec) -> str:
    """Every class of a declaration with every wrong argument: the first problem."""
    classes = (each for each in spec.signatures if inspect.isclass(each.port))
    return next((problem for signature in classes for problem in problems(signature)), "")


def problems(signature: Signature) -> Iterator[str]:
    """What a class accepts that others refuse, or refuses in other words."""
    port = signature.port
    takes = inspect.signature(port).parameters
    required = [n for n, each in takes.items() if each.default is inspect.Parameter.empty]
    right = {name: _right(takes[name]) for name in required if name in _RIGHT}
    for name in takes:
        values, words = WRONG.get(name, ((), ()))
        for value in values:
            arguments = {**right, name: value}
            owner = signature.told_by.get(name, port.__name__)
            if problem := _refused(functools.partial(port, **arguments), owner, name, words):
                yield f"{port.__name__}({name}={value!r}): {problem}"


def _right(parameter: inspect.Parameter) -> Any:
    """A value that is taken: one a block, or one an axis, where several are asked for."""
    value, kind = _RIGHT[parameter.name], str(parameter.annotation)
    if "Sequence" in kind:
        return [value]
    return (value, value) if "tuple" in kind else value


def _refused(build: Callable[[], Any], owner: str, name: str, words: Sequence[str]) -> str:
    """How an argument isn't refused as others refuse it."""
    try:
        build()
    except LeafError as error:
        if error.argument != name:
            return f"the error is about {error.argument}"
        if error.owner != owner:
            return f"the error is of {error.owner}"
        if error.expected not in words:
            return f"expected is {error.expected!r}, elsewhere {' or '.join(map(repr, words))}"
        told = error.owner, name, error.expected, str(error.got), error.fix
        return "" if error.fix and all(part in str(error) for part in told) else str(error)
    except Exception as error:
        return f"raised {type(error).__name__}, not LeafError: {error}"
    return "accepted"
