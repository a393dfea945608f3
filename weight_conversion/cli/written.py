"""What a conversion has written, and the lines that load it."""

from __future__ import annotations

import json
from pathlib import Path

from weight_conversion.official.detect import Tree


def lines(folder: Path, tree: Tree) -> list[str]:
    """The files of the folder, and the two lines of Python that load the model.

    Args:
        folder: that was made.
        tree: the description of its model.
    """
    names = ", ".join(sorted(path.name for path in folder.iterdir()))
    kind = tree["kind"]
    path = json.dumps(str(folder), ensure_ascii=not str(folder).isprintable())
    return [
        f"written: {folder}: {names}",
        "Load it with:",
        f"  from leaf_port import {kind}",
        f"  model = {kind}.from_pretrained({path})",
    ]
