"""A frontend's weights: from a folder that says what it holds, or from a bare safetensors file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from leaf_port import frontend, models, pretrained
from leaf_port._cli.frontends import Asked, Name, Settings
from leaf_port._cli.refusal import refusal
from leaf_port._hub import Hub
from leaf_port.errors import LeafError
from leaf_port.pretrained import differences

_NAMES = {
    "Leaf": Name.LEAF,
    "TimeDomainFilterbanks": Name.TFBANKS,
    "SincNet": Name.SINCNET,
    "SincNetPlus": Name.SINCNET_PLUS,
    "MelFilterbanks": Name.MEL,
}
_CLASSES: Mapping[str, type[pretrained.FromPretrained]] = {
    **{name: getattr(frontend, name) for name in _NAMES},
    "AudioClassifier": models.AudioClassifier,
}
_OFFICIAL_RATE = 16000  # of a frontend whose description tells none


@dataclass(frozen=True)
class Folder:
    """The frontend of a folder that ``python -m weight_conversion convert`` makes.

    Attributes:
        path: the folder.
        module: the frontend, also a classifier's, in evaluation mode.
        settings: what it was built from.
        sample_rate: that it was built for, in Hz.
    """

    path: Path
    module: nn.Module
    settings: Settings
    sample_rate: int


def located(given: str) -> Path:
    """What ``--weights`` means as a path; of a model on the Hugging Face Hub its download.

    Raises:
        LeafError: a model that cannot be downloaded.
    """
    return Hub().located(given)


def folder_of(given: str | Path) -> Path | None:
    """The folder that ``--weights`` means: itself, or the one whose config.json tells of the file.

    Of a model on the Hugging Face Hub its download. None for a bare file.

    Raises:
        LeafError: a model that cannot be downloaded.
    """
    weights = Hub().located(given)
    if weights.is_dir():
        return weights
    described = weights.name == pretrained.WEIGHTS and (weights.parent / pretrained.CONFIG).exists()
    return weights.parent if described else None


def read_folder(folder: Path, asked: Asked) -> Folder:
    """The frontend of a folder.

    Raises:
        LeafError: what ``from_pretrained`` refuses, a model without a frontend, weights that are
            not finite, or an option that contradicts config.json.
    """
    config = pretrained.read_config(folder)
    kind = config["kind"]
    if kind not in _CLASSES:
        expected = f"a model of kind {', '.join(_CLASSES)}"
        raise refusal("--weights", expected, f"{folder}: {kind}", "give the folder of a frontend")
    model, tree = _frontend(_CLASSES[kind].from_pretrained(folder), config)
    if model is None or tree is None:
        got, fix = f"{folder}: a {kind} without one", "its input is the waveform: nothing to show"
        raise refusal("--weights", "a model with a frontend", got, fix)
    _refuse_non_finite(model.state_dict())
    settings = _settings(tree)
    asked.refuse_others_than(settings, folder / pretrained.CONFIG)
    return Folder(folder, model, settings, _rate(tree))


def read_model(folder: Path) -> tuple[nn.Module, dict[str, str]]:
    """The whole model of a folder, and what ``export`` notes of it.

    Raises:
        LeafError: what ``from_pretrained`` refuses, a model of no waveform, or weights that are not
            finite.
    """
    config, data = pretrained.read(folder)  # both of one conversion
    kind = config["kind"]
    if kind not in _CLASSES:
        expected = f"a model of kind {', '.join(_CLASSES)}"
        got, fix = f"{folder}: {kind}", "give a frontend or a classifier"
        raise LeafError("export", "MODEL", expected, got, fix)
    pretrained.check_noted(config, data, folder / pretrained.WEIGHTS)
    model = pretrained.loaded(config, data, folder).eval()
    _refuse_non_finite(model.state_dict())
    return model, {"weights_sha256": hashlib.sha256(data).hexdigest()}


def _frontend(model: Any, tree: Mapping[str, Any]) -> tuple[nn.Module | None, Any]:
    """The frontend of a model and its description; None where there is none."""
    if isinstance(model, models.AudioClassifier):
        return model.frontend, tree.get("arguments", {}).get("frontend")
    return model, tree


def _rate(tree: Mapping[str, Any]) -> int:
    return int(tree.get("arguments", {}).get("sample_rate", _OFFICIAL_RATE))


def _settings(tree: Mapping[str, Any]) -> Settings:
    """What a description builds a frontend from; official defaults where it tells nothing."""
    told = tree.get("arguments", {})
    names = ("n_filters", "window_len", "window_stride")
    return Settings(_NAMES[tree["kind"]], **{name: told[name] for name in names if name in told})


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        LeafError: a missing file, or one that is no safetensors file.
    """
    if not path.is_file():
        raise refusal("--weights", "a safetensors file", f"no file {path}", "check the name")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        fix = "give a state dict saved with safetensors.torch.save_file"
        raise refusal("--weights", "a safetensors file", f"{path}: {error}", fix) from error


def load_weights(module: nn.Module, path: Path, weights: Mapping[str, Tensor]) -> None:
    """Puts ``weights`` into ``module``, all of them and nothing else.

    Raises:
        LeafError: naming, sorted, what is missing, what is unexpected and what has another shape
            or dtype; or which weights are not finite.
    """
    problems = differences(module.state_dict(), weights)
    if problems:
        expected = f"the state dict of a {type(module).__name__} of these sizes"
        fix = "give --frontend, --n-filters, --window-len and --sample-rate as in training"
        raise refusal("--weights", expected, f"{path} ({problems})", fix)
    _refuse_non_finite(weights)
    module.load_state_dict(dict(weights), strict=True)


def _refuse_non_finite(weights: Mapping[str, Tensor]) -> None:
    broken = sorted(name for name, values in weights.items() if not torch.isfinite(values).all())
    if broken:
        got = f"NaN or infinity in {', '.join(broken)}"
        raise refusal("--weights", "finite weights", got, "train or convert them again")
