"""The mel matrix of tf.signal."""

import functools
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from leaf_port.errors import FilterWarning, InitialFilterWarning
from leaf_port.melfilters import (
    Gabor,
    _hertz_to_mel,
    linear_to_mel_weight_matrix,
    warn_of_poor_filters,
)
from parity import spec
from parity.layers._common import asked_memory
from parity.oracles.exact import mel
from parity.spec.without_derivative import nothing


def matrix_rounding(
    bins: int, filters: int, sample_rate: float, min_freq: float, max_freq: float
) -> spec.Array:
    """How far a float32 weight of a triangle may be off: ``(bins, filters)``.

    A slope is ``(m - m0) / (m1 - m0)``. The mels ``1127 ln(1 + f / 700)`` are each rounded a few
    times by ``2^-24`` of themselves, and the argument of the logarithm by ``2^-24`` of itself: that
    is ``2^-24 * 1127``, whatever the mel (at low frequencies the sum ``1 + f / 700`` is what loses
    the digits). So a slope is off by about ``2^-24 (1127 + 2 m) / (m1 - m0)``. Zeros outside the
    triangles are exact.
    """
    matrix = linear_to_mel_weight_matrix(filters, bins, sample_rate, min_freq, max_freq, np.float64)
    mels = 1127.0 * np.log(1.0 + np.linspace(0.0, sample_rate / 2, bins) / 700.0)
    low, high = (1127.0 * np.log(1.0 + hertz / 700.0) for hertz in (min_freq, max_freq))
    width = (high - low) / (filters + 1)
    rounding: spec.Array = (matrix > 0) * (2.0**-24 * (1127.0 + 2.0 * mels[:, None]) / width)
    return rounding


class _Matrix(torch.nn.Module):
    """Holds the matrix, so that its rounding can be disturbed."""

    def __init__(self, config: spec.Config) -> None:
        super().__init__()
        self.config = config
        self._make(np.float32)

    def _make(self, dtype: npt.DTypeLike) -> None:
        matrix = linear_to_mel_weight_matrix(**self.config, dtype=dtype)
        self.register_buffer("matrix", torch.from_numpy(matrix), persistent=False)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        super()._apply(*args, **kwargs)
        self._make(np.float64 if self.matrix.dtype == torch.float64 else np.float32)
        return self

    def forward(self) -> Any:
        return self.matrix


def _constants(config: spec.Config) -> dict[str, spec.Array]:
    bins, filters = config["num_spectrogram_bins"], config["num_mel_bins"]
    band = config["lower_edge_hertz"], config["upper_edge_hertz"]
    return {"matrix": matrix_rounding(bins, filters, config["sample_rate"], *band)}


_REASON = (
    "float32 slopes (m - m0) / (m1 - m0) lose the digits that m and m0 share; TensorFlow's float32 "
    "logarithm is a unit off the right one in an eighth of the bins"
)


def _scale() -> str:
    """``1127 ln(1 + f / 700)``, rounded from float64."""
    hertz = np.linspace(1.0, 8000.0, 500).astype(np.float32)
    ratio = np.float32(1.0) + hertz / np.float32(700.0)
    logarithm = np.log1p(ratio.astype(np.float64) - 1.0).astype(np.float32)
    mels = np.float32(1127.0) * logarithm
    got = _hertz_to_mel(hertz)
    if got.dtype != np.float32:
        return f"in {got.dtype}"
    # The two float64 logarithms may round to two neighbours in float32.
    return "" if np.abs(got / mels - 1.0).max() <= 2.0**-22 else "another scale"


# Filters of four bins, 100 Hz apart: two peak at one place, one is empty, two are the same.
_POOR = np.array(
    [[0, 1, 0, 0], [0.5, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], np.float32
)
_WARNED = (
    (_POOR, FilterWarning, "1 of 5 filters coincide with another, 1 are empty"),
    (_POOR, InitialFilterWarning, "2 of 5 filters coincide with another, 1 are empty"),
    (_POOR[:2], InitialFilterWarning, "1 of 2 filters coincide with another, 0 are empty"),
    (_POOR[:3], FilterWarning, "0 of 3 filters coincide with another, 1 are empty"),
    (_POOR[3:], FilterWarning, "1 of 2 filters coincide with another, 0 are empty"),
    (_POOR[[0, 1, 3]], FilterWarning, ""),
    (_POOR[[0, 3]], InitialFilterWarning, ""),
)


def _warns() -> str:
    """Filters that are empty, are the same or peak in the same bin are counted in a warning."""
    for filters, category, told in _WARNED:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            warn_of_poor_filters("It", filters, 600.0, category, "fix it")
        wanted = [f"It: {told}: the bins of the transform are 100 Hz apart; fix it"] if told else []
        if [str(each.message) for each in seen] != wanted:
            return f"{[str(each.message) for each in seen]}, not {wanted}"
        if any(each.category is not category for each in seen):
            return f"a warning of {seen[0].category.__name__}, not {category.__name__}"
    return ""


def _rounded() -> str:
    """The logarithm of the scale is computed in float64, whatever the numbers are."""
    kinds: tuple[Any, ...] = (np.float32, np.float64)
    for dtype in kinds:
        hertz: npt.NDArray[Any] = np.linspace(1.0, 8000.0, 20_000).astype(dtype)
        ratio = dtype(1.0) + hertz / dtype(700.0)
        wanted = dtype(1127.0) * np.log(ratio.astype(np.float64)).astype(dtype)
        if not np.array_equal(_hertz_to_mel(hertz), wanted):
            return f"another logarithm is rounded to {dtype.__name__}"
    return ""


def _memory() -> str:
    """A bank asks whether its mel filters fit."""
    for size in (441, 64):
        asked = asked_memory(functools.partial(Gabor, n_filters=7, n_fft=size))
        wanted = [("Gabor", "n_fft", Gabor(n_filters=7, n_fft=size).mel_filters.size)]
        if asked != wanted:
            return f"{asked}, not {wanted}"
    return ""


def _empty() -> str:
    """Gabor filters of a bank with an empty filter: NaN of one area, float32, and no warning."""
    for equal in (False, True):
        gabor = Gabor(n_filters=80, n_fft=128, window_len=25, normalize_energy=equal)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            filters, parameters = gabor.mel_filters, gabor.gabor_params_from_mels
        if not filters.dtype == parameters.dtype == np.float32:
            return f"{filters.dtype} and {parameters.dtype}"
        if bool(np.isnan(filters).any()) is not equal:
            return "NaN belongs to filters of one area"
    return ""


SPEC = spec.LayerSpec(
    name="melfilters",
    mirrors="melfilters.py, lines 85-96 (tf.signal.linear_to_mel_weight_matrix)",
    port=_Matrix,
    official=lambda config: spec.Ref("tensorflow.signal.linear_to_mel_weight_matrix")(**config),
    configs=spec.grid(
        num_mel_bins=[40, 23, 80, 1],
        num_spectrogram_bins=[257, 129, 513],
        sample_rate=[16000, 8000, 22050],
        lower_edge_hertz=[60.0, 0.0, 20.0],
        upper_edge_hertz=[7800.0, 4000.0, 11000.0],
    ),
    exceptions=spec.Exceptions(
        constants=_constants,
        without=(nothing("a matrix that follows from sizes and rates: no tensor goes in"),),
    ),
    sampling=spec.Sampling(
        edges=[
            {
                "num_mel_bins": 1,
                "num_spectrogram_bins": 2,
                "sample_rate": 8000,
                "lower_edge_hertz": 0.0,
                "upper_edge_hertz": 4000.0,
            }
        ]
    ),
    exact=lambda given: spec.exactly(mel.weight_matrix(*given.config.values())),
    budget=spec.Budget(
        port=spec.Bound(5.3, 3.491),
        reference=spec.Bound(5.5, 4.174),
        double=spec.Bound(5, 3.179),
        relative=3e-5,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=_REASON,
    ),
    signatures=(
        spec.Signature(
            linear_to_mel_weight_matrix,
            "tensorflow.signal.linear_to_mel_weight_matrix",
            own={"dtype": spec.Own(np.float32, "NumPy's name of it")},
        ),
    ),
    laws=(
        spec.Law("the scale", _scale),
        spec.Law("what poor filters are warned of", _warns),
        spec.Law("empty filters", _empty),
        spec.Law("the rounding of the scale", _rounded),
        spec.Law("the memory of a bank", _memory),
    ),
    errors=(
        spec.ErrorCase(
            "num_spectrogram_bins", lambda: linear_to_mel_weight_matrix(num_spectrogram_bins=1)
        ),
        spec.ErrorCase("num_mel_bins", lambda: linear_to_mel_weight_matrix(0)),
        spec.ErrorCase(
            "max_freq", lambda: linear_to_mel_weight_matrix(sample_rate=8000, upper_edge_hertz=4001)
        ),
        spec.ErrorCase("min_freq", lambda: linear_to_mel_weight_matrix(lower_edge_hertz=-1.0)),
    ),
)
