"""What the tests of ``python -m leaf_port features`` share; no tests in here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from leaf_port._cli import app
from leaf_port._cli.audio import Clip
from leaf_port._cli.extraction import Extractor, Features
from leaf_port._cli.frontends import Name, Settings

ROOT = Path(__file__).resolve().parents[2]
ALL = list(Name)
RATE = 8000

Array = npt.NDArray[Any]
Snapshot = dict[str, "bytes | None"]


def noise(samples: int = 2000, seed: int = 0) -> Array:
    """int16 noise at a tenth of full scale."""
    return (np.random.default_rng(seed).normal(size=samples) * 3000).astype(np.int16)


def write(path: Path, samples: Array | None = None, rate: int = RATE, **kwargs: Any) -> Path:
    """A sound file; a second clip of another length differs from the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise() if samples is None else samples, rate, **kwargs)
    return path


def cut_wav(path: Path) -> None:
    whole = write(path).read_bytes()
    path.write_bytes(whole[:1000])


def text(path: Path) -> None:
    path.write_text("this is no audio\n" * 50)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app.app, ["features", *map(str, arguments)])


def succeeds(*arguments: object) -> str:
    """stdout of a run that must succeed and keep stderr empty."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def snapshot(folder: Path) -> Snapshot:
    """All that lies in a folder: bytes of files, None for folders."""
    return {
        str(p.relative_to(folder)): None if p.is_dir() else p.read_bytes()
        for p in sorted(folder.rglob("*"))
    }


def refused(folder: Path, *arguments: object) -> str:
    """The one line of a run that must be refused and leave ``folder`` as it is."""
    before = snapshot(folder)
    result = run(*arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert "expected" in result.stderr
    assert snapshot(folder) == before
    return str(result.stderr)


def features_of(samples: Array, name: Name = Name.LEAF, rate: int = RATE) -> Features:
    clip = Clip(Path("clip.wav"), samples.astype(np.float32), rate)
    return Extractor(Settings(name), None, None)(clip)


def saved(module: torch.nn.Module, path: Path, **changes: torch.Tensor | None) -> Path:
    """The state dict of ``module`` with some of its tensors replaced, or left out where None."""
    state = {**module.state_dict(), **{key.replace("__", "."): v for key, v in changes.items()}}
    save_file({key: v.clone() for key, v in state.items() if v is not None}, path)
    return path


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=300, check=False
    )
