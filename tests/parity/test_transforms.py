"""How much Fourier transforms round: the rules beside what torch's and TensorFlow's do."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from leaf_port.errors import LeafError
from parity.checks import compare, ground_truth, monte_carlo, operations, transforms
from parity.checks.compare import Rounded
from parity.commands.primitives import all_primitives
from parity.commands.primitives._common import given_arguments
from parity.layers import all_specs
from parity.oracles import official
from parity.port import runner
from parity.spec import Array, Case

SIZES = [64, 97, 200, 256, 441, 512, 1000, 1024, 2048]
FRAMES = 16
ROUNDING = {"torch": transforms.torch_rounding, "official": transforms.official_rounding}


def _noise(size: int) -> Array:
    return np.random.default_rng(size).standard_normal((FRAMES, size)).astype(np.float32)


def _in_units(error: Tensor, whose: str, operation: str, *args: Any) -> float:
    """The root mean square of an error, in those that the rule gives."""
    size = ROUNDING[whose](operation, args, error.new_zeros(error.shape))
    parts = torch.view_as_real(error) if error.is_complex() else error[..., None]
    unit = size * monte_carlo.UNIT_ROUNDOFF / np.sqrt(3.0)
    return float((parts / unit[..., None]).square().mean().sqrt())


@pytest.mark.parametrize("size", SIZES)
def test_torch_rounds_as_its_rule_says(size: int) -> None:
    """By about a unit, there and back. Schatzman's 0.6 eps of the norm are 1.5 units of a part."""
    frames = torch.from_numpy(_noise(size))
    exact = torch.fft.rfft(frames.double())
    error = torch.fft.rfft(frames).to(exact.dtype) - exact
    assert 0.3 < _in_units(error, "torch", "_fft_r2c", frames.double(), [1], 0) < 2.0
    spectrum = exact.to(torch.complex64)
    back = torch.fft.irfft(spectrum.to(exact.dtype), n=size)
    error = torch.fft.irfft(spectrum, n=size).double() - back
    args = spectrum.to(exact.dtype), [1], 2, size
    assert 0.3 < _in_units(error, "torch", "_fft_c2r", *args) < 2.0


@pytest.fixture(scope="module")
def worker() -> Any:
    if not os.environ.get(official.PYTHON):
        pytest.skip(f"{official.PYTHON} names no interpreter with TensorFlow")
    with official.Official(with_leaf_audio=False) as started:
        yield started


@pytest.mark.parametrize("size", [100, 256, 300, 441, 512, 1000, 1024, 2000, 4096])
def test_tensorflow_rounds_as_the_table_says(size: int, worker: official.Official) -> None:
    """At sizes between the measured ones too; of later versions, by no more."""
    stft = all_primitives()["stft"].spec
    rfft = dataclasses.replace(stft, official=lambda _: given_arguments("signal.rfft"))
    asked = runner.ask(rfft, stft.cases()[0])
    question = dataclasses.replace(asked, inputs={"inputs": _noise(size)})
    got = torch.view_as_complex(torch.tensor(worker.answer(rfft, question).outputs[0]))
    frames = torch.from_numpy(_noise(size)).double()
    error = got.to(torch.complex128) - torch.fft.rfft(frames)
    least = 0.4 if worker.versions["tensorflow"].startswith("2.13") else 0.0
    assert least < _in_units(error, "official", "_fft_r2c", frames, [1], 0) < 1.2


@pytest.mark.parametrize("size", [1, 2, *SIZES, 16383, 16384])
def test_the_official_unit_is_the_greater(size: int) -> None:
    frames = torch.from_numpy(_noise(size)).double()
    given = "_fft_r2c", (frames, [1], 0), torch.fft.rfft(frames)
    assert bool((ROUNDING["official"](*given) >= ROUNDING["torch"](*given)).all())


def test_a_size_that_nobody_measured() -> None:
    with pytest.raises(LeafError, match=r"at most 16384 points.*got 16385"):
        transforms.tensorflow(16385)


def test_a_transform_back_is_divided_by_its_size() -> None:
    spectrum = torch.ones(1, 257, dtype=torch.complex128)
    zero = torch.zeros(1, 512, dtype=torch.float64)
    sizes = [
        transforms.torch_rounding("_fft_c2r", (spectrum, [1], mode, 512), zero)[0, 0].item()
        for mode in (0, 1, 2)
    ]
    assert sizes == pytest.approx([sizes[0], sizes[0] / 512**0.5, sizes[0] / 512])
    assert sizes[0] == pytest.approx(3.0 * (2 * 257) ** 0.5)  # nine stages


def test_what_is_near_the_result_is_rounded_with_it() -> None:
    """A constant's spectrum is one great number: its own rounding is far above the norm's."""
    frames = torch.ones(1, 512, dtype=torch.float64)
    out = torch.fft.rfft(frames)
    size = transforms.torch_rounding("_fft_r2c", (frames, [1], 0), out)
    assert size[0, 0].item() == pytest.approx((9 * 512 + 512**2) ** 0.5)
    assert size[0, 1].item() == pytest.approx((9 * 512) ** 0.5)


def _truth() -> Rounded:
    one = np.array([1.0])
    return Rounded({"output/0": one}, {"output/0": one}, {"output/0": 100 * one})


def test_both_sides_are_allowed_what_each_is_in_its_units() -> None:
    def bounds(_array: str) -> tuple[float, float]:
        return 8.0, 2.0

    truth = _truth()
    assert ground_truth.between(truth, bounds).units["output/0"] * 10 == 8 * 1 + 2 * 100
    assert ground_truth.wider(truth, bounds).units["output/0"] * 8 == 2 * 100
    same = dataclasses.replace(truth, official=None)
    assert ground_truth.between(same, bounds) is same
    assert same.of_official is same
    nothing = ground_truth.between(truth, lambda _array: (0.0, 0.0))
    assert nothing.units == truth.units


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_side_is_judged_by_its_own_units(factor: float) -> None:
    """As far as the official side may be: the port may not."""
    spec = all_specs()["mel_filterbanks"]
    case: Case = spec.cases()[0]
    question = runner.ask(spec, case)
    truth = monte_carlo.units(spec, question, "complex")
    assert truth.official is not None
    name, allowed = "output/0", spec.budget.reference.allowed
    moved = truth.exact[name] + factor * allowed * truth.official[name]
    theirs = compare.to_exact(compare.REFERENCE, name, moved, truth.of_official, allowed)
    assert theirs.ok is (factor < 1)
    assert not compare.to_exact(compare.PORT, name, moved, truth, spec.budget.port.allowed).ok


class _Met(TorchDispatchMode):
    """The names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("layer", all_specs())
def test_a_layer_with_a_transform_says_so(layer: str) -> None:
    """And no other: its official units would be too great."""
    spec, met = all_specs()[layer], _Met()
    arithmetic = spec.arithmetics[0] if spec.arithmetics else None
    run = runner.Run(torch.float64, arithmetic, lambda: met)
    runner.answer(spec, runner.ask(spec, spec.cases()[0]), run)
    assert bool(met.names & operations.TRANSFORMS) is spec.exceptions.official_transform
