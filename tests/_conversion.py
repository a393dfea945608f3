"""How the recorded checkpoints are converted, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _recorded_checkpoints import CHECKPOINTS

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
