"""Which command installs an extra: by the package's name, or of a checkout by its folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from leaf_port import _installation

_SOURCE = Path(_installation.__file__).resolve()


def hints() -> str:
    """By the name where pip has installed it, or else by the folder that holds the package."""
    left, installed = (_distribution(text) for text in (None, "Name: leaf-port"))
    root = _SOURCE.parent.parent
    for found, name in (
        ([], root),
        ([left], root),  # what setuptools leaves in a checkout
        ([installed], "leaf-port"),
        ([left, installed], "leaf-port"),
    ):
        distributions = mock.Mock(return_value=found)
        with mock.patch("importlib.metadata.distributions", distributions):
            told = _installation.hint("timm")
        if told != f'pip install "{name}[timm]"':
            return f"{len(found)} of the name: {told}"
        if distributions.call_args != mock.call(name="leaf-port"):
            return f"asked for {distributions.call_args}"
    return ""


def _distribution(metadata: str | None) -> SimpleNamespace:
    return SimpleNamespace(read_text={"METADATA": metadata}.get)


def behind_a_link() -> str:
    """A checkout that is reached by a link is told by its own place."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "link")
        try:
            link.symlink_to(_SOURCE.parent, target_is_directory=True)
        except OSError:  # Windows lets few users make them; then nobody comes by one
            return ""
        with (
            mock.patch("importlib.metadata.distributions", return_value=[]),
            mock.patch.object(_installation, "__file__", str(link / _SOURCE.name)),
        ):
            told = _installation.hint("timm")
    expected = f'pip install "{_SOURCE.parent.parent}[timm]"'
    return "" if told == expected else f"{told}, not {expected}"
