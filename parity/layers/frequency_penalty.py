"""What a regularised FFT convolution adds to the loss: kernel and spectrum."""

from collections.abc import Sequence

from torch import Tensor, nn

from leaf_port import L1L2, FFTConv1d, regularization_loss
from parity import spec
from parity.layers import _transform_laws
from parity.layers._common import audio, keras, normal
from parity.layers._reasons import MATRIX_FOURIER, TENSORFLOW_FFT
from parity.oracles.exact import fft
from parity.spec.random_arrays import Source


def _port(config: spec.Config) -> FFTConv1d:
    regularizer = L1L2(config["l1"], config["l2"])
    return FFTConv1d(
        3,
        config["taps"],
        use_bias=False,
        kernel_regularizer=regularizer,
        arithmetic=config.get("arithmetic", "complex"),
    )


def _kernel(source: Source, shape: Sequence[int], config: spec.Config) -> spec.Array:
    kernel = normal(0.1)(source, shape, config)
    if config.get("dead"):
        kernel[..., -1] = 0.0  # a filter of zeros: the magnitude of its spectrum has no slope
    return kernel


def _call(layer: FFTConv1d, inputs: Tensor) -> list[Tensor]:
    return [layer(inputs), regularization_loss(layer, inputs.shape[1]).reshape(1)]


def _official(config: spec.Config) -> spec.Ref:
    layer = spec.Ref("leaf_audio.convolution.FFTConv1D")(
        3,
        config["taps"],
        use_bias=False,
        kernel_regularizer=keras("regularizers.L1L2", l1=config["l1"], l2=config["l2"]),
    )
    return spec.Ref("with_losses")(layer)


def _exact(given: spec.Given) -> spec.Answer:
    clip, kernel, config = given.inputs["inputs"], given.weights["layer/kernel"], given.config
    penalty = fft.penalty(kernel, clip.shape[1], config["l1"], config["l2"])
    return spec.exactly(fft.circular(clip, kernel), penalty)


class _Unpenalised(nn.Module):
    """A user's layer that has such a penalty, and nothing that is regularised."""

    def frequency_penalty(self, _num_samples: int | None) -> Tensor:
        raise AssertionError("the penalty is asked for")


def _of_nothing() -> str:
    """What has no regulariser adds nothing."""
    total = regularization_loss(nn.ModuleList([_Unpenalised(), FFTConv1d(2, 5)]), 9)
    if total.shape != () or float(total) != 0.0:
        return f"it is {total}"
    alone = FFTConv1d(2, 5).frequency_penalty(9).item()
    return "" if alone == 0.0 else f"asked alone, it is {alone}"


SPEC = spec.LayerSpec(
    name="frequency_penalty",
    mirrors="convolution.py, lines 121-122 (and tf.keras.regularizers.L1L2)",
    port=_port,
    official=_official,
    configs=[
        *spec.grid(samples=[333, 512, 601], taps=[101, 32], l1=[0.01, 0.3], l2=[0.0, 0.05]),
        {"samples": 400, "taps": 25, "l1": 0.3, "l2": 0.05, "dead": True},
    ],
    inputs=audio,
    weights=lambda _: {"layer/kernel": spec.Weight("kernel", _kernel, random=True)},
    call=_call,
    initial=False,
    arithmetics=("complex", "real"),
    exact=_exact,
    sampling=spec.Sampling(
        explicit=(
            spec.Case(
                "frequency_penalty",
                {"samples": 522, "taps": 55, "l1": 0.3, "l2": 0.05},
                signal="silence",
                draw=3474204,
            ),
        ),
    ),
    budget=spec.Budget(
        port=spec.Bound(12, 6.305),
        reference=spec.Bound(7, 3.426),
        port_gradient=spec.Bound(10, 5.227),
        reference_gradient=spec.Bound(8.7, 4.041),
        double=spec.Bound(24, 12.292, MATRIX_FOURIER),
        relative=2e-6,
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
        reason=TENSORFLOW_FFT,
    ),
    exceptions=spec.Exceptions(
        official_transform=True,
        adverse=spec.Budget(
            port=spec.Bound(11, 5.705),
            reference=spec.Bound(6.3, 2.611),
            port_gradient=spec.Bound(10, 5.058),
            reference_gradient=spec.Bound(9, 4.241),
            relative=2e-6,
            measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
            reason=TENSORFLOW_FFT,
        ),
    ),
    signatures=(spec.Signature(L1L2, "tensorflow.keras.regularizers.L1L2"),),
    laws=(
        spec.Law("nothing regularised", _of_nothing),
        spec.Law("the arithmetic of the norm", _transform_laws.arithmetic_of_norm),
    ),
    errors=(spec.ErrorCase("l1", lambda: L1L2(l1=float("nan")), "gives NaN"),),
)
