"""The compiled kernel: its instruction sets, its library, and bugs planted in its source."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from _energies import models, noise, root_mean_square

import leaf_port as lp
from leaf_port._ops.energies import by_kernel, library

KERNEL, WHY = library.opened()
needs_kernel = pytest.mark.skipif(KERNEL is None, reason=f"no kernel: {WHY}")
pytestmark = needs_kernel


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


def test_without_a_kernel_torch_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = noise(2, 9000)
    with torch.no_grad():
        by_kernel_ = lp.Leaf(energies="fft")(clips)
        monkeypatch.setattr(library, "opened", lambda: (None, "it was not built"))
        torch.testing.assert_close(lp.Leaf(energies="fft")(clips), by_kernel_, rtol=2e-6, atol=1e-6)


def test_the_threads_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    started = by_kernel.Pool.__init__

    def init(pool: by_kernel.Pool, threads: int) -> None:
        seen.append(threads)
        started(pool, threads)

    monkeypatch.setattr(by_kernel.Pool, "__init__", init)
    lp.Leaf(energies="fft")(noise(1, 2000))
    assert seen == [torch.get_num_threads()]


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
    "no double precision": ("found |= 1u << l;", ";"),
    "no full rate": (" && !wholly;", ";"),
    "power without what no frame hears": (
        "for (int t = made.length; t < made.points; t++) {\n        const R(Complex) y",
        "for (int t = made.points; t < made.points; t++) {\n        const R(Complex) y",
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
    # Windows of about one sample, which average no rounding errors.
    clicks = {"pooling_init": lp.initializers.Constant(0.005)}
    for seed, arguments in enumerate(({}, {"n_filters": 6, "window_stride": 3.5}, clicks)):
        at_once, exact = lp.Leaf(energies="fft", **arguments), lp.Leaf(**arguments).double()
        clips = noise(3, 9001, seed=seed)
        rtol = 1e-6
        if arguments is clicks:
            rtol = 2e-6
            clips[0, 3200] = clips[1, 6200] = clips[2, 7700] = 1e5
        else:
            clips[:, 4000:] *= 1e-4
        results = [
            each.energies(c[..., None]) for each, c in ((at_once, clips), (exact, clips.double()))
        ]
        for each in results:
            (each * noise(*each.shape, seed=9).to(each.dtype)).sum().backward()
        if not torch.allclose(results[0].double(), results[1], rtol=rtol, atol=0.0):
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
import sys, torch, leaf_port
from leaf_port import _peak_memory
torch.set_num_threads(1)
model, clip = leaf_port.Leaf(energies="fft"), torch.zeros(1, int(sys.argv[1]) * 16000, 1)
with torch.no_grad():
    model.energies(clip[:, :16000])
    outputs, grown = _peak_memory.peak(lambda: model.energies(clip))
print(grown - outputs.nbytes)
"""


def test_an_hour_takes_little_memory_beside_its_samples_and_frames() -> None:
    command = [sys.executable, "-c", MEMORY, "3600"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    # 36,000 blocks of 56 bytes in a few copies, and 40 x 4,500 notes of 2 bytes.
    assert int(done.stdout) < 40_000_000


AT_EXIT = """
import atexit
import torch
from leaf_port import Leaf

torch.set_num_threads({threads})
leaf, clips = Leaf(n_filters=5), torch.randn(2, 4000, generator=torch.Generator().manual_seed(1))
with torch.no_grad():
    before = leaf(clips)


@atexit.register
def compute() -> None:
    with torch.no_grad():
        print(torch.equal(leaf(clips), before))
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_while_python_ends(threads: int) -> None:
    command = [sys.executable, "-c", AT_EXIT.format(threads=threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.strip() == "True", done.stderr
