"""Energies at once against energies layer by layer, and against float64."""

from __future__ import annotations

import copy
import functools
import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from _energies import models, noise, root_mean_square
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import frontend, padding
from leaf_port._ops.energies import choice, library

KERNEL, WHY = library.opened()
pytestmark = pytest.mark.usefixtures("engine")

RATE = 16000


def _signals() -> dict[str, Tensor]:
    """What the fused operation is held against: a second each, float64."""
    t = torch.arange(RATE, dtype=torch.float64) / RATE
    sine = functools.partial(lambda f, a: a * torch.sin(2 * math.pi * f * t))
    made = noise(RATE).double()
    return {
        "noise": made,
        "sine": sine(1000, 0.9),
        "chirp": 0.5 * torch.sin(2 * math.pi * (50 * t + 3900 * t**2)),
        "loud low and quiet high": sine(300, 0.9) + sine(5000, 9e-4),
        "loud high and quiet low": sine(6000, 0.9) + sine(200, 9e-4),
        "loud sine in quiet noise": sine(1000, 0.9) + 1e-3 * made,
        "loud before quiet": torch.where(t < 0.5, 10 * made, 1e-3 * made),
        "a burst of 10 ms in quiet": torch.where((t - 0.5).abs() < 0.005, 10 * made, 1e-2 * made),
        "silence": 0 * t,
        "click": (t == 0.5).double(),
        "DC": 0.5 + 0 * t,
        "full scale of 16 bits": 30000 * made.clamp(-1, 1),
    }


SIGNALS = _signals()


@pytest.fixture(params=["kernel", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test with the kernel, and with torch's operations alone."""
    if request.param == "torch":
        monkeypatch.setattr(library, "opened", lambda: (None, "left out for a test"))
    elif KERNEL is None:
        pytest.skip(f"no kernel: {WHY}")


@pytest.mark.parametrize("name", SIGNALS)
@torch.no_grad()
def test_as_near_to_float64_as_the_layers(name: str) -> None:
    clip = SIGNALS[name].float()[None, :, None]
    at_once, by_layer, exact = (m.energies(clip.to(m.complex_conv.kernel.dtype)) for m in models())
    nearer = root_mean_square(at_once, exact), root_mean_square(by_layer, exact)
    # An energy is rounded to float32 once in any case: half a unit in the last place.
    assert nearer[0] <= max(1.3 * nearer[1], 2.0**-24), nearer


@pytest.mark.parametrize("name", SIGNALS)
def test_gradients_are_as_near_to_float64_as_those_of_the_layers(name: str) -> None:
    found = []
    for model in models():
        model.zero_grad()
        outputs = model(SIGNALS[name].float()[None].to(model.complex_conv.kernel.dtype))
        weights = noise(*outputs.shape, seed=1).to(outputs.dtype)
        (outputs * weights).sum().backward()
        found.append([model.complex_conv.kernel.grad, model.pooling.kernel.grad])
    at_once, by_layer, exact = found
    for a, b, e in zip(at_once, by_layer, exact, strict=True):
        assert a is not None and b is not None and e is not None  # noqa: PT018
        size = e.norm() + 1e-30
        # Both share the rounding of PCEN behind; a unit for the sum itself.
        assert (a - e).norm() <= max(1.5 * float((b - e).norm()), 4 * 2.0**-24 * float(size))


SHAPES = [
    {"n_filters": 3},
    {"window_stride": 7.3},
    {"window_len": 20.0, "sample_rate": 8000},
    {"window_stride": 30.0},
    {"sample_rate": 44100},
    {"window_stride": 2.0},
    {"window_len": 25.0625},  # an even number of samples
    {"pooling_padding": "SYMMETRIC", "pooling_bias": True},
    {"pooling_padding": "VALID"},
]


@pytest.mark.parametrize("samples", [1, 159, 160, 161, 1600, 20011])
@pytest.mark.parametrize("arguments", SHAPES, ids=str)
@torch.no_grad()
def test_any_geometry(arguments: dict[str, Any], samples: int) -> None:
    at_once = lp.Leaf(energies="fft", **arguments)
    window = at_once.pooling.kernel_size
    if at_once.pooling.padding == "VALID" and samples < window:
        with pytest.raises(lp.LeafError, match="shorter than the window"):
            at_once(noise(2, samples))
        return
    exact = lp.Leaf(**arguments).double()
    clips = noise(2, samples)[..., None]
    found, expected = at_once.energies(clips), exact.energies(clips.double())
    assert found.shape == expected.shape
    # The taps of the layers are those of float32 weights; both sides' weights are the same here.
    assert torch.allclose(found.double(), expected, rtol=2e-6, atol=1e-12)


def test_what_is_not_finite_reaches_the_frames_that_it_reaches_by_layers() -> None:
    clips = noise(5, 8000)
    clips[1, 3000] = torch.nan
    clips[2, 5000] = -torch.inf
    clips[3, 2000:2100] = 1e30
    at_once, by_layer, _ = models()
    with torch.no_grad():
        found, expected = (m.energies(clips[..., None]) for m in (at_once, by_layer))
        beside_silence = at_once.energies(torch.cat([torch.zeros(4, 8000), clips[4:]])[..., None])
    assert torch.equal(torch.isfinite(found), torch.isfinite(expected))
    assert torch.allclose(found[1:4], expected[1:4], rtol=1e-5, equal_nan=True)
    assert torch.equal(found[4:], beside_silence[4:])  # and a clip beside them nothing


def test_threads_change_no_bit() -> None:
    clips, found = noise(4, 30000), []
    before = torch.get_num_threads()
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            model = lp.Leaf(energies="fft")
            outputs = model(clips)
            outputs.sum().backward()
            found.append([outputs.detach(), model.complex_conv.kernel.grad])
    finally:
        torch.set_num_threads(before)
    for each in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(each, found[0], strict=True))


def test_a_gradient_has_gradients() -> None:
    found = []
    for energies in ("fft", "direct"):
        model = lp.Leaf(n_filters=4, energies=energies)
        first = torch.autograd.grad(
            model(noise(2, 2000)).square().sum(), list(model.parameters()), create_graph=True
        )
        sum(each.square().sum() for each in first).backward()  # type: ignore[union-attr]
        found.append([each.grad for each in model.parameters()])
    for at_once, by_layer in zip(*found, strict=True):
        assert at_once is not None
        assert by_layer is not None
        assert (at_once - by_layer).norm() <= 1e-5 * by_layer.norm()


@torch.no_grad()
def test_weights_written_past_the_version_counter_count() -> None:
    model, fresh = lp.Leaf(energies="fft"), lp.Leaf(energies="fft")
    model(noise(1, 4000))
    for each in (model, fresh):
        each.complex_conv.kernel.data[3, 0] = 1.0
        each.pooling.kernel.data[0, 0, 5, 0] = 0.2
    assert torch.equal(model(noise(1, 4000)), fresh(noise(1, 4000)))


@torch.no_grad()
def test_defaults_of_torch_change_nothing() -> None:
    model, clips = lp.Leaf(energies="fft"), noise(2, 5000)
    expected = model(clips)
    torch.set_default_dtype(torch.float16)
    try:
        model = copy.deepcopy(model)
        assert torch.equal(model(clips), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@torch.no_grad()
def test_rows_that_are_not_contiguous() -> None:
    model, clips = models()[0], noise(3, 9000)
    turned = clips.T.contiguous().T
    assert torch.equal(model(turned), model(clips))
    # A batch as large: torch's pow, in PCEN, takes other instructions where sizes differ.
    assert torch.equal(model(clips[:1].expand(3, -1)), model(clips[:1].repeat(3, 1)))
    assert torch.equal(model(clips[:, 100:5000]), model(clips[:, 100:5000].clone()))


def test_inputs_changed_before_the_gradient_are_refused() -> None:
    clips = noise(1, 4000)
    outputs = lp.Leaf(energies="fft")(clips)
    clips.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outputs.sum().backward()


def test_copies_and_pickles() -> None:
    model, clips = lp.Leaf(energies="fft"), noise(1, 4000)
    with torch.no_grad():
        expected = model(clips)
        assert torch.equal(copy.deepcopy(model)(clips), expected)
        assert torch.equal(pickle.loads(pickle.dumps(model))(clips), expected)


def _hooked(model: lp.Leaf) -> None:
    model.pooling.register_forward_hook(lambda *_: None)


def _other_class(model: lp.Leaf) -> None:
    class Mine(frontend.SquaredModulus):
        pass

    model.activation = Mine()


def _other_method(model: lp.Leaf) -> None:
    model.complex_conv.forward = lambda x: x  # type: ignore[method-assign]


def _in_double(model: lp.Leaf) -> None:
    model.double()


def _parametrized(model: lp.Leaf) -> None:
    nn.utils.parametrize.register_parametrization(model.complex_conv, "kernel", nn.Identity())


OBSTACLES: dict[str, tuple[Callable[[lp.Leaf], None], str]] = {
    "hooks": (_hooked, "has hooks"),
    "a class of the user's": (_other_class, "Mine is not SquaredModulus"),
    "a method of the user's": (_other_method, "a method of its own"),
    "float64": (_in_double, "the precision is float64"),
    "a parametrization": (_parametrized, "is not GaborConv1d"),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_is_not_the_same_function_is_left_to_the_layers(name: str) -> None:
    change, told = OBSTACLES[name]
    model = lp.Leaf(n_filters=3, energies="fft")
    change(model)
    with pytest.raises(lp.LeafError, match=told):
        model.energies(noise(1, 2000).to(model.pooling.kernel.dtype)[..., None])


def _modes() -> Iterator[tuple[str, Any, str]]:
    from torch.utils.flop_counter import FlopCounterMode

    yield "counting", FlopCounterMode(display=False), "a mode watches"
    yield "forward mode", torch.autograd.forward_ad.dual_level(), "forward mode"


@pytest.mark.parametrize(("mode", "told"), [pytest.param(m, t, id=n) for n, m, t in _modes()])
def test_what_watches_sees_the_layers(mode: Any, told: str) -> None:
    model = lp.Leaf(n_filters=3, energies="fft")
    with mode, pytest.raises(lp.LeafError, match=told):
        model(noise(1, 2000))


@pytest.mark.parametrize("arguments", [{}, *SHAPES[:-1]], ids=str)
def test_the_waveform_has_its_gradient(arguments: dict[str, Any]) -> None:
    found = []
    for energies, dtype in (("fft", torch.float32), ("direct", torch.float32), ("direct", None)):
        model = lp.Leaf(energies=energies, **arguments)  # type: ignore[arg-type]
        model = model if dtype else model.double()
        clips = noise(2, 7003).to(dtype or torch.float64)
        clips[:, 3000:] *= 1e-3
        clips.requires_grad_()
        outputs = model(clips)
        (outputs * noise(*outputs.shape, seed=1).to(outputs.dtype)).sum().backward()
        found.append(clips.grad)
    at_once, by_layer, exact = found
    assert at_once is not None and by_layer is not None and exact is not None  # noqa: PT018
    difference = (at_once - exact).norm()
    assert difference <= max(1.3 * float((by_layer - exact).norm()), 2.0**-24 * float(exact.norm()))


def test_unknown_energies_are_refused() -> None:
    with pytest.raises(lp.LeafError, match="'auto', 'direct', 'fft'"):
        lp.Leaf(energies="fast")  # type: ignore[arg-type]


def test_the_choice_is_told() -> None:
    model = lp.Leaf(n_filters=3)
    layers = model.complex_conv, model.activation, model.pooling
    clip = noise(1, 2000)[..., None]
    assert choice.obstacle(*layers, clip, 2000, frontend.SquaredModulus) == ""  # type: ignore[arg-type]
    empty = choice.obstacle(*layers, clip[:0], 2000, frontend.SquaredModulus)  # type: ignore[arg-type]
    assert empty == "there is no sample"


@pytest.mark.parametrize("energies", ["auto", "fft"])
def test_gradients_are_of_the_weights_of_the_call(energies: str) -> None:
    """Not of those that the module has when the gradient is computed."""
    called, others = lp.Leaf(energies=energies), lp.Leaf(n_filters=40)  # type: ignore[arg-type]
    with torch.no_grad():
        others.complex_conv.kernel.mul_(0.5)
        others.pooling.kernel.mul_(0.7)
    weights = {name: value.detach() for name, value in others.named_parameters()}
    clips = noise(2, 3000).requires_grad_()
    swapped = torch.func.functional_call(called, weights, (clips,))
    (found,) = torch.autograd.grad(swapped.square().sum(), clips)
    others.energies_by = "direct"
    (expected,) = torch.autograd.grad(others(clips).square().sum(), clips)
    assert (found - expected).norm() <= 2e-6 * expected.norm()


def test_a_gradient_is_zero_where_nothing_is_heard() -> None:
    """Samples and taps that no frame with a gradient reaches, exactly."""
    for energies in ("auto", "fft"):
        leaf = lp.Leaf(compression_fn=None, energies=energies)  # type: ignore[arg-type]
        clips = noise(2, 9000).requires_grad_()
        (found,) = torch.autograd.grad(leaf(clips)[0, 10].sum(), clips)
        heard = found[0].nonzero()[:, 0]
        # Frame 10 hears 401 energies, and they 200 samples to either side.
        start = 1600 - padding.same_padding(9000, 401, 160)[0]
        assert (int(heard[0]), int(heard[-1])) == (start - 200, start + 400 + 200)
        assert not found[1].any()
        short = lp.Leaf(compression_fn=None, energies=energies)  # type: ignore[arg-type]
        taps: list[Tensor] = []
        hook = short.complex_conv.kernel.register_hook(taps.append)
        short(noise(1, 1)).sum().backward()
        hook.remove()
        assert not taps[0][:, 0].any()  # one sample hears the middle tap, whose phase is 0
