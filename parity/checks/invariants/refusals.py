"""A wrong argument that one class refuses, every class refuses that takes it, in the same words.

What stands at the edge of the right ones, every class takes. The values and the words stand here
once, by the names that arguments have throughout the port.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

import leaf_port
from leaf_port import _model_layers
from leaf_port.errors import LeafError
from parity.checks.invariants.generic import PACKAGE
from parity.checks.invariants.one_object import smallest_of_each
from parity.port import runner
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
    ((_NAN, _INFINITE, "1", True), (_FINITE,)),
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
        ("drop_connect_rate", "a share from 0 to 1"),
        ("momentum", "a number from 0 to 1"),
    )
}
_RUNS: _Wrong = {
    **dict.fromkeys(
        (
            "freq_mask_count",
            "freq_mask_max_bins",
            "time_mask_count",
            "time_mask_max_frames",
            "time_warp_max_frames",
        ),
        ((-1, 2.5), ("an integer of at least 0",)),
    ),
    **dict.fromkeys(
        ("time_mask_max_ratio", "time_warp_max_ratio"), ((_NAN, _INFINITE), (_FINITE,))
    ),
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
    "max_freq": ((1e9, _NAN), ("at most the Nyquist frequency, 8000.0 Hz at 16000 Hz", _FINITE)),
    "pool_size": ((0, 2.5), (_ONE, "two integers")),
}
WRONG: _Wrong = {**_COUNTS, **_NUMBERS, **_SIZES, **_SHARES, **_RUNS, **_CHOICES}

# Sizes that no machine has the memory for, nor a processor the addresses.
_TOO_LARGE: Mapping[str, Any] = {
    "kernel_size": 2**48 + 1,
    "n_fft": 2**48,
    "window_len": 1e15,
}
_FITS = "filters that fit in the memory of "


_GREATEST = (2 - 2.0**-23) * 2.0**127  # number of float32

# The least that is taken, or the most.
_EDGES: Mapping[str, Sequence[Any]] = {
    **dict.fromkeys(_COUNTS, (1,)),
    **dict.fromkeys(_NUMBERS, (_GREATEST,)),
    **dict.fromkeys((*_SHARES, "l1", "l2"), (0.0, 1.0)),
    "epsilon": (2.0**-149,),
    "max_freq": (8000.0,),
    "min_freq": (0.0,),
    "window_stride": (1 / 16,),  # a sample at 16 kHz
}

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
    "smooth_coef": 0.04,
}


def as_siblings(spec: LayerSpec) -> str:
    """Every class of a declaration with every wrong argument: the first problem."""
    found = (problem for signature in _classes(spec) for problem in problems(signature))
    return next(found, "")


def too_large(spec: LayerSpec) -> str:
    """Every layer of a declaration with every size that no memory holds: the first problem."""
    for signature in _classes(spec):
        port, takes = signature.port, inspect.signature(signature.port).parameters
        own = takes.keys() - signature.told_by.keys() if issubclass(port, nn.Module) else ()  # type: ignore[arg-type]
        for name in sorted(_TOO_LARGE.keys() & own):
            arguments = {**required(takes), name: _TOO_LARGE[name]}
            build = functools.partial(port, **arguments)
            if problem := _refused(build, port.__name__, name, (), _FITS):
                return f"{port.__name__}({name}={_TOO_LARGE[name]!r}): {problem}"
    return ""


def _classes(spec: LayerSpec) -> list[Signature]:
    """The declared classes, and those of its layers that nobody declares, as they aren't official.

    Of these the ones that users can name.
    """
    found = {each.port: each for each in spec.signatures if inspect.isclass(each.port)}
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        for module in layer.modules() if isinstance(layer, nn.Module) else ():
            kind = type(module)
            if _named(kind) and kind not in _declared():
                found[kind] = Signature(kind, "")
    return list(found.values())


@functools.cache
def _declared() -> frozenset[Any]:
    """What has a signature in any declaration."""
    from parity.layers import all_specs

    return frozenset(each.port for spec in all_specs().values() for each in spec.signatures)


def _named(kind: type) -> bool:
    """Whether a class is the port's, and its module or package gives it to users."""
    module = sys.modules[kind.__module__]
    given = {*getattr(module, "__all__", ()), *vars(leaf_port)}
    return kind.__module__.startswith(f"{PACKAGE}.") and kind.__name__ in given


_TOLD = "owner", "argument", "expected", "got", "fix"


def as_taken(spec: LayerSpec) -> str:
    """Every class of a declaration with every argument at an edge: the first problem."""
    for signature in spec.signatures:
        port = signature.port
        takes = inspect.signature(port).parameters if inspect.isclass(port) else {}
        for name, value in ((n, value) for n in takes for value in _EDGES.get(n, ())):
            arguments = {**required(takes), name: _as_asked(takes[name], value)}
            if problem := _not_taken(functools.partial(port, **arguments), name):
                return f"{port.__name__}({name}={value!r}): {problem}"
    return ""


def _not_taken(build: Callable[[], Any], name: str) -> str:
    """Why an argument is refused; empty where it is taken, or where two are the least."""
    try:
        with torch.device("meta"):  # weights of the usual size take seconds to draw
            build()
    except LeafError as error:
        two = error.argument != name or "at least 2" in error.expected
        return "" if two else str(error)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return ""


def problems(signature: Signature) -> Iterator[str]:
    """What a class accepts that others refuse, or refuses in other words."""
    port = signature.port
    takes = inspect.signature(port).parameters
    right = required(takes)
    for name in takes:
        values, words = WRONG.get(name, ((), ()))
        for value in _of_sequences(takes[name], values):
            arguments = {**right, name: value}
            build = functools.partial(port, **arguments)
            if problem := _refused(build, _owner(signature, name), name, words):
                yield f"{port.__name__}({name}={value!r}): {problem}"


def _of_sequences(parameter: inspect.Parameter, values: Sequence[Any]) -> Iterator[Any]:
    """Wrong values; where several are asked for, also one of them among right ones."""
    yield from values
    if "Sequence[int]" in str(parameter.annotation) and parameter.name in _RIGHT:
        yield from ([_RIGHT[parameter.name], value] for value in values)


def _owner(signature: Signature, name: str) -> str:
    """Who refuses a wrong argument."""
    return signature.told_by.get(name, signature.port.__name__)


def required(takes: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Values that are taken, of the arguments without a default."""
    required = [n for n, each in takes.items() if each.default is inspect.Parameter.empty]
    return {n: _as_asked(takes[n], _RIGHT[n]) for n in required if n in _RIGHT}


def _as_asked(parameter: inspect.Parameter, value: Any) -> Any:
    """A value, or one a block, or one an axis, where several are asked for."""
    kind = str(parameter.annotation)
    if "Sequence" in kind:
        return [value]
    return (value, value) if "tuple" in kind else value


def _refused(
    build: Callable[[], Any], owner: str, name: str, words: Sequence[str], begins: str = ""
) -> str:
    """How an argument isn't refused as others refuse it, in these words or some that begin so."""
    try:
        build()
    except LeafError as error:
        if error.argument != name:
            return f"the error is about {error.argument}"
        if error.owner != owner:
            return f"the error is of {error.owner}"
        if error.expected not in words and not (begins and error.expected.startswith(begins)):
            elsewhere = " or ".join(map(repr, words or (begins,)))
            return f"expected is {error.expected!r}, elsewhere {elsewhere}"
        whole = error.owner, name, error.expected, error.got, error.fix
        named: dict[str, Any] = dict(zip(_TOLD, whole, strict=True))
        if not error.args == LeafError(**named).args == whole:  # by which it is pickled
            return f"the error has the arguments {error.args}"
        told = [str(each) for each in whole]
        return "" if error.fix and all(part in str(error) for part in told) else str(error)
    except Exception as error:
        return f"raised {type(error).__name__}, not LeafError: {error}"
    return "accepted"
