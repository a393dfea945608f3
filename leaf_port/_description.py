"""A model as data: the ``kind`` and ``arguments`` by which ``from_pretrained`` builds it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from leaf_port import _registry
from leaf_port.errors import LeafError
from leaf_port.postprocessing import log_compression

_FIX = "keep its state_dict() by safetensors.torch.save_file, and the code that builds it"

_LOG_OFFSET = 1e-5


def described(value: Any, argument: str) -> dict[str, Any]:
    """The description of a layer.

    Args:
        value: a model, frontend, compression or regulariser.
        argument: what it is called, for the error.

    Raises:
        LeafError: naming the argument that is no such layer, or has an argument that is no data.
    """
    kind = type(value).__name__
    if _registry.KINDS.get(kind) is not type(value):
        known = ", ".join(sorted(_registry.KINDS))
        raise _refusal(argument, f"data, or one of {known} itself", value)
    try:
        arguments = value._arguments()
    except (AttributeError, IndexError, StopIteration) as error:  # layers were taken out, or put in
        got = f"another one, in which {type(error).__name__}: {error}"
        expected = f"a {kind} as it was built"
        raise LeafError("save_pretrained", argument, expected, got, _FIX) from error
    inside = "" if argument == "model" else f"{argument}."
    told = {name: data(each, inside + name) for name, each in arguments.items()}
    return {"kind": kind, "arguments": told}


def data(value: Any, argument: str) -> Any:
    """An argument as JSON holds it.

    Raises:
        LeafError: it cannot.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return data(value.item(), argument)
    if isinstance(value, (list, tuple)):
        return [data(each, argument) for each in value]
    if isinstance(value, type):
        return _part(value, argument)
    offset = _log_offset(value)
    if offset is not None:
        return {"kind": "log_compression", "arguments": {"log_offset": data(offset, argument)}}
    return described(value, argument)


def _part(cls: type, argument: str) -> str:
    if _registry.PARTS.get(cls.__name__) is not cls:
        known = ", ".join(sorted(_registry.PARTS))
        raise _refusal(argument, f"one of {known}", cls)
    return cls.__name__


def _log_offset(value: Any) -> float | None:
    """The offset of a logarithm; None of anything else."""
    if value is log_compression:
        return _LOG_OFFSET
    if not isinstance(value, functools.partial) or value.func is not log_compression:
        return None
    known = not value.args and value.keywords.keys() <= {"log_offset"}
    return value.keywords.get("log_offset", _LOG_OFFSET) if known else None


def _refusal(argument: str, expected: str, value: Any) -> LeafError:
    cls = value if isinstance(value, type) else type(value)
    name = getattr(value, "__qualname__", cls.__qualname__)
    got = f"{getattr(value, '__module__', cls.__module__)}.{name}"
    return LeafError("save_pretrained", argument, expected, got, _FIX)
