"""What TF32 does to parity: shown on a CPU by rounding factors as it does, and on CUDA itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from parity.checks import case_checks
from parity.checks.checked_case import CheckedCase
from parity.checks.compare import Difference
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import backends, runner
from parity.port.backends import CUDA, Backend
from parity.port.runner import Run

SPEC = all_specs()["gabor_conv1d"]
CASE = recorded.cases(SPEC)[0]
PRODUCTS = {"conv1d", "conv2d", "linear", "matmul", "mm", "bmm"}


def tf32(x: Any) -> Any:
    """Rounded to the 10 bits that TF32 keeps of float32's 23."""
    if not isinstance(x, Tensor) or x.dtype != torch.float32:
        return x
    mantissa, exponent = torch.frexp(x)
    return torch.ldexp(torch.round(mantissa * 2.0**11) / 2.0**11, exponent)


class Tf32(TorchFunctionMode):
    """Rounds the factors of products; what is added up stays float32, as on a GPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in PRODUCTS:
            args = [tf32(each) for each in args]
        return func(*args, **(kwargs or {}))


def _outputs(run: Run) -> list[Difference]:
    """The port's outputs against the exact ones."""
    question, rounded = case_checks.ready(SPEC, CASE, recorded.load(SPEC))
    answer = runner.answer(SPEC, question, run)
    checked = CheckedCase(SPEC, question, answer, rounded)
    found = checked.port_to_exact(answer, run.backend)
    return [each for each in found if each.array == "output/0"]


def _off(found: list[Difference]) -> list[float]:
    return [each.units for each in found if not each.ok]


def test_ten_bits() -> None:
    """1 + 2^-10 is kept, 1 + 2^-12 is not."""
    x = torch.tensor([1.0 + 2.0**-10, 1.0 + 2.0**-12, -3.0, 0.0])
    assert tf32(x).tolist() == [1.0 + 2.0**-10, 1.0, -3.0, 0.0]


@pytest.mark.parametrize("arithmetic", ["complex", "real"])
def test_products_of_ten_bits_are_off(arithmetic: str) -> None:
    """No budget allows them: they keep 2^-11 where a unit is about 2^-24."""
    assert not _off(_outputs(Run(arithmetic=arithmetic)))
    (units,) = _off(_outputs(Run(arithmetic=arithmetic, noise=Tf32)))
    assert units > 100.0


@pytest.mark.skipif(bool(CUDA.missing()), reason=f"backend cuda: {CUDA.missing()}")
def test_tf32_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend turns it off; turned on, the same case is off."""
    assert not _off(_outputs(Run(arithmetic="real", backend=CUDA)))
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    as_is: Backend = dataclasses.replace(CUDA, settings=backends.CPU.settings)
    assert _off(_outputs(Run(arithmetic="real", backend=as_is)))
