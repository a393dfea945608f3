"""Stands for torch_xla in the ordinary interpreter, with faults, so that the real worker runs.

FAKE_XLA_FAULTS is JSON: the name of a torch function to its fault. Only float32 and complex64 are
touched, which is all that the worker computes in.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

TORCH_XLA = """
import ctypes, json, os, time
import torch
from torch.overrides import TorchFunctionMode

__version__ = "0.0.fake"
FAULTS = json.loads(os.environ.get("FAKE_XLA_FAULTS", "{}"))
FELL_BACK = {}

class _XLAC: pass

def device():
    start = FAULTS.get("device")
    if start == "raises":
        raise RuntimeError("no accelerator found\\n  in any slot")
    if start == "dies":
        dies()
    return torch.device("cpu")

def sync(): pass

def dies():
    os.write(2, b"I0000 loading\\nF0000 client.cc:1] Check failed: planted\\n")
    os.abort()

def faulty(fault, name, func, args, kwargs):
    if fault == "dies":
        dies()
    if fault == "hangs":
        time.sleep(3600)
    if fault == "raises":
        raise RuntimeError("planted\\nsecond line")
    if fault == "refuses autograd" and any(getattr(a, "requires_grad", False) for a in args):
        raise RuntimeError("%s does not support automatic differentiation for outputs" % name)
    out = func(*args, **kwargs)
    if fault == "detaches":
        return out.detach()
    if fault == "falls back":
        FELL_BACK["aten::" + name] = FELL_BACK.get("aten::" + name, 0) + 1
        return out
    if fault == "wrong value":
        return out * 1.001
    if fault == "nan":
        return out * float("nan")
    if fault == "wrong shape":
        return out[:1]
    if fault == "real dtype":
        return out.real.clone()
    if fault == "zero imaginary part":
        return torch.complex(out.real, torch.zeros_like(out.real))
    if fault == "complex dtype":
        return out.to(torch.complex64) if args[0].is_complex() else out
    if fault == "float64":
        return out.double()
    if fault in ("complex inside", "spoiled by use", "unusable"):
        setattr(out, fault.replace(" ", "_"), True)
        return out
    if fault == "wrong gradient":
        if out.requires_grad:
            out.register_hook(lambda grad: grad * 1.001)
        return out
    return out

class Faults(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        fault = FAULTS.get(name)
        if name == "abs" and hasattr(args[0], "complex_inside"):
            return args[0].abs().to(torch.complex64)
        if name == "mul" and hasattr(args[0], "unusable"):
            raise RuntimeError("planted: expected 96 bytes, got 48")
        if name == "mul" and hasattr(args[0], "spoiled_by_use"):
            return func(args[0], 2)
        if fault is None:
            return func(*args, **(kwargs or {}))
        return faulty(fault, name, func, args, kwargs or {})

Faults().__enter__()
"""

FILES = {
    "torch_xla/__init__.py": TORCH_XLA,
    "torch_xla/core/__init__.py": "",
    "torch_xla/core/xla_model.py": "def xla_device_hw(device): return 'FAKE'\n",
    "torch_xla/debug/__init__.py": "",
    "torch_xla/debug/metrics.py": (
        "from torch_xla import FELL_BACK\n"
        "def counter_names(): return ['xla::mul', *FELL_BACK]\n"
        "def counter_value(name): return FELL_BACK.get(name)\n"
    ),
}


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **faults: str) -> str:
    """Puts it in the path of processes started from now on; the interpreter that finds it."""
    for name, text in FILES.items():
        write(folder, name, text)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("FAKE_XLA_FAULTS", json.dumps(faults))
    return sys.executable


def write(folder: Path, name: str, text: str) -> None:
    """A module of its own in the same path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
