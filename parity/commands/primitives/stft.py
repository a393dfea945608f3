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


_PORT = (
    "a unit counts a transform as one rounding of a frame's norm; torch's float32 one (MKL) "
    "is up to 8 * 2^-24 of that norm off in a bin"
)
_OFFICIAL = (
    "TensorFlow 2.13's float32 transform (1e-6 of a frame, at 400 points 6e-6 and 600 units); that "
    "of 2.21 is within 8.7 units"
)

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
        exceptions=spec.Exceptions(
            constants=lambda config: {"window": rounding(config["taps"])},
        ),
        exact=_exact,
        budget=spec.Budget(
            port=spec.Bound(24, 12.1, _PORT),
            reference=spec.Bound(150, 75.4, _OFFICIAL),
            port_gradient=spec.Bound(17, 8.44),
            reference_gradient=spec.Bound(63, 31.6, _OFFICIAL),
            relative=5e-6,
            measured="torch 2.13.0, TF 2.13.1 (2.21.0: 8.3, 13 units)",
            reason=_OFFICIAL,
        ),
        errors=(spec.ErrorCase("n_fft", lambda: MelFilterbanks(n_fft=1)),),
    ),
    left_out=dict.fromkeys(
        ("nan", "infinity"),
        "every bin mixes all samples of a frame: which parts stay finite is each library's own",
    ),
)
