"""Interpreters that look for no modules in the folder in which the user happens to be."""

from __future__ import annotations

import shlex
import subprocess

_SECONDS = 60.0
_ASKED = "import sys; print(sys.version_info >= (3, 11))"


def command(python: str) -> str:
    """A Python by its path, as execnet takes it: quoted, and with the option that keeps it so.

    ``-P`` where the interpreter knows it (3.11), else ``-I``, which leaves ``PYTHONPATH`` out too.
    """
    asked = [python, "-I", "-c", _ASKED]
    try:
        done = subprocess.run(  # noqa: S603
            asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # whoever starts it will tell
        return shlex.quote(python)
    return f"{shlex.quote(python)} {'-P' if done.stdout.strip() == b'True' else '-I'}"
