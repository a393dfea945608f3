"""The frontends: from a waveform to a time-frequency representation (leaf_audio/frontend.py).

Input ``(batch, samples)`` or ``(batch, samples, 1)``, output ``(batch, frames, filters)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from leaf_port import _checks, _registry, convolution, padding, pooling
from leaf_port._bands import of_layer
from leaf_port._compression import PCEN_DEFAULT, compression_of
from leaf_port._compression import Compression as Compression
from leaf_port._lengths import Lengths, by_length, checked, inside
from leaf_port._ops import arithmetic as _arithmetic
from leaf_port._ops.arithmetic import Arithmetic
from leaf_port._ops.clip import maximum
from leaf_port._ops.energies.choice import Energies, check_energies, obstacle
from leaf_port._ops.energies.operation import FusedEnergies
from leaf_port._ops.precision import autocast_off, is_traced, without_autocast
from leaf_port._parts import frames_of, parts_of
from leaf_port._rates import MIN_HZ, max_frequency, n_fft, warn_of_other_rate
from leaf_port.errors import LeafError
from leaf_port.initializers import (
    Constant,
    GaborInit,
    Initializer,
    LowpassInit,
    PreempInit,
    SincInit,
)
from leaf_port.mel_filterbanks import MelFilterbanks as MelFilterbanks
from leaf_port.normalization import InstanceNormalization, LayerNormalization
from leaf_port.postprocessing import PCEN, SpecAugment, log_compression
from leaf_port.pretrained import FromPretrained
from leaf_port.regularizers import Regularizer
from leaf_port.scales import ScaleInit
from leaf_port.streaming import Stream, is_causal
from leaf_port.utils import WindowType

SMALLEST_ENERGY = 1e-5


class SquaredModulus(nn.Module):
    """``y[c] = x[2c]^2 + x[2c + 1]^2``: real and imaginary parts alternate along the channels.

    The official layer takes twice the mean of the pair of squares, which is the same float for
    float. Source: frontend.py, lines 50-77.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, time, 2 * channels)`` to ``(batch, time, channels)``."""
        names = "(batch, time, 2 * channels)"
        _checks.shaped("SquaredModulus", x, (None, None, None), names, "x")
        if x.shape[-1] % 2:
            fix = "let real and imaginary parts alternate along the last axis"
            got = tuple(x.shape)
            raise LeafError("SquaredModulus", "x", "an even number of channels", got, fix)
        real, imaginary = x.unflatten(-1, (-1, 2)).unbind(-1)
        return real**2 + imaginary**2


@_registry.kind
class Leaf(FromPretrained, nn.Module):
    """LEAF, a learnable frontend: convolution, activation, pooling, compression.

    https://arxiv.org/abs/2101.08596, section 3; leaf_audio/frontend.py, lines 80-219. With the
    default arguments it starts as an approximation of mel filterbanks with PCEN.

    Args:
        learn_pooling: whether the pooling is trained.
        learn_filters: whether the filters (and the pre-emphasis) are trained.
        conv1d_cls: class of the convolution, called with ``filters, kernel_size, strides, padding,
            use_bias, kernel_initializer, kernel_regularizer, trainable``; gets twice ``n_filters``.
        activation: applied to its output; a fresh :class:`SquaredModulus` by default.
        pooling_cls: class of the pooling, called with ``num_channels, kernel_size, strides,
            padding, use_bias, kernel_initializer, kernel_regularizer, trainable``.
        n_filters: number of filters.
        sample_rate: in Hz. The default ``complex_conv_init`` is for 16 kHz whatever it says, as
            the official one; :meth:`for_sample_rate` makes them for other rates.
        window_len: window of convolution and pooling, in ms;
            ``int(sample_rate * window_len // 1000 + 1)`` samples.
        window_stride: hop of the pooling, in ms.
        compression_fn: from pooled energies to features, a module or function; None for none;
            ``"pcen"`` for a fresh ``PCEN(alpha=0.96, smooth_coef=0.04, delta=2, floor=1e-12)``
            that is trained, with a smoothing coefficient for each channel (all official default
            Leafs of a process share one); ``"log"`` for :func:`~leaf_port.log_compression`;
            ``"stable_pcen"``, which is not official, for a :class:`~leaf_port.StablePCEN` of the
            same arguments.
        preemp: whether a learnable pre-emphasis of two taps comes first.
        preemp_init: its initialiser; ``PreempInit()`` by default.
        complex_conv_init: initialiser of the convolution;
            ``GaborInit(sample_rate=16000, min_freq=60, max_freq=7800)`` by default.
        pooling_init: initialiser of the pooling; ``Constant(0.4)`` by default.
        regularizer_fn: regulariser of filters and pooling, where they are trained; see
            :func:`~leaf_port.regularizers.regularization_loss`.
        mean_var_norm: whether features are normalised over each clip and channel.
        spec_augment: whether features are augmented in training; or the layer that does it.
        arithmetic: of the Gabor filters: ``"complex"``, ``"real"`` or ``"auto"``.
        pooling_padding: ``"SAME"``; models of leaf-pytorch and SpeechBrain have ``"SYMMETRIC"``.
        pooling_bias: whether a learnable bias is added to the pooled energies, as theirs; see
            :class:`~leaf_port.pooling.GaussianLowpass`. Neither is the official function.
        energies: how convolution, activation and pooling are computed: ``"direct"``, one after
            another; ``"fft"``, all at once by blocks and Fourier transforms, faster and about as
            near to float64 (docs/measured.md); ``"auto"``, by transforms where that is the same
            function (float32 on the CPU, the three default classes without hooks, ``arithmetic``
            not ``"real"``), but for the gradient by the waveform. ``python -m leaf_port info`` says
            whether the compiled kernel is there.

    Raises:
        LeafError: an argument or input out of its domain.

    Warns:
        SampleRateWarning: once in a process, of the default filters at another rate than 16 kHz.

    Example:
        >>> import torch
        >>> leaf = Leaf(n_filters=8)
        >>> leaf(torch.zeros(2, 1600)).shape  # 0.1 s at 16 kHz, a frame every 10 ms
        torch.Size([2, 10, 8])
    """

    def __init__(
        self,
        learn_pooling: bool = True,
        learn_filters: bool = True,
        conv1d_cls: convolution.ConvFactory = convolution.GaborConv1d,
        activation: Callable[[Tensor], Tensor] | None = None,
        pooling_cls: Callable[..., nn.Module] = pooling.GaussianLowpass,
        n_filters: int = 40,
        sample_rate: int = 16000,
        window_len: float = 25.0,
        window_stride: float = 10.0,
        compression_fn: Compression | str | None = PCEN_DEFAULT,
        preemp: bool = False,
        preemp_init: Initializer | None = None,
        complex_conv_init: Initializer | None = None,
        pooling_init: Initializer | None = None,
        regularizer_fn: Regularizer | None = None,
        mean_var_norm: bool = False,
        spec_augment: bool | SpecAugment = False,
        arithmetic: Arithmetic = "auto",
        pooling_padding: str = "SAME",
        pooling_bias: bool = False,
        energies: Energies = "auto",
    ) -> None:
        super().__init__()
        owner = type(self).__name__
        self.energies_by = check_energies(owner, energies)
        self.n_filters, self.sample_rate = n_filters, sample_rate
        self._fused_energies = FusedEnergies()
        _checks.at_least(owner, "n_filters", n_filters)
        _checks.function(owner, "activation", activation)
        self._arithmetic = _arithmetic.check_arithmetic(owner, arithmetic)
        self._milliseconds = window_len, window_stride
        self._learns = {"learn_pooling": learn_pooling, "learn_filters": learn_filters}
        window_size, stride = _checks.window_samples(owner, sample_rate, window_len, window_stride)
        _checks.fits_memory(owner, "window_len", f"{window_len} ms", 2 * n_filters * window_size)
        if complex_conv_init is None:
            warn_of_other_rate(owner, sample_rate)
        filter_regularizer = regularizer_fn if learn_filters else None
        self.preemp_conv: nn.Module | None = None
        if preemp:
            self.preemp_conv = convolution.Conv1d(
                filters=1,
                kernel_size=2,
                padding="SAME",
                use_bias=False,
                kernel_initializer=preemp_init or PreempInit(),
                kernel_regularizer=filter_regularizer,
                trainable=learn_filters,
            )
        self.complex_conv = convolution.build(
            conv1d_cls,
            arithmetic,
            filters=2 * n_filters,
            kernel_size=window_size,
            strides=1,
            padding="SAME",
            use_bias=False,
            kernel_initializer=complex_conv_init or GaborInit(16000, 60.0, 7800.0),
            kernel_regularizer=filter_regularizer,
            trainable=learn_filters,
        )
        self.activation = SquaredModulus() if activation is None else activation
        channels = self._channels(n_filters, max(window_size, 2))
        self.pooling = pooling_cls(
            num_channels=channels,
            kernel_size=window_size,
            strides=stride,
            padding=pooling_padding,
            use_bias=False,
            kernel_initializer=pooling_init or Constant(0.4),
            kernel_regularizer=regularizer_fn if learn_pooling else None,
            trainable=learn_pooling,
            **_pooling_bias(owner, pooling_cls, pooling_bias),
        )
        self.compress_fn = compression_of(owner, compression_fn, channels)
        self.instance_norm = InstanceNormalization(channels, 1e-6) if mean_var_norm else None
        self.spec_augment_fn = SpecAugment() if spec_augment is True else spec_augment or None

    @classmethod
    def for_sample_rate(
        cls,
        sample_rate: int,
        min_freq: float = MIN_HZ,
        max_freq: float | None = None,
        scale: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """A frontend whose first filters span a band in Hz at any sample rate.

        ``Leaf(sample_rate=8000)`` is the official one: its filters are made for 16 kHz, and their
        centres span 47 to 3656 Hz at 8 kHz. At 16 kHz both are the same.

        Args:
            sample_rate: in Hz.
            min_freq: where the lowest filter starts, in Hz.
            max_freq: where the highest one ends; by default 7800 Hz, or 97.5 % of a Nyquist
                frequency below 8000 Hz. Above 16 kHz filters are laid out in the bins of a longer
                transform than the official one of 512 points, which would make some coincide.
            scale: another scale than the official mel filters', which is none of the official
                code; see :class:`~leaf_port.scales.ScaleInit`.
            **kwargs: other arguments of the class, but for ``complex_conv_init``.

        Example:
            >>> leaf = Leaf.for_sample_rate(8000)
            >>> print("from {:.0f} to {:.0f} Hz".format(*leaf.center_frequencies()[[0, -1]]))
            from 94 to 3703 Hz
        """
        _checks.positive(cls.__name__, "sample_rate", sample_rate)
        high = max_frequency(sample_rate) if max_freq is None else max_freq
        init: Initializer = GaborInit(sample_rate, min_freq, high, n_fft(sample_rate))
        if scale is not None:
            init = ScaleInit(scale, sample_rate, min_freq, high)
        return cls(sample_rate=sample_rate, complex_conv_init=init, **kwargs)

    def center_frequencies(self) -> Tensor:
        """Centre of each filter as it is now, in Hz at :attr:`sample_rate`: ``(n_filters,)``.

        Of Gabor filters their parameter, of sinc filters the middle of the band, of others where
        the response to a sinusoid is greatest.
        """
        return of_layer(self.complex_conv, self.sample_rate)[0]

    def bandwidths(self) -> Tensor:
        """Width of each filter as it is now, in Hz: ``(n_filters,)``.

        Of the magnitude of its frequency response at half of the maximum; of sinc filters the
        distance of the edges.
        """
        return of_layer(self.complex_conv, self.sample_rate)[1]

    @torch.no_grad()
    def _channels(self, n_filters: int, samples: int) -> int:
        """How many channels convolution and activation give, found out on a window of silence."""
        conv = self.complex_conv
        weight = next(conv.parameters(), torch.empty(0))
        usual = nn.LeakyReLU if type(conv) is convolution.SincConv1d else SquaredModulus
        known = type(conv).__module__ == convolution.__name__ and type(self.activation) is usual
        if weight.is_meta and known:
            return n_filters  # torch takes seconds to load what it computes with there
        silence = torch.zeros(1, samples, 1, dtype=weight.dtype, device=weight.device)
        modes = {module: module.training for module in self.modules()}
        self.eval()  # so that no statistics of the user's activation move
        try:
            with autocast_off(silence.device.type):
                return int(self.activation(conv(silence)).shape[-1])
        finally:
            for module, mode in modes.items():
                module.training = mode

    def frames(self, lengths: int | Lengths) -> int | Tensor:
        """How many frames clips of so many samples have.

        Args:
            lengths: in samples: a number, several, or a tensor of them.

        Returns:
            A number for a number, else ``(batch,)``, int64.

        Example:
            >>> Leaf(n_filters=8).frames([16000, 801])
            tensor([100,   6])
        """
        return frames_of(self, lengths)

    def stream(self, samples: int | None = None) -> Stream:
        """Takes a waveform in chunks, and gives the frames that are finished.

        Args:
            samples: of the whole waveform, if known; see :class:`~leaf_port.streaming.Stream`.
        """
        return Stream(parts_of(self), samples)

    def energies(self, inputs: Tensor, lengths: list[int] | None = None) -> Tensor:
        """Convolution, activation and pooling, one after another or at once; see ``energies``.

        ``(batch, samples, 1)`` to ``(batch, frames, channels)``; zero behind the frames of a row
        that has fewer samples, as ``lengths`` tell.
        """
        if lengths is not None:
            lengths = checked(type(self).__name__, lengths, inputs)
        conv, pool = self.complex_conv, self.pooling
        why_not = self.why_layer_by_layer(inputs, lengths)
        if not why_not:
            layers = cast(convolution.GaborConv1d, conv), cast(pooling.GaussianLowpass, pool)
            wholly = self.energies_by == "fft"
            return self._fused_energies(*layers, inputs, lengths, self._direct_energies, wholly)
        if self.energies_by == "fft":
            expected = "what the fused operation can compute"
            raise LeafError(type(self).__name__, "energies", expected, why_not, "give 'auto'")
        if lengths is not None:
            return by_length(self._direct_energies, inputs, lengths)
        return self._direct_energies(inputs)

    def why_layer_by_layer(self, inputs: Tensor, lengths: list[int] | None = None) -> str:
        """Why energies of ``(batch, samples, 1)`` are not computed at once; empty if they are."""
        if self.energies_by == "direct":
            return "energies='direct' was given"
        if torch.compiler.is_compiling() or is_traced():  # nothing else may be asked there
            return "a graph is captured"
        shortest = min(lengths) if lengths else inputs.shape[1]
        layers = self.complex_conv, self.activation, self.pooling
        return obstacle(*layers, inputs, shortest, SquaredModulus)

    def _direct_energies(self, inputs: Tensor) -> Tensor:
        return self.pooling(self.activation(self.complex_conv(inputs)))

    @without_autocast
    def forward(self, inputs: Tensor, lengths: Lengths | None = None) -> Tensor:
        """Features of a batch of waveforms.

        Args:
            inputs: ``(batch, samples)`` or ``(batch, samples, 1)``, float32 or float64.
            lengths: of the clips, in samples, where the batch was padded behind them: each row
                is then what the clip alone gives, and zero behind its :meth:`frames`. (The padding
                of SAME pooling depends on the length: a padded clip is shifted by it.)

        Returns:
            ``(batch, frames, filters)``; ``ceil(samples / stride)`` frames with SAME pooling.
        """
        outputs = _checks.waveform(type(self).__name__, inputs)
        if lengths is None:
            return self._features(outputs)
        known = checked(type(self).__name__, lengths, outputs)
        if not known:  # no clip
            return self._features(outputs)
        if not self._is_causal():
            return by_length(self._features, outputs, known)
        outputs = torch.where(inside(known, outputs), outputs, 0.0)
        features = self._features(outputs, known)
        frames = [cast(int, self.frames(length)) for length in known]
        if features.shape[1] != max(frames):
            expected = "convolution and activation that keep the number of samples"
            got = f"{features.shape[1]} frames, not {max(frames)}, of {max(known)} samples"
            raise LeafError(type(self).__name__, "lengths", expected, got, "give clips one by one")
        return torch.where(inside(frames, features), features, 0.0)

    def pooled(self, waveform: Tensor, lengths: list[int] | None = None) -> Tensor:
        """Pre-emphasis and :meth:`energies`, kept from falling below :data:`SMALLEST_ENERGY`."""
        outputs = waveform
        if self.preemp_conv is not None:
            outputs = self.preemp_conv(outputs)
        # A class of the user's may have energies of the waveform alone.
        known = () if lengths is None else (lengths,)
        energies = self.energies(outputs, *known)
        return maximum(energies, SMALLEST_ENERGY)

    def _features(self, waveform: Tensor, lengths: list[int] | None = None) -> Tensor:
        outputs = self.pooled(waveform, lengths)
        if self.compress_fn is not None:
            outputs = self.compress_fn(outputs)
        if self.instance_norm is not None:
            outputs = self.instance_norm(outputs)
        if self.training and self.spec_augment_fn is not None:
            outputs = self.spec_augment_fn(outputs)
        return outputs

    def _arguments(self) -> dict[str, Any]:
        """What ``save_pretrained`` writes: the constructor's arguments as they are by now.

        Without the initialisers, whose values are the weights.
        """
        layers = {
            "conv1d_cls": type(self.complex_conv),
            "activation": None if type(self.activation) is SquaredModulus else self.activation,
            "pooling_cls": type(self.pooling),
            "pooling_padding": getattr(self.pooling, "padding", None),
        }
        told = self._shared_arguments() | _unusual(layers, _USUAL_LAYERS)
        return told | {"compression_fn": self.compress_fn}

    def _shared_arguments(self) -> dict[str, Any]:
        """Those that every class of them has."""
        options = {
            "regularizer_fn": self._regularizer(),
            "arithmetic": self._arithmetic,
            "pooling_bias": getattr(self.pooling, "bias", None) is not None,
            "energies": self.energies_by,
        }
        return {
            "n_filters": self.n_filters,
            "sample_rate": self.sample_rate,
            "window_len": self._milliseconds[0],
            "window_stride": self._milliseconds[1],
            **self._learns,
            "preemp": self.preemp_conv is not None,
            "mean_var_norm": self.instance_norm is not None,
            "spec_augment": self._augmentation(),
            **_unusual(options, _USUAL_OPTIONS),
        }

    def _augmentation(self) -> bool | SpecAugment | None:
        """``True`` for the default one, which is how other descriptions tell it."""
        layer = self.spec_augment_fn
        if type(layer) is not SpecAugment:
            return layer or False
        return True if layer._arguments() == SpecAugment()._arguments() else layer

    def _regularizer(self) -> Regularizer | None:
        """That of the parts that are trained; they share one."""
        parts = (self.complex_conv, self.pooling)
        kept = [getattr(part, "regularizers", {}).get("kernel") for part in parts]
        return next((each for each in kept if each is not None), None)

    def _is_causal(self) -> bool:
        """Whether no feature depends on a later frame, and energies take lengths."""
        if type(self).energies is not Leaf.energies:
            return False
        augments = self.training and self.spec_augment_fn is not None
        return self.instance_norm is None and not augments and is_causal(self.compress_fn)


# What the official function has, or what changes no answer: told only where it is another, so that
# a description is one of an official model wherever it can be.
_USUAL_LAYERS: dict[str, Any] = {
    "conv1d_cls": convolution.GaborConv1d,
    "activation": None,
    "pooling_cls": pooling.GaussianLowpass,
    "pooling_padding": padding.SAME,
}
_USUAL_OPTIONS: dict[str, Any] = {
    "regularizer_fn": None,
    "arithmetic": "auto",
    "pooling_bias": False,
    "energies": "auto",
}
_USUAL_BAND: dict[str, Any] = {"min_freq": 60.0, "max_freq": 7800.0, "n_fft": 512}


def _unusual(arguments: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """The arguments that are not the default ones."""
    return {name: value for name, value in arguments.items() if value != usual[name]}


def _pooling_bias(
    owner: str, pooling_cls: Callable[..., nn.Module], wanted: bool
) -> dict[str, bool]:
    """The argument for a bias, where one is wanted; only the Gaussian windows have it."""
    if not wanted:
        return {}
    if not (isinstance(pooling_cls, type) and issubclass(pooling_cls, pooling.GaussianLowpass)):
        fix = "leave pooling_cls at its default, or pooling_bias out"
        raise LeafError(owner, "pooling_bias", "GaussianLowpass as pooling_cls", pooling_cls, fix)
    return {"additive_bias": True}


@_registry.kind
class TimeDomainFilterbanks(Leaf):
    """Time-domain filterbanks: a plain convolution that starts as Gabor filters, log compression.

    https://arxiv.org/abs/1711.01161, section 2; frontend.py, lines 222-256. The pooling is VALID.
    The official class hands ``sample_rate`` to its initialisers only, so it can be built at about
    16 kHz alone; here it sets window and stride as well, and ``max_freq`` can be lowered.

    Args:
        sample_rate: in Hz.
        min_freq: where the lowest filter starts at first, in Hz.
        max_freq: where the highest filter ends at first, in Hz.
        n_fft: size of the transform in whose bins the first filters are laid out; see
            :class:`~leaf_port.melfilters.Gabor`.
        scale: of the first filters, where they are not the official ones on the mel scale; see
            :class:`~leaf_port.scales.ScaleInit`, which has no ``n_fft``.
        **kwargs: other arguments of :class:`Leaf`, but for ``conv1d_cls, complex_conv_init,
            activation, pooling_cls, pooling_init, compression_fn``, which are fixed.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        min_freq: float = 60.0,
        max_freq: float = 7800.0,
        n_fft: int = 512,
        scale: str | None = None,
        **kwargs: Any,
    ) -> None:
        window_len = kwargs.get("window_len", 25.0)
        init: Initializer = GaborInit(sample_rate, min_freq, max_freq, n_fft)
        if scale is not None:
            init = ScaleInit(scale, sample_rate, min_freq, max_freq)
        super().__init__(
            conv1d_cls=convolution.Conv1d,
            activation=SquaredModulus(),
            pooling_cls=pooling.LearnablePooling1d,
            complex_conv_init=init,
            pooling_init=LowpassInit(sample_rate, window_len, WindowType.SQUARED_HANNING),
            compression_fn=functools.partial(log_compression, log_offset=1e-5),
            sample_rate=sample_rate,
            **kwargs,
        )
        self._band = {"min_freq": min_freq, "max_freq": max_freq, "n_fft": n_fft}

    def _arguments(self) -> dict[str, Any]:
        return self._shared_arguments() | _unusual(self._band, _USUAL_BAND)

    @classmethod
    def for_sample_rate(
        cls,
        sample_rate: int,
        min_freq: float = MIN_HZ,
        max_freq: float | None = None,
        scale: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Filters that span a band in Hz at any sample rate; see ``Leaf.for_sample_rate``."""
        _checks.positive(cls.__name__, "sample_rate", sample_rate)
        high = max_frequency(sample_rate) if max_freq is None else max_freq
        band: dict[str, Any] = {"min_freq": min_freq, "max_freq": high, "n_fft": n_fft(sample_rate)}
        return cls(sample_rate=sample_rate, scale=scale, **band, **kwargs)


@_registry.kind
class SincNet(Leaf):
    """SincNet: sinc filters, LeakyReLU, max pooling, layer normalisation over the filters.

    https://arxiv.org/abs/1808.00158, section 2; frontend.py, lines 259-282. The sinc filters do
    not follow ``sample_rate`` (see :class:`~leaf_port.convolution.SincConv1d`).

    Args:
        n_filters: number of filters.
        **kwargs: other arguments of :class:`Leaf`, but for ``conv1d_cls, complex_conv_init,
            activation, pooling_cls, compression_fn``, which are fixed.
    """

    def __init__(self, n_filters: int = 40, **kwargs: Any) -> None:
        super().__init__(
            conv1d_cls=convolution.SincConv1d,
            complex_conv_init=SincInit(),
            activation=nn.LeakyReLU(0.2),
            pooling_cls=pooling.MaxPooling1d,
            compression_fn=LayerNormalization(_checks.at_least("SincNet", "n_filters", n_filters)),
            n_filters=n_filters,
            **kwargs,
        )

    def _arguments(self) -> dict[str, Any]:
        told = {"pooling_padding": getattr(self.pooling, "padding", None)}
        return self._shared_arguments() | _unusual(told, _USUAL_LAYERS)

    @classmethod
    def for_sample_rate(cls, sample_rate: int, **kwargs: Any) -> Self:  # type: ignore[override]
        """Window and stride for a sample rate; the filters scale with it, as the official ones."""
        return cls(sample_rate=sample_rate, **kwargs)


@_registry.kind
class SincNetPlus(Leaf):
    """SincNet with a Gaussian lowpass for pooling and a fixed ``PCEN()`` for compression.

    Source: frontend.py, lines 285-312.

    Args:
        n_filters: number of filters.
        **kwargs: other arguments of :class:`Leaf`, but for ``conv1d_cls, complex_conv_init,
            activation, pooling_cls, pooling_init, compression_fn``, which are fixed.
    """

    def __init__(self, n_filters: int = 40, **kwargs: Any) -> None:
        super().__init__(
            conv1d_cls=convolution.SincConv1d,
            complex_conv_init=SincInit(),
            activation=nn.LeakyReLU(0.2),
            pooling_cls=pooling.GaussianLowpass,
            pooling_init=Constant(0.4),
            compression_fn=PCEN(_checks.at_least("SincNetPlus", "n_filters", n_filters)),
            n_filters=n_filters,
            **kwargs,
        )

    def _arguments(self) -> dict[str, Any]:
        told = {"pooling_padding": getattr(self.pooling, "padding", None)}
        return self._shared_arguments() | _unusual(told, _USUAL_LAYERS)

    @classmethod
    def for_sample_rate(cls, sample_rate: int, **kwargs: Any) -> Self:  # type: ignore[override]
        """Window and stride for a sample rate; the filters scale with it, as the official ones."""
        return cls(sample_rate=sample_rate, **kwargs)
