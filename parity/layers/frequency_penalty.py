"""What a regularised FFT convolution adds to the loss: kernel and spectrum."""

from torch import Tensor

from leaf_port import L1L2, FFTConv1d, regularization_loss
from parity.layers._common import audio, keras, normal
from parity.oracles.exact import fft
from parity.spec import (
    Answer,
    Bound,
    Budget,
    Config,
    ErrorCase,
    Given,
    LayerSpec,
    Ref,
    Weight,
    exactly,
    grid,
)


def _port(config: Config) -> FFTConv1d:
    regularizer = L1L2(config["l1"], config["l2"])
    return FFTConv1d(3, config["taps"], use_bias=False, kernel_regularizer=regularizer)


def _call(layer: FFTConv1d, inputs: Tensor) -> list[Tensor]:
    return [layer(inputs), regularization_loss(layer, inputs.shape[1]).reshape(1)]


def _official(config: Config) -> Ref:
    layer = Ref("leaf_audio.convolution.FFTConv1D")(
        3,
        config["taps"],
        use_bias=False,
        kernel_regularizer=keras("regularizers.L1L2", l1=config["l1"], l2=config["l2"]),
    )
    return Ref("with_losses")(layer)


def _exact(given: Given) -> Answer:
    clip, kernel, config = given.inputs["inputs"], given.weights["layer/kernel"], given.config
    penalty = fft.penalty(kernel, clip.shape[1], config["l1"], config["l2"])
    return exactly(fft.circular(clip, kernel), penalty)


_OFFICIAL = "TensorFlow adds up the magnitudes of the spectrum one by one in float32"

SPEC = LayerSpec(
    name="frequency_penalty",
    mirrors="convolution.py, lines 121-122 (and tf.keras.regularizers.L1L2)",
    port=_port,
    official=_official,
    configs=grid(samples=[333, 512, 601], taps=[101, 32], l1=[0.01, 0.3], l2=[0.0, 0.05]),
    inputs=audio,
    weights=lambda _: {"layer/kernel": Weight("kernel", normal(0.1), random=True)},
    call=_call,
    initial=False,
    exact=_exact,
    budget=Budget(
        forward=35,
        gradient=2.7,
        port=Bound(2.4, 1.18),
        reference=Bound(33, 16.3, _OFFICIAL),
        port_gradient=Bound(0.1, 0.0496),
        reference_gradient=Bound(2.8, 1.36),
        relative=2e-6,
        worst="17, 1.3 units; 3.8e-06, 5.0e-06 relative; torch 2.13.0, TF 2.13.1",
        reason="TensorFlow adds up the magnitudes of the spectrum one by one in float32: the sum "
        "is 1e-6 off float64, the port's 7e-8",
    ),
    errors=(ErrorCase("l1", lambda: L1L2(l1=float("nan")), "gives NaN"),),
)
