"""``python -m leaf_port``, or ``leaf-port``: the command line."""

from __future__ import annotations

from leaf_port import _installation

# Only the command needs these; the library itself gets along with torch and numpy.
_EXTRAS = dict.fromkeys(("matplotlib", "rich", "safetensors", "soundfile", "typer"), "cli")


def _run(program: str) -> None:
    from leaf_port import _publish
    from leaf_port._cli import app

    with _publish.ended_cleanly():
        app.app(prog_name=program)


def main() -> None:
    """Runs the command line; says in one line which package to install if one is missing."""
    _installation.start("leaf_port", "leaf-port", _EXTRAS, _run)


if __name__ == "__main__":
    main()
