"""``python -m weight_conversion``: the command line."""

from __future__ import annotations

import sys

# Only the command needs these; one who imports the reader alone gets along with google-crc32c.
_EXTRAS = {"execnet", "google_crc32c", "h5py", "rich", "safetensors", "soundfile", "typer"}


def main() -> None:
    """Runs the command line; says in one line which package to install if one is missing."""
    try:
        from leaf_port import _publish
        from weight_conversion.cli import app as conversion_app

        with _publish.ended_cleanly():
            conversion_app.run()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRAS:
            raise
        extra = "parity" if missing in ("execnet", "soundfile") else "convert"
        fix = f'pip install "leaf-port[{extra}]"'
        print(f"weight_conversion needs {missing}: {fix}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
