"""Edits that no documented use tells from the port; see the head of the table."""

from __future__ import annotations

import functools
import tomllib
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("equivalent.toml")


@functools.cache
def reasons() -> dict[str, str]:
    """Why, by the key of the edit: of its kind, scope and changed lines.

    An entry whose lines have changed has another key, so that the edit is asked again.
    """
    return {key: entry["reason"] for entry in entries() for key in entry["keys"]}


def entries() -> list[dict[str, Any]]:
    """The table: each entry's file, keys and reason."""
    with FILE.open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file).get("equivalent", [])
    return found
