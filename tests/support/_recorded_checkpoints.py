"""The recorded checkpoints, for the tests."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from weight_conversion.reference.record import MANIFEST, RECORDINGS

NAMES = sorted(path.parent.name for path in RECORDINGS.glob(f"*/{MANIFEST}"))


@cache
def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / name / MANIFEST).read_text())
    return found


CHECKPOINTS = [(name, file) for name in NAMES for file in manifest(name)["checkpoints"]]
BUNDLES = [(name, file) for name, file in CHECKPOINTS if not file.endswith(".h5")]
H5 = [(name, file) for name, file in CHECKPOINTS if file.endswith(".h5")]
