"""Which models are trained, how the port builds them, and on what."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from leaf_port import (
    PANN,
    AudioClassifier,
    ConvNet,
    Leaf,
    MelFilterbanks,
    SincNet,
    SincNetPlus,
    TimeDomainFilterbanks,
    WaveGram,
)
from leaf_port.errors import LeafError
from leaf_port.normalization import InstanceNormalization
from parity.spec import Array
from parity.spec.random_arrays import Source
from weight_conversion.official import mapping
from weight_conversion.reference import recipes
from weight_conversion.reference.recipes import Tree

FILTERS, LABELS, BATCH = 8, 3, 4
LEARNING_RATE = 0.01  # the official default, 1e-4, moves no weight to its constraint in 100 steps
STEPS = (1, 2, 5, 10, 20, 50, 100)


@dataclasses.dataclass(frozen=True)
class Model:
    """A classifier that is trained.

    Attributes:
        name: of its recording.
        build: the port's; with ``arithmetic`` where it has a choice.
        tree: the official one, as data.
        steps: the recorded ones, counted from 1.
        samples: length of the clips.
        arithmetics: that the port can be built in.
        starts: weights to start from instead of the official initial ones: by path, a function of
            those.
    """

    name: str
    build: Callable[..., AudioClassifier]
    tree: Tree
    steps: Sequence[int] = STEPS
    samples: int = 2400
    arithmetics: Sequence[str | None] = (None,)
    starts: Mapping[str, Callable[[Array], Array]] = dataclasses.field(default_factory=dict)

    @property
    def seed(self) -> int:
        """From the name alone."""
        return _seed(self.name)

    def batch(self, step: int, draw: int) -> tuple[Array, Array]:
        """Clips ``(batch, samples)`` and labels ``(batch,)`` of a step.

        The noise under the clips keeps values apart that silence would make equal.
        """
        source = Source(_seed(f"{self.name}/{step}/{draw}"))
        clips = source.audio(BATCH, self.samples) + source.normal((BATCH, self.samples), 0.01)
        return clips, source.integers((BATCH,), 0, LABELS)

    def drawn(self) -> dict[str, Array]:
        """The initial kernels of encoder and head, as Keras draws them, but from a seed of ours."""
        source = Source(self.seed)
        return {
            row.path: source.uniform(row.shape, -(limit := _limit(row.shape)), limit)
            for row in mapping.table(self.build())
            if row.path.endswith("/kernel") and not row.path.startswith("_frontend/")
        }

    def started(self, initial: Mapping[str, Array]) -> dict[str, Array]:
        """The weights that training starts from, of the official initial ones."""
        moved = {path: np.asarray(change(initial[path])) for path, change in self.starts.items()}
        return dict(initial) | self.drawn() | moved


def _seed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(f"training/{text}".encode()).digest()[:8], "little")


def _limit(shape: Sequence[int]) -> float:
    """Glorot's: ``sqrt(6 / (fan_in + fan_out))``, of an official kernel, ``(..., in, out)``."""
    taps = math.prod(shape[:-2])
    return math.sqrt(6.0 / (taps * (shape[-2] + shape[-1])))


def _classifier(
    frontend: Callable[..., nn.Module] | None, encoder: Callable[[], nn.Module], **given: Any
) -> AudioClassifier:
    part = None if frontend is None else frontend(n_filters=FILTERS, **given)
    return AudioClassifier(LABELS, part, encoder())


def _official(frontend: Tree | None, encoder: Tree) -> Tree:
    parts = {"frontend": frontend, "encoder": encoder}
    return recipes.call("leaf_audio.models:AudioClassifier", num_outputs=LABELS, **parts)


def _frontend(name: str, **given: Any) -> Tree:
    return recipes.call(f"leaf_audio.frontend:{name}", n_filters=FILTERS, **given)


def _conv_net() -> nn.Module:
    return ConvNet([4, 5])


def _instance_conv_net() -> nn.Module:
    """With the normalisation of tensorflow-addons, at its own epsilon."""
    normalization = partial(InstanceNormalization, epsilon=1e-3)
    return ConvNet([4, 5], normalization_layer=normalization)


def _pann() -> nn.Module:
    return PANN(1, 0.0, num_features=FILTERS)


_LEAF = _frontend("Leaf", compression_fn=recipes.call("leaf_audio.postprocessing:PCENLayer", **{
    "alpha": 0.96,
    "smooth_coef": 0.04,
    "delta": 2.0,
    "floor": 1e-12,
    "trainable": True,
    "learn_smooth_coef": True,
    "per_channel_smooth_coef": True,
}))  # fmt: skip
_ARITHMETICS = ("complex", "real")


def _near_a_bound(kernel: Array) -> Array:
    """Gabor filters of which two centres are within a step of 0: constraints move them."""
    made = kernel.copy()
    made[:2, 0] = 0.004
    return made


def _off_nyquist(kernel: Array) -> Array:
    """Sinc filters whose last one does not end at half of the sample rate, which is a kink."""
    made = kernel.copy()
    made[-1, 1] = 2000.0
    return made


_KERNEL = "_frontend/_complex_conv/kernel"


def _plain(
    name: str, frontend: type[nn.Module], start: Callable[[Array], Array] | None = None
) -> Model:
    """A frontend with the small ConvNet."""
    tree = _official(_frontend(frontend.__name__), recipes.CONV_NET)
    build = partial(_classifier, frontend, _conv_net)
    return Model(name, build, tree, starts={_KERNEL: start} if start else {})


_ALL = (
    Model(
        "leaf",
        partial(_classifier, Leaf, _conv_net),
        _official(_LEAF, recipes.CONV_NET),
        arithmetics=_ARITHMETICS,
        starts={_KERNEL: _near_a_bound},
    ),
    _plain("time_domain_filterbanks", TimeDomainFilterbanks),
    _plain("sincnet", SincNet, _off_nyquist),
    _plain("sincnet_plus", SincNetPlus, _off_nyquist),
    _plain("mel_filterbanks", MelFilterbanks),
    Model(
        "leaf_instance",
        partial(_classifier, Leaf, _instance_conv_net),
        _official(
            _LEAF,
            recipes.call(
                "leaf_audio.models:ConvNet",
                filters=[4, 5],
                normalization_layer={
                    "partial": "tensorflow_addons.layers:InstanceNormalization",
                    "with": {},
                },
            ),
        ),
        steps=(1, 10, 100),
        arithmetics=_ARITHMETICS,
    ),
    Model(
        "leaf_pann",
        partial(_classifier, Leaf, _pann),
        _official(_LEAF, recipes.call("leaf_audio.models:PANN", depth=1, dropout_rate=0.0)),
        steps=(1, 10, 100),
        samples=1600,
        arithmetics=_ARITHMETICS,
    ),
    Model(
        "wavegram",
        partial(_classifier, None, WaveGram),
        _official(None, recipes.call("leaf_audio.models:WaveGram")),
        steps=(1, 10),
        samples=640,
    ),
)
MODELS: Mapping[str, Model] = {model.name: model for model in _ALL}


def named(name: str) -> Model:
    """The model of a name.

    Raises:
        LeafError: there is none.
    """
    if name not in MODELS:
        known = f"one of {', '.join(MODELS)}"
        raise LeafError("training", "--model", known, name, "give one of them")
    return MODELS[name]
