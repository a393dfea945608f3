"""Pictures of features and of learned filters, drawn with matplotlib.

Needs matplotlib: ``pip install "leaf-port[cli]"``. As in ``librosa.display`` each function draws
on ``ax``, by default pyplot's current axes, and returns what it drew. None calls ``plt.show``, and
none changes a setting. With ``ax`` given pyplot is not touched at all.

Functions of filters take a frontend, and the same one ``before`` training to compare it with. What
was before is grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from leaf_port import _drawing, _quantities
from leaf_port._drawing import Array, Float64
from leaf_port._frame_times import frame_times, window_and_stride
from leaf_port._installation import hint
from leaf_port._responses import Responses, check_comparable, frontend_of, responses
from leaf_port.errors import LeafError
from leaf_port.postprocessing import PCEN, ExponentialMovingAverage, FixedSmoother

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer
    from matplotlib.image import AxesImage
    from matplotlib.lines import Line2D
    from torch import nn

_BEFORE, _AFTER = "#b4b4b4", "#1f4e9c"
_BRIGHTEST = 0.88  # of the colour map: yellow lines are hard to see on white
_DEEPEST = 80.0  # dB below the peak that are shown
_TINY = 1e-15  # relative magnitude below which the logarithm ends
_PERCENTILES = (1.0, 99.0)
_STEADY = 0.02  # spread of a PCEN parameter below which its axis is widened
_DOTS: dict[str, Any] = {"linewidth": 0.7, "markersize": 4.0}
_PANELS = ("alpha", "delta", "root", "smoothing")
_LABELS = {
    "alpha": "Alpha (exponent)",
    "delta": "Delta (bias)",
    "root": "Root (1 / exponent)",
    "smoothing": "Smoothing coefficient",
}


def features(
    features: Array | torch.Tensor,
    frontend: nn.Module,
    samples: int | None = None,
    percentiles: tuple[float, float] = _PERCENTILES,
    colorbar: bool = False,
    ax: Axes | None = None,
) -> AxesImage:
    """An image of features: frames from left to right, filters by rising centre frequency.

    Each frame is drawn around its middle. The ticks of the y axis are round frequencies, placed
    between the filters' centres. Where training changed the order of the filters, rows are sorted
    and the axis says so.

    Args:
        features: ``(frames, filters)``, or a batch of one.
        frontend: that gave them: it tells strides, sample rate and centre frequencies.
        samples: of the clip, which the middles of frames depend on by up to half a stride; by
            default a whole number of strides.
        percentiles: of the features, for the first and the last colour.
        colorbar: whether to draw a colour bar with the features' quantity.
        ax: where to draw.

    Returns:
        The image.

    Raises:
        LeafError: features of another shape or not finite, a frontend that is none of this
            package's, or no matplotlib.

    Example:
        >>> import torch
        >>> from matplotlib.figure import Figure
        >>> import leaf_port
        >>> leaf = leaf_port.Leaf()
        >>> ax = Figure().add_subplot()
        >>> with torch.no_grad():
        ...     image = features(leaf(torch.randn(1, 16000)), leaf, ax=ax)
        >>> print(image.get_size())  # filters, frames
        (40, 100)
    """
    owner = "plot.features"
    known = frontend_of(owner, frontend)
    centers = known.center_frequencies().double().cpu().numpy()
    values = _checked_features(owner, features, len(centers))
    axes = _axes(ax)
    _, stride = window_and_stride(known, owner)
    times = frame_times(known, len(values), samples, owner)
    low, high = np.percentile(values, _checked_percentiles(owner, percentiles))
    seconds = stride / known.sample_rate
    drawn = _drawing.image(axes, values, times, seconds, centers, (float(low), float(high)))
    _drawing.row_ticks(axes, centers)
    if colorbar:
        figure: Any = axes.get_figure()  # or a part of one
        bar = figure.colorbar(drawn, ax=axes, pad=0.015, extend="both")
        bar.set_label(_sentence(_quantities.quantity(known)))
    return drawn


def frequency_responses(
    frontend: nn.Module,
    before: nn.Module | None = None,
    db: bool = False,
    ax: Axes | None = None,
) -> list[Line2D]:
    """The magnitude of each filter's frequency response, over Hz on a mel scale.

    ``|H(f)|``, the Fourier transform of the impulse response with at least 2048 points. Filters
    that are pairs of a real and an imaginary part (all but the sinc filters) have
    ``sqrt(|H(f)|^2 + |H(-f)|^2)``, as a real sinusoid has both frequencies. Of mel filters the
    columns of their matrix, which weigh the power. A pre-emphasis is not included.

    Args:
        frontend: as it is now.
        before: as it was before.
        db: whether to draw decibels: ``20 log10`` of magnitudes, ``10 log10`` of weights.
        ax: where to draw.

    Returns:
        The lines of ``frontend``, one a filter.

    Raises:
        LeafError: frontends that are not this package's or do not compare, a convolution of the
            user's, weights that are not finite, or no matplotlib.
    """
    owner = "plot.frequency_responses"
    now, earlier = _both(owner, frontend, before)
    axes = _axes(ax)
    if earlier is not None:
        old = axes.plot(earlier.hertz, _shown(earlier, db), color=_BEFORE, linewidth=0.8, zorder=1)
        old[0].set_label("before")
    lines = axes.plot(now.hertz, _shown(now, db), linewidth=1.0)
    order = _drawing.order_of(frontend_of(owner, frontend).center_frequencies().cpu().numpy())
    for place, index in zip(np.linspace(0.0, _BRIGHTEST, len(lines)), order, strict=True):
        lines[index].set_color(_colour(place))
    _over_hertz(axes, now)
    what = "Weight of the power" if now.of_power else "Magnitude"
    axes.set_ylabel(f"{what} (dB)" if db else what)
    _limit(axes, [each for each in (now, earlier) if each is not None], db)
    if earlier is not None:
        lines[order[len(order) // 2]].set_label("after")
        _drawing.legend_above(axes)
    return lines


def center_frequencies(
    frontend: nn.Module, before: nn.Module | None = None, ax: Axes | None = None
) -> ErrorbarContainer:
    """The centre of each filter in Hz on a mel scale, over its index; its width is a bar.

    Bars are :meth:`~leaf_port.frontend.Leaf.bandwidths` long, half on each side, and end at 0 Hz
    and Nyquist.

    Args:
        frontend: as it is now.
        before: as it was before.
        ax: where to draw.

    Returns:
        What ``Axes.errorbar`` gives, of ``frontend``.

    Raises:
        LeafError: see :func:`frequency_responses`.
    """
    owner = "plot.center_frequencies"
    _both(owner, frontend, before)
    axes = _axes(ax)
    nyquist = frontend_of(owner, frontend).sample_rate / 2
    if before is not None:
        _bars(axes, before, nyquist, label="before", zorder=1, color=_BEFORE, lw=2.5, capsize=3.5)
    drawn = _bars(
        axes, frontend, nyquist, label="after", zorder=2, color=_AFTER, lw=1.0, capsize=2.0
    )
    _drawing.frequency_axis(axes, "y", nyquist)
    axes.set_xlabel("Filter (index)")
    axes.set_ylabel("Centre and width (Hz)")
    axes.grid(alpha=0.25)
    if before is not None:
        _drawing.legend_above(axes)
    return drawn


def cumulative_response(
    frontend: nn.Module, before: nn.Module | None = None, ax: Axes | None = None
) -> Line2D:
    """The sum of the squared magnitudes of all filters, over Hz on a mel scale.

    It shows which frequencies the filters let through together, and where they leave a gap. Mel
    filters weigh the power: theirs is the sum of the weights.

    Args:
        frontend: as it is now.
        before: as it was before.
        ax: where to draw.

    Returns:
        The line of ``frontend``.

    Raises:
        LeafError: see :func:`frequency_responses`.
    """
    now, earlier = _both("plot.cumulative_response", frontend, before)
    axes = _axes(ax)
    if earlier is not None:
        axes.plot(earlier.hertz, earlier.power.sum(axis=1), color=_BEFORE, label="before")
    (line,) = axes.plot(now.hertz, now.power.sum(axis=1), color=_AFTER, label="after")
    _over_hertz(axes, now)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("Sum of weights" if now.of_power else "Sum of squared magnitudes")
    if earlier is not None:
        _drawing.legend_above(axes)
    return line


def pcen(
    frontend: nn.Module, before: nn.Module | None = None, axes: Sequence[Axes] | None = None
) -> list[Line2D]:
    """The parameters of PCEN over the filter's index, as the forward pass takes them.

    ``y = (x / (floor + m)^alpha + delta)^(1 / root) - delta^(1 / root)``, where the smoothing
    coefficient makes ``m`` of ``x``. ``alpha`` is at most 1, ``root`` at least 1, the smoothing
    coefficient from 0 to 1. All four have no unit.

    Args:
        frontend: as it is now.
        before: as it was before.
        axes: four, for alpha, delta, root and smoothing coefficient; by default those of a new
            figure of pyplot.

    Returns:
        Four lines of ``frontend``, in that order.

    Raises:
        LeafError: a frontend without PCEN, or see :func:`frequency_responses`.
    """
    owner = "plot.pcen"
    now = _pcen_parameters(owner, frontend, "frontend")
    earlier = None
    if before is not None:
        check_comparable(owner, frontend, before)
        earlier = _pcen_parameters(owner, before, "before")
    lines = []
    panels = _four_axes(owner, axes)
    for panel, name in zip(panels, _PANELS, strict=True):
        if earlier is not None:
            panel.plot(earlier[name], ".-", color=_BEFORE, label="before", **_DOTS)
        (line,) = panel.plot(now[name], ".-", color=_AFTER, label="after", **_DOTS)
        lines.append(line)
        shown = [values[name] for values in (now, earlier) if values is not None]
        _steady(panel, np.concatenate(shown))
        panel.set_xlabel("Filter (index)")
        panel.set_ylabel(_LABELS[name])
        panel.grid(alpha=0.25)
    if earlier is not None:
        _drawing.legend_above(panels[0])
    return lines


def has_pcen(frontend: nn.Module) -> bool:
    """Whether :func:`pcen` has something to draw."""
    known = frontend_of("plot.has_pcen", frontend)
    return isinstance(_quantities.compression_of(known), PCEN)


def _axes(ax: Axes | None) -> Axes:
    return ax if ax is not None else _pyplot().gca()


def _four_axes(owner: str, axes: Sequence[Axes] | None) -> list[Axes]:
    if axes is None:
        return list(_pyplot().subplots(2, 2, layout="constrained")[1].flat)
    given = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(given) != len(_PANELS):
        fix = "give figure.subplots(2, 2)"
        raise LeafError(owner, "axes", f"{len(_PANELS)} axes", len(given), fix)
    return given


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as pyplot
    except ModuleNotFoundError as error:
        fix = hint("cli")
        raise LeafError("plot", "matplotlib", "the package", "none", fix) from error
    return pyplot


def _checked_features(owner: str, features: Array | torch.Tensor, filters: int) -> Array:
    """``(frames, filters)``, float64."""
    given = features.detach().cpu() if isinstance(features, torch.Tensor) else features
    values = np.asarray(given, dtype=np.float64)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim != 2 or values.shape[1] != filters or not len(values):
        expected = f"shape (frames, {filters}), as the frontend gives"
        raise LeafError(owner, "features", expected, values.shape, "give those of one clip")
    if not np.isfinite(values).all():
        got = "NaN or infinity among them"
        raise LeafError(owner, "features", "finite features", got, "check clip and weights")
    return values


def _checked_percentiles(owner: str, percentiles: tuple[float, float]) -> tuple[float, float]:
    low, high = percentiles
    if not 0 <= low < high <= 100:
        expected = "two numbers from 0 to 100, the lower one first"
        raise LeafError(owner, "percentiles", expected, percentiles, "give (1, 99) or the like")
    return low, high


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _both(
    owner: str, frontend: nn.Module, before: nn.Module | None
) -> tuple[Responses, Responses | None]:
    now = responses(owner, frontend)
    if before is None:
        return now, None
    check_comparable(owner, frontend, before)
    return now, responses(owner, before, "before")


def _colour(place: float) -> Any:
    from matplotlib import colormaps

    return colormaps[_drawing.COLOURS](place)


def _shown(found: Responses, db: bool) -> Float64:
    if not db:
        return found.values
    floor = _TINY * max(float(found.power.max()), np.finfo(np.float64).tiny / _TINY)
    return 10.0 * np.log10(np.maximum(found.power, floor))


def _limit(axes: Axes, found: Sequence[Responses], db: bool) -> None:
    if not db:
        axes.set_ylim(bottom=0.0)
        return
    peak = max(float(_shown(each, db).max()) for each in found)
    axes.set_ylim(peak - _DEEPEST, peak + 3.0)


def _over_hertz(axes: Axes, found: Responses) -> None:
    _drawing.frequency_axis(axes, "x", float(found.hertz[-1]))
    axes.set_xlabel("Frequency (Hz)")
    axes.grid(alpha=0.25)


def _bars(axes: Axes, frontend: Any, nyquist: float, **style: Any) -> ErrorbarContainer:
    centers, widths = (
        values.double().cpu().numpy()
        for values in (frontend.center_frequencies(), frontend.bandwidths())
    )
    below = np.minimum(widths / 2, centers)
    above = np.minimum(widths / 2, nyquist - centers)
    lengths = np.stack([below, above]).clip(min=0.0)  # a sinc filter may lie beyond Nyquist
    return axes.errorbar(np.arange(len(centers)), centers, lengths, fmt=".", ms=2.5, **style)


def _steady(axes: Axes, values: Float64) -> None:
    """Limits that show a parameter which is the same of all filters as that."""
    low, high = float(values.min()), float(values.max())
    middle, size = (low + high) / 2, max(abs(low), abs(high), 1e-3)
    half = max((high - low) * 0.55, _STEADY * size)
    axes.set_ylim(middle - half, middle + half)


def _pcen_parameters(owner: str, frontend: nn.Module, argument: str) -> dict[str, Float64]:
    """Of each filter, as the forward pass takes them."""
    known = frontend_of(owner, frontend, argument)
    compression = _quantities.compression_of(known)
    if not isinstance(compression, PCEN):
        name = getattr(compression, "__name__", type(compression).__name__)
        got = f"{type(frontend).__name__} with {'none' if compression is None else name}"
        expected = "a frontend whose compression is PCEN"
        fix = "a Leaf has it by default, and each SincNetPlus"
        raise LeafError(owner, argument, expected, got, fix)
    values = {
        "alpha": _numbers(compression.alpha).clip(max=1.0),
        "delta": _numbers(compression.delta),
        "root": _numbers(compression.root).clip(min=1.0),
        "smoothing": _smoothing(owner, compression, argument),
    }
    if not all(np.isfinite(each).all() for each in values.values()):
        fix = "train or convert them again"
        raise LeafError(owner, argument, "finite weights", "NaN or infinity among them", fix)
    return values


def _smoothing(owner: str, layer: PCEN, argument: str) -> Float64:
    ema = layer.ema
    if isinstance(ema, ExponentialMovingAverage):
        return np.broadcast_to(_numbers(ema.smooth).clip(0.0, 1.0), layer.num_channels)
    if isinstance(ema, FixedSmoother):
        matrices = np.stack([_numbers(ema.kernel), _numbers(ema.recurrent_kernel)])
        coefficients = np.diag(matrices[0])
        separate = np.stack([np.diag(coefficients), np.diag(1.0 - coefficients)])
        if np.allclose(matrices, separate, atol=1e-6):
            return coefficients
    expected, got = "a smoother with one coefficient for each filter", type(ema).__name__
    raise LeafError(owner, argument, expected, f"{got} that mixes them", "draw its matrices")


def _numbers(parameter: Any) -> Float64:
    return parameter.detach().double().cpu().numpy()
