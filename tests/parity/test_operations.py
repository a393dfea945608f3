"""What an operation rounds is known, or the suite says that it is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from leaf_port.errors import LeafError
from parity.checks import case_checks, monte_carlo, operations
from parity.checks.invariants import checker, exact_bounds, generic
from parity.layers import all_specs
from parity.oracles import recorded
from parity.oracles.exact import compression
from parity.port import runner
from parity.spec import Array, Bound, LayerSpec

LOG = all_specs()["log_compression"]
NUMBERS = torch.linspace(-1.0, 1.0, 64, dtype=torch.float64)
PLACES = torch.arange(64) % 4


@pytest.mark.parametrize(
    ("name", "compute"),
    [
        ("index_add", lambda x: torch.zeros(4).double().index_add(0, PLACES, x)),
        ("scatter_add", lambda x: torch.zeros(4).double().scatter_add(0, PLACES, x)),
        ("cumsum", lambda x: x.cumsum(0)),
        ("prod", lambda x: x.prod()),
        ("index_put", lambda x: torch.zeros(4).double().index_put((PLACES,), x, accumulate=True)),
    ],
)
def test_an_unknown_operation_fails_with_its_name(
    name: str, compute: Callable[[Tensor], Tensor]
) -> None:
    """Each adds or multiplies many numbers: no element-wise unit fits it."""
    with pytest.raises(LeafError, match=f"units of rounding: {name}"), monte_carlo.Noise(0):
        compute(NUMBERS)


def test_indices_that_never_meet_add_nothing_up() -> None:
    """The gradient of a permutation is ``index_put`` with ``accumulate``; it moves elements."""
    places = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    with monte_carlo.Noise(0):
        made = torch.zeros(64).double().index_put((places,), NUMBERS, accumulate=True)
    assert torch.equal(made[places], NUMBERS)


def test_a_loss_of_training_has_units() -> None:
    """Cross-entropy is one operation to torch; its mean is a sum, its choice of a class exact."""
    logits = torch.linspace(-2.0, 2.0, 12, dtype=torch.float64).reshape(4, 3).requires_grad_()
    with monte_carlo.Noise(0):
        loss = F.cross_entropy(logits, PLACES[:4] % 3)
        (gradient,) = torch.autograd.grad(loss, logits)
    exact = F.cross_entropy(logits.detach(), PLACES[:4] % 3)
    assert 0 < abs(float(loss.detach() - exact)) < 16 * monte_carlo.UNIT_ROUNDOFF * float(exact)
    assert gradient.shape == logits.shape


def test_each_operation_stands_in_one_table() -> None:
    tables = [
        operations.EXACT,
        operations.CORRECT,
        operations.LIBRARY,
        operations.ADDITIONS,
        operations.SUMS,
        operations.OF_SQUARES,
        operations.TRANSFORMS,
    ]
    names = [name for table in tables for name in table]
    assert len(names) == len(set(names))


def _problem(spec: LayerSpec) -> str:
    case = next(generic.once_each(spec))
    return exact_bounds.exact_bounds(spec, case, generic.usual(spec, case))


def _with(spec: LayerSpec, **bounds: Bound) -> LayerSpec:
    return dataclasses.replace(spec, budget=dataclasses.replace(spec.budget, **bounds))


@pytest.mark.parametrize("bound", ["port", "reference", "double", "port_gradient"])
@pytest.mark.parametrize("allowed", [Bound(0, 0, "they agree here"), Bound(3, 1.5)])
def test_a_narrow_bound_of_a_library_function_is_refused(bound: str, allowed: Bound) -> None:
    problem = _problem(_with(LOG, **{bound: allowed}))
    assert bound in problem
    assert "log" in problem


def test_a_narrow_bound_of_exact_operations_holds() -> None:
    """A square and a sum of two terms are the same bits everywhere; so is a maximum."""
    for name in ("squared_modulus", "energy_floor", "gabor_constraint", "max_pooling1d"):
        assert exact_bounds.declared(all_specs()[name], gradient=False)
        assert _problem(all_specs()[name]) == ""


def test_a_bound_of_zero_needs_its_reason() -> None:
    with pytest.raises(ValueError, match="every machine"):
        Bound(0, 0)


def test_every_layer_is_asked_for_its_operations() -> None:
    name = "operations and what bounds say of them"
    assert all(name in {law.name for law in checker.laws(spec)} for spec in all_specs().values())


def _off_by_one_ulp(x: Array, offset: float) -> Array:
    """The oracle's logarithm on a machine whose library rounds the other way."""
    made = np.log(x + offset)
    return np.asarray(np.nextafter(made, np.inf))


def test_a_logarithm_one_ulp_off_is_within_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """One unit in the last place is what a library may be off; a bound of zero said otherwise."""
    monkeypatch.setattr(compression, "logarithm", _off_by_one_ulp)
    case, ask = LOG.cases()[0], recorded.load(LOG).answer
    assert not _failures(LOG, case, ask)
    old = _with(LOG, double=Bound(0, 0, "the libraries of one machine"))
    assert any("float64 port and exact" in failure for failure in _failures(old, case, ask))


def _failures(spec: LayerSpec, case: Any, ask: Any) -> list[str]:
    return [failure for result in case_checks.check(spec, case, ask) for failure in result.failures]


def test_watching_changes_no_answer() -> None:
    case = next(generic.once_each(LOG))
    question = runner.ask(LOG, case)
    assert exact_bounds.machine_dependent(LOG, question) == {"log"}
