"""Preparation of the clips in the official example: 16 bits to floats, cut or pad, loudness."""

import math
import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch

from leaf_port import data
from parity import spec
from parity.oracles.exact import data as data_exact
from parity.port.torch_defaults import default_dtype
from parity.spec.random_arrays import Source
from parity.spec.without_derivative import MAPPED


def _port(config: spec.Config) -> Callable[..., Any]:
    if config["what"] == "loudness":
        return lambda samples: data.loudness_normalization(samples, config["db"])

    if config["what"] == "int16":
        return data.int16_to_float

    def align(samples: torch.Tensor, draws: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        room = max(samples.shape[0] - config["length"], 0) + 1
        return data.align(samples, config["length"], offset=int(draws[0].cpu()) % room)

    return align


def _official(config: spec.Config) -> spec.Ref:
    partial = spec.Ref("functools.partial")
    if config["what"] == "int16":
        return spec.Ref("as_floats")
    if config["what"] == "loudness":
        return partial(spec.Ref("example.data.loudness_normalization"), target_db=config["db"])
    return partial(spec.Ref("example.data.align"), seq_len=config["length"])


def _draws(config: spec.Config, source: Source) -> Sequence[spec.Array]:
    return [source.integers((1,), 0, 2**20)] if config["what"] == "align" else []


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    if config["what"] == "int16":
        samples = source.integers((config["samples"],), -32768, 32768).astype(np.int16)
        samples[:4] = -32768, -32767, 32767, 0
        return {"samples": samples}
    clip = source.audio(1, config["samples"])[0]
    return {"inputs": clip * config["gain"]}


def _call(layer: Callable[..., Any], inputs: torch.Tensor, draws: Sequence[torch.Tensor]) -> Any:
    return layer(inputs, draws) if draws else layer(inputs)


def _exact(given: spec.Given) -> spec.Answer:
    (clip,), config = given.inputs.values(), given.config
    if config["what"] == "int16":
        return spec.exactly(data_exact.from_int16(clip))
    if config["what"] == "loudness":
        return spec.exactly(data_exact.loudness(clip, config["db"]))
    return spec.exactly(data_exact.align(clip, config["length"], int(given.draws[0][0])))


def _random_crop() -> str:
    """Each offset at which the crop fits is drawn, and no other; a short clip has but one."""
    clip, made = torch.arange(9.0), torch.Generator().manual_seed(0)
    before = torch.get_rng_state()
    crops = [data.align(clip, 5, generator=made) for _ in range(200)]
    starts = {int(crop[0]) for crop in crops}
    if starts != {0, 1, 2, 3, 4}:
        return f"crops begin at {sorted(starts)}"
    made.manual_seed(0)
    again = [data.align(clip, 5, generator=made) for _ in range(200)]
    if not torch.equal(torch.stack(again), torch.stack(crops)):
        return "a generator of the same seed draws other crops"
    if not torch.equal(torch.get_rng_state(), before):
        return "torch's own generator draws where another one is given"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        starts = {int(data.align(clip, 8)[0]) for _ in range(50)}
    same = torch.equal(data.align(clip, 12), torch.cat([clip, torch.zeros(3)]))
    return "" if starts == {0, 1} and same else f"crops begin at {sorted(starts)}"


def _where_it_is_drawn() -> str:
    """On the device of the generator that draws, or on the CPU, whatever torch's default is."""
    clip = torch.arange(9.0)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        data.align(clip, 5)
        data.align(clip, 5, generator=torch.Generator("cpu"))
    made: Any = SimpleNamespace(device="another")
    with mock.patch.object(torch, "randint", return_value=torch.tensor(2)) as drawn:
        crop = data.align(clip, 5, generator=made)
    told = drawn.call_args.kwargs
    same = torch.equal(crop, clip[2:7]) and told == {"generator": made, "device": "another"}
    return "" if same else f"{crop} is drawn with {told}"


def _crop() -> str:
    """A crop is as long as it was asked for, wherever it begins."""
    clip = torch.arange(9.0)
    for length in range(1, 10):
        for offset in range(10 - length):
            crop = data.align(clip, length, offset=offset)
            if not torch.equal(crop, clip[offset : offset + length]):
                return f"{length} samples from {offset} are {crop}"
    return ""


def _traced_crop() -> str:
    """A graph of a clip that is as long as it is wanted pads one that is shorter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes are decided, and torch.jit is deprecated
        graph = torch.jit.trace(lambda clip: data.align(clip, 9, offset=0), torch.arange(9.0))
    found = graph(torch.ones(6)).tolist()
    return "" if found == [1.0] * 6 + [0.0] * 3 else f"six ones are {found}"


def _gain_at_its_bound() -> str:
    """Where the greatest gain is just the one wanted, it is a constant, as of tf.minimum."""
    clip = torch.tensor([0.5, -0.5] * 8, requires_grad=True)
    scaled = data.loudness_normalization(clip, 0.0, 20.0 * math.log10(2.0))
    scaled.backward(torch.arange(16.0))
    twice = 2.0 * torch.arange(16.0)
    assert clip.grad is not None  # noqa: S101
    same = torch.equal(scaled, 2.0 * clip) and torch.equal(clip.grad, twice)
    return "" if same else f"the gradient is {clip.grad}, not {twice}"


def _wider_integers() -> str:
    """Samples of 16 bits in a wider integer are the same floats; none at all are none.

    They are float32, whatever torch's default is.
    """
    samples = torch.tensor([-32768, -1, 0, 1, 32767], dtype=torch.int16)
    floats = data.int16_to_float(samples)
    wide = [data.int16_to_float(samples.to(dtype)) for dtype in (torch.int32, torch.int64)]
    none = data.int16_to_float(samples[:0].int())
    with default_dtype(torch.float64):
        wide += [data.int16_to_float(samples), data.int16_to_float(samples.long())]
    same = all(torch.equal(floats, each) for each in wide) and none.shape == (0,)
    same = same and all(each.dtype == torch.float32 for each in (floats, none, *wide))
    return "" if same else "wider integers give other floats"


SPEC = spec.LayerSpec(
    name="audio_preparation",
    mirrors="example/data.py, lines 29-48",
    port=_port,
    official=_official,
    configs=[
        *spec.grid(
            what=["loudness", "align"],
            samples=[800, 333, 500, 501],
            gain=[1.0, 1e-3, 30.0],
            db=[15.0, 3.0],
            length=[500, 700],
        ),
        {"what": "int16", "samples": 2000},
    ],
    inputs=_inputs,
    draws=_draws,
    patches=("tensorflow.python.ops.random_ops.random_uniform",),
    call=_call,
    sampling=spec.Sampling(
        edges=[{"what": "loudness", "samples": 1, "gain": 1.0, "db": 15.0, "length": 1}],
        axes=lambda _: {"inputs": ("time",), "samples": ("time",)},
        explicit=(
            spec.Case(
                "audio_preparation",
                {"what": "loudness", "samples": 554, "gain": 0.001, "db": 15.0, "length": 500},
                signal="nan",
                draw=2,
            ),
        ),
        batched=(),
    ),
    exact=_exact,
    exceptions=spec.Exceptions(
        single=lambda config: "its floats are float32" if config["what"] == "int16" else "",
        without=(
            spec.Without(
                (MAPPED,),
                "calling .item() on a Tensor",
                "align: where a clip is cut is a Python number, one for the whole call",
                lambda config: config["what"] == "align",
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(5, 1.285),
        reference=spec.Bound(5, 1.241),
        port_gradient=spec.Bound(5, 1.23),
        reference_gradient=spec.Bound(5, 1.23),
        double=spec.Bound(5, 0.98),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    laws=(
        spec.Law("a crop", _crop),
        spec.Law("a random crop", _random_crop),
        spec.Law("a traced crop", _traced_crop),
        spec.Law("where a crop is drawn", _where_it_is_drawn),
        spec.Law("a gain at its bound", _gain_at_its_bound),
        spec.Law("wider integers", _wider_integers),
    ),
    signatures=(
        spec.Signature(data.loudness_normalization, "example.data.loudness_normalization"),
        spec.Signature(data.db_to_linear, "example.data.db_to_linear"),
        spec.Signature(
            data.align,
            "example.data.align",
            own={
                "offset": spec.Own(None, "where the crop begins, to repeat it"),
                "generator": spec.Own(None, "what draws it; TensorFlow has a global one"),
            },
        ),
    ),
    errors=(
        spec.ErrorCase("samples", lambda: data.align(torch.ones(2, 5))),
        spec.ErrorCase("samples", lambda: data.align([1.0, 2.0], 1), "takes a list"),  # type: ignore[arg-type]
        spec.ErrorCase("samples", lambda: data.int16_to_float([1, 2]), "takes a list"),  # type: ignore[arg-type]
        spec.ErrorCase(
            "samples", lambda: data.loudness_normalization(torch.ones(2, 5)), "takes several"
        ),
        spec.ErrorCase(
            "offset", lambda: data.align(torch.ones(9), 5, offset=True), "has no such argument"
        ),
        spec.ErrorCase(
            "offset",
            lambda: data.align(torch.ones(9), 5, offset=2.0),  # type: ignore[arg-type]
            "has no such argument",
        ),
        spec.ErrorCase(
            "offset", lambda: data.align(torch.ones(9), 5, offset=-1), "has no such argument"
        ),
        spec.ErrorCase("seq_len", lambda: data.align(torch.ones(5), 0)),
        spec.ErrorCase("samples", lambda: data.int16_to_float(torch.ones(5)), "divides floats too"),
        spec.ErrorCase(
            "target_db",
            lambda: data.loudness_normalization(torch.ones(5), float("nan")),
            "gives NaN",
        ),
        spec.ErrorCase(
            "max_gain_db",
            lambda: data.loudness_normalization(torch.ones(5), max_gain_db=float("nan")),
            "gives NaN",
        ),
        spec.ErrorCase("samples", lambda: data.loudness_normalization(torch.ones(0)), "gives NaN"),
        spec.ErrorCase("samples", lambda: data.int16_to_float(torch.tensor([40000])), "divides it"),
        spec.ErrorCase(
            "offset", lambda: data.align(torch.ones(9), 5, offset=5), "has no such argument"
        ),
    ),
)
