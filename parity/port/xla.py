"""The XLA backend: torch_xla, on the device that PJRT_DEVICE names.

torch_xla is imported where it is used: it is heavy, not on every system, and no process may hold it
together with TensorFlow. torch_tpu, its successor on TPUs, would be another such file and one more
entry in ``parity/port/backends.py``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import importlib.util
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from parity.port import xla_program
from parity.port.xla_program import Program

T = TypeVar("T")

CALLS = 2  # of each case; whatever is compiled in the second one was compiled in vain
_START_SECONDS = 300.0
_START = "import torch, torch_xla; print(torch.ones(1, device=torch_xla.device()).cpu())"


def missing() -> str:
    """Why it cannot run here; empty where it can."""
    if importlib.util.find_spec("torch_xla") is None:
        return "torch_xla is not installed (it comes for Linux: pip install torch_xla==2.9.0)"
    if reason := _other_torch(importlib.metadata.version("torch_xla"), torch.__version__):
        return reason
    if not os.environ.get("PJRT_DEVICE"):
        return "PJRT_DEVICE is not set: set it to CPU, or to TPU on a machine with one"
    if "tensorflow" in sys.modules:
        return (
            "TensorFlow is imported in this process, which importing torch_xla would abort (both "
            "bring an LLVM with the same options): run one of the two in a process of its own"
        )
    return _does_not_start(os.environ["PJRT_DEVICE"])


def _other_torch(ours: str, torchs: str) -> str:
    """Both are released together; the library of one does not load beside another torch."""
    wanted, found = (".".join(version.split(".")[:2]) for version in (ours, torchs))
    if wanted == found:
        return ""
    return f"torch_xla {ours} is built for torch {wanted}, and torch {torchs} is installed"


@functools.cache
def _does_not_start(device: str) -> str:
    """The last line of what a process says that computes on the device, if it fails.

    A process of its own: a device that is not there may abort the one that asks.
    """
    line = [sys.executable, "-P", "-c", _START]
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=_START_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"the device of PJRT_DEVICE={device} did not start within {_START_SECONDS:g} s"
    if done.returncode == 0:
        return ""
    told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return f"the device of PJRT_DEVICE={device} does not start: {told[-1]}"


@functools.cache
def start() -> None:
    """Starts the device, before any gradient is computed in this process.

    Autograd makes one thread for each device that it finds at the first backward; a device that
    comes later has none, and its backward fails ("INTERNAL ASSERT FAILED ... engine.cpp").
    """
    import torch_xla

    torch_xla.device()


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Products of float32 with all their bits.

    A TPU multiplies float32 matrices in bfloat16 unless told otherwise, which keeps 8 of 24 bits: a
    Gabor filter's taps would be 4e-3 off. ``highest`` takes six passes, and about 22 bits. Set once
    in a process and kept: torch_xla advises against setting it twice, and programs compiled before
    stay what they are.
    """
    import torch_xla.backends as xla_backends

    if xla_backends.get_mat_mul_precision() != "highest":
        log = logging.getLogger(xla_backends.__name__)
        log.disabled = True  # it warns whoever sets it at all
        try:
            xla_backends.set_mat_mul_precision("highest")
        finally:
            log.disabled = False
    yield


_noted: list[Program] | None = None  # what the programs tell, where somebody asked for it


def flush(outputs: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Compiles and runs what is pending, forward and backward as one program."""
    import torch_xla

    if _noted is not None:
        text = torch_xla._XLAC._get_xla_tensors_hlo
        forward = [output for output in outputs if output.device.type == "xla"]
        _noted.append(xla_program.read(text(forward), text([*forward, *gradients])))
    torch_xla.sync()


@contextlib.contextmanager
def _noting() -> Iterator[list[Program]]:
    global _noted
    programs: list[Program] = []
    _noted = programs
    try:
        yield programs
    finally:
        _noted = None


def watched(compute: Callable[[], T]) -> tuple[T, Program]:
    """What ``compute`` gives, and what its program and the runtime's counters tell.

    It is called twice, with the same shapes.
    """
    import torch_xla
    import torch_xla.debug.metrics as metrics

    torch_xla.sync()  # nothing of before is counted
    metrics.clear_all()
    with _noting() as programs:
        # Not at the top: processes with planted bugs load this module before the port.
        from leaf_port import _peak_memory

        given, peak_bytes = _peak_memory.peak(compute)
    for _ in range(CALLS - 1):
        start_of_call = time.perf_counter()
        compute()
    (told,) = programs
    compiled: Any = metrics.metric_data("CompileTime")
    count, nanoseconds = compiled[:2] if compiled else (0, 0.0)
    return given, dataclasses.replace(
        told,
        fallbacks=tuple(sorted(metrics.executed_fallback_ops())),
        compilations=count,
        calls=CALLS,
        compile_seconds=1e-9 * nanoseconds,
        seconds=time.perf_counter() - start_of_call,
        peak_bytes=peak_bytes,
    )
