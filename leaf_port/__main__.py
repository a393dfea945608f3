"""``python -m leaf_port``: the command line."""

from __future__ import annotations

import sys

# Only the command needs these; the library itself gets along with torch and numpy.
_EXTRAS = {"matplotlib", "rich", "safetensors", "soundfile", "typer"}


def main() -> None:
    """Runs the command line; says in one line which package to install if one is missing."""
    try:
        from leaf_port import _publish
        from leaf_port._cli import app

        with _publish.ended_cleanly():
            app.app(prog_name="python -m leaf_port")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        print(f'leaf_port needs {missing}: pip install "leaf-port[cli]"', file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
