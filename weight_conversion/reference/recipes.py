"""Which checkpoints are recorded: official models, built and trained as said here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]

LABELS = 3
KERAS_ADAM = "tensorflow:keras.optimizers.Adam"
_LEGACY_ADAM = "tensorflow:keras.optimizers.legacy.Adam"


@dataclass(frozen=True)
class Recipe:
    """A checkpoint to record.

    Attributes:
        name: of its folder.
        about: what it is there for.
        frontend, encoder: calls of the official code, as data; None for none.
        optimizer: of the training.
        forms: in which the model is saved.
        samples: length of its clips.
        seed: of weights, clips and labels.
        next_step: whether one more step is recorded, with given gradients, after the saving.
    """

    name: str
    about: str
    frontend: Tree | None
    encoder: Tree
    optimizer: Tree
    forms: tuple[str, ...] = ("weights",)
    samples: int = 2400
    seed: int = 1
    next_step: bool = False

    @property
    def model(self) -> Tree:
        """The classifier."""
        parts = {"frontend": self.frontend, "encoder": self.encoder}
        return call("leaf_audio.models:AudioClassifier", num_outputs=LABELS, **parts)


def call(name: str, **kwargs: Any) -> Tree:
    """A call in the reference's interpreter, ``module:attribute``."""
    return {"call": name, "with": kwargs}


def _frontend(name: str, **kwargs: Any) -> Tree:
    return call(f"leaf_audio.frontend:{name}", n_filters=8, **kwargs)


def _pcen(**kwargs: Any) -> Tree:
    """The default compression of Leaf, as an object of its own."""
    given = {"alpha": 0.96, "smooth_coef": 0.04, "delta": 2.0, "floor": 1e-12, "trainable": True}
    given |= {"learn_smooth_coef": True, "per_channel_smooth_coef": True}
    return call("leaf_audio.postprocessing:PCENLayer", **{**given, **kwargs})


def _gabor(rate: int, top: float) -> Tree:
    name = "leaf_audio.initializers:GaborInit"
    return call(name, sample_rate=rate, min_freq=60.0, max_freq=top)


CONV_NET = call("leaf_audio.models:ConvNet", filters=[4, 5])
ADAM = call(KERAS_ADAM, learning_rate=0.01)
LEGACY_ADAM = call(_LEGACY_ADAM, learning_rate=0.01)
# The one without slots: Keras' later SGD keeps a momentum for each weight even at momentum 0.
LEGACY_SGD = call("tensorflow:keras.optimizers.legacy.SGD", learning_rate=0.01)

RECIPES = (
    Recipe(
        "leaf",
        "the default Leaf with 8 filters, in every form that Keras saves",
        _frontend("Leaf", compression_fn=_pcen()),
        CONV_NET,
        ADAM,
        ("weights", "weights.h5", "named.weights.h5", "saved_model", "frontend"),
    ),
    Recipe(
        "leaf_options",
        "8 kHz, pre-emphasis, instance normalisation; the optimiser that Keras had up to 2.10",
        _frontend(
            "Leaf",
            sample_rate=8000,
            complex_conv_init=_gabor(8000, 3800.0),
            compression_fn=_pcen(),
            preemp=True,
            mean_var_norm=True,
        ),
        CONV_NET,
        LEGACY_ADAM,
        ("weights", "train.Checkpoint"),
    ),
    Recipe(
        "leaf_fixed",
        "fixed filters and pooling, another window, one smoothing coefficient for all channels",
        _frontend(
            "Leaf",
            learn_pooling=False,
            learn_filters=False,
            window_len=20.0,
            compression_fn=_pcen(per_channel_smooth_coef=False),
        ),
        CONV_NET,
        ADAM,
    ),
    Recipe("tfbanks", "", _frontend("TimeDomainFilterbanks"), CONV_NET, ADAM),
    Recipe("sincnet", "", _frontend("SincNet"), CONV_NET, ADAM),
    Recipe("sincnet_plus", "", _frontend("SincNetPlus"), CONV_NET, ADAM),
    Recipe("mel", "a frontend without weights", _frontend("MelFilterbanks"), CONV_NET, ADAM),
    Recipe(
        "pann",
        "the encoder of PANN, one block; plain gradient descent, which has no slots",
        _frontend("Leaf", compression_fn=_pcen()),
        call("leaf_audio.models:PANN", depth=1),
        LEGACY_SGD,
    ),
    Recipe(
        "wavegram",
        "WaveGram as an encoder of the waveform itself; plain gradient descent",
        None,
        call("leaf_audio.models:WaveGram"),
        LEGACY_SGD,
    ),
    Recipe(
        "adam_step",
        "one more step of Adam with given gradients, beside the checkpoint before it",
        _frontend("Leaf", compression_fn=_pcen()),
        CONV_NET,
        ADAM,
        next_step=True,
    ),
    Recipe(
        "legacy_adam_step",
        "the same of the Adam that Keras had up to 2.10",
        _frontend("Leaf", compression_fn=_pcen()),
        CONV_NET,
        LEGACY_ADAM,
        next_step=True,
    ),
)
