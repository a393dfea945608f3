"""What is asked for: each word of the error, of the table and of the line to copy."""

from __future__ import annotations

import pytest
from _refusals import refusal

from weight_conversion.official.asked import Asked, NotGivenError, in_full, not_given, table

RATE = Asked("sample_rate", "the sample rate, in Hz", 16000)
WINDOW = Asked("window_len", "the window, in ms", 25.0)
FLOOR = Asked("pcen_floor", "PCEN's floor", 1e-12)
ACTIVATION = Asked("activation", "the activation", "relu")
FRONTEND = Asked("frontend", "the frontend, mel or none", choices=("mel", "none"))
GIN = "its .gin file with --gin"


@pytest.mark.parametrize(
    ("asked", "option", "value"),
    [
        (RATE, "--sample-rate", "16000"),
        (WINDOW, "--window-len", "25"),
        (FLOOR, "--pcen-floor", "1e-12"),
        (ACTIVATION, "--activation", "relu"),
        (FRONTEND, "--frontend", "MEL-OR-NONE"),
    ],
)
def test_the_option_and_what_to_give(asked: Asked, option: str, value: str) -> None:
    assert (asked.option, asked.value) == (option, value)


def _raised(*asked: Asked, file: str = GIN) -> NotGivenError:
    return not_given("convert", asked, file)


def _refuse(*asked: Asked, file: str = GIN) -> None:
    raise _raised(*asked, file=file)


def test_one_value_is_asked_for() -> None:
    assert refusal(lambda: _refuse(RATE)) == (
        "convert",
        "--sample-rate",
        "the sample rate, in Hz",
        "nothing: no checkpoint tells it",
        f"give --sample-rate 16000, {GIN}, or --defaults",
    )


def test_several_values_are_asked_for_at_once() -> None:
    assert refusal(lambda: _refuse(FRONTEND, WINDOW)) == (
        "convert",
        "--frontend, --window-len",
        "the frontend, mel or none; the window, in ms",
        "nothing: no checkpoint tells",
        f"give --frontend MEL-OR-NONE --window-len 25, {GIN}, or --defaults",
    )


@pytest.mark.parametrize(
    ("asked", "file", "elsewhere"),
    [
        ((RATE,), GIN, f", {GIN}, or --defaults"),
        ((RATE,), "", ", or --defaults"),
        ((FRONTEND,), GIN, f", or {GIN}"),
        ((FRONTEND,), "", ""),
        ((FRONTEND, RATE), "", ", or --defaults"),
    ],
)
def test_where_else_values_can_come_from(
    asked: tuple[Asked, ...], file: str, elsewhere: str
) -> None:
    """``--defaults`` answers nothing where no value has an official default."""
    made = _raised(*asked, file=file)
    assert (made.asked, made.elsewhere) == (asked, elsewhere)
    assert str(made).endswith(elsewhere)


def test_a_table_has_aligned_columns() -> None:
    assert table([RATE, FRONTEND]) == [
        "--sample-rate 16000     the sample rate, in Hz (official default)",
        "--frontend MEL-OR-NONE  the frontend, mel or none",
    ]
    assert table([]) == []


def test_everything_is_told_in_full_with_a_line_to_copy() -> None:
    line = ["python -m weight_conversion", "convert", "a folder", "made"]
    assert in_full(_raised(RATE, FRONTEND), line).splitlines() == [
        "error: convert: the features depend on 2 values that the file does not tell:",
        "  --sample-rate 16000     the sample rate, in Hz (official default)",
        "  --frontend MEL-OR-NONE  the frontend, mel or none",
        f"Give those of the training, {GIN}, or --defaults. With the values above:",
        "  python -m weight_conversion convert 'a folder' made"
        " --sample-rate 16000 --frontend MEL-OR-NONE",
    ]


def test_one_value_is_told_in_full() -> None:
    assert in_full(_raised(WINDOW, file=""), ["leaf-convert", "import"]).splitlines() == [
        "error: convert: the features depend on 1 value that the file does not tell:",
        "  --window-len 25  the window, in ms (official default)",
        "Give those of the training, or --defaults. With the values above:",
        "  leaf-convert import --window-len 25",
    ]
