"""Initial values: pre-emphasis, Gabor parameters, sinc edges, lowpass windows."""

import math
import warnings
from collections.abc import Sequence
from typing import Any
from unittest import mock

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from leaf_port import GaborInit, LowpassInit, PreempInit, SincInit, WindowType, _checks
from leaf_port.errors import InitialFilterWarning
from leaf_port.initializers import Constant, GlorotUniform, Identity, Initializer, parameter
from leaf_port.scales import ScaleInit
from parity import spec
from parity.layers import _scale_laws
from parity.oracles.exact import gabor, initialisers
from parity.spec.without_derivative import nothing

_PORT = {"Preemp": PreempInit, "Gabor": GaborInit, "Sinc": SincInit, "Lowpass": LowpassInit}


def _configs() -> list[spec.Config]:
    made: list[spec.Config] = [
        {"kind": "Preemp", "shape": (2, 1, 1), "alpha": a} for a in (0.97, 0.5)
    ]
    bands = ((16000, 60.0, 7800.0), (8000, 0.0, 4000.0), (24000, 30.0, 7800.0), (44100, 60.0, 2e4))
    for count, (rate, low, high) in zip((40, 23, 64, 80), bands, strict=True):
        band = {"sample_rate": rate, "min_freq": low, "max_freq": high}
        made += [
            {"kind": "Gabor", "shape": (count, 2), **band, "normalize_energy": normalized}
            for normalized in (False, True)
        ]
    made += [
        {"kind": "Sinc", "shape": (n, 2), "sample_rate": r} for n, r in ((40, 16000), (7, 8000))
    ]
    for rate, taps in ((16000, 401), (8000, 201), (22050, 552)):
        for kind in WindowType:
            for shape in ((taps, 1, 3), (1, taps, 3, 1)):
                window = {"sample_rate": rate, "window_type": kind.name}
                made.append({"kind": "Lowpass", "shape": shape, **window})
    return made


def _arguments(config: spec.Config) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("kind", "shape")}


class _Values(torch.nn.Module):
    """Holds the values in either precision."""

    def __init__(self, config: spec.Config) -> None:
        super().__init__()
        self.config = config
        self._make(torch.float32)

    def _make(self, dtype: torch.dtype) -> None:
        arguments = _arguments(self.config)
        if "window_type" in arguments:
            arguments["window_type"] = WindowType[arguments["window_type"]]
        values = _PORT[self.config["kind"]](**arguments)(self.config["shape"], dtype)
        self.register_buffer("values", values, persistent=False)

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        super()._apply(*args, **kwargs)
        self._make(self.values.dtype)  # type: ignore[arg-type]
        return self

    def forward(self) -> Any:
        return self.values


def _single(config: spec.Config) -> str:
    if config["kind"] == "Gabor":
        return "GaborInit computes in float32 alone, in the operations of the official code"
    if config["kind"] == "Preemp":
        return ""
    return "computed in float64 and rounded once; that float64 is checked under utils"


def _official(config: spec.Config) -> spec.Ref:
    arguments = _arguments(config)
    if "window_type" in arguments:
        arguments["window_type"] = spec.Ref(
            f"leaf_audio.utils.WindowType.{arguments['window_type']}"
        )
    initializer = spec.Ref(f"leaf_audio.initializers.{config['kind']}Init")(**arguments)
    return initializer(spec.Ref("builtins.tuple")(list(config["shape"])), dtype="float32")


def _wrong_shape() -> object:
    return LowpassInit(16000)((200, 1, 3), torch.float32)


def _exact(given: spec.Given) -> spec.Answer:
    config = given.config
    kind, shape = config["kind"], config["shape"]
    if kind == "Preemp":
        return spec.exactly(initialisers.preemphasis(config["alpha"]))
    if kind == "Sinc":
        return spec.exactly(initialisers.sinc(shape[0], config["sample_rate"]))
    if kind == "Lowpass":
        window = config["window_type"]
        return spec.exactly(initialisers.lowpass(shape, config["sample_rate"], window))
    band = config["min_freq"], config["max_freq"], config["sample_rate"]
    return spec.exactly(gabor.parameters(shape[0], *band, config["normalize_energy"]))


_EXACT = "the taps (-alpha, 1) are constants; the other kinds have no float64 answer"


def _values() -> str:
    """Every initialiser gives values of the type that it is asked for, which may be changed."""
    asked: list[tuple[Initializer, tuple[int, ...]]] = [
        (PreempInit(), (2, 1, 1)),
        (GaborInit(), (3, 2)),
        (GaborInit(), (9, 1, 6)),
        (SincInit(), (3, 2)),
        (LowpassInit(), (401, 1, 3)),
        (LowpassInit(), (1, 401, 3, 1)),
        (Constant(2.0), (3,)),
        (Identity(2.0), (3, 3)),
        (GlorotUniform(), (4, 3)),
        (ScaleInit("mel"), (3, 2)),
        (ScaleInit("constant"), (3, 2)),
        (ScaleInit("bark"), (9, 1, 6)),
    ]
    for initializer, shape in asked:
        for dtype in (torch.float32, torch.float64):
            values = initializer(shape, dtype)
            name = f"{type(initializer).__name__} of {shape}"
            if tuple(values.shape) != shape or values.dtype != dtype:
                return f"{name}: {values.dtype} of {tuple(values.shape)}, not {dtype}"
            if not values.is_contiguous():
                return f"{name}: values that share memory"
    return ""


def _elsewhere() -> str:
    """On meta none is asked; the values of one that computes on the CPU are on the default device.

    Of the other device only its name is known, not whether the values are finite.
    """

    def on_the_cpu(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        asked.append(torch.get_default_device().type)
        return torch.zeros(tuple(shape), dtype=dtype, device="cpu")

    asked: list[str] = []
    with torch.device("meta"):
        made = parameter("it", on_the_cpu, (3, 2))
    if asked or not made.is_meta:
        return f"asked on {asked}, made on {made.device}"
    usual = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.bfloat16)
        with torch.device("meta"):
            made = parameter("it", on_the_cpu, (3, 2))
    finally:
        torch.set_default_dtype(usual)
    if made.dtype != torch.float32:
        return f"where the default type is half, it is made in {made.dtype}"
    trust = mock.patch.object(_checks, "finite_tensor", lambda _owner, _name, values: values)
    with trust, FakeTensorMode(allow_non_fake_inputs=True), torch.device("lazy"):
        made = parameter("it", on_the_cpu, (3, 2))
    if made.device.type != "lazy":
        return f"made on {made.device}"
    with trust, FakeTensorMode(allow_non_fake_inputs=True):
        made = parameter("it", lambda shape, _dtype: torch.zeros(shape, device="lazy"), (3, 2))
    return "" if made.device.type == "cpu" else f"of values elsewhere, made on {made.device}"


def _glorot() -> str:
    """Glorot's rule for an array of any rank: the last two axes are channels, the others a field.

    Of ``_DRAWS`` values none is above 0.99 of the greatest in one of 5e8 seeds.
    """
    for shape, fans in (
        ((_DRAWS,), 2 * _DRAWS),
        ((4, _DRAWS // 4), 4 + _DRAWS // 4),
        ((10, 8, _DRAWS // 80), 10 * (8 + _DRAWS // 80)),
        ((3, 5, 20, _DRAWS // 300), 15 * (20 + _DRAWS // 300)),
    ):
        greatest = math.sqrt(6.0 / fans)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            values = GlorotUniform()(shape, torch.float64)
        low, high = -float(values.min()) / greatest, float(values.max()) / greatest
        if not (0.99 < low <= 1 and 0.99 < high <= 1):
            return f"{shape} has -{low:g} to {high:g} times {greatest:g}"
    return ""


_DRAWS = 2400


def _warns() -> str:
    """Of Gabor filters that coincide it warns, and of others it does not."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for shape in ((80, 2), (9, 1, 160)):
            GaborInit(n_fft=128)(shape, torch.float32)
        GaborInit()((5, 2), torch.float32)
    told = [(each.category, str(each.message).partition(":")[0]) for each in seen]
    return "" if told == [(InitialFilterWarning, "GaborInit")] * 2 else f"warnings {told}"


def _band() -> str:
    """Of a scale: LEAF's band at 16 kHz, if nothing else is told."""
    one, other = ScaleInit("linear"), ScaleInit("linear", 16000, 60.0, 7800.0)
    shape = (5, 2)
    same = torch.equal(one(shape, torch.float64), other(shape, torch.float64))
    return "" if same else "another band"


SPEC = spec.LayerSpec(
    name="initializers",
    mirrors="initializers.py, lines 27-157",
    port=_Values,
    official=_official,
    configs=_configs(),
    exact=_exact,
    exceptions=spec.Exceptions(
        single=_single,
        without=(nothing("it draws or computes initial values from sizes: no tensor goes in"),),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 2.053),
        reference=spec.Bound(5, 2.053),
        double=spec.Bound(0, 0, _EXACT),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    signatures=(
        spec.Signature(
            GaborInit,
            "leaf_audio.initializers.GaborInit, leaf_audio.melfilters.Gabor",
            lacks=dict.fromkeys(("n_filters", "window_len"), "the shape tells it"),
        ),
        spec.Signature(LowpassInit, "leaf_audio.initializers.LowpassInit"),
        spec.Signature(PreempInit, "leaf_audio.initializers.PreempInit"),
        spec.Signature(SincInit, "leaf_audio.initializers.SincInit"),
        spec.Signature(Constant, "tensorflow.keras.initializers.Constant"),
        spec.Signature(Identity, "tensorflow.keras.initializers.Identity"),
        spec.Signature(
            GlorotUniform,
            "tensorflow.keras.initializers.GlorotUniform",
            lacks={"seed": "it draws from torch's global generator"},
        ),
    ),
    laws=(
        spec.Law("the values of each", _values),
        spec.Law("values on another device", _elsewhere),
        spec.Law("Glorot's rule for any shape", _glorot),
        spec.Law("a warning of Gabor filters", _warns),
        spec.Law("the band of a scale", _band),
        spec.Law("published scales", _scale_laws.published),
        spec.Law("filters on every scale", _scale_laws.laid_out),
        spec.Law("the scale of filterbanks", _scale_laws.of_filterbanks),
    ),
    errors=(
        spec.ErrorCase("scale", lambda: ScaleInit("octaves")),
        spec.ErrorCase("min_freq", lambda: ScaleInit("constant", min_freq=0.0)),
        spec.ErrorCase("max_freq", lambda: ScaleInit("mel", 8000)),
        spec.ErrorCase("shape", lambda: ScaleInit("mel")((9, 1, 5), torch.float32)),
        spec.ErrorCase("shape", lambda: ScaleInit("mel")((9, 2, 6), torch.float32)),
        spec.ErrorCase("shape", lambda: GaborInit()((9, 1, 5), torch.float32)),
        spec.ErrorCase("shape", lambda: PreempInit()((3, 1, 1), torch.float32)),
        spec.ErrorCase("shape", _wrong_shape),
        spec.ErrorCase("alpha", lambda: PreempInit(alpha=float("nan")), "gives NaN"),
        spec.ErrorCase("max_freq", lambda: GaborInit(sample_rate=8000, min_freq=60, max_freq=7800)),
        spec.ErrorCase("min_freq", lambda: GaborInit(min_freq=5000, max_freq=4000)),
        spec.ErrorCase("min_freq", lambda: GaborInit(min_freq=float("nan"))),
    ),
)
