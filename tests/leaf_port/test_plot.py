"""Pictures of features and filters: what is drawn, against computations of its own."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import leaf_port as lp
from leaf_port import plot

Array = npt.NDArray[Any]

ALL: dict[str, Callable[..., Any]] = {
    "Leaf": lp.Leaf,
    "TimeDomainFilterbanks": lp.TimeDomainFilterbanks,
    "SincNet": lp.SincNet,
    "SincNetPlus": lp.SincNetPlus,
    "MelFilterbanks": lp.MelFilterbanks,
}
LEARNED = [name for name in ALL if name != "MelFilterbanks"]
N, RATE = 6, 16000
DOUBLE = 1e-9  # float64 on both sides; a phase of 600 radians loses three digits


@pytest.fixture
def ax() -> Iterator[Axes]:
    return Figure().add_subplot()


def made(name: str, **kwargs: Any) -> Any:
    """A frontend a little off its initial weights, in float64."""
    frontend = ALL[name](n_filters=N, **kwargs).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, parameter in frontend.named_parameters():
            if ".ema." not in key or key.endswith("smooth"):
                noise = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.mul_(1 + 0.05 * noise)
    return frontend


def lines_of(lines: Any) -> tuple[Array, Array]:
    """Frequencies, and ``(bins, filters)``."""
    return lines[0].get_xdata(), np.stack([line.get_ydata() for line in lines], axis=1)


# Frequency responses


def taps_of(frontend: Any) -> Array:
    """Written from the papers: ``(filters, taps)``, complex for pairs."""
    layer = frontend.complex_conv
    kernel = layer.kernel.detach().numpy()
    if isinstance(layer, lp.GaborConv1d):
        time = np.arange(-200, 201)
        center, sigma = kernel[:, :1], kernel[:, 1:]
        envelope = np.exp(-((time / sigma) ** 2) / 2) / (np.sqrt(2 * np.pi) * sigma)
        return envelope * np.exp(1j * center * time)
    if isinstance(layer, lp.SincConv1d):
        time = np.arange(-200, 201) / 16000
        low = 50 + np.abs(kernel[:, :1])
        high = np.minimum(low + 50 + np.abs(kernel[:, 1:]), 8000.0)
        band = 2 * high * np.sinc(2 * high * time) - 2 * low * np.sinc(2 * low * time)
        hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(401) / 401)
        return band / band.max(axis=1, keepdims=True) * hamming
    return kernel[:, 0, 0::2].T + 1j * kernel[:, 0, 1::2].T


def gains(taps: Array, hertz: Array, rate: float) -> Array:
    """By the sum that defines them: ``(bins, filters)``."""
    turns = np.outer(np.arange(taps.shape[1]), hertz) / rate
    positive = np.abs(taps @ np.exp(-2j * np.pi * turns)).T
    if not np.iscomplexobj(taps):
        return positive
    return np.hypot(positive, np.abs(taps @ np.exp(2j * np.pi * turns)).T)


@pytest.mark.parametrize("name", LEARNED)
def test_responses_are_those_of_the_impulse_responses(name: str, ax: Axes) -> None:
    frontend = made(name)
    hertz, values = lines_of(plot.frequency_responses(frontend, ax=ax))
    assert len(hertz) >= 1025
    assert (hertz[0], hertz[-1]) == (0.0, 8000.0)
    some = np.r_[0:60:7, 100 : len(hertz) : 97, len(hertz) - 1]
    expected = gains(taps_of(frontend), hertz[some], RATE)
    np.testing.assert_allclose(values[some], expected, atol=DOUBLE * expected.max())


@pytest.mark.parametrize("name", ["Leaf", "TimeDomainFilterbanks"])
def test_a_sinusoid_meets_the_drawn_response(name: str, ax: Axes) -> None:
    """The mean of its squared modulus is a quarter of the square, also near 0 Hz and Nyquist."""
    frontend = made(name)
    hertz, values = lines_of(plot.frequency_responses(frontend, ax=ax))
    for place in (16, 200, len(hertz) - 16):
        turns = hertz[place] / RATE * torch.arange(4096 + 400, dtype=torch.float64)
        wave = torch.cos(2 * torch.pi * turns)[None, :, None]
        with torch.no_grad():
            energy = frontend.activation(frontend.complex_conv(wave))[0, 200:-200].mean(dim=0)
        np.testing.assert_allclose(
            energy.numpy(), values[place] ** 2 / 4, atol=1e-6 * values.max() ** 2
        )


def test_the_sign_of_the_imaginary_part_does_not_matter(ax: Axes) -> None:
    """A pair that training turned around is as strong: ``|H(f)|`` alone would lose it."""
    frontend = made("TimeDomainFilterbanks")
    _, before = lines_of(plot.frequency_responses(frontend, ax=ax))
    with torch.no_grad():
        frontend.complex_conv.kernel[..., 1::2] *= -1
    _, after = lines_of(plot.frequency_responses(frontend, ax=ax))
    np.testing.assert_allclose(after, before, atol=DOUBLE * before.max())


def test_mel_filters_are_their_matrix(ax: Axes) -> None:
    mel = made("MelFilterbanks")
    hertz, values = lines_of(plot.frequency_responses(mel, ax=ax))
    np.testing.assert_array_equal(values, mel.mel_filters.numpy())
    np.testing.assert_array_equal(hertz, np.arange(257) * RATE / 512)
    assert ax.get_ylabel() == "Weight of the power"


def test_filters_of_unit_norm_are_drawn_with_it(ax: Axes) -> None:
    init = lp.GaborInit(RATE, 60.0, 7800.0)
    frontend = lp.Leaf(n_filters=N, conv1d_cls=lp.NormalizedConv1d, complex_conv_init=init)
    _, values = lines_of(plot.frequency_responses(frontend, ax=ax))
    # Parseval: of the mean over all frequencies, where both taps of a pair have a norm of 1.
    power = (values[:-1] ** 2 + values[1:] ** 2).mean(axis=0) / 2
    np.testing.assert_allclose(power, 4.0, rtol=1e-2)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rate", [8000, 44100])
def test_each_peaks_at_its_centre(name: str, rate: int, ax: Axes) -> None:
    frontend = ALL[name].for_sample_rate(rate, n_filters=N)  # type: ignore[attr-defined]
    hertz, values = lines_of(plot.frequency_responses(frontend, ax=ax))
    assert hertz[-1] == rate / 2
    widths = frontend.bandwidths().numpy()
    away = np.abs(hertz[values.argmax(axis=0)] - frontend.center_frequencies().numpy())
    assert (away <= 0.5 * widths).all()  # a sinc filter is flat


def test_decibels(ax: Axes) -> None:
    for name, factor in (("Leaf", 20.0), ("MelFilterbanks", 10.0)):
        frontend = made(name)
        _, plain = lines_of(plot.frequency_responses(frontend, ax=ax))
        _, shown = lines_of(plot.frequency_responses(frontend, db=True, ax=ax))
        strong = plain > 1e-6
        np.testing.assert_allclose(shown[strong], factor * np.log10(plain[strong]), atol=1e-9)
        assert np.isfinite(shown).all()
        assert ax.get_ylabel().endswith("(dB)")


def test_what_was_before_is_grey_and_behind(ax: Axes) -> None:
    first, trained = lp.Leaf(n_filters=N).double(), made("Leaf")
    drawn = plot.frequency_responses(trained, before=first, ax=ax)
    others = [line for line in ax.lines if line not in drawn]
    np.testing.assert_array_equal(
        lines_of(others)[1], lines_of(plot.frequency_responses(first, ax=Figure().add_subplot()))[1]
    )
    red, green, blue = mpl.colors.to_rgb(others[0].get_color())
    assert red == green == blue
    assert max(line.get_zorder() for line in others) < min(line.get_zorder() for line in drawn)
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["before", "after"]


def test_sorted_wavelets_are_told_in_the_order_of_their_channels(ax: Axes) -> None:
    sorting = functools.partial(lp.GaborConv1d, sort_filters=True)
    frontend = lp.Leaf(n_filters=N, conv1d_cls=sorting)
    with torch.no_grad():
        frontend.complex_conv.kernel.copy_(frontend.complex_conv.kernel.flip(0))
    hertz, values = lines_of(plot.frequency_responses(frontend, ax=ax))
    peaks = hertz[values.argmax(axis=0)]
    assert (np.diff(peaks) > 0).all()
    np.testing.assert_allclose(frontend.center_frequencies(), peaks, atol=4.0)


# Centres and sums


@pytest.mark.parametrize("name", ALL)
def test_centres_with_their_widths(name: str, ax: Axes) -> None:
    frontend = made(name)
    data, _, (bars,) = plot.center_frequencies(frontend, ax=ax)
    centers, widths = frontend.center_frequencies(), frontend.bandwidths()
    assert data is not None
    np.testing.assert_array_equal(data.get_xdata(), np.arange(N))
    np.testing.assert_allclose(np.asarray(data.get_ydata()), centers, rtol=DOUBLE)
    low, high = np.array([segment[:, 1] for segment in bars.get_segments()]).T
    np.testing.assert_allclose(low, (centers - widths / 2).clamp(min=0), atol=1e-6)
    np.testing.assert_allclose(high, (centers + widths / 2).clamp(max=8000), atol=1e-6)
    assert ax.get_ylabel() == "Centre and width (Hz)"


def test_a_sinc_filter_beyond_nyquist_has_no_bar(ax: Axes) -> None:
    """Its lower edge may be trained to where the upper one cannot follow."""
    frontend = lp.SincNet(n_filters=2)
    with torch.no_grad():
        frontend.complex_conv.kernel.copy_(torch.tensor([[100.0, 50.0], [9000.0, 50.0]]))
    _, _, (bars,) = plot.center_frequencies(frontend, ax=ax)
    (low, high), (same, too) = (segment[:, 1] for segment in bars.get_segments())
    assert (low, high) == (150.0, 250.0)
    assert same == too == 8525.0


@pytest.mark.parametrize("name", ALL)
def test_the_sum_of_the_squares(name: str, ax: Axes) -> None:
    frontend = made(name)
    hertz, values = lines_of(plot.frequency_responses(frontend, ax=Figure().add_subplot()))
    line = plot.cumulative_response(frontend, before=frontend, ax=ax)
    expected = values.sum(axis=1) if name == "MelFilterbanks" else (values**2).sum(axis=1)
    np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-12)
    np.testing.assert_array_equal(line.get_xdata(), hertz)


def test_the_ticks_of_hz_are_octaves(ax: Axes) -> None:
    plot.cumulative_response(lp.Leaf(n_filters=N), ax=ax)
    assert ax.get_xlim() == (0.0, 8000.0)
    labels = [float(label.get_text()) for label in ax.get_xticklabels()]
    assert labels == list(ax.get_xticks())
    assert labels[0] == 0.0
    assert set(labels[1:]) <= {125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0}
    assert labels[-4:] == [1000.0, 2000.0, 4000.0, 8000.0]
    assert ax.get_xlabel() == "Frequency (Hz)"


# PCEN


def four() -> list[Axes]:
    return list(Figure().subplots(2, 2).flat)


def test_pcen_as_the_forward_pass_takes_it() -> None:
    frontend = lp.Leaf(n_filters=3)
    layer = frontend.compress_fn
    assert isinstance(layer, lp.PCEN)
    with torch.no_grad():
        layer.alpha.copy_(torch.tensor([0.5, 1.5, 1.0]))
        layer.delta.copy_(torch.tensor([1.0, 2.0, 3.0]))
        layer.root.copy_(torch.tensor([0.5, 2.0, 4.0]))
        layer.ema.smooth.copy_(torch.tensor([-0.25, 0.25, 2.0]))  # type: ignore[operator]
    drawn = [list(line.get_ydata()) for line in plot.pcen(frontend, axes=four())]
    assert drawn == [[0.5, 1.0, 1.0], [1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [0.0, 0.25, 1.0]]


@pytest.mark.parametrize("learned", [False, True])
def test_one_smoother_for_all_filters(learned: bool) -> None:
    layer = lp.PCEN(3, smooth_coef=0.25, learn_smooth_coef=learned)
    for frontend in (
        lp.Leaf(n_filters=3, compression_fn=layer),
        lp.MelFilterbanks(n_filters=3, compression_fn=layer),
    ):
        axes = four()
        smoothing = plot.pcen(frontend, before=frontend, axes=axes)[3]
        assert list(smoothing.get_ydata()) == [0.25] * 3
        low, high = axes[3].get_ylim()
        assert low < 0.25 < high
        assert axes[3].get_ylabel() == "Smoothing coefficient"


def test_a_smoother_that_mixes_filters_is_refused() -> None:
    frontend = lp.SincNetPlus(n_filters=3)
    with torch.no_grad():
        frontend.compress_fn.ema.kernel[0, 1] = 0.1  # type: ignore[union-attr, index]
    with pytest.raises(lp.LeafError, match="one coefficient for each filter"):
        plot.pcen(frontend, axes=four())


@pytest.mark.parametrize("name", ["TimeDomainFilterbanks", "SincNet", "MelFilterbanks"])
def test_where_there_is_no_pcen(name: str) -> None:
    with pytest.raises(lp.LeafError, match=f"got {name} with .*a Leaf has it by default"):
        plot.pcen(ALL[name](n_filters=N), axes=four())
    assert not plot.has_pcen(ALL[name](n_filters=N))


# Features


def test_a_colour_bar_is_drawn_if_asked_for(ax: Axes) -> None:
    leaf = lp.Leaf(n_filters=N)
    plot.features(np.zeros((5, N)), leaf, ax=ax)
    assert len(ax.figure.axes) == 1
    plot.features(np.zeros((5, N)), leaf, colorbar=True, ax=ax)
    assert len(ax.figure.axes) == 2


@pytest.mark.parametrize("name", ALL)
def test_the_image_of_features(name: str, ax: Axes) -> None:
    frontend = made(name)
    wave = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = frontend(wave).detach()
    image = plot.features(values, frontend, 8000, colorbar=True, ax=ax)
    expected = values[0].numpy()
    np.testing.assert_array_equal(np.asarray(image.get_array()), expected.T)
    np.testing.assert_allclose(image.get_clim(), np.percentile(expected, [1, 99]))
    left, right, _, _ = image.get_extent()
    assert (right - left) / len(expected) == pytest.approx(0.01)
    assert 0 <= left < 0.03
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Time (s)", "Filter centre (Hz)")
    assert ax.figure.axes[1].get_ylabel() != ""


def test_a_click_is_drawn_where_it_is(ax: Axes) -> None:
    leaf = lp.Leaf(n_filters=N, compression_fn=None)
    wave = torch.zeros(1, 16000)
    wave[0, 8000] = 1.0
    image = plot.features(leaf(wave), leaf, ax=ax)
    left, right, _, _ = image.get_extent()
    frames = np.asarray(image.get_array()).sum(axis=0)
    middles = left + (np.arange(len(frames)) + 0.5) * (right - left) / len(frames)
    assert (frames * middles).sum() / frames.sum() == pytest.approx(0.5, abs=0.001)


def test_round_frequencies_between_the_centres(ax: Axes) -> None:
    leaf = lp.Leaf()
    plot.features(np.random.default_rng(0).random((5, 40)), leaf, ax=ax)
    centers = leaf.center_frequencies().numpy()
    labels = [float(label.get_text()) for label in ax.get_yticklabels()]
    assert labels[-3:] == [1000.0, 2000.0, 4000.0]
    for row, hertz in zip(ax.get_yticks(), labels, strict=True):
        below = int(np.searchsorted(centers, hertz, side="right")) - 1
        share = (hertz - centers[below]) / (centers[below + 1] - centers[below])
        assert row == pytest.approx(below + share)


@pytest.mark.parametrize(
    ("low", "high", "filters"), [(1900.0, 2600.0, 8), (60.0, 7800.0, 1), (60.0, 7800.0, 2)]
)
def test_narrow_bands_have_ticks_too(low: float, high: float, filters: int, ax: Axes) -> None:
    mel = lp.MelFilterbanks(filters, n_fft=4096, min_freq=low, max_freq=high)
    plot.features(np.ones((2, filters)), mel, ax=ax)
    rows = ax.get_yticks()
    assert len(rows) >= min(filters, 3) - 1
    assert ((rows >= 0) & (rows <= filters - 1)).all()


def test_rows_are_sorted_where_training_changed_their_order(ax: Axes) -> None:
    leaf = lp.Leaf(n_filters=3)
    with torch.no_grad():
        leaf.complex_conv.kernel[:, 0] = torch.tensor([2.0, 0.5, 1.0])
    image = plot.features(torch.tensor([[2.0, 0.5, 1.0]]), leaf, ax=ax)
    assert np.asarray(image.get_array())[:, 0].tolist() == [0.5, 1.0, 2.0]
    assert ax.get_ylabel() == "Filter centre (Hz), filters sorted"


# What is refused, and what is left alone


def drawing(name: str) -> Callable[..., object]:
    function: Callable[..., object] = getattr(plot, name)
    return function


FILTERS = ["frequency_responses", "center_frequencies", "cumulative_response"]


@pytest.mark.parametrize("name", FILTERS)
def test_frontends_that_do_not_compare(name: str, ax: Axes) -> None:
    leaf = lp.Leaf(n_filters=N)
    for before, expected in (
        (lp.Leaf(n_filters=N + 1), "the same filters, 6, got 7"),
        (lp.Leaf(n_filters=N, sample_rate=8000), "the same sample rate, 16000 Hz, got 8000 Hz"),
        (lp.MelFilterbanks(n_filters=N), "got MelFilterbanks for Leaf"),
        (torch.nn.Linear(1, 1), "got Linear"),
    ):
        with pytest.raises(lp.LeafError, match=expected) as caught:
            drawing(name)(leaf, before=before, ax=ax)
        assert caught.value.owner == f"plot.{name}"
        assert caught.value.argument == "before"
    assert not ax.lines


@pytest.mark.parametrize("name", FILTERS)
def test_weights_that_are_not_finite(name: str, ax: Axes) -> None:
    leaf = lp.Leaf(n_filters=N)
    with torch.no_grad():
        leaf.complex_conv.kernel[2, 1] = torch.nan
    with pytest.raises(lp.LeafError, match="finite weights"):
        drawing(name)(leaf, ax=ax)


def test_a_classifier_is_asked_for_its_frontend(ax: Axes) -> None:
    model = lp.AudioClassifier(2, lp.Leaf(n_filters=8), lp.ConvNet([2]))
    with pytest.raises(lp.LeafError, match=r"got AudioClassifier; give its \.frontend"):
        plot.frequency_responses(model, ax=ax)


def test_a_convolution_of_the_users(ax: Axes) -> None:
    class Own(torch.nn.Module):
        def __init__(self, filters: int, **_: Any) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(filters))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weight

    with pytest.raises(lp.LeafError, match="got Own; leave conv1d_cls"):
        plot.frequency_responses(lp.Leaf(n_filters=N, conv1d_cls=Own), ax=ax)


@pytest.mark.parametrize(
    ("values", "argument"),
    [
        (np.zeros((5, N + 1)), "features"),
        (np.zeros((2, 5, N)), "features"),
        (np.zeros((0, N)), "features"),
        (np.full((5, N), np.nan), "features"),
    ],
)
def test_features_that_are_refused(values: Array, argument: str, ax: Axes) -> None:
    with pytest.raises(lp.LeafError) as caught:
        plot.features(values, lp.Leaf(n_filters=N), ax=ax)
    assert caught.value.argument == argument


def test_percentiles_and_axes_that_are_refused(ax: Axes) -> None:
    leaf = lp.Leaf(n_filters=N)
    with pytest.raises(lp.LeafError, match="two numbers from 0 to 100"):
        plot.features(np.zeros((5, N)), leaf, percentiles=(99.0, 1.0), ax=ax)
    with pytest.raises(lp.LeafError, match="expected 4 axes, got 1"):
        plot.pcen(leaf, axes=[ax])


def settings() -> dict[str, Any]:
    """All but the backend, which pyplot would choose if asked."""
    return {key: mpl.rcParams[key] for key in mpl.rcParams if key != "backend"}


def test_pyplot_and_settings_are_left_alone(ax: Axes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # an import of it fails
    before = settings()
    leaf = lp.Leaf(n_filters=N)
    plot.features(np.zeros((5, N)), leaf, colorbar=True, ax=ax)
    for name in FILTERS:
        drawing(name)(leaf, before=leaf, ax=Figure().add_subplot())
    plot.pcen(leaf, axes=four())
    assert settings() == before
    with pytest.raises(lp.LeafError, match=r'pip install "leaf-port\[cli\]"'):
        plot.cumulative_response(leaf)


def test_without_axes_it_draws_on_the_current_ones() -> None:
    from matplotlib import pyplot

    backend = mpl.get_backend()
    pyplot.switch_backend("agg")
    try:
        figure, current = pyplot.subplots()
        assert plot.cumulative_response(lp.Leaf(n_filters=N)).axes is current
        lines = plot.pcen(lp.Leaf(n_filters=N))
        assert lines[0].figure is not figure
        assert len({line.axes for line in lines}) == 4
    finally:
        pyplot.close("all")
        pyplot.switch_backend(backend)
