"""Which check caught each planted bug the last time: it comes first, and most often it does again.

It is a hint. A bug that it does not catch any more meets all checks of its layer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from leaf_port import _publish

FILE = Path(__file__).with_name("caught_by.json")


def read(path: Path = FILE) -> Mapping[str, str]:
    """By the bug's name the part of its layer's checks."""
    if not path.exists():
        return {}
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def keep(caught: Mapping[str, str], path: Path = FILE) -> None:
    """Writes the record anew, whole or not at all."""
    text = json.dumps(dict(sorted(caught.items())), indent=0, ensure_ascii=False) + "\n"
    with _publish.new_file(path) as file:
        file.write_text(text, encoding="utf-8")
