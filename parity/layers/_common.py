"""What the declarations share: draws of weights, usual errors, names of weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from leaf_port import _checks
from leaf_port.errors import LeafError
from parity import spec
from parity.port.operations_watch import OperationsWatch
from parity.spec.random_arrays import Source

Draw = Callable[[Source, Sequence[int], spec.Config], spec.Array]


def uniform(low: float, high: float) -> Draw:
    """Weights uniform in a range."""
    return lambda source, shape, _config: source.uniform(shape, low, high)


def normal(deviation: float, mean: float = 0.0) -> Draw:
    """Weights nearly normal."""
    return lambda source, shape, _config: source.normal(shape, deviation, mean)


def gabor_kernel(source: Source, shape: Sequence[int], config: spec.Config) -> spec.Array:
    """Frequencies and deviations within the constraint's bounds and a little beyond."""
    kernel = source.uniform(shape, 0.0, 1.0)
    taps = config.get("taps", 401)
    kernel[:, 0] = kernel[:, 0] * 3.4 - 0.1  # bounds: 0, pi
    kernel[:, 1] = 1.0 + kernel[:, 1] * 0.45 * taps  # bounds: 1.5, 0.37 taps
    return kernel


def sinc_kernel(source: Source, shape: Sequence[int], _config: spec.Config) -> spec.Array:
    """Edges and bandwidths in Hz, some negative, some above Nyquist."""
    kernel = source.uniform(shape, 0.0, 1.0)
    kernel[:, 0] = kernel[:, 0] * 7000.0 - 500.0
    kernel[:, 1] = kernel[:, 1] * 2000.0 - 200.0
    return kernel


# PCEN's weights around and beyond their bounds (alpha <= 1, root >= 1, 0 <= smooth <= 1).
PCEN_WEIGHTS: Mapping[str, spec.Weight] = {
    "alpha": spec.Weight("alpha", uniform(0.6, 1.1)),
    "delta": spec.Weight("delta", uniform(1.0, 3.0)),
    "root": spec.Weight("root", uniform(0.8, 4.0)),
}
LEARNED_SMOOTHER: Mapping[str, spec.Weight] = {
    "ema/smooth": spec.Weight("ema.smooth", uniform(-0.01, 0.3)),
}


def smoothing_matrix(low: float, high: float) -> Draw:
    """A matrix that is nearly diagonal, as a fixed smoother could hold."""

    def draw(source: Source, shape: Sequence[int], _config: spec.Config) -> spec.Array:
        matrix = source.uniform(shape, 0.0, 0.01)
        for i in range(shape[0]):
            matrix[i, i] = source.uniform((), low, high)
        return matrix

    return draw


FIXED_SMOOTHER: Mapping[str, spec.Weight] = {
    "ema/cell/kernel": spec.Weight("ema.kernel", smoothing_matrix(0.02, 0.1), differentiable=False),
    "ema/cell/recurrent_kernel": spec.Weight(
        "ema.recurrent_kernel", smoothing_matrix(0.7, 0.9), differentiable=False
    ),
}


def below(path: str, key: str, weights: Mapping[str, spec.Weight]) -> dict[str, spec.Weight]:
    """The weights of a part, named from the whole."""
    return {
        f"{path}/{name}": spec.Weight(
            f"{key}.{weight.key}", weight.draw, weight.axes, weight.random, weight.differentiable
        )
        for name, weight in weights.items()
    }


def keras(name: str, *args: Any, **kwargs: Any) -> spec.Ref:
    """A call in ``tf.keras``."""
    return spec.Ref(f"tensorflow.keras.{name}")(*args, **kwargs)


def convolution_arguments(config: spec.Config, name: str = "layer") -> dict[str, Any]:
    """The arguments that all official convolution classes take."""
    return {
        "filters": config["filters"],
        "kernel_size": config["taps"],
        "strides": config.get("stride", 1),
        "padding": config.get("padding", "SAME"),
        "use_bias": config.get("bias", False),
        "input_shape": [None, None, 1],
        "kernel_initializer": "glorot_uniform",
        "kernel_regularizer": None,
        "name": name,
        "trainable": True,
    }


def audio(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """A waveform with a channel axis."""
    return {"inputs": source.audio(config.get("batch", 2), config["samples"], 1)}


def features(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    """Energies as inputs."""
    shape = (config.get("batch", 2), config["frames"], config["channels"])
    return {"inputs": energies(source, shape)}


def energies(source: Source, shape: Sequence[int]) -> spec.Array:
    """``u^4 + 1e-5`` of uniform numbers: positive, over several orders of magnitude.

    Squared twice: NumPy's power of 4 has another last bit on other processors.
    """
    squared = source.uniform(shape, 0.0, 1.0) ** 2
    fourth: spec.Array = squared * squared + 1e-5
    return fourth


def asked_memory(build: Callable[[], object]) -> list[tuple[str, str, int]]:
    """Of how many numbers a layer asks whether they fit: owner, argument and count."""
    asked: list[tuple[str, str, int]] = []

    def remember(owner: str, argument: str, _value: object, elements: int) -> None:
        asked.append((owner, argument, elements))

    with mock.patch.object(_checks, "fits_memory", remember):
        build()
    return asked


def faint(taps: Tensor) -> str:
    """Which tap is not zero, though it is below what reaches an output, in either precision."""
    smallest = 1e-30 if taps.dtype == torch.float32 else 1e-300
    parts = (torch.view_as_real(taps) if taps.is_complex() else taps).abs()
    if not bool((parts == 0).any()):
        return "no tap is zero"
    least = float(parts[parts > 0].min())
    return "" if least >= smallest else f"a tap of {least:.3g} in {taps.dtype}"


def wrong_inputs(make: Callable[[], nn.Module], channels: int = 1) -> list[spec.ErrorCase]:
    """What every layer on ``(batch, time, channels)`` refuses."""

    def on(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Callable[[], Tensor]:
        return lambda: make()(torch.zeros(tuple(shape), dtype=dtype))

    return [
        spec.ErrorCase("inputs", on((2, 600, channels, 1))),
        spec.ErrorCase("inputs", on((600,))),
        spec.ErrorCase("inputs", on((2, 600, channels), torch.int16)),
        spec.ErrorCase(
            "inputs", on((2, 600, channels), torch.float16), "computes in half precision"
        ),
        spec.ErrorCase("inputs", on((2, 0, channels)), "gives no frames or fails"),
        spec.ErrorCase("inputs", on((2, 600, channels + 1)), "fails, or takes them as groups"),
        spec.ErrorCase("inputs", on((2, 600, channels), torch.float64), "fails"),
    ]


def refused_states(make: Callable[[], nn.Module]) -> list[spec.ErrorCase]:
    """What a smoother of three channels refuses to begin with, given two clips."""

    def on(state: Tensor) -> Callable[[], Tensor]:
        return lambda: make()(torch.ones(2, 5, 3), state)

    return [
        spec.ErrorCase("initial_state", on(torch.ones(2, 2))),
        spec.ErrorCase("initial_state", on(torch.ones(3))),
        spec.ErrorCase("initial_state", on(torch.ones(1, 3))),
        spec.ErrorCase("initial_state", on(torch.ones(2, 3, dtype=torch.float64))),
    ]


def by_torch(
    name: str, operation: str, make: Callable[[], nn.Module], shape: Sequence[int]
) -> spec.Law:
    """A CPU lacks nothing: what torch has an operation for, is that operation."""

    def broken() -> str:
        layer, x = make(), torch.from_numpy(Source(0).normal(tuple(shape)))
        with torch.no_grad(), OperationsWatch() as watch:
            layer(x)
        return "" if operation in watch.seen else f"the operations are {sorted(watch.seen)}"

    return spec.Law(f"torch's own {name}", broken)


def autocast_half(make: Callable[[], nn.Module], shape: Sequence[int]) -> spec.Law:
    """What another layer gives it under autocast, it takes: the law of a layer in a model.

    In half precision as the same numbers in float32, in float64 as without autocast. Outside of
    autocast half precision is refused.
    """

    def broken() -> str:
        layer, half = make().eval(), torch.from_numpy(Source(0).normal(tuple(shape))).bfloat16()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            got, wanted = layer(half), layer(half.float())
            in_double = layer.double()(half.double())
        if got.dtype != wanted.dtype or not torch.equal(got, wanted):
            return "numbers in half precision give another answer than in float32"
        with torch.no_grad():
            if not torch.equal(in_double, layer(half.double())):
                return "autocast changes an answer in float64"
        try:
            layer.float()(half)
        except LeafError as error:
            return "" if error.argument == "inputs" else str(error)
        return "half precision is taken without autocast"

    return spec.Law("what autocast made half", broken)
