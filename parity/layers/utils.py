"""Mel scale and windows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from leaf_port import utils
from leaf_port.errors import LeafError
from parity import spec
from parity.oracles.exact import mel, windows
from parity.spec.without_derivative import nothing

_WINDOWS = {"hamming": "HAMMING", "hanning": "HANNING", "squared_hanning": "SQUARED_HANNING"}


def _port(config: spec.Config) -> Any:
    if config["what"] in _WINDOWS:
        return utils.window(utils.WindowType[_WINDOWS[config["what"]]], config["size"])
    return getattr(utils, config["what"])(float(config["size"]))


def _official(config: spec.Config) -> spec.Ref:
    if config["what"] in _WINDOWS:
        kind = spec.Ref(f"leaf_audio.utils.WindowType.{_WINDOWS[config['what']]}")
        return spec.Ref("leaf_audio.utils.window")(kind, config["size"])
    return spec.Ref(f"leaf_audio.utils.{config['what']}")(float(config["size"]))


def _exact(given: spec.Given) -> spec.Answer:
    what, size = given.config["what"], given.config["size"]
    if what in _WINDOWS:
        return spec.exactly(windows.BY_NAME[_WINDOWS[what]](size))
    return spec.exactly({"hz2mel": mel.hz2mel, "mel2hz": mel.mel2hz}[what](float(size)))


def _hann_rounding(phase: spec.Array) -> spec.Array:
    """``(1 - cos(phase)) / 2``: both terms are rounded, and the phase by ``2^-24`` of itself."""
    return np.asarray(0.5 + 0.5 * np.abs(phase * np.sin(phase)))


def _constants(config: spec.Config) -> Mapping[str, spec.Array]:
    """How far an answer may be off: in units of 2^-24, though all of it is float64.

    ``hz2mel``: the argument of the logarithm, 1 + f / 700, is rounded by ``2^-24`` of itself.
    ``mel2hz``: the power ``p`` before 1 is taken from it, and its exponent by ``2^-24`` of itself.
    """
    what, size = config["what"], config["size"]
    n, exponent = np.arange(size), np.log(10.0) * size / 2595.0
    hann = _hann_rounding(2.0 * np.pi * (n - 1) / (size - 1))
    squared = 2.0 * windows.hanning(size) * hann
    by_what = {
        "hz2mel": np.asarray(2595.0 / np.log(10.0)),
        "mel2hz": np.asarray(700.0 * np.exp(exponent) * (1.0 + exponent)),
        "hamming": _hann_rounding(2.0 * np.pi * n / size),
        "hanning": hann,
        "squared_hanning": squared,
    }
    return {"output/0": 2.0**-24 * by_what[what]}


def _choices() -> str:
    """The error about an unknown window names all that there are."""
    try:
        utils.window("hann", 5)  # type: ignore[arg-type]
    except LeafError as error:
        lacks = [str(each) for each in utils.WindowType if str(each) not in error.expected]
        return f"it does not name {lacks}" if lacks else ""
    return "accepted"


def _sizes() -> str:
    """A size may be an integer of NumPy's, of any width and sign; the least has one sample."""
    for kind in utils.WindowType:
        wanted = utils.window(kind, 200)
        for integer in (np.uint8, np.int16, np.uint64):
            got = utils.window(kind, integer(200))  # type: ignore[arg-type]
            if got.dtype != wanted.dtype or not np.array_equal(got, wanted):
                return f"{kind} of {integer.__name__} is another window"
    least = utils.window(utils.WindowType.HAMMING, 1).tolist()
    return "" if least == [0.54 - 0.46] else f"a Hamming window of one sample is {least}"


SPEC = spec.LayerSpec(
    name="utils",
    mirrors="utils.py, lines 24-87",
    port=_port,
    official=_official,
    configs=spec.product(what=["hz2mel", "mel2hz", *_WINDOWS], size=[2, 3, 64, 401, 7800]),
    exact=_exact,
    exceptions=spec.Exceptions(
        constants=_constants,
        answers_in_double=True,
        without=(nothing("functions of plain numbers, which answer in NumPy: no tensor goes in"),),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 1.895),
        reference=spec.Bound(7.5, 3.725),
        double=spec.Bound(5, 1.895),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(utils.hz2mel, "leaf_audio.utils.hz2mel"),
        spec.Signature(utils.mel2hz, "leaf_audio.utils.mel2hz"),
        spec.Signature(utils.window, "leaf_audio.utils.window"),
    ),
    laws=(
        spec.Law("the windows that there are", _choices),
        spec.Law("sizes of windows", _sizes),
    ),
    errors=(
        spec.ErrorCase("window_type", lambda: utils.window("hann", 5)),  # type: ignore[arg-type]
        spec.ErrorCase("tmax", lambda: utils.window(utils.WindowType.HANNING, 1)),
    ),
)
