"""``python -m parity``, or ``leaf-parity``: the command line.

Nothing is imported here before the command runs: the processes that it starts import this module
again where a script started it, and planted bugs must come before the port.
"""

from __future__ import annotations

import os

# Only the commands need these.
_PACKAGES = ("execnet", "hypothesis", "jinja2", "matplotlib", "mpmath", "pytest", "rich")
_EXTRAS = dict.fromkeys((*_PACKAGES, "safetensors", "scipy", "soundfile", "typer"), "parity")


def _run(program: str) -> None:
    from parity.commands import app

    app.main(program)


def main() -> None:
    """Runs the command line; says in one line which package to install if one is missing."""
    from leaf_port import _installation

    # A process for each core computes in one thread. OpenBLAS starts one for each core in each of
    # them, which take the processor while they wait: the suite took twice as long.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _installation.start("parity", "leaf-parity", _EXTRAS, _run)


if __name__ == "__main__":
    main()
