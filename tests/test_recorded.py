"""The parity suite under pytest: every recorded case, every refusal."""

from __future__ import annotations

import pytest

from parity import checks
from parity.layers import all_specs
from parity.spec import ErrorCase

SPECS = all_specs()
CASES = [(name, case.name) for name, spec in SPECS.items() for case in spec.cases()]
REFUSALS = [
    pytest.param(error_case, id=f"{name}-{index}-{error_case.argument}")
    for name, spec in SPECS.items()
    for index, error_case in enumerate(spec.errors)
]


@pytest.mark.parametrize(("layer", "case"), CASES)
def test_port_gives_the_recorded_official_answer(layer: str, case: str) -> None:
    """Outputs, gradients, initial weights and moving statistics are within their budgets."""
    for result in checks.check_named(layer, case):
        assert not result.failures, "\n".join([*result.failures, result.again])
        assert result.differences


@pytest.mark.parametrize("error_case", REFUSALS)
def test_port_refuses(error_case: ErrorCase) -> None:
    """A wrong argument or input is refused by name."""
    assert checks.check_error(error_case) is None
