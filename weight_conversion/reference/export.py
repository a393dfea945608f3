"""The way back: a converted model, given to the official code, and saved by it as a checkpoint.

TensorFlow itself writes the checkpoint, in the reference's interpreter (``official``), since the
official code is to load it. The optimiser's state stays behind.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from leaf_port.errors import LeafError
from weight_conversion.official import efficientnet
from weight_conversion.official.folder import WAVEFORM_RATE, load, sample_rate
from weight_conversion.official.mapping import official_weights, table
from weight_conversion.official.opening import open_source
from weight_conversion.reference.probe import clips
from weight_conversion.reference.recipes import call
from weight_conversion.reference.session import Official, packed
from weight_conversion.reference.worker import unpack

Array = npt.NDArray[Any]
Answers = dict[str, Array]

_SECONDS = 0.5
# What torch is told and Keras finds out, or what is in training alone, or where training started.
_OURS_ALONE = {
    *("in_channels", "num_features", "num_channels", "spec_augment"),
    *("arithmetic", "energies", "regularizer_fn", "complex_conv_init", "scale"),
}
# Of TimeDomainFilterbanks; what reaches the initialisers alone, in the official code.
_INITIAL = ("sample_rate", "min_freq", "max_freq", "n_fft")
_MODULES = {
    "ConvNet": "models",
    "PANN": "models",
    "WaveGram": "models",
    "AudioClassifier": "models",
    "PCEN": "postprocessing",
}
_NAMES = {"PCEN": "PCENLayer"}
_EFFICIENTNET = "EfficientNetB0"
_FRONTENDS = ("Leaf", "TimeDomainFilterbanks", "SincNet", "SincNetPlus", "MelFilterbanks")
# Options of Leaf that the official one lacks, and what it does.
_UNOFFICIAL = {"pooling_padding": "SAME", "pooling_bias": False}


def official_tree(tree: dict[str, Any]) -> dict[str, Any]:
    """The call of the official code that builds the model of a description.

    Raises:
        LeafError: a layer that it is not built with here.
    """
    kind, given = tree["kind"], dict(tree["arguments"])
    for name, official in _UNOFFICIAL.items():
        value = given.pop(name, official)
        if value != official:
            fix = "it was imported from another port, whose function the official code has not"
            raise LeafError("export", name, f"{official!r}, as the official pooling", value, fix)
    if kind == _EFFICIENTNET:
        return _efficientnet(given)
    if kind not in (*_MODULES, *_FRONTENDS, "log_compression"):
        fix = "it is none of the official code; export a model of official layers"
        raise LeafError("export", "kind", "an official layer", kind, fix)
    if isinstance(given.get("compression_fn"), str):
        fix = "describe it as a kind with arguments, as PCEN"
        got = given["compression_fn"]
        raise LeafError("export", "compression_fn", "an official compression", got, fix)
    if kind == "log_compression":
        return {"partial": "leaf_audio.frontend:log_compression", "with": given}
    others = sorted({"conv1d_cls", "pooling_cls"} & given.keys())
    if others:
        fix = "export models with the default layers"
        raise LeafError("export", others[0], "the default", given[others[0]], fix)
    if kind == "TimeDomainFilterbanks":
        given = {name: value for name, value in given.items() if name not in _INITIAL}
    arguments = {
        name: official_tree(value) if isinstance(value, dict) else value
        for name, value in given.items()
        if name not in _OURS_ALONE
    }
    name = f"leaf_audio.{_MODULES.get(kind, 'frontend')}:{_NAMES.get(kind, kind)}"
    return call(name, **arguments)


def _efficientnet(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keras' application, of the shape that it was built for."""
    if "blocks_args" in given:
        expected, fix = "those of B0", "export a model of the default blocks_args"
        raise LeafError("export", "blocks_args", expected, given["blocks_args"], fix)
    shape = [*(given.get("input_shape") or (None, None)), given.get("in_channels", 1)]
    name = "tensorflow:keras.applications.EfficientNetB0"
    rate = given.get("drop_connect_rate", 0.2)
    arguments = {"include_top": False, "weights": None, "input_shape": shape}
    return call(name, **arguments, drop_connect_rate=rate)


def _counts(tree: Mapping[str, Any]) -> dict[str, Array]:
    """What the official model has beside the weights: how much its normalisation was adapted to."""
    encoder = tree["arguments"].get("encoder")
    if encoder is None or encoder["kind"] != _EFFICIENTNET:
        return {}
    return {efficientnet.COUNT: np.zeros((), np.int64)}


def job(
    tree: dict[str, Any], given: Mapping[str, Array], inputs: Iterable[Array]
) -> dict[str, Any]:
    """What the worker is asked: the model of a description, its weights by official path, clips.

    Raises:
        LeafError: a layer that the official model is not built with here.
    """
    every = {**given, **_counts(tree)}
    packed_weights = {path: packed(value) for path, value in every.items()}
    made = official_tree(tree)
    return {"model": made, "weights": packed_weights, "clips": [packed(each) for each in inputs]}


def answers(reply: dict[str, Any]) -> list[Answers]:
    """The worker's answers to the clips."""
    return [{name: unpack(each).copy() for name, each in one.items()} for one in reply["answers"]]


def export(folder: Path, prefix: Path) -> int:
    """Writes a TensorFlow checkpoint that the official ``model.load_weights(prefix)`` loads.

    It is loaded there into a new model, which must answer a clip with the same bits, and read
    again here, where each weight must be the same bits.

    Args:
        folder: that ``convert`` wrote.
        prefix: of the checkpoint's files; the folder above it must exist.

    Returns:
        How many weights it holds.

    Raises:
        LeafError: no official implementation, a checkpoint of this name, or one that differs. Then
            nothing is left behind.
    """
    if not prefix.parent.is_dir() or list(prefix.parent.glob(f"{prefix.name}.*")):
        fix = "give a new name in a folder that exists"
        raise LeafError("export", str(prefix), "a name that is free", "another", fix)
    config, model = load(folder)
    rate = sample_rate(config) or WAVEFORM_RATE
    asked = job(config, official_weights(model), [clips(2026, 1, int(_SECONDS * rate))])
    try:
        with tempfile.TemporaryDirectory(dir=prefix.parent, prefix=".") as scratch:
            made = Path(scratch, prefix.name)
            with Official() as official:
                given = answers(official.do("fill", **asked, save=str(made)))
                loaded = answers(official.do("fill", **asked, load=str(made)))
            _check(model, made, given[0], loaded[0])
            _publish(Path(scratch), prefix)
    except OSError as error:
        fix, got = "check the folder's permissions and the free space", error.strerror or error
        raise LeafError("export", str(prefix), "a place to write to", got, fix) from error
    return len(asked["weights"])


def _publish(scratch: Path, prefix: Path) -> None:
    """Gives the files their place, the index last: without it there is no checkpoint."""
    files = sorted(scratch.glob(f"{prefix.name}.*"), key=lambda path: path.suffix == ".index")
    try:
        for path in files:
            path.rename(prefix.parent / path.name)
    except OSError:
        for path in files:
            if not path.exists():  # moved before
                (prefix.parent / path.name).unlink(missing_ok=True)
        raise


def _check(model: nn.Module, prefix: Path, given: Answers, loaded: Answers) -> None:
    source, state = open_source(prefix), model.state_dict()
    wrong = [
        row.path
        for row in table(model)
        if source.tensor(row.path).tobytes() != row.to_official(state[row.key]).tobytes()
    ]
    wrong += [name for name in given if not np.array_equal(given[name], loaded[name])]
    if wrong:
        got, fix = ", ".join(sorted(wrong)), "report it"
        raise LeafError("export", str(prefix), "the same bits after loading", got, fix)
