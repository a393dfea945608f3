"""Argument and input checks shared by the layers; each raises LeafError."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from leaf_port._ops.precision import is_traced
from leaf_port.errors import LeafError

FLOATS = (torch.float32, torch.float64)
_GREATEST = torch.finfo(torch.float32).max


def at_least(owner: str, argument: str, value: int, smallest: int = 1) -> int:
    """``value``, if it is an integer of at least ``smallest``; NumPy's integers too."""
    if isinstance(value, np.integer):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        expected = f"an integer of at least {smallest}"
        raise LeafError(owner, argument, expected, repr(value), "give a larger whole number")
    return value


def finite(owner: str, argument: str, value: float) -> float:
    """``value``, if it is a finite number, also in float32; NumPy's numbers too."""
    if isinstance(value, (np.integer, np.floating)):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise LeafError(owner, argument, "a finite number", repr(value), "give a finite one")
    if abs(value) > _GREATEST:
        expected = f"a number that float32 has: at most {_GREATEST:.4g}"
        raise LeafError(owner, argument, expected, repr(value), "give a smaller one")
    return value


def positive(owner: str, argument: str, value: float) -> float:
    """``value``, if it is a finite number above zero."""
    if finite(owner, argument, value) <= 0:
        raise LeafError(owner, argument, "a number above 0", repr(value), "give a positive one")
    return value


def function(owner: str, argument: str, value: object) -> None:
    """Refuses what is neither None, a module nor a function; a class is none of these."""
    if value is not None and (isinstance(value, type) or not callable(value)):
        fix = "give an instance: nn.ReLU(), not nn.ReLU or its name"
        raise LeafError(owner, argument, "a module or a function of a tensor", repr(value), fix)


def parameter_dtype() -> torch.dtype:
    """Of new parameters: the default dtype, float32 where that is half precision.

    No layer computes in half precision.
    """
    default = torch.get_default_dtype()
    return default if default in FLOATS else torch.float32


def not_traced(owner: str, why: str) -> None:
    """Refuses torch.jit.trace, whose graph would keep the numbers of one length for all."""
    if is_traced():
        fix = f"{why}; torch.export.export makes a graph of one length, and keeps to it"
        raise LeafError(owner, "forward", "no torch.jit.trace", "one", fix)


def _not_by_the_older_exporter(owner: str) -> None:
    """Refuses ``torch.onnx.export(..., dynamo=False)``: some of its graphs drop a frame.

    Those it makes of SAME padding and of a recurrence are right at the traced length alone.
    """
    if is_traced() and torch.onnx.is_in_onnx_export():
        fix = "export with dynamo=True and dynamic_shapes, in evaluation mode"
        raise LeafError(owner, "forward", "no torch.onnx.export(..., dynamo=False)", "one", fix)


def frequency_range(owner: str, low: float, high: float, sample_rate: float) -> None:
    """Refuses a band that is empty, negative or above Nyquist, all in Hz."""
    positive(owner, "sample_rate", sample_rate)
    finite(owner, "min_freq", low)
    finite(owner, "max_freq", high)
    nyquist = sample_rate / 2
    if low < 0:
        raise LeafError(owner, "min_freq", "at least 0 Hz", low, "raise min_freq")
    if low >= high:
        fix = "lower min_freq or raise max_freq"
        raise LeafError(owner, "min_freq", f"below max_freq ({high} Hz)", f"{low} Hz", fix)
    if high > nyquist:
        expected = f"at most the Nyquist frequency, {nyquist} Hz at {sample_rate} Hz"
        fix = "lower max_freq or give the sample rate of the audio"
        raise LeafError(owner, "max_freq", expected, f"{high} Hz", fix)


def window_samples(
    owner: str, sample_rate: float, length_ms: float, stride_ms: float
) -> tuple[int, int]:
    """Window and stride in samples: ``int(rate * ms // 1000 + 1)``, ``int(rate * ms // 1000)``.

    Source: leaf_audio/frontend.py, lines 141-142 and 341-342.
    """
    positive(owner, "sample_rate", sample_rate)
    positive(owner, "window_len", length_ms)
    positive(owner, "window_stride", stride_ms)
    stride = int(sample_rate * stride_ms // 1000)
    if stride < 1:
        expected = f"at least one sample ({1000 / sample_rate} ms at {sample_rate} Hz)"
        raise LeafError(owner, "window_stride", expected, f"{stride_ms} ms", "give a longer stride")
    return int(sample_rate * length_ms // 1000 + 1), stride


def fits_memory(owner: str, argument: str, value: object, elements: int) -> None:
    """Refuses an array of ``elements`` numbers of 4 bytes that the machine's memory cannot hold.

    Asked before allocating: an overcommitting system grants the memory and kills the process later.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told on this system
        return
    if 4 * elements > memory:
        expected = f"filters that fit in the memory of {memory / 2**30:.1f} GiB"
        got = f"{value} ({4 * elements / 2**30:.1f} GiB for one copy of the filters)"
        raise LeafError(owner, argument, expected, got, "give a shorter window or fewer filters")


def finite_tensor(owner: str, argument: str, values: Tensor) -> Tensor:
    """``values``, if an initialiser gave finite numbers only."""
    if values.device.type != "meta" and not bool(torch.isfinite(values).all()):
        got = "NaN or infinity among them"
        raise LeafError(
            owner, argument, "an initialiser of finite values", got, "check its arguments"
        )
    return values


def floating(owner: str, inputs: Tensor, argument: str = "inputs") -> None:
    """Refuses anything but a float32 or float64 tensor, and an exporter of wrong graphs."""
    _not_by_the_older_exporter(owner)
    if not isinstance(inputs, Tensor):
        fix = "convert it with torch.as_tensor(x, dtype=torch.float32)"
        raise LeafError(owner, argument, "a torch.Tensor", type(inputs).__name__, fix)
    if inputs.dtype not in FLOATS:
        fix = (
            "convert it: x.float(); int16 audio also needs dividing by 32767; half precision that "
            "autocast makes goes with torch.autocast(device_type, enabled=False) around the layer"
        )
        raise LeafError(owner, argument, "float32 or float64 samples", str(inputs.dtype), fix)


def same_dtype(owner: str, inputs: Tensor, weight: Tensor, argument: str = "inputs") -> None:
    """Refuses an input whose precision is not the layer's."""
    if inputs.dtype != weight.dtype:
        fix = "convert one of the two: x.to(dtype), or module.to(dtype)"
        raise LeafError(owner, argument, f"{weight.dtype}, as the weights", str(inputs.dtype), fix)


def _shape(inputs: Tensor) -> str:
    """The shape in words; asked for only when raising: symbolic sizes cannot be traced to text."""
    return str(tuple(inputs.shape))


def shaped(
    owner: str,
    inputs: Tensor,
    shape: Sequence[int | None],
    names: str,
    argument: str = "inputs",
) -> None:
    """Refuses an input whose rank or sizes differ; ``None`` stands for any size of at least 1.

    Args:
        owner: the layer.
        inputs: what came.
        shape: what is expected.
        names: the same in words: ``"(batch, time, channels)"``.
        argument: what it is called.
    """
    floating(owner, inputs, argument)
    if inputs.ndim != len(shape):
        raise LeafError(owner, argument, f"shape {names}", _shape(inputs), "add or drop an axis")
    for axis, (size, wanted) in enumerate(zip(inputs.shape, shape, strict=True)):
        if wanted is None and size < 1 and axis > 0:
            raise LeafError(
                owner, argument, f"shape {names}, none empty", _shape(inputs), "give some samples"
            )
        if wanted is not None and size != wanted:
            expected = f"shape {names} with {wanted} along axis {axis}"
            raise LeafError(
                owner, argument, expected, _shape(inputs), "match the layer to its input"
            )


def waveform(owner: str, inputs: Tensor, least: int = 1) -> Tensor:
    """``(batch, samples)`` or ``(batch, samples, 1)`` as ``(batch, samples, 1)``.

    Refuses fewer samples than ``least``, 1 or 0.
    """
    floating(owner, inputs)
    if inputs.ndim not in (2, 3):
        fix = "add the batch axis: x[None]" if inputs.ndim == 1 else "flatten the other axes"
        expected = "shape (batch, samples) or (batch, samples, 1)"
        raise LeafError(owner, "inputs", expected, _shape(inputs), fix)
    if inputs.ndim == 3 and inputs.shape[2] != 1:
        fix = "mix to mono, or put the channels on the batch axis; (batch, 1, samples) needs x.mT"
        raise LeafError(owner, "inputs", "one channel: (batch, samples, 1)", _shape(inputs), fix)
    if inputs.shape[1] < least:
        raise LeafError(
            owner, "inputs", "at least one sample", _shape(inputs), "give a longer clip"
        )
    return inputs if inputs.ndim == 3 else inputs.unsqueeze(-1)
