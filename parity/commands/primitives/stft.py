"""Short-time Fourier transform: the end is filled with zeros, frames are left-aligned.

Sizes are powers of two: of 2 * 3 * 59 or 4 * 97 points torch's own float64 transform (MKL) is
hundreds of roundings off, and is no float64 answer.
"""

import math

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from leaf_port import MelFilterbanks
from parity import spec
from parity.commands.primitives._common import Primitive, given_arguments
from parity.commands.primitives.hann_window import rounding
from parity.layers._reasons import TENSORFLOW_FFT
from parity.oracles.exact import windows
from parity.oracles.exact.convolution import frames
from parity.spec.random_arrays import Source


class _Transform(MelFilterbanks):
    """The frontend up to its transform; at 1 kHz a millisecond is a sample."""

    def __init__(self, config: spec.Config) -> None:
        super().__init__(
            n_filters=1,
            sample_rate=1000,
            n_fft=config["size"],
            window_len=config["taps"] - 1,
            window_stride=config["stride"],
            min_freq=0.0,
            max_freq=500.0,
            arithmetic="complex",
        )

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.fft.rfft(self.frames(inputs) * self.window, n=self.n_fft)


def _inputs(config: spec.Config, source: Source) -> dict[str, spec.Array]:
    return {"inputs": source.audio(2, config["samples"])}


def _exact(given: spec.Given) -> spec.Answer:
    clip, config = given.inputs["inputs"], given.config
    taps, stride = config["taps"], config["stride"]
    count = math.ceil(clip.shape[1] / stride)
    room = max((count - 1) * stride + taps - clip.shape[1], 0)
    framed = frames(np.pad(clip, [(0, 0), (0, room)]), taps, stride)[:, :count]
    return spec.exactly(scipy.fft.rfft(framed * windows.periodic_hann(taps), config["size"]))


PRIMITIVE = Primitive(
    spec.LayerSpec(
        name="stft",
        mirrors="tf.signal.stft, pad_end=True",
        port=_Transform,
        official=lambda config: given_arguments(
            "signal.stft",
            frame_length=config["taps"],
            frame_step=config["stride"],
            fft_length=config["size"],
            pad_end=True,
        ),
        configs=spec.grid(
            samples=[1, 90, 200, 333],
            taps=[2, 25, 40, 64],
            stride=[10, 20, 33, 80],
            size=[64, 128, 256],
        ),
        inputs=_inputs,
        arithmetics=("complex",),  # the transform itself
        exceptions=spec.Exceptions(
            constants=lambda config: {"window": rounding(config["taps"])},
            official_transform=True,
        ),
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(12, 6),
            reference=spec.Bound(12, 6),
            port_gradient=spec.Bound(9.2, 4.6),
            reference_gradient=spec.Bound(6.2, 3.1),
            relative=5e-6,
            measured="torch 2.13.0, TF 2.13.1",
            reason=TENSORFLOW_FFT,
        ),
        errors=(spec.ErrorCase("n_fft", lambda: MelFilterbanks(n_fft=1)),),
    ),
    left_out=dict.fromkeys(
        ("nan", "infinity"),
        "every bin mixes all samples of a frame: which parts stay finite is each library's own",
    ),
)
