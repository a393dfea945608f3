"""Numbers, shapes and names that a reader found: what passes, and each word of what does not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from _refusals import refusal
from torch import Tensor

from weight_conversion.official import consistency
from weight_conversion.official.consistency import DAMAGED
from weight_conversion.official.mapping import Row

PLACE = Path("c.index")


# Numbers at the end of names.


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("optimizer/_variables/12", 12),
        ("layer_with_weights-3", 3),
        ("7", 7),
        ("a-1/0", 0),
        ("x/999999999", 999_999_999),
    ],
)
def test_a_name_ends_in_its_number(name: str, number: int) -> None:
    assert consistency.numbered(name, PLACE) == number


@pytest.mark.parametrize("digits", ["x", "", "1000000000", "٣", "²", "1.5"])
def test_a_name_without_a_number_is_refused(digits: str) -> None:
    assert refusal(lambda: consistency.numbered(f"optimizer/{digits}", PLACE)) == (
        "convert",
        f"c.index: optimizer/{digits}",
        "a name that ends in a number of up to 9 digits",
        digits,
        DAMAGED,
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a" * 80, "a" * 80),
        ("a" * 81, "a" * 80 + "..."),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("\n" * 60, "'" + r"\n" * 39 + "\\..."),
    ],
)
def test_a_name_is_told_printable_and_short(name: str, told: str) -> None:
    assert refusal(lambda: consistency.numbered(name, PLACE))[1] == f"c.index: {told}"


@pytest.mark.parametrize(
    ("numbers", "count"), [([], 0), ([0], 1), ([2, 0, 1], 3), ([0, 1, 0, 1], 2)]
)
def test_members_are_counted(numbers: list[int], count: int) -> None:
    assert consistency.count(numbers, PLACE, "_encoder/") == count


@pytest.mark.parametrize(
    ("numbers", "last", "lacking"), [([1], 0, 0), ([0, 2], 1, 1), ([0, 1, 1, 99], 2, 2)]
)
def test_a_member_that_is_not_there_is_named(numbers: list[int], last: int, lacking: int) -> None:
    assert refusal(lambda: consistency.count(numbers, PLACE, "_encoder/\n")) == (
        "convert",
        r"c.index: '_encoder/\n'",
        f"members 0 to {last}",
        f"no number {lacking}",
        DAMAGED,
    )


# Numbers of a checkpoint.


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (np.float32(1.5), 1.5),
        (np.array([[7]]), 7),
        (np.array(True), True),
        (np.array(2**64 - 1, np.uint64), 2**64 - 1),
        (np.array(-0.25, np.float16), -0.25),
    ],
)
def test_one_element_is_a_number(value: Any, number: float) -> None:
    found = consistency.scalar(value, PLACE, "key")
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (np.zeros(2, np.float32), "float32 of shape (2,)"),
        (np.zeros((3, 0)), "float64 of shape (3, 0)"),
        (np.array([b"a", b"b"], object), "object of shape (2,)"),
        (np.array(b"7", object), "object of shape ()"),
        (np.complex64(1), "complex64 of shape ()"),
    ],
)
def test_no_number_is_told_by_type_and_shape(value: Any, got: str) -> None:
    assert refusal(lambda: consistency.scalar(value, PLACE, "a\tkey")) == (
        *("convert", r"c.index: 'a\tkey'", "one number", got, DAMAGED),
    )


@pytest.mark.parametrize("value", [np.float32("nan"), np.array([-np.inf])])
def test_a_number_that_is_not_finite_is_refused(value: Any) -> None:
    *told, got, fix = refusal(lambda: consistency.scalar(value, PLACE, "a\tkey"))
    assert (told, fix) == (["convert", r"c.index: 'a\tkey'", "a finite number"], DAMAGED)
    assert str(got) == str(value.item())


@pytest.mark.parametrize("count", [0, 1, 4, 2**62 - 1])
def test_a_count_of_steps(count: int) -> None:
    found = consistency.step(np.array([count]), PLACE, "iter")
    assert found == count
    assert type(found) is int


def test_a_count_of_steps_may_be_a_float() -> None:
    found = consistency.step(np.float32(3), PLACE, "iter")
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize(
    "value", [np.int64(-1), np.float32(1.5), np.array(True), np.array(False), np.int64(2**62)]
)
def test_what_counts_no_steps_is_refused(value: Any) -> None:
    assert refusal(lambda: consistency.step(value, PLACE, "a\titer")) == (
        "convert",
        r"c.index: 'a\titer'",
        "a count of steps, from 0 on",
        value.item(),
        DAMAGED,
    )


# Shapes.


@pytest.mark.parametrize(
    ("shape", "ranks"), [((4, 3), (2,)), ((1, 1, 1), (2, 3)), ((1,), (1,)), ((2**40, 1), (2, 3))]
)
def test_axes_of_a_weight(shape: tuple[int, ...], ranks: tuple[int, ...]) -> None:
    consistency.axes(shape, ranks, PLACE, "kernel")


@pytest.mark.parametrize(
    ("shape", "ranks", "expected"),
    [
        ((3,), (2,), "2 axes of at least 1"),
        ((), (2, 3), "2 or 3 axes of at least 1"),
        ((0, 3), (2, 3), "2 or 3 axes of at least 1"),
        ((1, 2, 3, 0), (2, 3, 4), "2 or 3 or 4 axes of at least 1"),
        ((0,), (2,), "2 axes of at least 1"),
    ],
)
def test_other_axes_are_refused(
    shape: tuple[int, ...], ranks: tuple[int, ...], expected: str
) -> None:
    assert refusal(lambda: consistency.axes(shape, ranks, PLACE, "a\tkernel")) == (
        *("convert", r"c.index: 'a\tkernel'", expected, f"shape {shape}", DAMAGED),
    )


def _files(folder: Path, *sizes: int) -> Any:
    """Stands for a checkpoint of files of these sizes."""
    paths = [folder / str(number) for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(bytes(size))
    return SimpleNamespace(path=folder, files=paths)


ROWS = [Row("a", "a", None, (2, 3)), Row("b", "b", None, ())]


def test_files_hold_what_the_model_needs(tmp_path: Path) -> None:
    consistency.check_size(_files(tmp_path, 20, 8), ROWS)


def test_files_that_are_too_small_are_refused(tmp_path: Path) -> None:
    source = _files(tmp_path, 20, 7)
    assert refusal(lambda: consistency.check_size(source, ROWS)) == (
        "convert",
        str(tmp_path),
        "files of at least 28 bytes, as the model needs",
        "27 bytes",
        DAMAGED,
    )


# Weights.


def test_finite_weights_pass() -> None:
    weights = {"a": torch.ones(3), "count": torch.tensor(2**40)}
    consistency.check_finite("import", PLACE, weights)


def test_weights_that_are_not_finite_are_counted_by_name() -> None:
    weights = {
        "b": torch.tensor([1.0, math.inf, -math.inf]),
        "well": torch.ones(2),
        "a\n": torch.tensor([[math.nan], [1.0]]),
        "count": torch.tensor(3),
    }
    assert refusal(lambda: consistency.check_finite("import", PLACE, weights)) == (
        "import",
        "c.index",
        "finite weights",
        r"1 NaN or infinite in 'a\n', 2 NaN or infinite in b",
        "take an earlier checkpoint, from before the training diverged",
    )


# Numbers of config.json.


LARGEST = math.nextafter(2.0**64, 0.0)


@pytest.mark.parametrize("value", [0, 0.0, 1, 0.9, 200, LARGEST])
def test_a_rate(value: float) -> None:
    found = consistency.rate({"epsilon": value}, "epsilon", 7.0, PLACE)
    assert (found, type(found)) == (value, float)


def test_a_rate_that_is_not_told() -> None:
    assert consistency.rate({}, "epsilon", 7.0, PLACE) == 7.0
    assert consistency.share({}, "beta_1", 0.75, PLACE) == 0.75


NO_RATES = [
    True,
    False,
    "1",
    None,
    -1e-9,
    -1,
    math.nan,
    math.inf,
    2.0**64,
    10**400,
    [0.5],
    "x" * 90,
]
Check = Callable[[dict[str, Any], str, float, Path], float]


@pytest.mark.parametrize("value", NO_RATES, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("check", [consistency.rate, consistency.share])
def test_what_is_no_rate_is_refused(check: Check, value: Any) -> None:
    assert refusal(lambda: check({"epsilon": value}, "epsilon", 7.0, PLACE)) == (
        *("restore", "c.index: epsilon", "a number from 0 on", ascii(value)[:80], DAMAGED),
    )


@pytest.mark.parametrize("value", [0, 0.999, math.nextafter(1.0, 0.0)])
def test_a_share(value: float) -> None:
    assert consistency.share({"beta_1": value}, "beta_1", 0.5, PLACE) == value


@pytest.mark.parametrize("value", [1, 1.0, 1.5])
def test_a_share_is_below_one(value: float) -> None:
    assert refusal(lambda: consistency.share({"beta_1": value}, "beta_1", 0.5, PLACE)) == (
        *("restore", "c.index: beta_1", "a number below 1", float(value), DAMAGED),
    )


# Moments.


def _state() -> dict[str, Tensor]:
    return {f"{kind}{name}": torch.ones(2, 3) for kind in ("exp.", "sq.") for name in "ab"}


def _fit(state: dict[str, Tensor]) -> None:
    named = {name: torch.ones(2, 3) for name in "ab"}
    consistency.moments_fit(PLACE, state, named, ("exp.", "sq."))


def test_moments_fit_their_weights() -> None:
    _fit(_state())


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [
        ("exp.b", torch.ones(6), "torch.float32 of shape (6,)"),
        ("sq.a", torch.ones(3, 2), "torch.float32 of shape (3, 2)"),
        ("sq.b", torch.ones(2, 3, dtype=torch.float64), "torch.float64 of shape (2, 3)"),
    ],
)
def test_moments_of_another_shape_or_type_are_refused(key: str, value: Tensor, got: str) -> None:
    assert refusal(lambda: _fit(_state() | {key: value})) == (
        *("restore", f"c.index: {key}", "torch.float32 of shape (2, 3)", got, DAMAGED),
    )
