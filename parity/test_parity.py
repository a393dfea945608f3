"""The suite under pytest: ``pytest --pyargs parity``; options: see ``pytest_plugin.py``."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from parity.checks import case_checks, compare, sampling
from parity.checks.case_checks import Result
from parity.checks.derivatives import chosen, derived
from parity.checks.invariants import checker
from parity.commands.live import Stop, stopping
from parity.layers import all_specs
from parity.oracles import official, recorded
from parity.oracles.official import NotInThisStackError, Official
from parity.port import backends
from parity.spec import ErrorCase, LayerSpec
from parity.spec.invariant import Law
from parity.spec.without_derivative import KINDS

# Which checks an oracle answers for.
CHECKS = {
    "recorded": (compare.DIRECT, compare.REFERENCE),
    "exact": (compare.PORT, compare.DOUBLE, compare.SLOPE),
}
NO_REFERENCE = f"oracle official: set {official.PYTHON} and {official.CHECKOUT}"


def _oracles(config: pytest.Config) -> list[str]:
    return config.getoption("--parity-oracle") or list(CHECKS)


def _specs(config: pytest.Config) -> list[LayerSpec]:
    specs, asked = all_specs(), config.getoption("--parity-layer")
    if unknown := sorted(set(asked or ()) - set(specs)):
        known = ", ".join(specs)
        raise pytest.UsageError(f"--parity-layer: no layer {', '.join(unknown)}; one of {known}")
    return [spec for name, spec in specs.items() if not asked or name in asked]


def _backends(config: pytest.Config) -> list[str]:
    asked = config.getoption("--parity-backend") or [backends.CPU.name]
    if unknown := sorted(set(asked) - set(backends.TABLE)):
        known = ", ".join(backends.TABLE)
        raise pytest.UsageError(f"--parity-backend: no {', '.join(unknown)}; one of {known}")
    for name in asked:  # a device that comes after the first backward has no gradients
        if not backends.TABLE[name].missing():
            backends.TABLE[name].start()
    return list(asked)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a layer, case and backend, as the options ask."""
    specs = _specs(metafunc.config)
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", _backends(metafunc.config))
    if "case" in metafunc.fixturenames:
        cases = [(spec.name, case.name) for spec in specs for case in recorded.cases(spec)]
        metafunc.parametrize(("layer", "case"), cases)
    elif "error_case" in metafunc.fixturenames:
        refusals = [
            pytest.param(error_case, id=f"{spec.name}-{index}-{error_case.argument}")
            for spec in specs
            for index, error_case in enumerate(spec.errors)
        ]
        metafunc.parametrize("error_case", refusals)
    elif "law" in metafunc.fixturenames:
        laws = [
            pytest.param(spec.name, law, id=f"{spec.name}-{law.name}")
            for spec in specs
            for law in checker.laws(spec)
        ]
        metafunc.parametrize(("layer", "law"), laws)
    elif "kind" in metafunc.fixturenames:
        kinds = [(spec.name, kind) for spec in specs for kind in KINDS]
        metafunc.parametrize(("layer", "kind"), kinds)
    elif "layer" in metafunc.fixturenames:
        metafunc.parametrize("layer", [spec.name for spec in specs])


def _asserted(results: list[Result], names: set[str]) -> None:
    compared = 0
    for result in results:
        assert not result.error, f"{result.error}\n{result.again}"
        found = [difference for difference in result.differences if difference.check in names]
        wrong = [f"{d.check}: {d.array}: {d.aspect}: {d.message}" for d in found if not d.ok]
        assert not wrong, "\n".join([*wrong, result.again])
        compared += len(found)
    assert compared


def test_recorded_case(layer: str, case: str, backend: str, pytestconfig: pytest.Config) -> None:
    """Outputs, gradients, initial weights and moving statistics are within their budgets."""
    names = {check for oracle in _oracles(pytestconfig) for check in CHECKS.get(oracle, ())}
    if not names:
        pytest.skip("neither the oracle recorded nor the oracle exact was asked")
    if reason := backends.named(backend).missing():
        pytest.skip(f"backend {backend}: {reason}")
    _asserted(case_checks.check_named(layer, case, backend), names)


def test_refusal(error_case: ErrorCase) -> None:
    """A wrong argument or input is refused by name."""
    assert case_checks.check_error(error_case) is None


def test_law(layer: str, law: Law) -> None:
    """What needs no oracle holds bit by bit."""
    assert checker.check(all_specs()[layer], law).problem == ""


# torch's own, where it takes forward derivatives.
@pytest.mark.filterwarnings(r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning")
def test_derivatives(layer: str, kind: str) -> None:
    """Forward mode, second order and vmap are right, or declared as not to be had."""
    spec = all_specs()[layer]
    assert derived.check(spec, kind, chosen.chosen(spec)).problem == ""


@pytest.fixture(scope="session")
def live() -> Iterator[Official]:
    """The live official implementation."""
    if not (os.environ.get(official.PYTHON) and os.environ.get(official.CHECKOUT)):
        pytest.skip(NO_REFERENCE)
    with Official() as worker:
        yield worker


def test_drawn_examples(
    layer: str, backend: str, request: pytest.FixtureRequest, pytestconfig: pytest.Config
) -> None:
    """Drawn examples against the live official implementation, all checks."""
    if "official" not in _oracles(pytestconfig):
        pytest.skip("the oracle official was not asked: --parity-oracle official")
    if reason := backends.named(backend).missing():
        pytest.skip(f"backend {backend}: {reason}")
    spec, worker = all_specs()[layer], request.getfixturevalue("live")
    ask, examples = stopping(worker.answer), pytestconfig.getoption("--parity-examples")
    try:
        sampling.check(spec, ask, examples, 0, lambda *_: None, backend=backends.named(backend))
    except Stop as stop:
        if isinstance(stop.reason, NotInThisStackError):
            pytest.skip(str(stop.reason))
        pytest.fail(str(stop.reason))
