"""The three command lines: their names, their hints, and the scripts that an installation has."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from leaf_port import _installation

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {"leaf-port": "leaf_port", "leaf-parity": "parity", "leaf-convert": "weight_conversion"}


def script(name: str, *arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    """Runs what pip makes of ``project.scripts``: an import of the function, and a call."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, function = declared["scripts"][name].partition(":")
    argv = [f"/somewhere/{name}", *arguments]
    line = (
        f"import sys; sys.argv = {argv!r}; {before}; from {module} import {function}; {function}()"
    )
    return subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, check=False, cwd=ROOT
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_usage_names_the_script(name: str) -> None:
    pytest.importorskip("typer", reason="the commands need typer")
    done = script(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: {name} " in done.stdout


@pytest.mark.parametrize("package", SCRIPTS.values())
def test_usage_names_the_module(package: str) -> None:
    pytest.importorskip("typer", reason="the commands need typer")
    line = [sys.executable, "-m", package, "--help"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"Usage: python -m {package} " in done.stdout


@pytest.mark.parametrize(
    ("name", "extra"),
    [("leaf-port", "cli"), ("leaf-parity", "parity"), ("leaf-convert", "convert")],
)
def test_a_missing_package_is_one_line(name: str, extra: str) -> None:
    done = script(name, "--help", before="sys.modules['typer'] = None")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{SCRIPTS[name]} needs typer: {_installation.hint(extra)}\n"


def test_the_hint_of_an_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            return "Name: leaf-port" if name == "METADATA" else None

    monkeypatch.setattr(metadata, "distributions", lambda name: [Installed()])
    assert _installation.hint("cli") == 'pip install "leaf-port[cli]"'


@pytest.mark.parametrize("egg_info", [False, True])
def test_the_hint_of_a_checkout(egg_info: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names its folder: pip knows no ``leaf-port`` then, and no index has one."""

    class OfSetuptools:
        def read_text(self, name: str) -> str | None:
            return "Name: leaf-port" if name == "PKG-INFO" else None

    found = [OfSetuptools()] if egg_info else []
    monkeypatch.setattr(metadata, "distributions", lambda name: found)
    assert _installation.hint("cli") == f'pip install "{ROOT}[cli]"'


def test_what_else_is_missing_is_raised() -> None:
    def run(_program: str) -> None:
        raise ModuleNotFoundError("No module named 'something'", name="something")

    with pytest.raises(ModuleNotFoundError, match="something"):
        _installation.start("leaf_port", "leaf-port", {"typer": "cli"}, run)


def test_a_script_imports_no_port_before_its_command() -> None:
    """Processes that a script starts import it again; planted bugs come before the port."""
    line = "import sys, parity.__main__; print('leaf_port' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "False\n"
