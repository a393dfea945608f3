"""``pytest --pyargs parity``: its options, and what it says of what it did not run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from parity import test_parity
from parity.checks import compare
from parity.checks.case_checks import Result
from parity.checks.compare import Difference
from parity.checks.invariants import checker
from parity.layers import all_specs
from parity.oracles import official, recorded
from parity.spec.without_derivative import KINDS

LAYER = "energy_floor"


def suite(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a user does, on one small layer."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (official.PYTHON, official.CHECKOUT)
    }
    line = [sys.executable, "-m", "pytest", "-q", "-rs", "--pyargs", "parity", *options]
    line += ["-p", "no:cacheprovider", "-p", "no:xdist"]
    return subprocess.run(line, capture_output=True, text=True, env=kept | environment, check=False)


def test_every_case_and_refusal_of_a_layer_is_a_test() -> None:
    """And the live oracle is told as not asked."""
    done = suite("--parity-layer", LAYER)
    spec = all_specs()[LAYER]
    expected = len(recorded.cases(spec)) + len(spec.errors) + len(checker.laws(spec)) + len(KINDS)
    assert done.returncode == 0, done.stdout
    assert f"{expected} passed, 1 skipped" in done.stdout
    assert "--parity-oracle official" in done.stdout


def test_the_live_oracle_needs_its_variables() -> None:
    """Which are named; nothing else was asked."""
    done = suite("--parity-layer", LAYER, "--parity-oracle", "official")
    assert done.returncode == 0, done.stdout
    assert official.PYTHON in done.stdout
    assert official.CHECKOUT in done.stdout
    assert "neither the oracle recorded nor the oracle exact was asked" in done.stdout


def test_a_backend_that_cannot_run_is_skipped_with_its_reason() -> None:
    """A CUDA device, hidden."""
    done = suite("--parity-layer", LAYER, "--parity-backend", "cuda", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0, done.stdout
    assert "backend cuda: torch finds no CUDA device" in done.stdout


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--parity-layer", "nonsense"), "no layer nonsense; one of activations"),
        (("--parity-backend", "abacus"), "no abacus; one of cpu"),
        (("--parity-oracle", "delphi"), "invalid choice: 'delphi'"),
    ],
)
def test_unknown_names_are_told(options: tuple[str, ...], told: str) -> None:
    """Never a run of nothing that passes."""
    done = suite(*options)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr


def result(check: str, ok: bool) -> Result:
    """Of one difference."""
    return Result(LAYER, "a case", None, [Difference("output/0", "values", ok, check=check)])


def test_an_oracle_answers_for_its_own_checks() -> None:
    """What the other one finds does not fail it; nothing compared is a failure."""
    exact, official_ones = (set(test_parity.CHECKS[name]) for name in ("exact", "recorded"))
    assert exact | official_ones == {
        compare.DIRECT,
        compare.REFERENCE,
        compare.PORT,
        compare.DOUBLE,
        compare.SLOPE,
    }
    both = [result(compare.DIRECT, False), result(compare.PORT, True)]
    test_parity._asserted(both, exact)
    with pytest.raises(AssertionError, match="port and official"):
        test_parity._asserted(both, official_ones)
    with pytest.raises(AssertionError):
        test_parity._asserted([result(compare.DIRECT, True)], exact)


def test_an_exception_fails_the_case() -> None:
    """With the command that runs it again."""
    broken = Result(LAYER, "a case", None, error="raised ValueError: no")
    with pytest.raises(AssertionError, match=r"raised ValueError: no\n +python -m parity run"):
        test_parity._asserted([broken], set(test_parity.CHECKS["exact"]))
