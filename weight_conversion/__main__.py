"""``python -m weight_conversion``, or ``leaf-convert``: the command line."""

from __future__ import annotations

from leaf_port import _installation

# Only the command needs these; one who imports the reader alone gets along with google-crc32c.
_EXTRAS = {
    **dict.fromkeys(("google_crc32c", "h5py", "rich", "safetensors", "typer"), "convert"),
    **dict.fromkeys(("execnet", "soundfile"), "parity"),
}


def _run(program: str) -> None:
    from leaf_port import _publish
    from weight_conversion.cli import app

    with _publish.ended_cleanly():
        app.run(program)


def main() -> None:
    """Runs the command line; says in one line which package to install if one is missing."""
    _installation.start("weight_conversion", "leaf-convert", _EXTRAS, _run)


if __name__ == "__main__":
    main()
