"""Small trained models that come with the package, loaded by name.

``AudioClassifier.from_pretrained("fsdd-leaf-classifier")``, ``Leaf.from_pretrained("fsdd-leaf")``.
They were trained on the Free Spoken Digit Dataset (8 kHz) by ``python -m leaf_port train``; each
folder has a model card. A path of the same name comes first.
"""

from __future__ import annotations

import os
from pathlib import Path

from leaf_port._model_folder import CONFIG

FOLDER = Path(__file__).with_name("weights")


def names() -> list[str]:
    """The models that there are.

    Example:
        >>> from leaf_port import shipped
        >>> "fsdd-leaf" in shipped.names()
        True
    """
    return sorted(each.parent.name for each in FOLDER.glob(f"*/{CONFIG}"))


def located(given: str | os.PathLike[str]) -> Path | None:
    """The folder of a model that comes with the package; None for any other name, or a path."""
    if not isinstance(given, str) or os.path.lexists(given) or given not in names():
        return None
    return FOLDER / given
