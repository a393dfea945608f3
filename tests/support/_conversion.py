"""How the recorded checkpoints are converted, for the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from _recorded_checkpoints import CHECKPOINTS
from torch import Tensor

from leaf_port import impulse_responses
from weight_conversion.official.convert import Converted, convert
from weight_conversion.official.settings import Settings
from weight_conversion.reference.record import RECORDINGS, SHARDS

MODELS = [each for each in CHECKPOINTS if each[0] != SHARDS]
# What the recipes have and no checkpoint tells.
GIVEN: dict[str, dict[str, Any]] = {
    "leaf_options": {"sample_rate": 8000},
    "leaf_fixed": {"window_len": 20.0},
    "mel": {"frontend": "mel", "n_filters": 8},
}


def settings(name: str, **given: Any) -> Settings:
    return Settings({**GIVEN.get(name, {}), **given}, defaults=True)


def converted(
    name: str, folder: Path, file: str = "", source: Path | None = None, **options: Any
) -> Converted:
    return convert(source or RECORDINGS / name / file, folder, settings(name), **options)


def run(*args: object, code: int = 0) -> str:
    """What a command of weight_conversion prints: an error where it ends with another code."""
    command = [sys.executable, "-m", "weight_conversion", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def without_sign(t: Tensor, center: Tensor, fwhm: Tensor) -> Tensor:
    """The sine of the phase's magnitude: an even imaginary part."""
    phase = center[:, None] * t
    sinusoid = torch.stack([torch.cos(phase), torch.sin(phase.abs())], dim=-1)
    scale, gaussian = impulse_responses._gabor_envelope(t, fwhm)
    return scale[..., None] * sinusoid * gaussian[..., None]
