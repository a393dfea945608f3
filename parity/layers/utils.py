"""Mel scale and windows."""

from typing import Any

from leaf_port import utils
from parity.oracles.exact import mel, windows
from parity.spec import Answer, Budget, Config, ErrorCase, Given, LayerSpec, Ref, exactly, product

_WINDOWS = {"hamming": "HAMMING", "hanning": "HANNING", "squared_hanning": "SQUARED_HANNING"}


def _port(config: Config) -> Any:
    if config["what"] in _WINDOWS:
        return utils.window(utils.WindowType[_WINDOWS[config["what"]]], config["size"])
    return getattr(utils, config["what"])(float(config["size"]))


def _official(config: Config) -> Ref:
    if config["what"] in _WINDOWS:
        kind = Ref(f"leaf_audio.utils.WindowType.{_WINDOWS[config['what']]}")
        return Ref("leaf_audio.utils.window")(kind, config["size"])
    return Ref(f"leaf_audio.utils.{config['what']}")(float(config["size"]))


def _exact(given: Given) -> Answer:
    what, size = given.config["what"], given.config["size"]
    if what in _WINDOWS:
        return exactly(windows.BY_NAME[_WINDOWS[what]](size))
    return exactly({"hz2mel": mel.hz2mel, "mel2hz": mel.mel2hz}[what](float(size)))


SPEC = LayerSpec(
    name="utils",
    mirrors="utils.py, lines 24-87",
    port=_port,
    official=_official,
    configs=product(what=["hz2mel", "mel2hz", *_WINDOWS], size=[2, 3, 64, 401, 7800]),
    exact=_exact,
    budget=Budget(
        forward=0.023,
        gradient=0,
        worst="0.011, 0 units; 5.7e-16, 0.0e+00 relative; torch 2.13.0, TF 2.13.1",
    ),
    errors=(
        ErrorCase("window_type", lambda: utils.window("hann", 5)),  # type: ignore[arg-type]
        ErrorCase("tmax", lambda: utils.window(utils.WindowType.HANNING, 1)),
    ),
)
