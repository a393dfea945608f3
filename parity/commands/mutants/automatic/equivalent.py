"""Edits that were looked at and judged to change nothing that can be asked of the port."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path

FILE = Path(__file__).with_name("equivalent.toml")


@functools.cache
def reasons() -> dict[str, str]:
    """Why, by the key of the edit: of its kind, scope and changed lines.

    An entry whose lines have changed has another key, so that the edit is asked again.
    """
    with FILE.open("rb") as file:
        entries = tomllib.load(file).get("equivalent", [])
    return {key: entry["reason"] for entry in entries for key in entry["keys"]}
