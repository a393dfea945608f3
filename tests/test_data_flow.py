"""Who imports whom: leaf_port nobody, weight_conversion leaf_port, parity both."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "leaf_port": ("parity", "weight_conversion", "tensorflow", "tests"),
    "weight_conversion": ("parity", "tests"),
    "parity": ("tests",),
}
# Joins the comparison with its judges: the one place of weight_conversion that knows parity.
COMPOSITION_ROOT = "weight_conversion/cli/verify_command.py"
FILES = [path for package in FORBIDDEN for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The packages that a file imports, also by name in a string."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for package in ("parity.", "tests."):
                if node.value.startswith(package) and " " not in node.value.strip():
                    found.add(package[:-1])
    return found


def test_the_files_are_found() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(FORBIDDEN)
    assert "parity" in imported(ROOT / COMPOSITION_ROOT)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_nothing_is_imported_against_the_flow(package: str) -> None:
    wrong = {
        name: found
        for path in FILES
        if (name := path.relative_to(ROOT).as_posix()).startswith(f"{package}/")
        and name != COMPOSITION_ROOT
        and (found := imported(path) & set(FORBIDDEN[package]))
        and not name.endswith("_official_worker.py")  # runs beside TensorFlow, by design
    }
    assert wrong == {}


def test_the_whole_of_weight_conversion_loads_without_parity() -> None:
    names = [
        f"weight_conversion.{path.stem}"
        for path in (ROOT / "weight_conversion").glob("*.py")
        if not path.stem.startswith("__")
    ]
    line = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; "
    line += "raise SystemExit(str([n for n in sys.modules if n.split('.')[0] == 'parity']))"
    done = subprocess.run([sys.executable, "-c", line, *names], capture_output=True, text=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"
