"""Checks of what a checkpoint's reader found, before a model is made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from leaf_port.errors import LeafError

if TYPE_CHECKING:
    from weight_conversion.official.mapping import Row
    from weight_conversion.official.source import Source

_DIGITS = 9
"""Of a layer's or slot's number; no model has a thousand million of them."""

DAMAGED = "it is damaged, or of another model: save it again"


def numbered(name: str, where: Path | str) -> int:
    """The number that a name ends in, ``"optimizer/_variables/12"`` or ``"layer-12"``.

    Raises:
        LeafError: none, or one of too many digits.
    """
    digits = name.replace("-", "/").rpartition("/")[2]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS):
        expected = f"a name that ends in a number of up to {_DIGITS} digits"
        raise LeafError("convert", f"{where}: {_short(name)}", expected, _short(digits), DAMAGED)
    return int(digits)


def count(numbers: Sequence[int], where: Path | str, prefix: str) -> int:
    """How many members there are, of which each has a number from 0 on.

    Raises:
        LeafError: one of them is not there.
    """
    found = set(numbers)
    for number in range(len(found)):
        if number not in found:
            key = f"{where}: {_short(prefix)}"
            expected = f"members 0 to {len(found) - 1}"
            raise LeafError("convert", key, expected, f"no number {number}", DAMAGED)
    return len(found)


def scalar(value: Any, where: Path | str, key: str) -> Any:
    """The number that a tensor of one element holds, as Python's.

    Raises:
        LeafError: more or fewer elements, no number, or one that is not finite.
    """
    shape = tuple(getattr(value, "shape", ()))
    found = value.item() if math.prod(shape) == 1 else value
    if math.prod(shape) != 1 or isinstance(found, complex) or not isinstance(found, (int, float)):
        kind = getattr(getattr(value, "dtype", None), "name", "?")
        got = f"{kind} of shape {shape}"
        raise LeafError("convert", f"{where}: {_short(key)}", "one number", got, DAMAGED)
    if not math.isfinite(found):
        raise LeafError("convert", f"{where}: {_short(key)}", "a finite number", found, DAMAGED)
    return found


def step(value: Any, where: Path | str, key: str) -> int:
    """A count of steps.

    Raises:
        LeafError: no whole number from 0 on, or one beyond any training.
    """
    found = scalar(value, where, key)
    if isinstance(found, bool) or found != int(found) or not 0 <= found < 2**62:
        expected = "a count of steps, from 0 on"
        raise LeafError("convert", f"{where}: {_short(key)}", expected, found, DAMAGED)
    return int(found)


def axes(shape: tuple[int, ...], ranks: Sequence[int], where: Path | str, key: str) -> None:
    """Refuses a weight of another rank, or without elements.

    Raises:
        LeafError: it is.
    """
    if len(shape) not in ranks or 0 in shape:
        wanted = " or ".join(map(str, ranks))
        expected = f"{wanted} axes of at least 1"
        raise LeafError("convert", f"{where}: {_short(key)}", expected, f"shape {shape}", DAMAGED)


def check_size(source: Source, rows: Sequence[Row]) -> None:
    """Refuses a model that needs more bytes than the checkpoint's files have.

    Raises:
        LeafError: it does.
    """
    needed = 4 * sum(math.prod(row.shape) for row in rows)
    size = sum(path.stat().st_size for path in source.files)
    if needed > size:
        expected = f"files of at least {needed} bytes, as the model needs"
        raise LeafError("convert", str(source.path), expected, f"{size} bytes", DAMAGED)


def check_finite(where: str, path: Path, weights: Mapping[str, Tensor]) -> None:
    """Refuses weights with NaN or infinity among them.

    Raises:
        LeafError: naming the weights.
    """
    wrong = {
        name: int((~torch.isfinite(value)).sum())
        for name, value in sorted(weights.items())
        if value.is_floating_point() and not bool(torch.isfinite(value).all())
    }
    if wrong:
        got = ", ".join(f"{n} NaN or infinite in {_short(name)}" for name, n in wrong.items())
        fix = "take an earlier checkpoint, from before the training diverged"
        raise LeafError(where, str(path), "finite weights", got, fix)


def rate(told: Mapping[str, Any], name: str, default: float, path: Path) -> float:
    """A number of ``config.json`` that is finite and not negative, or the default.

    Raises:
        LeafError: another value.
    """
    found = told.get(name, default)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 <= found < 2.0**64:
        got = ascii(found)[:80]
        raise LeafError("restore", f"{path}: {name}", "a number from 0 on", got, DAMAGED)
    return float(found)


def share(told: Mapping[str, Any], name: str, default: float, path: Path) -> float:
    """The same of a number below 1."""
    found = rate(told, name, default, path)
    if found >= 1:
        raise LeafError("restore", f"{path}: {name}", "a number below 1", found, DAMAGED)
    return found


def moments_fit(
    path: Path, state: Mapping[str, Tensor], named: Mapping[str, Tensor], kinds: Sequence[str]
) -> None:
    """Refuses moments of other shapes or types than their weights.

    Raises:
        LeafError: naming the first.
    """
    for name, weight in named.items():
        for key in (kind + name for kind in kinds):
            if state[key].shape != weight.shape or state[key].dtype != weight.dtype:
                expected = f"{weight.dtype} of shape {tuple(weight.shape)}"
                got = f"{state[key].dtype} of shape {tuple(state[key].shape)}"
                raise LeafError("restore", f"{path}: {_short(key)}", expected, got, DAMAGED)


def _short(text: str) -> str:
    shown = text if text.isprintable() else ascii(text)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
