"""Values and names changed at random, as the mutants of every format need them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

Random = random.Random

EDGES = (0, 1, 2, 3, 7, 16, 255, 256, 65535, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -1)
DIGITS = (
    "0",
    "1",
    "7",
    "99",
    "007",
    "4294967296",
    "9" * 400,
    "9" * 5000,
    "",
    "x",
    "-1",
    "٣",
    "1e5",
)
NAMES = ("kernel", "gamma", "bias", "m", "v", "alpha", "optimizer", "_variables", "layers", "", "/")
KINDS = ("float32", "float64", "float16", "int64", "int32", "uint8", "bool", "complex64")


def edited_name(rng: Random, name: str, others: list[str]) -> str:
    """A name with a part or its number changed."""
    kind = rng.randrange(7)
    parts = name.split("/")
    at = rng.randrange(len(parts))
    if kind == 0:
        parts[at] = rng.choice(NAMES)
    elif kind == 1:
        del parts[at]
    elif kind == 2:
        parts.insert(at, rng.choice(NAMES))
    elif kind <= 4:
        head = parts[at].rstrip("0123456789")
        parts[at] = head + rng.choice(DIGITS)
    elif kind == 5 and others:
        return rng.choice(others)
    else:
        parts[at] = parts[at].swapcase() + rng.choice(("", ".", "\u202e", "x" * 300))
    return "/".join(parts)


def edited_shape(rng: Random, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Another rank, another axis, axes in another order, or none at all."""
    made = list(shape)
    for _ in range(rng.choice((1, 1, 2))):
        kind = rng.randrange(6)
        at = rng.randrange(len(made) + 1)
        if kind == 0:
            made.insert(at, rng.choice((0, 1, 2, 3)))
        elif kind == 1 and made:
            del made[at % len(made)]
        elif kind == 2 and made:
            made[at % len(made)] = rng.choice((0, 1, 2, 5, 64))
        elif kind == 3:
            rng.shuffle(made)
        elif kind == 4:
            made = []
        else:
            made = [0, rng.choice((2**20, 2**31, 2**40)), *made[:1]]
    return tuple(made)


def of_shape(rng: Random, shape: tuple[int, ...], kind: str) -> np.ndarray[Any, Any]:
    """Numbers of a shape; a small array where it would be large."""
    if int(np.prod([float(n) for n in shape])) > 1 << 16:
        shape = tuple(min(n, 4) for n in shape)
    return np.full(shape, rng.choice((0.5, 0, 1, 3)), kind)


def edited_array(rng: Random, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Another shape, type or values; objects stay what they are."""
    if value.dtype == object:
        return value
    kind = rng.randrange(5)
    if kind <= 1:
        return of_shape(rng, edited_shape(rng, value.shape), str(value.dtype))
    if kind == 2:
        with np.errstate(all="ignore"):
            return value.astype(rng.choice(KINDS))
    if kind == 3 and value.size and value.dtype.kind == "f":
        made = value.copy().reshape(-1)
        made[rng.randrange(made.size)] = rng.choice((np.nan, np.inf, 0.0, 1e30, -1.0))
        return made.reshape(value.shape)
    return value.reshape(-1) if value.ndim != 1 else value.reshape(-1, 1)


def edited_arrays(
    rng: Random, found: dict[str, np.ndarray[Any, Any]]
) -> dict[str, np.ndarray[Any, Any]]:
    """Some arrays changed, renamed, doubled or left out; the order may change too."""
    made = dict(found)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not made:
            break
        name = rng.choice(list(made))
        kind = rng.randrange(6)
        if kind <= 1:
            made[name] = edited_array(rng, made[name])
        elif kind == 2:
            del made[name]
        elif kind == 3:
            made[edited_name(rng, name, list(found))] = made[name]
        elif kind == 4:
            value = made.pop(name)
            made[edited_name(rng, name, list(found))] = value
        else:
            items = list(made.items())
            rng.shuffle(items)
            made = dict(items)
    return made


def edited_json(rng: Random, value: Any, depth: int = 0) -> Any:
    """One place of a tree of JSON changed."""
    if isinstance(value, dict) and value and (depth == 0 or rng.random() < 0.85):
        name = rng.choice(list(value))
        kind = rng.randrange(10)
        if kind == 0:
            return {key: each for key, each in value.items() if key != name}
        if kind == 1:
            return {**value, edited_name(rng, name, list(value)): value[name]}
        if kind == 2:
            return {**value, name: value}
        return {**value, name: edited_json(rng, value[name], depth + 1)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], edited_json(rng, value[at], depth + 1), *value[at + 1 :]]
    return _other(rng, value)


def _other(rng: Random, value: Any) -> Any:
    kind = rng.randrange(12)
    if kind <= 3:
        return rng.choice(EDGES)
    if kind == 4:
        return rng.choice((0.5, 1e9, 1e30, -1.0, float("nan"), float("inf"), 1e-300))
    if kind == 5:
        return rng.choice((None, True, False, "", "relu", "x" * 200, "Leaf", "eval"))
    if kind == 6:
        return [value] * rng.choice((0, 1, 2, 1000))
    if kind == 7:
        return {
            "kind": rng.choice(("Leaf", "PCEN", "WaveGram", "ConvNet", "PANN")),
            "arguments": {},
        }
    if kind == 8:
        return _nested(rng.choice((3, 30, 150)), value)
    if kind == 9 and isinstance(value, (int, float)):
        return value * rng.choice((2, 10, 1000, 10**6, -1))
    if kind == 10:
        return str(value)
    return 10 ** rng.choice((10, 100, 400))


def _nested(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = [value] if depth % 2 else {"kind": "Leaf", "arguments": {"x": value}}
    return value
