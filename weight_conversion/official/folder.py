"""A folder that ``convert`` made, read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from leaf_port import pretrained
from leaf_port._model_folder import sha256 as sha256
from leaf_port.errors import LeafError
from leaf_port.pretrained import FromPretrained

WAVEFORM_RATE = 16000  # Hz, where a model of the waveform itself (WaveGram) knows none


def load(folder: Path, *, noted: bool = True) -> tuple[dict[str, Any], nn.Module]:
    """What ``config.json`` says, and the model in evaluation mode.

    Args:
        folder: of both files; both come from one conversion.
        noted: whether the weights must have the SHA-256 that is noted.

    Raises:
        LeafError: a folder of something else, a damaged file, another version of the format.
    """
    path = folder / pretrained.WEIGHTS
    config, data = pretrained.read(folder)
    if noted:
        pretrained.check_noted(config, data, path)
    model = pretrained.loaded(config, data, folder)
    if not isinstance(model, FromPretrained):
        expected, fix = "a frontend or an AudioClassifier", "convert the checkpoint again"
        raise LeafError("from_pretrained", str(path.parent), expected, config["kind"], fix)
    return config, model.eval()


def frontend(config: dict[str, Any]) -> dict[str, Any] | None:
    """The description of the frontend; None where there is none."""
    if config["kind"] != "AudioClassifier":
        return config
    found: dict[str, Any] | None = config["arguments"].get("frontend")
    return found


def sample_rate(config: dict[str, Any]) -> int | None:
    """The frontend's, in Hz; None where no frontend tells it."""
    part = frontend(config)
    rate = part["arguments"].get("sample_rate") if part else None
    return None if rate is None else int(rate)
