"""The exact oracle: right by itself, independent of the port, and able to fail every check."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.signal

from parity.checks import case_checks, compare, gradients, monte_carlo
from parity.layers import all_specs
from parity.oracles import exact, exact_answer, recorded
from parity.oracles.exact import (
    compression,
    convolution,
    data,
    fft,
    gabor,
    gaussian,
    initialisers,
    mel,
    models,
    normalisation,
    pooling,
    sinc,
    spec_augment,
    windows,
)
from parity.port import runner
from parity.spec import Answer, Array, Bound, Case, Given, LayerSpec, Ref
from parity.spec.random_arrays import Source

SPECS = all_specs()
FILES = sorted(Path(exact.__file__).parent.glob("*.py"))
EPS = 2.0**-52


def near(got: Array, expected: Array, scale: float = 1.0) -> bool:
    """Equal to eight roundings of the magnitude that enters."""
    return bool(np.all(np.abs(got - expected) <= 8 * EPS * np.maximum(np.abs(expected), scale)))


# ---------------------------------------------------------------- independence


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_oracle_imports_nothing_of_the_port(path: Path) -> None:
    """NumPy, SciPy, mpmath, the standard library, and itself."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    standard = {"collections", "functools", "itertools", "math", "typing", "__future__"}
    outside = {n for n in found if not n.startswith("parity.oracles.exact")}
    assert {name.partition(".")[0] for name in outside} <= standard | {"numpy", "scipy", "mpmath"}


def test_declaration_without_exact_is_refused() -> None:
    """Every layer has its float64 answer."""
    spec = next(iter(SPECS.values()))
    fields = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if f.name != "exact"}
    with pytest.raises(TypeError, match="exact"):
        LayerSpec(**fields)


def test_bounds_are_tight_and_explained() -> None:
    """At most three times the worst observed, or five units; above ten with a reason."""
    with pytest.raises(ValueError, match="1 to 3 times"):
        Bound(5.1, 1.0)
    with pytest.raises(ValueError, match="1 to 3 times"):
        Bound(0.9, 1.0)
    with pytest.raises(ValueError, match="need their explanation"):
        Bound(22.0, 11.0)
    assert Bound(22.0, 11.0, "because").allowed == 22.0


# ---------------------------------------------------------------- against mpmath


def test_gabor_tap_at_thirty_digits() -> None:
    """At a phase of 600 radians."""
    center, width, t = 3.0, 11.5, -200.0
    got = gabor.impulse_response(np.array([t]), np.array([center]), np.array([width]))[0, 0]
    with mpmath.workdps(30):
        c, w, n = mpmath.mpf(center), mpmath.mpf(width), mpmath.mpf(t)
        envelope = mpmath.exp(-(n**2) / (2 * w**2)) / (mpmath.sqrt(2 * mpmath.pi) * w)
        real, imaginary = envelope * mpmath.cos(c * n), envelope * mpmath.sin(c * n)
        exponent = float(n**2 / (2 * w**2))
    scale = float(envelope) * (1 + exponent)
    assert abs(got.real - float(real)) < 4 * EPS * scale
    assert abs(got.imag - float(imaginary)) < 4 * EPS * scale


def test_sinc_and_gaussian_at_thirty_digits() -> None:
    """One tap each."""
    t, f, s, size = 0.003, 1234.5, 0.3, 401
    with mpmath.workdps(30):
        phase = 2 * mpmath.pi * mpmath.mpf(f) * mpmath.mpf(t)
        expected = float(mpmath.sin(phase) / phase)
        half = mpmath.mpf(size - 1) / 2
        window = float(mpmath.exp(-(((17 - half) / (mpmath.mpf(s) * half)) ** 2) / 2))
    assert near(sinc.impulse_response(np.array([[t]]), np.array([[f]])), np.array([[expected]]))
    taps = gaussian.lowpass(np.array([[[[s]]]]), size)
    assert abs(taps[0, 17, 0, 0] / window - 1) < 16 * EPS


def test_pcen_at_thirty_digits() -> None:
    """Three frames of one channel, alpha and root beyond their bounds."""
    x, values = [0.3, 0.001, 2.0], {"alpha": 1.1, "delta": 2.5, "root": 0.8, "ema/smooth": 0.2}
    weights = {name: np.array([value]) for name, value in values.items()}
    got = compression.pcen(np.array(x)[None, :, None], weights, 1e-6)[0, :, 0]
    with mpmath.workdps(30):
        state = mpmath.mpf(x[0])
        for sample, one in zip(x, got, strict=True):
            w = mpmath.mpf(values["ema/smooth"])
            state = w * mpmath.mpf(sample) + (1 - w) * state
            expected = mpmath.mpf(sample) / (mpmath.mpf(1e-6) + state)  # alpha 1, root 1
            assert abs(one - float(expected)) < 8 * EPS * 3.0


def test_mel_triangle_at_thirty_digits() -> None:
    """A weight of bin 7 of 257."""
    matrix = mel.weight_matrix(40, 257, 16000, 60.0, 7800.0)
    column = int(np.argmax(matrix[7]))
    with mpmath.workdps(30):
        scale = lambda f: 1127 * mpmath.log(1 + mpmath.mpf(f) / 700)  # noqa: E731
        low, high = scale(60), scale(7800)
        edges = [low + (high - low) * n / 41 for n in range(column, column + 3)]
        m = scale(mpmath.mpf(7) * 8000 / 256)
        rising, falling = (
            (m - edges[0]) / (edges[1] - edges[0]),
            (edges[2] - m) / (edges[2] - edges[1]),
        )
        expected = float(min(rising, falling))
    assert abs(matrix[7, column] - expected) < 64 * EPS


def test_mel_scales_are_inverse() -> None:
    """To the last bit but one."""
    assert mel.mel2hz(mel.hz2mel(440.0)) == pytest.approx(440.0, rel=4 * EPS)
    assert mel.hz2mel(0.0) == mel.mel2hz(0.0) == 0.0


# ---------------------------------------------------------------- against SciPy


def test_windows_against_scipy() -> None:
    """Periodic Hamming; the symmetric Hann one sample later; tf.signal's Hann of either parity."""
    assert near(windows.hamming(401), scipy.signal.windows.hamming(401, sym=False))
    assert near(windows.hanning(64)[1:], scipy.signal.windows.hann(64)[:-1])
    assert near(windows.periodic_hann(64), scipy.signal.windows.hann(64, sym=False))
    assert near(windows.periodic_hann(401), scipy.signal.windows.hann(401, sym=True))
    assert near(windows.squared_hanning(9), windows.hanning(9) ** 2)
    assert np.array_equal(windows.periodic_hann(1), [1.0])


@pytest.mark.parametrize("length", [400, 401, 455, 3])
@pytest.mark.parametrize("taps", [5, 8])
def test_convolution_against_scipy(length: int, taps: int) -> None:
    """Stride 1; every third of it; dilated."""
    source = Source(length + taps)
    x = source.normal((2, length, 3)).astype(np.float64)
    kernel = source.normal((taps, 3, 2)).astype(np.float64)
    left, right = convolution.same_padding(length, taps)
    padded = np.pad(x, [(0, 0), (left, right), (0, 0)])
    full = np.stack(
        [
            np.stack(
                [scipy.signal.correlate(clip, kernel[:, :, f], "valid")[:, 0] for f in (0, 1)], 1
            )
            for clip in padded
        ]
    )
    assert near(convolution.conv1d(x, kernel), full, 30.0)
    strided = convolution.conv1d(padded, kernel, 3, "VALID")
    assert near(strided, full[:, ::3], 30.0)
    spread = np.zeros((2 * taps - 1, 3, 2))
    spread[::2] = kernel
    dilated = convolution.conv1d(x, kernel, dilation=2)
    assert near(dilated, convolution.conv1d(x, spread), 30.0)


def test_maps_against_scipy() -> None:
    """Two dimensions, SAME."""
    source = Source(5)
    x = source.normal((1, 7, 6, 2)).astype(np.float64)
    kernel = source.normal((3, 3, 2, 1)).astype(np.float64)
    expected = sum(
        scipy.signal.correlate2d(x[0, :, :, c], kernel[:, :, c, 0], "same") for c in (0, 1)
    )
    assert near(convolution.conv2d(x, kernel)[0, :, :, 0], np.asarray(expected), 30.0)


@pytest.mark.parametrize(
    ("length", "stride", "expected"), [(16000, 160, (120, 121)), (1, 160, (200, 200))]
)
def test_same_padding_of_the_reference(length: int, stride: int, expected: tuple[int, int]) -> None:
    """As TensorFlow was seen to pad."""
    assert convolution.same_padding(length, 401, stride) == expected


def test_moving_average_against_scipy() -> None:
    """``lfilter`` with the state that the first frame makes."""
    x = Source(3).uniform((1, 300, 1), 0.0, 1.0).astype(np.float64)
    got = compression.moving_average(x, np.array([0.04]), x[:, 0])[0, :, 0]
    start = [(1 - 0.04) * x[0, 0, 0]]
    expected, _ = scipy.signal.lfilter([0.04], [1.0, -(1.0 - 0.04)], x[0, :, 0], zi=start)
    assert np.abs(got - expected).max() < 64 * EPS


def test_circular_convolution_by_hand() -> None:
    """``y[n] = sum_k x[(n + k - (K // 2 - 1)) mod N] h[k]``."""
    source = Source(8)
    x = source.normal((1, 11, 1)).astype(np.float64)
    kernel = source.normal((5, 1, 1)).astype(np.float64)
    padded, size = np.pad(x[0, :, 0], (0, 5)), 16
    expected = [
        sum(padded[(n + k - 1) % size] * kernel[k, 0, 0] for k in range(5)) for n in range(11)
    ]
    assert near(fft.circular(x, kernel)[0, :, 0], np.array(expected), 10.0)


def test_overlap_add_is_the_direct_convolution_within_a_segment() -> None:
    """Two samples at each seam are not: the official roll takes them from the segment's far end."""
    source = Source(9)
    x = source.normal((1, 100, 1)).astype(np.float64)
    kernel = source.normal((8, 1, 2)).astype(np.float64)
    direct, got = convolution.conv1d(x, kernel), fft.overlap_add(x, kernel, 32)
    apart = np.abs(got - direct)[0].max(axis=1) > 1e-12
    assert np.flatnonzero(apart[:90]).tolist() == [21, 28, 46, 53, 71, 78]


# ---------------------------------------------------------------- by definition


def test_poolings_and_normalisations_by_definition() -> None:
    """Small maps, loops."""
    x = Source(4).normal((2, 5, 3, 2)).astype(np.float64)
    mean = pooling.average_2d(x, (2, 2))
    assert mean.shape == (2, 3, 2, 2)
    assert near(mean[1, 2, 1, 0], x[1, 4, 2, 0])  # the one value of the last window
    assert near(pooling.maximum_2d(x)[0, 1, 0, 1], x[0, 2:4, 0:2, 1].max())
    assert near(models.head(x, {"kernel": np.eye(2), "bias": np.zeros(2)}), x.max(axis=(1, 2)))
    ones = {"gamma": np.ones(2), "beta": np.zeros(2)}
    made = normalisation.layer(x, ones)
    assert near(made.mean(axis=-1), np.zeros((2, 5, 3)))
    moving = {"moving_mean": np.zeros(2), "moving_variance": np.ones(2)}
    _, state = normalisation.batch(x, ones | moving, -1, training=True)
    unbiased = x.reshape(-1, 2).var(axis=0, ddof=1)
    assert near(state["moving_variance"], 0.99 + (1 - 0.99) * unbiased)
    _, biased = normalisation.batch(x[0], ones | moving, -1, training=True)
    expected = 0.99 + (1 - 0.99) * x[0].reshape(-1, 2).var(axis=0)
    assert near(biased["moving_variance"], expected)


def test_augmentation_by_definition() -> None:
    """A run of zeros; a warp that fixes the ends and moves the anchor."""
    kept = spec_augment.mask(np.array([[0.5]]), np.array([[0.0]]), 10, 8)
    assert np.array_equal(kept[0], [0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    matrix = spec_augment.warp(np.array([2]), np.array([0.5]), 12, 1.0)[0]
    moved = matrix @ np.arange(12.0)
    assert moved[0] == 0.0
    assert near(moved[8], np.float64(6.0))  # frame 6 is shown at 8


def test_preparation_and_initial_values_by_definition() -> None:
    """Gain, crop, pre-emphasis, band edges."""
    x = np.array([1.0, -1.0, 3.0])
    assert near(data.loudness(x, 0.0, 60.0).std(), x.std() / (x.std() + 1e-9), 1.0)
    assert np.array_equal(data.align(x, 2, 3), x[1:])
    assert np.array_equal(data.align(x, 4, 3), [1.0, -1.0, 3.0, 0.0])
    assert initialisers.preemphasis(0.5).tolist() == [[[-0.5]], [[1.0]]]
    edges = initialisers.sinc(4, 16000)
    assert near(edges[0, 0], np.float64(50.0), 700.0)
    assert near(edges[:-1].sum(axis=1), edges[1:, 0], 700.0)
    assert initialisers.lowpass((1, 401, 2, 1), 16000, "HANNING").shape == (1, 401, 2, 1)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("count", "rate", "low", "high"), [(40, 16000, 60.0, 7800.0), (23, 8000, 0, 4000)]
)
def test_gabor_decisions_do_not_hang_on_precision(
    count: int, rate: int, low: float, high: float, normalize: bool
) -> None:
    """Peak and width of each triangle are the same if its weights are off as far as float32 may."""
    roots = np.sqrt(gabor.mel_filters(count, low, high, rate, normalize))
    ratios = np.delete(np.sort((roots / roots.max(axis=1, keepdims=True)).ravel()), 0)
    ratios = ratios[(ratios > 0) & (ratios < 1)]
    assert np.abs(ratios - 0.5).min() > 1e-5
    assert (1.0 - ratios).min() > 1e-5


# ---------------------------------------------------------------- the checks can fail


def checked(spec: LayerSpec, case: Case, recording: recorded.Recording | None = None) -> set[str]:
    """Which checks of a case's outputs and gradients fail."""
    results = case_checks.check(spec, case, (recording or recorded.load(spec)).answer)
    return {each.check for result in results for each in result.differences if not each.ok}


PCEN = SPECS["pcen"]
CASE = [case for case in PCEN.cases() if not case.draw][-1]


def test_all_is_well_before_anything_is_broken() -> None:
    """Otherwise the plants prove nothing."""
    assert checked(PCEN, CASE) == set()


def planted(change: Callable[[Array], Array]) -> Callable[[Given], Answer]:
    """The exact oracle of PCEN, its first output changed."""

    def broken(given: Given) -> Answer:
        answer = PCEN.exact(given)
        answer.outputs[0] = change(answer.outputs[0])
        return answer

    return broken


def test_a_wrong_oracle_is_caught() -> None:
    """By both sides and by the port in float64; the direct comparison does not ask it."""
    spec = dataclasses.replace(PCEN, exact=planted(lambda y: y * (1 + 1e-5)))
    assert checked(spec, CASE) >= {compare.PORT, compare.REFERENCE, compare.DOUBLE}
    assert compare.DIRECT not in checked(spec, CASE)


def test_a_slightly_wrong_oracle_is_caught_in_float64() -> None:
    """1e-13, far below what float32 sees."""
    spec = dataclasses.replace(PCEN, exact=planted(lambda y: y * (1 + 1e-13)))
    assert checked(spec, CASE) == {compare.DOUBLE}


def test_an_oracle_of_another_slope_is_caught() -> None:
    """A gradient that is off by one part in ten thousand."""

    def bent(given: Given) -> Answer:
        here = exact_answer.given(exact_answer.pinned(QUESTION, OFFICIAL))
        answer, start = PCEN.exact(given), PCEN.exact(here)
        moved = answer.outputs[0] - start.outputs[0]
        return Answer([start.outputs[0] + moved * (1 + 1e-4)])

    assert compare.SLOPE in checked(dataclasses.replace(PCEN, exact=bent), CASE)


QUESTION = runner.ask(PCEN, CASE)
OFFICIAL = recorded.load(PCEN).answer(PCEN, QUESTION)


def test_a_wrong_official_answer_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Directly, and by its distance from exact."""
    outputs = [OFFICIAL.outputs[0] * np.float32(1 + 1e-5)]
    recording = recorded.load(PCEN)
    wrong = dataclasses.replace(OFFICIAL, outputs=outputs)
    monkeypatch.setattr(recording, "answer", lambda *_: wrong)
    assert checked(PCEN, CASE, recording) == {compare.DIRECT, compare.REFERENCE}


def test_a_wrong_float64_port_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant that is the float32 one in float64 too; float32 sees nothing."""
    answer = runner.answer

    def careless(spec: LayerSpec, question: Any, run: runner.Run, *built: Any) -> Answer:
        got = answer(spec, question, run, *built)
        if run.dtype.itemsize == 8:
            got.outputs = [output * (1 + 2e-9) for output in got.outputs]
        return got

    monkeypatch.setattr(monte_carlo.runner, "answer", careless)
    assert checked(PCEN, CASE) == {compare.DOUBLE}


def test_a_wrong_float64_gradient_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One element of one gradient, by a hundredth."""
    answer = runner.answer

    def careless(spec: LayerSpec, question: Any, run: runner.Run, *built: Any) -> Answer:
        got = answer(spec, question, run, *built)
        if run.dtype.itemsize == 8:
            got.gradients["weight/alpha"][0] *= 1.01
        return got

    monkeypatch.setattr(monte_carlo.runner, "answer", careless)
    assert compare.SLOPE in checked(PCEN, CASE)


def test_a_kink_is_told_and_not_passed() -> None:
    """A smoothing coefficient at its bound."""
    spec = SPECS["exponential_moving_average"]
    case = next(
        c
        for c in spec.cases()
        if c.initial and c.config["coefficient"] == 1.0 and c.config["frames"] > 1
    )
    (result,) = case_checks.check(spec, case, recorded.load(spec).answer)
    assert [skip.array for skip in result.skips] == ["gradients/weight/smooth"]
    assert not result.failures


def test_an_oracle_that_leaves_out_an_array_is_refused() -> None:
    """Moving statistics, say."""
    spec = SPECS["batch_normalization"]
    case = next(c for c in spec.cases() if c.training)
    silent = dataclasses.replace(spec, exact=lambda given: Answer(spec.exact(given).outputs))
    with pytest.raises(ValueError, match="the exact oracle gives"):
        checked(silent, case)


def test_slopes_move_values_in_proportion() -> None:
    """Silence stays silent; what is zero throughout moves by itself."""
    value = np.array([0.0, 2.0, -1e-6])
    along = gradients.direction(value, 1)
    assert along[0] == 0.0
    assert np.all(np.abs(along) <= np.abs(value))
    assert np.all(gradients.direction(np.zeros(3), 1) != 0.0)


def test_every_case_has_an_exact_answer_of_the_recorded_shape() -> None:
    """Cheap ones, all layers: shape and finiteness."""
    for spec in SPECS.values():
        case = [case for case in spec.cases() if not case.draw][-1]
        question = runner.ask(spec, case)
        official = recorded.load(spec).answer(spec, question)
        answer = exact_answer.answer(spec, exact_answer.pinned(question, official))
        assert [o.shape for o in answer.outputs] == [o.shape for o in official.outputs]
        assert set(answer.state) == set(official.state)
        assert isinstance(spec.official(case.config), Ref)
