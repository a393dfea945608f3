"""Energies at once against energies layer by layer, and against float64."""

from __future__ import annotations

import copy
import functools
import math
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import frontend
from leaf_port._ops.energies import choice, fused, library

KERNEL, WHY = library.opened()
needs_kernel = pytest.mark.skipif(KERNEL is None, reason=f"no kernel: {WHY}")
pytestmark = needs_kernel

RATE = 16000


def noise(*shape: int, seed: int = 0, scale: float = 0.1) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


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


@functools.cache
def models() -> tuple[lp.Leaf, lp.Leaf, lp.Leaf]:
    return lp.Leaf(energies="fft"), lp.Leaf(energies="direct"), lp.Leaf().double()


def root_mean_square(found: Tensor, exact: Tensor) -> float:
    """Of the relative differences; of energies that the floor hides none."""
    shown = exact > frontend.SMALLEST_ENERGY
    difference = (found.double() - exact)[shown] / exact[shown]
    return float(difference.square().mean().sqrt()) if shown.any() else 0.0


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
        alone = at_once.energies(clips[4:, :, None])
    assert torch.equal(torch.isfinite(found), torch.isfinite(expected))
    assert torch.allclose(found[1:4], expected[1:4], rtol=1e-5, equal_nan=True)
    assert torch.equal(found[4:], alone)  # and a clip beside them nothing


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


@pytest.mark.parametrize("level", library.LEVELS)
@torch.no_grad()
def test_instruction_sets_agree(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KERNEL is not None
    if library.LEVELS.index(level) > KERNEL.level:
        pytest.skip(f"this processor has no {level}")
    place = library.path()
    assert place is not None
    monkeypatch.setenv(library.VARIABLE, level)
    opened = library.open_at(place)
    assert opened[1] == level
    monkeypatch.setattr(library, "opened", lambda: opened)
    clips = noise(3, 20000)
    _, _, exact = models()
    found = lp.Leaf(energies="fft").energies(clips[..., None])
    assert root_mean_square(found, exact.energies(clips.double()[..., None])) < 2e-7


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
    assert torch.equal(model(clips[:1].expand(3, -1))[2], model(clips[:1])[0])
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


def test_a_library_that_does_not_fit(tmp_path: Path) -> None:
    place = library.path()
    assert place is not None
    broken = tmp_path / "broken.so"
    broken.write_bytes(place.read_bytes()[:1000])
    kernel, why = library.open_at(broken)
    assert kernel is None
    assert "cannot be used" in why


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile with")
def test_a_library_of_another_version(tmp_path: Path) -> None:
    source, made = tmp_path / "old.c", tmp_path / "old.so"
    source.write_text(
        "long long kernel_abi(void) { return 1; } int kernel_level(void) { return 0; }"
    )
    command = ["gcc", "-shared", "-fPIC", str(source), "-o", str(made)]
    subprocess.run(command, check=True, capture_output=True)
    kernel, why = library.open_at(made)
    assert kernel is None
    assert "another version" in why


def test_without_a_kernel_the_layers_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "opened", lambda: (None, "it was not built"))
    clips = noise(1, 2000)
    with torch.no_grad():
        assert torch.equal(lp.Leaf()(clips), lp.Leaf(energies="direct")(clips))
    with pytest.raises(lp.LeafError, match="it was not built"):
        lp.Leaf(energies="fft")(clips)


# Edits of the C source, each of which the comparison with float64 must show.
BUGS = {
    "the conjugate forgotten": (
        "at->im += a.im * b.re - a.re * b.im;",
        "at->im += a.im * b.re + a.re * b.im;",
    ),
    "a mask that starts late": (
        "t < lane->first && t < length",
        "t + 1 < lane->first && t < length",
    ),
    "the last piece of a window lost": (
        "for (; j < pieces; j++) {",
        "for (; j + 1 < pieces; j++) {",
    ),
    "a wrong way round": (
        "R(Complex) turned = {-rest.im, rest.re};",
        "R(Complex) turned = {rest.im, -rest.re};",
    ),
    "a band a bin too far": ("x[(first + (k)) & last], h[2", "x[(first + 1 + (k)) & last], h[2"),
    "no double precision": (
        "if (energy[f][l] < least * total[l]) found |= 1u << l;",
        ";",
    ),
    "frames out of place": (
        "output[lane->frame + f] += (float)energy[f][l]",
        "output[lane->frame + f] += (float)energy[f ? f - 1 : 0][l]",
    ),
}
FOLDER = Path(library.__file__).parent


def _compiled(folder: Path, old: str, new: str) -> Path:
    found = 0
    for source in FOLDER.glob("kernel*.[ch]"):
        text = source.read_text()
        found += text.count(old)
        (folder / source.name).write_text(text.replace(old, new))
    assert found == 1 or not old
    made = folder / "kernel.so"
    command = [
        "gcc",
        "-O1",
        "-std=gnu11",
        "-shared",
        "-fPIC",
        "-Wno-psabi",
        "kernel.c",
        "-DKERNEL_BASELINE_ONLY",
    ]
    subprocess.run([*command, "-o", str(made), "-lm"], cwd=folder, check=True, capture_output=True)
    return made


def _faults() -> list[str]:
    """What the fused operation has wrong, by a comparison with float64."""
    found = []
    for seed, arguments in enumerate(({}, {"n_filters": 6, "window_stride": 3.5})):
        at_once, exact = lp.Leaf(energies="fft", **arguments), lp.Leaf(**arguments).double()
        clips = noise(3, 9001, seed=seed)
        clips[:, 4000:] *= 1e-4
        results = [
            each.energies(c[..., None]) for each, c in ((at_once, clips), (exact, clips.double()))
        ]
        for each in results:
            (each * noise(*each.shape, seed=9).to(each.dtype)).sum().backward()
        if not torch.allclose(results[0].double(), results[1], rtol=1e-6, atol=0.0):
            found.append("energies")
        for name in ("complex_conv", "pooling"):
            a, e = getattr(at_once, name).kernel.grad, getattr(exact, name).kernel.grad
            if not (a - e).norm() <= 2e-6 * e.norm():
                found.append(name)
    return found


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc to compile with")
@pytest.mark.parametrize("name", ["none", *BUGS])
def test_bugs_planted_in_the_kernel_are_seen(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = library.open_at(_compiled(tmp_path, *BUGS.get(name, ("", ""))))
    assert made[0] is not None, made[1]
    monkeypatch.setattr(library, "opened", lambda: made)
    assert bool(_faults()) == (name != "none")


MEMORY = """
import resource, sys, torch, leaf_port
torch.set_num_threads(1)
model, clip = leaf_port.Leaf(energies="fft"), torch.zeros(1, int(sys.argv[1]) * 16000, 1)
with torch.no_grad():
    model.energies(clip[:, :16000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outputs = model.energies(clip)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(1024 * (after - before) - outputs.nbytes)
"""


def test_an_hour_takes_little_memory_beside_its_samples_and_frames() -> None:
    command = [sys.executable, "-c", MEMORY, "3600"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    # 36,000 blocks of 56 bytes in a few copies, and 40 x 4,500 notes of 2 bytes.
    assert int(done.stdout) < 40_000_000


def test_the_choice_is_told() -> None:
    model = lp.Leaf(n_filters=3)
    layers = model.complex_conv, model.activation, model.pooling
    clip = noise(1, 2000)[..., None]
    assert choice.obstacle(*layers, clip, 2000, frontend.SquaredModulus) == ""  # type: ignore[arg-type]
    empty = choice.obstacle(*layers, clip[:0], 2000, frontend.SquaredModulus)  # type: ignore[arg-type]
    assert empty == "there is no sample"


def test_the_threads_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    started = fused.Pool.__init__

    def init(pool: fused.Pool, threads: int) -> None:
        seen.append(threads)
        started(pool, threads)

    monkeypatch.setattr(fused.Pool, "__init__", init)
    models()[0](noise(1, 2000))
    assert seen == [torch.get_num_threads()]
