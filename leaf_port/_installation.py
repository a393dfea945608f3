"""How the package is installed and its commands are started: for usage lines and hints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

_NAME = "leaf-port"


def hint(extra: str) -> str:
    """The command that installs an extra, from any folder.

    pip knows ``leaf-port`` where it is installed. A checkout that is run as it is has to be named
    by its folder: a package index has no ``leaf-port``.
    """
    return f'pip install "{_NAME if _is_installed() else _root()}[{extra}]"'


def _root() -> Path:
    return Path(__file__).resolve().parents[1]


def _is_installed() -> bool:
    """Whether pip has installed it; what setuptools leaves in a checkout has no METADATA."""
    return any(each.read_text("METADATA") for each in metadata.distributions(name=_NAME))


def start(package: str, script: str, extras: Mapping[str, str], run: Callable[[str], None]) -> None:
    """Runs a command line; says in one line which extra to install if a package is missing.

    Args:
        package: what ``python -m`` starts.
        script: what an installed package has beside it.
        extras: which extra has a package, for those that the command needs.
        run: is given the name of the program, as the user started it.
    """
    try:
        run(script if Path(sys.argv[0]).stem == script else f"python -m {package}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in extras:
            raise
        print(f"{package} needs {missing}: {hint(extras[missing])}", file=sys.stderr)
        raise SystemExit(2) from None
