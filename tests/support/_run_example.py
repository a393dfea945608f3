"""Runs an example as ``python EXAMPLE`` does; a notebook cell by cell. No tests in here.

    python _run_example.py EXAMPLE [PACKAGE ...]

SpeechBrain, timm and transformers import torchaudio or torchvision, whose native libraries may not
load beside a CPU torch. None of the examples needs these libraries.
"""

import contextlib
import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300


def main() -> None:
    """Runs it."""
    path = Path(sys.argv[1])
    sys.path.insert(0, str(ROOT))
    if path.suffix == ".ipynb":
        run_notebook(path)
        return
    if {"speechbrain", "transformers"} & {*sys.argv[2:]}:
        from parity.commands.audit.foreign import _without_native_code

        _without_native_code()
    if {"timm", "transformers"} & {*sys.argv[2:]}:
        without_operators("torchvision")
    sys.argv = [str(path)]
    runpy.run_path(str(path), run_name="__main__")


def without_operators(name: str) -> None:
    """Lets torchvision be imported where its operators, whose shapes it declares, are missing."""
    with contextlib.suppress(RuntimeError, ModuleNotFoundError):
        importlib.import_module(name)
        return
    for each in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[each]
    declarations = f"{name}._meta_registrations"
    sys.modules[declarations] = ModuleType(declarations)


def run_notebook(path: Path) -> None:
    """Executes all cells; prints what they print, and how many pictures they show."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=SECONDS, kernel_name="python3").execute()
    outputs = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    print(*(each["text"] for each in outputs if each.get("name") == "stdout"))
    print(sum("image/png" in each.get("data", {}) for each in outputs), "pictures")


if __name__ == "__main__":
    main()
