"""Models kept in a folder: ``config.json`` says how to build one, ``model.safetensors`` fills it.

The files' names are those of Hugging Face's conventions. ``config.json`` holds ``format_version``,
``kind`` (the class) and ``arguments`` (of its constructor, as data: a layer among them is again a
``kind`` with ``arguments``); what else stands in it tells where the weights come from. Only the
classes listed here are built, nothing is unpickled. ``python -m weight_conversion convert`` makes
such folders from official checkpoints.
"""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from leaf_port.errors import InitialFilterWarning, LeafError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FORMAT_VERSION = 1

_PARTS = frozenset({"conv1d_cls", "pooling_cls"})
_FIX = "convert the checkpoint again: python -m weight_conversion convert"


class FromPretrained:
    """Gives a module the class method :meth:`from_pretrained`."""

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """The model that a folder holds, in evaluation mode, in float32 on the CPU.

        Args:
            folder: with ``config.json`` and ``model.safetensors``.

        Raises:
            LeafError: a file that is missing or damaged, another version of the format, a model of
                another class, or weights that are not exactly those of the model.
        """
        config = read_config(Path(folder))
        if config["kind"] != cls.__name__:
            fix = f"call {config['kind']}.from_pretrained"
            path = Path(folder, CONFIG)
            raise _refusal(path, f"a model of kind {cls.__name__}", config["kind"], fix)
        module = build(config)
        if not isinstance(module, cls):
            raise AssertionError
        load_exactly(module, read_weights(Path(folder, WEIGHTS)), Path(folder, WEIGHTS))
        return module.eval()


def read_config(folder: Path) -> dict[str, Any]:
    """What ``config.json`` says.

    Raises:
        LeafError: no such file, not JSON, or of another version.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fix = "give a folder that holds config.json and model.safetensors"
        raise _refusal(path, "a file that can be read", error.strerror or error, fix) from error
    except ValueError as error:
        raise _refusal(path, "JSON", error, _FIX) from error
    version = config.get("format_version") if isinstance(config, dict) else None
    if version != FORMAT_VERSION:
        fix = "convert the checkpoint again with this version, or update leaf_port"
        raise _refusal(path, f"format_version {FORMAT_VERSION}", repr(version), fix)
    if not isinstance(config.get("kind"), str):
        raise _refusal(path, "kind: the name of a class", repr(config.get("kind")), _FIX)
    return dict(config)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        LeafError: no such file, or one of another kind.
    """
    # Here, so that whoever loads no weights needs no safetensors.
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise _refusal(path, "a safetensors file", error, _FIX) from error


def load_exactly(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Puts ``weights`` into ``module``, all of them and nothing else.

    Raises:
        LeafError: naming, sorted, what is missing, what is unexpected and what has another shape or
            dtype.
    """
    problems = differences(module.state_dict(), weights)
    if problems:
        expected = f"the weights of the {type(module).__name__} that {CONFIG} describes"
        raise _refusal(path, expected, problems, _FIX)
    module.load_state_dict(dict(weights), strict=True)


def differences(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """What keeps ``given`` from being ``wanted``, in words; nothing if nothing does."""
    groups = {
        "missing": sorted(wanted.keys() - given.keys()),
        "unexpected": sorted(given.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {_describe(given[name])} for {_describe(wanted[name])}"
            for name in sorted(wanted.keys() & given.keys())
            if _describe(given[name]) != _describe(wanted[name])
        ],
    }
    return "; ".join(f"{title}: {', '.join(names)}" for title, names in groups.items() if names)


def _describe(values: Tensor) -> str:
    dtype = str(values.dtype).removeprefix("torch.")
    return f"{tuple(values.shape)}{'' if values.dtype == torch.float32 else f' {dtype}'}"


def build(tree: Mapping[str, Any]) -> nn.Module:
    """The model that a ``kind`` with ``arguments`` describes, with its initial weights.

    Raises:
        LeafError: an unknown kind, or arguments that its constructor does not take.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InitialFilterWarning)  # other weights follow
        made = _made(tree)
    if not isinstance(made, nn.Module):
        raise LeafError(CONFIG, "kind", "a frontend or a classifier", repr(tree["kind"]), _FIX)
    return made


def _made(tree: Mapping[str, Any]) -> Any:
    kind, given = tree.get("kind"), tree.get("arguments", {})
    kinds = _kinds()
    if not isinstance(kind, str) or kind not in kinds or not isinstance(given, dict):
        raise LeafError(CONFIG, "kind", f"one of {', '.join(sorted(kinds))}", repr(kind), _FIX)
    arguments = {name: _value(name, value) for name, value in given.items()}
    try:
        return kinds[kind](**arguments)
    except TypeError as error:
        raise LeafError(CONFIG, "arguments", f"those of {kind}", error, _FIX) from error


def _value(name: str, value: Any) -> Any:
    """An argument: a layer where it is a ``kind``, a class where one is due, else what it is."""
    if isinstance(value, dict):
        return _made(value)
    if name not in _PARTS:
        return value
    classes = _classes()
    if not isinstance(value, str) or value not in classes:
        raise LeafError(CONFIG, name, f"one of {', '.join(sorted(classes))}", repr(value), _FIX)
    return classes[value]


def _kinds() -> dict[str, Callable[..., Any]]:
    from leaf_port import frontend, models, postprocessing  # they import this module

    classes: tuple[Callable[..., Any], ...] = (
        frontend.Leaf,
        frontend.TimeDomainFilterbanks,
        frontend.SincNet,
        frontend.SincNetPlus,
        frontend.MelFilterbanks,
        models.AudioClassifier,
        models.ConvNet,
        models.PANN,
        models.WaveGram,
        postprocessing.PCEN,
    )
    kinds = {each.__name__: each for each in classes}
    log = functools.partial(functools.partial, postprocessing.log_compression)
    return {**kinds, "log_compression": log}


def _classes() -> dict[str, Callable[..., nn.Module]]:
    from leaf_port import convolution, pooling

    classes: tuple[type[nn.Module], ...] = (
        convolution.Conv1d,
        convolution.GaborConv1d,
        convolution.NormalizedConv1d,
        pooling.ChannelWiseLearnablePooling1d,
        pooling.GaussianLowpass,
    )
    return {each.__name__: each for each in classes}


def _refusal(path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("from_pretrained", str(path), expected, got, fix)
