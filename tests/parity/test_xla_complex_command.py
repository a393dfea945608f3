"""python -m parity xla-complex: bad input is one line, the command tells, and the real device."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import _fake_torch_xla as fake
import pytest
import torch

from leaf_port import LeafError
from parity.commands.xla_complex import judge
from parity.commands.xla_complex.judge import Finding
from parity.commands.xla_complex.probes import INPUTS, both
from parity.commands.xla_complex.session import Session, device_name

DEVICE = "FAKE"
LIMIT = 60.0

# Bad input


def start(python: str) -> str:
    """The message of a session that does not start."""
    with pytest.raises(LeafError) as refused, Session(python, DEVICE, LIMIT):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_without_torch_xla(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake.install(tmp_path, monkeypatch)
    missing = 'raise ModuleNotFoundError("No module named \'torch_xla\'", name="torch_xla")'
    fake.write(tmp_path, "torch_xla/__init__.py", missing)
    assert "expected an interpreter with torch_xla, got" in start(python)


def test_with_the_torch_xla_of_another_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = fake.install(tmp_path, monkeypatch)
    fake.write(
        tmp_path, "torch_xla/__init__.py", 'raise ImportError("undefined symbol: _ZN5torch")'
    )
    told = start(python)
    assert f"built for its torch {torch.__version__}" in told
    assert "undefined symbol: _ZN5torch" in told


def test_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.write(tmp_path, "torch/__init__.py", 'raise ImportError("no torch here")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert "ImportError: no torch here" in start(sys.executable)


def test_beside_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake.install(tmp_path, monkeypatch)
    site = 'import sys, types; sys.modules["tensorflow"] = types.ModuleType("tensorflow")'
    fake.write(tmp_path, "sitecustomize.py", site)
    assert "a process without TensorFlow" in start(python)


@pytest.mark.parametrize(
    ("fault", "told"),
    [("raises", "RuntimeError: no accelerator found;"), ("dies", "Check failed: planted")],
)
def test_a_device_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    message = start(fake.install(tmp_path, monkeypatch, device=fault))
    assert "PJRT_DEVICE: expected a device that starts, got FAKE: " in message
    assert told in message


def test_what_is_no_python() -> None:
    assert "--python: expected a Python interpreter, got '/no/such/python'" in start(
        "/no/such/python"
    )


def test_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PJRT_DEVICE", raising=False)
    with pytest.raises(LeafError, match="PJRT_DEVICE: expected the name of a device"):
        device_name(None)
    monkeypatch.setenv("PJRT_DEVICE", "TPU")
    assert device_name(None) == "TPU"
    assert device_name("CPU") == "CPU"


# The command


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a user does."""
    line = [sys.executable, "-m", "parity", "xla-complex", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


def test_the_command_ends_with_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that cannot differentiate abs: table, sentences, JSON; no file is replaced."""
    fake.install(tmp_path / "fake", monkeypatch, abs="refuses autograd")
    path = tmp_path / "found.json"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "fake"), str(Path.cwd())]))
    done = command("--device", DEVICE, "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is needed for Gabor filters on torch_xla 0.0.fake" in done.stdout
    assert len(json.loads(path.read_text())["findings"]) == 2 * len(INPUTS)
    again = command("--device", DEVICE, "--json", str(path))
    assert again.returncode == 2
    assert "--json: expected a name that is free" in again.stderr
    table = command("--table", str(path))
    assert "| abs | ok / no autograd |" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--python", "/no/such/python", "--device", "CPU"], "a Python interpreter"),
        (["--table"], "at least one file"),
        (["a.json"], "--table before files"),
        (["--table", "a.json", "--json", "b.json"], "no --table beside it"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], told: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


# The real thing


@pytest.fixture(scope="module")
def real() -> dict[tuple[str, str], Finding]:
    """What torch_xla's CPU device gives for some probes."""
    if importlib.util.find_spec("torch_xla") is None:
        pytest.skip("needs torch_xla, of the version of torch")
    asked = ("abs", "div by complex", "mean", "fft", "exp", "Gabor filters")
    with Session(sys.executable, "CPU", LIMIT) as session:
        found = [session.ask(probe) for name in asked for probe in both(name)]
        assert session.versions["device"] == "CPU"
    return {(each.operation, each.direction): each for each in found}


def test_torch_xla_computes_gabor_filters(real: dict[tuple[str, str], Finding]) -> None:
    """As the port does in complex numbers; and their exponential alone."""
    for name in ("exp", "Gabor filters"):
        for direction in ("forward", "backward"):
            assert real[name, direction].verdict == judge.LOWERED, real[name, direction]


def test_the_known_faults_of_torch_xla_are_found(real: dict[tuple[str, str], Finding]) -> None:
    if not torch.__version__.startswith("2.9."):
        pytest.skip(f"known of torch_xla 2.9; this is {torch.__version__}")
    assert real["abs", "backward"].verdict == judge.NO_AUTOGRAD
    assert real["div by complex", "forward"].verdict == judge.DROPS_IMAGINARY
    assert real["mean", "forward"].verdict == judge.RAISES
    assert real["fft", "forward"].fell_back == ("aten::_fft_c2c",)
