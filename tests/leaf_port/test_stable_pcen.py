"""StablePCEN: the official PCEN where that is a number, and never NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _layers import clips
from _rounding import apart, units
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import stable_pcen
from parity.spec.random_arrays import Source

# torch's own, while a graph is captured.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning"
)

LEARNED = {"learn_smooth_coef": True, "per_channel_smooth_coef": True}
CHANNELS = 3

# The official function where that is a number


def _pair(learned: bool, floor: float, values: dict[str, float]) -> tuple[lp.PCEN, lp.StablePCEN]:
    """Both layers with the same state."""
    kinds = {"trainable": True, "floor": floor, **(LEARNED if learned else {})}
    official = lp.PCEN(CHANNELS, **kinds)
    with torch.no_grad():
        for name, value in values.items():
            official.get_parameter(name).fill_(value)
    stable = lp.StablePCEN(CHANNELS, **kinds)
    stable.load_state_dict(official.state_dict(), strict=True)
    return official, stable


VALID: list[dict[str, float]] = [
    {"alpha": 0.96},
    {"alpha": 0.0, "delta": 2.0**-20, "root": 1.0},
    {"alpha": 1.0, "delta": 1e-3, "root": 4.0},
    {"alpha": 1.5, "delta": 10.0, "root": 0.3},  # both beyond the bounds that are official
    {"alpha": 0.5, "delta": 1e4, "root": 2.0},
]


@pytest.mark.parametrize("values", VALID)
@pytest.mark.parametrize(("learned", "floor"), [(False, 1.0), (True, 1e-12)])
def test_the_same_values_and_gradients(
    learned: bool, floor: float, values: dict[str, float]
) -> None:
    """Within the rounding of both functions, operation by operation."""
    official, stable = _pair(learned, floor, values)
    x = torch.from_numpy(Source(3).uniform((2, 41, CHANNELS), 0.0, 1.0)) ** 4

    def results(layer: nn.Module, x: Tensor) -> list[Tensor]:
        trained = [each for each in layer.parameters() if each.requires_grad]
        y = layer(x)
        return [y, *torch.autograd.grad(y.sum(), trained)]

    got, expected = results(stable, x), results(official, x)
    both = (units(lambda e=e: results(e, x.double())) for e in (official.double(), stable.double()))
    for mine, theirs, *unit in zip(got, expected, *both, strict=True):
        assert apart(mine, theirs, torch.maximum(*unit)) <= 1


def test_in_float64_they_agree_to_its_rounding() -> None:
    official, stable = _pair(True, 1e-12, {})
    x = torch.from_numpy(Source(5).uniform((2, 41, CHANNELS), 0.0, 1.0)).double()
    torch.testing.assert_close(stable.double()(x), official.double()(x), rtol=1e-13, atol=1e-15)


def test_quiet_energies_are_more_exact_than_the_official_ones() -> None:
    """``(g + d)^p - d^p`` cancels: of float32 nothing is left where g is 1e-8 of d."""
    official, stable = _pair(True, 1e-6, {"alpha": 0.0})
    x = torch.full((1, 4, CHANNELS), 1e-8)
    true = math.expm1(0.5 * math.log1p(1e-8 / 2)) * math.sqrt(2)
    np.testing.assert_allclose(stable(x).detach(), true, rtol=1e-6)
    assert not bool(official(x).any())


# Where the official one is not

EXTREME = [0.0, -0.0, 1e-45, 1e-38, 1e-12, 1e-6, 1.0, 1e12, 1e30, 3.4028234663852886e38]
SIGNED = [*EXTREME, *(-each for each in EXTREME)]
FINITE = st.one_of(st.sampled_from(SIGNED), st.floats(-4, 4, width=32), st.floats(width=32))
PARAMETER = FINITE.filter(math.isfinite)
ENERGY = st.one_of(st.sampled_from(EXTREME), st.floats(0.0, EXTREME[-1], width=32))


def _finite(layer: nn.Module, x: Tensor) -> None:
    x = x.requires_grad_()
    y = layer(x)
    assert bool(torch.isfinite(y).all())
    y.sum().backward()
    for each in (x, *(each for each in layer.parameters() if each.requires_grad)):
        assert each.grad is not None
        assert bool(torch.isfinite(each.grad).all())


@settings(max_examples=100, deadline=None)
@given(
    energies=st.lists(ENERGY, min_size=1, max_size=9),
    parameters=st.tuples(PARAMETER, PARAMETER, PARAMETER, PARAMETER),
    floor=st.sampled_from([1e-12, 1e-6, 1.0]),
    learned=st.booleans(),
)
@example([0.0, 0.0], (0.96, -0.5, 2.0, 0.04), 1e-12, True)
@example([0.1, 0.1], (0.96, -0.5, 2.0, 0.04), 1e-12, True)
@example([0.1, 0.0], (0.96, 0.0, 2.0, 0.04), 1e-12, False)
@example([0.0, 1e30, 0.0], (1.0, 2.0, 1.0, 0.0), 1e-12, True)
@example([1e30, 1e-12, 1e30, 1e-12], (1.0, 0.0, 14.0, 1.0), 1e-12, True)
@example([3.4028234663852886e38] * 3, (1.0, 2.0, 2.0, 0.5), 1e-6, True)
def test_always_finite(
    energies: list[float], parameters: tuple[float, ...], floor: float, learned: bool
) -> None:
    made = lp.StablePCEN(1, trainable=True, floor=floor, **(LEARNED if learned else {}))
    names = ("alpha", "delta", "root", *(("ema.smooth",) if learned else ()))
    with torch.no_grad():
        for name, value in zip(names, parameters, strict=False):
            made.get_parameter(name).fill_(value)
    _finite(made, torch.tensor(energies, dtype=torch.float32).reshape(1, -1, 1))


def test_the_official_one_gives_nan_there() -> None:
    official, stable = _pair(True, 1e-12, {"delta": -0.5})
    x = torch.full((1, 5, CHANNELS), 0.1)
    assert bool(official(x).isnan().all())
    _finite(stable, x)


def test_nan_stays_nan_and_infinity_is_a_loud_energy() -> None:
    stable = lp.StablePCEN(1)
    assert bool(stable(torch.tensor([[[0.1], [math.nan], [0.1]]]))[:, 1].isnan().all())
    assert bool(stable(torch.tensor([[[0.1], [math.inf], [0.1]]])).isfinite().all())


def test_the_gradient_that_is_bounded_is_the_whole_one_else() -> None:
    """A limit that no gradient reaches changes no bit."""
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    limited = stable_pcen._Bounded.apply(x, torch.tensor(5.0))
    (got,) = torch.autograd.grad(limited @ torch.tensor([4.0, -4.5, 9.0]), x)
    assert got.tolist() == [4.0, -4.5, 5.0]


# As a part of a frontend


def test_of_a_frontend() -> None:
    """The arguments of LEAF's own PCEN."""
    official, stable = lp.Leaf(n_filters=4), lp.Leaf(n_filters=4, compression_fn="stable_pcen")
    assert type(stable.compress_fn) is lp.StablePCEN
    stable.load_state_dict(official.state_dict(), strict=True)
    torch.testing.assert_close(stable(clips(2, 1700)), official(clips(2, 1700)))


def test_a_frontend_trains_on_after_delta_went_below_zero() -> None:
    leaf = lp.Leaf(n_filters=4, compression_fn="stable_pcen")
    with torch.no_grad():
        leaf.compress_fn.delta.fill_(-0.1)
    optimizer = torch.optim.SGD(leaf.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        leaf(clips(2, 1700)).square().mean().backward()
        optimizer.step()
    assert all(bool(torch.isfinite(each).all()) for each in leaf.parameters())


def test_streams_and_lengths() -> None:
    leaf, x = lp.Leaf(n_filters=4, compression_fn="stable_pcen").eval(), clips(1, 1600)
    stream = leaf.stream()
    made = [stream(chunk) for chunk in x.split(500, dim=1)] + [stream.finish()]
    with torch.no_grad():
        whole = leaf(x)
        padded = leaf(torch.nn.functional.pad(x, (0, 400)), lengths=[1600])
    torch.testing.assert_close(torch.cat(made, dim=1), whole)
    torch.testing.assert_close(padded, whole)


@pytest.mark.parametrize(
    "compression",
    ["stable_pcen", {"kind": "StablePCEN", "arguments": {"num_channels": 4, **LEARNED}}],
)
def test_a_folder_tells_it(compression: Any, tmp_path: Path) -> None:
    made = lp.Leaf(n_filters=4, compression_fn="stable_pcen")
    save_file(made.state_dict(), tmp_path / "model.safetensors")
    given = {"n_filters": 4, "compression_fn": compression}
    tree = {"format_version": 1, "kind": "Leaf", "arguments": given}
    (tmp_path / "config.json").write_text(json.dumps(tree))
    loaded = lp.Leaf.from_pretrained(tmp_path)
    assert type(loaded.compress_fn) is lp.StablePCEN


def test_exported_and_compiled() -> None:
    stable = lp.StablePCEN(CHANNELS, trainable=True, **LEARNED)
    x = torch.from_numpy(Source(7).uniform((2, 33, CHANNELS), 0.0, 1.0))
    program = torch.export.export(stable, (x,)).module()
    torch.testing.assert_close(program(x), stable(x))
    torch._dynamo.reset()
    compiled = torch.compile(stable, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), stable(x))
    wanted = torch.autograd.grad(stable(x).sum(), stable.delta)
    torch.testing.assert_close(torch.autograd.grad(compiled(x).sum(), stable.delta), wanted)


def test_forward_mode_and_second_derivatives() -> None:
    stable = lp.StablePCEN(1, trainable=True, **LEARNED).double()
    x = torch.rand(1, 5, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = (x + 0.1).requires_grad_()
    assert torch.autograd.gradcheck(stable, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(stable, (x,))


# What is refused


@pytest.mark.parametrize(
    ("argument", "value"),
    [("floor", 0.0), ("floor", 1e-13), ("floor", math.nan), ("smooth_coef", 1.1)],
)
def test_refused_when_built(argument: str, value: float) -> None:
    with pytest.raises(lp.LeafError) as caught:
        lp.StablePCEN(4, **{argument: value})
    assert (caught.value.owner, caught.value.argument) == ("StablePCEN", argument)


def test_an_input_of_other_channels_is_refused() -> None:
    with pytest.raises(lp.LeafError, match="StablePCEN: inputs"):
        lp.StablePCEN(4)(torch.ones(1, 5, 3))
