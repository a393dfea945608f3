"""Audio samples as the official training code prepares them (example/data.py, lines 42-68).

Each function of samples takes one clip, ``(samples,)``. :func:`load_features` reads what ``python
-m leaf_port features --format safetensors`` wrote.
"""

from __future__ import annotations

import os
from typing import overload

import torch
from torch import Tensor
from torch.nn import functional as F

from leaf_port import _checks, _feature_folder
from leaf_port._feature_folder import Features as Features
from leaf_port.errors import LeafError

_INT16 = torch.iinfo(torch.int16)
_INTEGERS = (torch.int16, torch.int32, torch.int64)


@overload
def db_to_linear(samples: float) -> float: ...
@overload
def db_to_linear(samples: Tensor) -> Tensor: ...


def db_to_linear(samples: float | Tensor) -> float | Tensor:
    """Decibels to a factor: ``10 ** (samples / 20)``. Source: example/data.py, lines 42-43."""
    result: float | Tensor = 10.0 ** (samples / 20.0)
    return result


def loudness_normalization(
    samples: Tensor, target_db: float = 15.0, max_gain_db: float = 30.0
) -> Tensor:
    """Scales a clip to a given standard deviation, within a greatest gain.

    ``samples * min(10 ** (max_gain_db / 20), 10 ** (target_db / 20) / (std + 1e-9))``, with the
    biased standard deviation over the whole clip.

    Args:
        samples: ``(samples,)``, float32 or float64.
        target_db: the standard deviation aimed at, in dB above 1 (15 dB: 5.62).
        max_gain_db: the greatest gain, in dB.

    Returns:
        ``(samples,)``.

    Raises:
        LeafError: bad argument, or samples that are not one clip of at least one float.

    Source: example/data.py, lines 46-53.
    """
    owner = "loudness_normalization"
    _checks.floating(owner, samples)
    _clip(owner, samples)
    if samples.numel() < 1:
        raise LeafError(owner, "samples", "at least one sample", "none", "drop the empty clip")
    target = db_to_linear(_checks.finite(owner, "target_db", target_db))
    greatest = db_to_linear(_checks.finite(owner, "max_gain_db", max_gain_db))
    std = torch.std(samples, correction=0) + 1e-9
    # A full tensor divided: a Python number over a tensor is rounded twice by torch.
    gain = torch.full_like(std, target) / std
    # As tf.minimum(greatest, gain): a tie is the bound's, and a NaN passes.
    bound = torch.full_like(gain, greatest)
    return torch.where(gain >= bound, bound, gain) * samples


def align(
    samples: Tensor,
    seq_len: int = 16000,
    *,
    offset: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """A clip of exactly ``seq_len`` samples: zeros after a short one, a random crop of a long one.

    The crop begins at any of ``0, 1, ..., length - seq_len`` with equal probability.

    Args:
        samples: ``(samples,)``, of any dtype; none at all gives silence.
        seq_len: length wanted, in samples.
        offset: where the crop begins, in samples, instead of drawing it.
        generator: what draws the offset (torch's global one if None).

    Returns:
        ``(seq_len,)``, with memory of its own.

    Raises:
        LeafError: bad argument, or samples that are not one clip.

    Source: example/data.py, lines 56-59.
    """
    _clip("align", samples)
    length = _checks.at_least("align", "seq_len", seq_len)
    padded = F.pad(samples, (0, max(length - samples.shape[0], 0)))
    last = padded.shape[0] - length
    start = _draw(last, generator) if offset is None else _offset(offset, last)
    return padded[start : start + length]


def int16_to_float(samples: Tensor) -> Tensor:
    """Integer samples to float32: ``samples / 32767``. -32768 becomes slightly less than -1.

    The official code divides by the greatest int16; most readers of audio files divide by 32768.

    Args:
        samples: int16 samples of any shape, as int16 or (tensorflow-datasets) a wider integer.

    Returns:
        float32, of the same shape.

    Raises:
        LeafError: not an integer tensor, or a value that int16 does not hold.

    Source: example/data.py, line 65.
    """
    owner, expected = "int16_to_float", "int16 samples (int32 and int64 may hold them)"
    if not isinstance(samples, Tensor) or samples.dtype not in _INTEGERS:
        got = str(samples.dtype) if isinstance(samples, Tensor) else type(samples).__name__
        fix = "float samples need no scaling; other integers need a scale of their own"
        raise LeafError(owner, "samples", expected, got, fix)
    if samples.dtype != torch.int16 and samples.numel() > 0:
        low, high = (int(bound) for bound in torch.aminmax(samples))
        if low < _INT16.min or high > _INT16.max:
            fix = "scale audio of more than 16 bits by its own greatest value"
            raise LeafError(owner, "samples", expected, f"values from {low} to {high}", fix)
    floats = samples.to(torch.float32)
    return floats / floats.new_full((), _INT16.max)  # a tensor: by a number, CUDA multiplies


def load_features(folder: str | os.PathLike[str]) -> Features:
    """The features of a corpus, by the names of their clips; each is read when it is asked for.

    ``python -m leaf_port features CORPUS --format safetensors --out FOLDER`` makes the folder, by
    one process or by many shards.

    Args:
        folder: with the files and indices of all shards.

    Returns:
        A mapping of names to ``(frames, filters)``, float32. A name is the clip's path below what
        all clips have in common, without its suffix. :meth:`Features.shape` and
        :meth:`Features.sample_rate` tell of a clip without reading it.

    Raises:
        LeafError: no such folder; a shard that is not done; files of different runs; a file that
            is missing or damaged.

    Example:
        ``load_features("features")["speaker/seven"].shape`` is ``torch.Size`` of 100 frames and 40
        filters for a second of sound.
    """
    return _feature_folder.load(folder)


def _clip(owner: str, samples: Tensor) -> None:
    """Refuses anything but one clip."""
    if not isinstance(samples, Tensor) or samples.ndim != 1:
        got = str(tuple(samples.shape)) if isinstance(samples, Tensor) else type(samples).__name__
        fix = "give one clip at a time, without batch or channel axis"
        raise LeafError(owner, "samples", "a tensor of shape (samples,)", got, fix)


def _draw(last: int, generator: torch.Generator | None) -> int:
    """One of 0 to ``last``, each as likely."""
    device = "cpu" if generator is None else generator.device
    return int(torch.randint(last + 1, (), generator=generator, device=device))


def _offset(offset: int, last: int) -> int:
    """``offset``, if the crop it begins lies within the clip."""
    if isinstance(offset, bool) or not isinstance(offset, int) or not 0 <= offset <= last:
        fix = "give an offset at which the whole crop fits, or a shorter seq_len"
        raise LeafError("align", "offset", f"an integer from 0 to {last}", repr(offset), fix)
    return offset
