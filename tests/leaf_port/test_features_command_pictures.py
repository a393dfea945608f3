# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command ``python -m leaf_port features``: times, frequencies and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

import matplotlib.image
from _features_command import ALL, RATE, features_of, noise, python, succeeds, write
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import leaf_port
from leaf_port._cli import frontends, plot
from leaf_port._cli.extraction import Features
from leaf_port._cli.frontends import Name, Settings
from leaf_port._frame_times import frame_times

pytestmark = pytest.mark.filterwarnings("error")

# A frequency is a float32 parameter, scaled: a few roundings.
FEW_ROUNDINGS = 8 * float(np.finfo(np.float32).eps)
HALF_A_BIN = 8.0  # Hz: the mel filters' transform of 512 at 8 kHz
A_SAMPLE = 1.0 / RATE  # s
DOUBLE = 64 * float(np.finfo(np.float64).eps)  # matplotlib adds and divides in float64


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav")


# Times and frequencies


def energies(module: Any, click: int, samples: int) -> npt.NDArray[np.float64]:
    """Energy of a click's frames before compression, as PCEN favours the onset: ``(frames,)``."""
    wave = torch.zeros(1, samples)
    wave[0, click] = 0.5
    with torch.inference_mode():
        if isinstance(module, leaf_port.MelFilterbanks):
            frames = module(wave).exp()
        else:
            frames = module.energies(wave[..., None])
    energy = frames[0].double().sum(dim=1).numpy()
    return np.where(energy < 1e-6 * energy.max(), 0.0, energy)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("extra", [0, 1, 37])
def test_a_click_peaks_where_it_is(name: Name, rate: int, extra: int) -> None:
    # SAME padding depends on the length modulo the stride, so lengths vary
    samples, stride = rate // 2 + extra, rate // 100
    module = frontends.build(Settings(name), rate)
    centroids = []
    for shift in range(0, stride, stride // 10):
        click = samples // 2 + shift
        energy = energies(module, click, samples)
        times = frame_times(module, len(energy), samples)
        peak = times[energy >= 0.999 * energy.max()].mean()  # max pooling makes a plateau
        assert abs(peak - click / rate) < 0.01
        centroids.append((energy * times).sum() / energy.sum() - click / rate)
    # on average over a stride to a 50th of it; the public ports are off by half a stride
    assert abs(np.mean(centroids)) < 0.01 / 50


@pytest.mark.parametrize("name", ALL)
def test_a_tone_excites_the_filter_of_its_frequency(name: Name) -> None:
    rate = 8000
    time = np.arange(rate) / rate
    for hertz in (500.0, 1500.0, 3000.0):
        features = features_of(0.1 * np.sin(2 * np.pi * hertz * time), name, rate)
        # the last frames: PCEN has settled; away from the tone's abrupt start
        strongest = int(features.values[-20:-5].mean(axis=0).argmax())
        nearest = int(np.abs(features.frequencies - hertz).argmin())
        assert abs(strongest - nearest) <= 1


def test_frequencies_are_those_of_the_parameters() -> None:
    leaf = frontends.build(Settings(Name.LEAF, n_filters=4), 16000)
    with torch.no_grad():
        leaf.get_parameter("complex_conv.kernel")[:, 0] = torch.tensor([1.0, 0.5, -1.0, 9.0])
    hertz = frontends.center_frequencies(leaf, 16000)
    np.testing.assert_allclose(hertz, [8000 / np.pi, 4000 / np.pi, 0.0, 8000.0], rtol=FEW_ROUNDINGS)
    sinc = frontends.build(Settings(Name.SINCNET, n_filters=3), 8000)
    with torch.no_grad():
        kernel = [[100.0, 50.0], [-100.0, -50.0], [7000.0, 5000.0]]
        sinc.get_parameter("complex_conv.kernel").copy_(torch.tensor(kernel))
    # low 150, high 250 on the 16 kHz scale; high is clipped to 8000
    hertz = frontends.center_frequencies(sinc, 8000)
    np.testing.assert_allclose(hertz, [100.0, 100.0, (7050.0 + 8000.0) / 4], rtol=FEW_ROUNDINGS)


def test_tfbanks_frequencies_are_the_initial_gabor_centres() -> None:
    leaf = frontends.build(Settings(Name.LEAF), 8000)
    bank = frontends.build(Settings(Name.TFBANKS), 8000)
    wanted, got = (frontends.center_frequencies(module, 8000) for module in (leaf, bank))
    np.testing.assert_allclose(got, wanted, atol=HALF_A_BIN)


# The picture


def axes_of(figure: Figure) -> tuple[Axes, Axes, Axes]:
    waveform, image, bar = figure.axes
    return waveform, image, bar


@pytest.mark.parametrize("name", ALL)
def test_the_picture_says_what_it_shows(name: Name) -> None:
    features = features_of(noise(4000) / 32767, name)
    figure = plot.draw(features)
    waveform, image, bar = axes_of(figure)
    assert waveform.get_ylabel() == "Amplitude"
    assert image.get_xlabel() == "Time (s)"
    assert image.get_ylabel() == "Filter centre (Hz)"
    quantity = {
        Name.LEAF: "PCEN",
        Name.TFBANKS: "log energy",
        Name.SINCNET: "layer-normalised",
        Name.SINCNET_PLUS: "PCEN",
        Name.MEL: "log mel energy",
    }[name]
    assert bar.get_ylabel().startswith(quantity)
    title = figure.get_suptitle()
    assert title.startswith("clip.wav")
    assert frontends.TITLES[name] in title
    assert "8000 Hz" in title


@pytest.mark.parametrize("name", ALL)
def test_the_ticks_are_round_frequencies(name: Name) -> None:
    features = features_of(noise(4000) / 32767, name)
    _, image, _ = axes_of(plot.draw(features))
    rows = image.get_yticks()
    labels = [label.get_text() for label in image.get_yticklabels()]
    assert labels[-3:] == ["500", "1000", "2000"]  # octaves, below a Nyquist frequency of 4 kHz
    assert 3 <= len(labels) <= 10
    for row, label in zip(rows, labels, strict=True):
        below, above = features.frequencies[[int(np.floor(row)), int(np.ceil(row))]]
        assert below <= float(label) <= above


@pytest.mark.parametrize("name", ALL)
def test_both_parts_share_the_time_axis(name: Name) -> None:
    features = features_of(noise(4000) / 32767, name)
    waveform, image, _ = axes_of(plot.draw(features))
    assert waveform.get_xlim() == image.get_xlim()
    assert image.get_shared_x_axes().joined(waveform, image)
    left, right = image.get_xlim()
    assert left <= 0.0
    assert right >= 0.5
    line = np.asarray(waveform.lines[0].get_xydata())
    np.testing.assert_allclose(line[[0, -1], 0], [0.0, 0.5], atol=A_SAMPLE)
    start, end, low, high = image.images[0].get_extent()
    width = (end - start) / len(features.values)
    np.testing.assert_allclose(width, 0.01, rtol=DOUBLE)
    np.testing.assert_allclose(start + width / 2, features.times[0], atol=DOUBLE)
    assert (low, high) == (-0.5, 39.5)


def test_the_waveform_is_in_line_with_the_picture_below() -> None:
    figure = plot.draw(features_of(noise(4000) / 32767))
    figure.draw_without_rendering()
    waveform, image, _ = axes_of(figure)
    assert waveform.get_position().x0 == pytest.approx(image.get_position().x0, abs=1e-6)
    assert waveform.get_position().x1 == pytest.approx(image.get_position().x1, abs=1e-6)


def test_rows_are_sorted_by_frequency() -> None:
    features = features_of(noise(4000) / 32767)
    order = np.random.default_rng(0).permutation(40)
    shuffled = Features(
        features.clip, features.settings, Path("trained.safetensors"), features.sample_rate,
        features.values[:, order], features.times, features.frequencies[order],
    )  # fmt: skip
    figure = plot.draw(shuffled)
    _, image, _ = axes_of(figure)
    drawn = np.asarray(image.images[0].get_array())
    np.testing.assert_array_equal(drawn, axes_of(plot.draw(features))[1].images[0].get_array())
    assert image.get_ylabel() == "Filter centre (Hz), filters sorted"
    ticks = [float(label.get_text()) for label in image.get_yticklabels()]
    assert ticks == sorted(ticks)
    assert "trained.safetensors" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("samples", "n_filters"),
    [(1, 40), (100, 1), (4000, 2)],
    ids=["one sample", "one filter", "two"],
)
def test_small_pictures_are_drawn(samples: int, n_filters: int, tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.wav", noise(samples))
    succeeds(clip, "--n-filters", n_filters, "--plot", tmp_path / "picture.png")
    assert matplotlib.image.imread(tmp_path / "picture.png").shape[:2] == (840, 1350)


def test_silence_is_drawn_as_constant() -> None:
    _, image, _ = axes_of(plot.draw(features_of(np.zeros(4000))))
    low, high = image.images[0].get_clim()
    assert high - low > 0.9


def test_a_long_waveform_keeps_its_peaks() -> None:
    samples = np.zeros(80000)
    samples[12345], samples[54321] = 0.9, -0.8
    waveform, _, _ = axes_of(plot.draw(features_of(samples, Name.MEL)))
    line = np.asarray(waveform.lines[0].get_xydata())
    assert len(line) < 8000
    for value, position in ((0.9, 12345), (-0.8, 54321)):
        time = line[np.abs(line[:, 1] - value).argmin(), 0]
        assert time == pytest.approx(position / RATE, abs=0.005)


def test_odd_names_are_drawn_without_warning(tmp_path: Path) -> None:
    clip = write(tmp_path / "$x_1$ \u58f0\u97f3.wav")
    succeeds(clip, "--plot", tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10000


def test_drawing_leaves_pyplot_alone(clip: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from leaf_port._cli.app import app;"
        "app(sys.argv[1:], standalone_mode=False);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    arguments = ["features", str(clip), "--plot", str(tmp_path / "picture.png")]
    done = python("-c", code, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
