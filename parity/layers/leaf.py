"""LEAF, in the configurations that people use and at the edges of what it takes."""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, SiLU, ZeroPad2d

from leaf_port import (
    L1L2,
    PCEN,
    ChannelsFirst,
    ChannelWiseLearnablePooling1d,
    FFTConv1d,
    GaborConv1d,
    GaborInit,
    GaussianLowpass,
    Leaf,
    LowpassInit,
    MaxPooling1d,
    NormalizedConv1d,
    SpecAugment,
    log_compression,
    pretrained,
    regularization_loss,
)
from leaf_port.errors import LeafError
from leaf_port.initializers import Constant
from parity import spec
from parity.layers import (
    _band_laws,
    _energies,
    _energies_ways,
    _files_together,
    _frontend_laws,
    _other_rates,
)
from parity.layers import _leaf_laws as own_laws
from parity.layers._common import gabor_kernel, normal, uniform
from parity.layers._frontends import (
    GAUSSIAN,
    INSTANCE_NORM,
    PREEMPHASIS,
    pcen_weights,
    waveforms,
    wrong_sizes,
    wrong_waveforms,
)
from parity.layers._signatures import ARITHMETIC, FRESH
from parity.layers.gabor_init_taps import tap_rounding
from parity.oracles.exact import frontends
from parity.port.complex_watch import ComplexWatch
from parity.spec.random_arrays import Source

# A default Leaf of the reference shares its PCEN with every other one: it is given a fresh one.
_FRESH_PCEN = {
    "alpha": 0.96,
    "smooth_coef": 0.04,
    "delta": 2.0,
    "floor": 1e-12,
    "trainable": True,
    "learn_smooth_coef": True,
    "per_channel_smooth_coef": True,
}
_README: Mapping[str, Any] = {"sample_rate": 24000, "min_freq": 60.0, "max_freq": 7800.0}
_NARROW: Mapping[str, Any] = {"sample_rate": 8000, "min_freq": 30.0, "max_freq": 3900.0}

# Arguments of both; what differs between the two is below.
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "readme": {
        "learn_pooling": False,
        "n_filters": 64,
        "window_len": 32.0,
        "sample_rate": 24000,
        "preemp": True,
    },
    "even_window": {"n_filters": 23, "sample_rate": 8000, "window_len": 24.9, "window_stride": 8.0},
    "instance_norm": {"n_filters": 10, "mean_var_norm": True},
    "fixed_smoother": {"n_filters": 12},
    "channel_wise": {"n_filters": 8},
    "no_compression": {"n_filters": 5, "preemp": True},
    "fixed_filters": {"n_filters": 6, "learn_filters": False},
    "normalized": {"n_filters": 4},
    "other_rate": {"n_filters": 7, "sample_rate": 24000},  # the default filters do not follow it
    "augmented": {"n_filters": 5, "spec_augment": True},  # in training only
    "second": {"n_filters": 6},
}


def _port(config: spec.Config) -> Leaf:
    kind = config["kind"]
    special: dict[str, dict[str, Any]] = {
        "readme": {
            "compression_fn": partial(log_compression, log_offset=1e-5),
            "complex_conv_init": GaborInit(**_README),
        },
        "even_window": {"complex_conv_init": GaborInit(**_NARROW)},
        "fixed_smoother": {"compression_fn": PCEN(12, floor=1e-12, trainable=True)},
        "channel_wise": {
            "pooling_cls": ChannelWiseLearnablePooling1d,
            "pooling_init": LowpassInit(),
        },
        "no_compression": {"compression_fn": None},
        "normalized": {"conv1d_cls": NormalizedConv1d},
    }
    arithmetic = config.get("arithmetic", "complex")
    arguments: dict[str, Any] = {**_ARGUMENTS[kind], **special.get(kind, {})}
    if kind == "second":
        _move(Leaf(**arguments))
    return Leaf(**arguments, arithmetic=arithmetic)


@torch.no_grad()
def _move(earlier: Leaf) -> None:
    """Trains another one a little: a Leaf that shares anything with it does not start afresh."""
    for weight in earlier.parameters():
        weight.add_(0.1)


def _unpadded() -> Leaf:
    return Leaf(n_filters=3, pooling_padding="VALID")


def _longer() -> Leaf:
    """Of an activation that adds 300 samples."""
    return Leaf(n_filters=3, activation=ZeroPad2d((0, 0, 0, 300)))


class _Windows(GaussianLowpass):
    """Windows of the user's, which may have frames of their own."""


_NO_LENGTHS: Sequence[Any] = (
    2.5,
    "900",
    [900, 2.5],
    [900, True],
    torch.tensor(900),
    torch.tensor([[900], [800]]),
    torch.tensor([900.0]),
)


def _biased(pooling: Any) -> Leaf:
    return Leaf(pooling_cls=pooling, pooling_bias=True)


def _initialised(value: float, filters: int) -> Leaf:
    return Leaf(
        complex_conv_init=lambda _shape, dtype: torch.full((filters, 2), value, dtype=dtype)
    )


def _official(config: spec.Config) -> spec.Ref:
    kind = config["kind"]
    pcen = spec.Ref("leaf_audio.postprocessing.PCENLayer")
    gabor = spec.Ref("leaf_audio.initializers.GaborInit")
    special: dict[str, dict[str, Any]] = {
        "readme": {
            "compression_fn": spec.Ref("functools.partial")(
                spec.Ref("leaf_audio.frontend.log_compression"), log_offset=1e-5
            ),
            "complex_conv_init": gabor(**_README),
        },
        "even_window": {"complex_conv_init": gabor(**_NARROW)},
        "fixed_smoother": {"compression_fn": pcen(floor=1e-12, trainable=True)},
        "channel_wise": {
            "pooling_cls": spec.Ref("leaf_audio.pooling.ChannelWiseLearnablePooling1D"),
            "pooling_init": spec.Ref("leaf_audio.initializers.LowpassInit")(),
        },
        "no_compression": {"compression_fn": None},
        "normalized": {"conv1d_cls": spec.Ref("leaf_audio.convolution.NormalizedConv1D")},
    }
    arguments = {"compression_fn": pcen(**_FRESH_PCEN)} | special.get(kind, {})
    return spec.Ref("leaf_audio.frontend.Leaf")(**_ARGUMENTS[kind], **arguments)


def _weights(config: spec.Config) -> Mapping[str, spec.Weight]:
    kind = config["kind"]
    filters = spec.Weight("complex_conv.kernel", gabor_kernel)
    if kind == "normalized":
        filters = spec.Weight("complex_conv.kernel", normal(0.1))
    weights = {"_complex_conv/kernel": filters, **GAUSSIAN}
    if kind == "channel_wise":
        weights["_pooling/kernel"] = spec.Weight("pooling.kernel", uniform(0.0, 0.3))
    if kind in ("readme", "no_compression"):
        weights |= PREEMPHASIS
    else:
        weights |= pcen_weights(learned=kind != "fixed_smoother")
    return {**weights, **(INSTANCE_NORM if kind == "instance_norm" else {})}


def _constants(config: spec.Config) -> Mapping[str, spec.Array]:
    """The initial taps of a plain convolution, at both ends of their range: 1e-16 and smaller."""
    if config["kind"] != "normalized":
        return {}
    band = {"sample_rate": 16000, "min_freq": 60.0, "max_freq": 7800.0, "taps": 401}
    return {"initial/_complex_conv/kernel": tap_rounding({**band, "filters": 4})}


def _configs() -> list[spec.Config]:
    lengths = {
        "default": (16000, 3333, 333, 1, 1600, 1601, 1759),
        "readme": (2000, 4801),
        "even_window": (1024, 777),
        "instance_norm": (1700, 3200),
        "fixed_smoother": (1500,),
        "channel_wise": (1650,),
        "no_compression": (1234,),
        "fixed_filters": (999,),
        "normalized": (1111,),
        "other_rate": (1203,),
        "augmented": (814,),
        "second": (555,),
    }
    return [
        {
            "kind": kind,
            "samples": samples,
            "batch": 1 if samples > 10000 else 2,
            "axis": samples % 2,
        }
        for kind, each in lengths.items()
        for samples in each
    ]


# What config.json says where an argument is no number.
_KEPT: Mapping[str, Mapping[str, Any]] = {
    "readme": {"compression_fn": {"kind": "log_compression", "arguments": {"log_offset": 1e-5}}},
    "fixed_smoother": {
        "compression_fn": {
            "kind": "PCEN",
            "arguments": {"num_channels": 12, "floor": 1e-12, "trainable": True},
        }
    },
    "channel_wise": {"pooling_cls": "ChannelWiseLearnablePooling1d"},
    "no_compression": {"compression_fn": None},
    "normalized": {"conv1d_cls": "NormalizedConv1d"},
}


def _folder(config: spec.Config) -> Mapping[str, Any]:
    kind = config["kind"]
    arguments = {**_ARGUMENTS[kind], **_KEPT.get(kind, {}), "arithmetic": "complex"}
    return {"kind": "Leaf", "arguments": arguments}


# The same settings, in the exact oracle's words.
_EXACT: Mapping[str, Mapping[str, Any]] = {
    "readme": {"rate": 24000, "window": 32.0, "log_offset": 1e-5},
    "even_window": {"rate": 8000, "window": 24.9, "stride": 8.0},
    "channel_wise": {"channel_wise": True},
    "normalized": {"normalized": True},
    "other_rate": {"rate": 24000},
}


def _exact(given: spec.Given) -> spec.Answer:
    settings = _EXACT.get(given.config["kind"], {})
    return spec.exactly(frontends.leaf(given.inputs["inputs"], given.weights, **settings))


def _clips() -> Tensor:
    return torch.from_numpy(Source(1).audio(2, 900))


@torch.no_grad()
def _augmentation() -> str:
    """Evaluated it is the same frontend without; in training its features are augmented."""
    leaf = Leaf(n_filters=5, spec_augment=True)
    features = Leaf(n_filters=5)(_clips())
    if not torch.equal(leaf.eval()(_clips()), features):
        return "it augments in evaluation"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        trained = leaf.train()(_clips())
        torch.manual_seed(3)
        augmented = SpecAugment()(features)
    if torch.equal(augmented, features):
        return "the draws change nothing"
    return "" if torch.equal(trained, augmented) else "training gives other features"


@torch.no_grad()
def _partial() -> str:
    """A convolution whose arithmetic a functools.partial sets keeps it."""
    real = Leaf(n_filters=5, arithmetic="real")(_clips())
    kept = Leaf(
        n_filters=5, arithmetic="complex", conv1d_cls=partial(GaborConv1d, arithmetic="real")
    )
    given = Leaf(n_filters=5, arithmetic="real", conv1d_cls=partial(GaborConv1d))
    same = torch.equal(kept(_clips()), real) and torch.equal(given(_clips()), real)
    if not same or _has_complex(kept) or _has_complex(given):
        return "its arithmetic is another one"
    other = Leaf(
        n_filters=5, arithmetic="real", conv1d_cls=partial(GaborConv1d, arithmetic="complex")
    )
    return "" if _has_complex(other) else "its complex arithmetic is lost"


def _has_complex(leaf: Leaf) -> bool:
    """Whether there are complex numbers in what a frontend computes."""
    with ComplexWatch() as watch:
        leaf(_clips())
    return bool(watch.seen)


def _penalty() -> str:
    """``l1 sum|w| + l2 sum w^2`` of filters and pooling where they are trained: powers of two."""
    halves = {"complex_conv_init": Constant(0.5), "pooling_init": Constant(0.5)}
    wanted = {(True, True): 3.75, (True, False): 2.5, (False, True): 1.25, (False, False): 0.0}
    for (filters, pooling), penalty in wanted.items():
        leaf = Leaf(
            learn_pooling=pooling,
            learn_filters=filters,
            n_filters=4,
            regularizer_fn=L1L2(0.5, 0.25),
            **halves,  # type: ignore[arg-type]
        )
        if (found := regularization_loss(leaf).item()) != penalty:
            return f"{found} with learn_filters={filters}, learn_pooling={pooling}, not {penalty}"
    emphasis = Leaf(n_filters=4, preemp=True, preemp_init=Constant(0.5), regularizer_fn=L1L2(1.0))
    with torch.no_grad():
        for weight in (*emphasis.complex_conv.parameters(), *emphasis.pooling.parameters()):
            weight.zero_()
    if (found := regularization_loss(emphasis).item()) != 1:
        return f"{found} of a pre-emphasis, not 1"
    plain = regularization_loss(FFTConv1d(2, 5)).item()
    return "" if plain == 0 else f"{plain} without a regulariser"


def _not_a_layer() -> str:
    """`build` rejects kinds that are functions, not modules."""
    try:
        pretrained.build({"kind": "log_compression"})
    except LeafError as error:
        return "" if error.argument == "kind" else str(error)
    return "a function is taken for a layer"


def _unwarned() -> str:
    """Of first filters that two share nobody is warned where other weights follow."""
    first = {"kind": "Leaf", "arguments": {"n_filters": 80, "sample_rate": 8000}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pretrained.build(first)
    return ""


_NOT_OFFICIAL = "not official"
_OWN = {
    "activation": FRESH,
    "compression_fn": spec.Own("pcen", "the official one is an object that all Leafs share"),
    "preemp_init": FRESH,
    "complex_conv_init": FRESH,
    "pooling_init": FRESH,
    "arithmetic": ARITHMETIC,
    "pooling_padding": spec.Own("SAME", _NOT_OFFICIAL),
    "pooling_bias": spec.Own(False, _NOT_OFFICIAL),
    "energies": spec.Own("auto", _NOT_OFFICIAL),
}

SPEC = spec.LayerSpec(
    name="leaf",
    mirrors="frontend.py, lines 80-219",
    port=_port,
    official=_official,
    configs=_configs(),
    inputs=waveforms,
    weights=_weights,
    exceptions=spec.Exceptions(
        constants=_constants,
    ),
    exact=_exact,
    budget=spec.Budget(
        port=spec.Bound(11, 4.899),
        reference=spec.Bound(9.5, 4.456),
        port_gradient=spec.Bound(9.2, 7.712),
        reference_gradient=spec.Bound(
            15, 10.126, "by units of 12 runs; by those of 100 runs it is 8.2 units off"
        ),
        double=spec.Bound(5, 2.932),
        measured="torch 2.13.0, TF 2.13.1 and 2.21.0",
    ),
    autocast=True,
    laws=(
        spec.Law("augmentation in training", _augmentation),
        spec.Law("a partial convolution", _partial),
        spec.Law("the penalty of what is trained", _penalty),
        spec.Law("what is no layer in a folder", _not_a_layer),
        spec.Law("energies of the user's", own_laws.energies_of_the_users),
        spec.Law("how many frames it tells", own_laws.told_frames),
        spec.Law("a biased pooling", own_laws.biased_pooling),
        spec.Law("channels of the user's", own_laws.channels_of_the_users),
        spec.Law("energies at once", own_laws.energies_at_once),
        spec.Law("parts of the user's", own_laws.parts_of_the_users),
        spec.Law("what is asked of the user's", own_laws.asked_of_the_users),
        spec.Law("what is told of many lengths", own_laws.told_lengths),
        spec.Law("what is learned", own_laws.learned),
        spec.Law("channels before frames", own_laws.channels_first),
        spec.Law("centres and widths", own_laws.centres_and_widths),
        spec.Law("parts that a folder may name", own_laws.parts_of_folders),
        spec.Law("bands of Gabor filters", _band_laws.of_gabor_filters),
        spec.Law("bands of tied filters", _band_laws.of_tied_filters),
        spec.Law("bands of sinc filters", _band_laws.of_sinc_filters),
        spec.Law("bands of free filters", _band_laws.of_free_filters),
        spec.Law("a convolution without weights", own_laws.without_weights),
        spec.Law("the gradient by the waveform", own_laws.gradient_by_the_waveform),
        spec.Law("the first filters", own_laws.first_filters),
        spec.Law("channels without memory", own_laws.channels_without_memory),
        spec.Law("lengths taken at once", own_laws.taken_at_once),
        spec.Law("built in inference mode", own_laws.built_in_inference_mode),
        spec.Law("memory of whole numbers", own_laws.memory_of_whole_numbers),
        spec.Law("lengths under another device", own_laws.lengths_elsewhere),
        spec.Law("what is told of its parts", own_laws.told_parts),
        spec.Law("the memory of its filters", own_laws.memory_of_filters),
        spec.Law("a warning of other rates", own_laws.other_rates_warn),
        spec.Law("no warning of first filters that go", _unwarned),
        spec.Law("filters for another rate", _other_rates.laid_out),
        spec.Law("filters of a band", _other_rates.of_a_band),
        spec.Law("rates that are none", _other_rates.refused),
        spec.Law("the warning of another rate", _other_rates.warned),
        *(spec.Law(name, law) for name, law in _energies_ways.LAWS.items()),
        *(spec.Law(name, law) for name, law in _energies.LAWS.items()),
        spec.Law("files of one folder", _files_together.of_one_folder),
        *(spec.Law(name, law) for name, law in _frontend_laws.LAWS.items()),
    ),
    folder=_folder,
    signatures=(spec.Signature(Leaf, "leaf_audio.frontend.Leaf", own=_OWN),),
    errors=(
        *wrong_sizes(Leaf),
        *wrong_waveforms(lambda: Leaf(n_filters=3)),
        spec.ErrorCase("window_len", lambda: Leaf(window_len=1e12), "exhausts the memory"),
        spec.ErrorCase("compression_fn", lambda: Leaf(compression_fn=PCEN), "fails later"),  # type: ignore[arg-type]
        spec.ErrorCase("pooling_bias", lambda: Leaf(pooling_cls=MaxPooling1d, pooling_bias=True)),
        spec.ErrorCase("pooling_bias", lambda: _biased(partial(GaussianLowpass))),
        spec.ErrorCase("pooling_bias", lambda: _biased(Module)),
        spec.ErrorCase("inputs", lambda: _unpadded()(_clips(), lengths=[900, 100])),
        *(spec.ErrorCase("lengths", partial(_unpadded().frames, given)) for given in _NO_LENGTHS),
        *(
            spec.ErrorCase(
                "lengths", partial(Leaf(n_filters=3).energies, _clips()[..., None], given)
            )
            for given in ([], [900], [900, 0], [900, 901])
        ),
        spec.ErrorCase(
            "lengths", lambda: _longer()(_clips(), lengths=[900, 500]), "cuts frames off"
        ),
        spec.ErrorCase("pooling_cls", lambda: Leaf(pooling_cls=_Windows).frames(900)),
        spec.ErrorCase("frontend", lambda: ChannelsFirst(Leaf)),  # type: ignore[arg-type]
        spec.ErrorCase("inputs", lambda: ChannelsFirst(Leaf())([0.5])),
        spec.ErrorCase("energies", lambda: Leaf(energies="fft").double()(_clips().double())),
        spec.ErrorCase("energies", lambda: Leaf(energies="fft", activation=SiLU())(_clips())),
        spec.ErrorCase("arithmetic", lambda: Leaf(arithmetic="half")),  # type: ignore[arg-type]
        spec.ErrorCase("energies", lambda: Leaf(energies="fast")),  # type: ignore[arg-type]
        spec.ErrorCase("window_stride", lambda: Leaf(window_stride=0.01)),
        spec.ErrorCase("kernel_initializer", lambda: _initialised(float("nan"), 40), "gives NaN"),
        spec.ErrorCase("kernel_initializer", lambda: _initialised(1.0, 39)),
        spec.ErrorCase("inputs", lambda: Leaf(n_filters=3)([0.5, 0.5])),
    ),
    arithmetics=("complex", "real"),
)
