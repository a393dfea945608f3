"""Stands for TensorFlow and leaf_audio in the ordinary interpreter, so that the real worker runs.

The fake leaf_audio is ill-behaved: a function dies, one hangs, one raises, one prints.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from parity.oracles import official

TENSORFLOW = """
import numpy as np

class Module: pass
class Variable: pass

class DType:
    is_complex = is_floating = False

class Tensor:
    dtype = DType
    def __init__(self, value): self.value = np.asarray(value)
    @property
    def shape(self): return self.value.shape
    def numpy(self): return self.value

def convert_to_tensor(value): return value if isinstance(value, Tensor) else Tensor(value)
constant = convert_to_tensor

class GradientTape:
    def __enter__(self): return self
    def __exit__(self, *_): return None
    def watch(self, _): pass
"""

FRONTEND = """
import os, sys, time
import lingvo.core.spectrum_augmenter as augmenter

def _told(): open(os.environ["FAKE_PIDS"], "a").write("%d\\n" % os.getpid())
_told()

def same(x): return x
def dies(x): os._exit(3)
def killed(x): os.kill(os.getpid(), 9)
def leaves(x): sys.exit(4)
def hangs(x): time.sleep(3600)
def raises(x): raise ValueError("no such thing")
def lacks(x): return augmenter.SpectrumAugmenter.Params()
def prints(x):
    print("garbage " * 5000); sys.stdout.flush(); os.write(1, b"more garbage")
    return x
"""


class Fake:
    """Where the stand-ins lie, and the process ids of the workers that imported them."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self._pids = folder / "pids"
        self.write("packages/tensorflow.py", TENSORFLOW, folder)
        self.write("leaf_audio/__init__.py", "")
        self.write("leaf_audio/frontend.py", FRONTEND)

    def write(self, name: str, text: str, folder: Path | None = None) -> None:
        """A file of the stand-ins."""
        path = (folder or self.checkout) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    @property
    def pids(self) -> list[int]:
        """Of all workers so far, in order."""
        return [int(line) for line in self._pids.read_text().split()]


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Makes the stand-ins and points both environment variables at them."""
    fake = Fake(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder / "packages"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("FAKE_PIDS", str(folder / "pids"))
    monkeypatch.setenv(official.PYTHON, sys.executable)
    monkeypatch.setenv(official.CHECKOUT, str(fake.checkout))
    return fake
