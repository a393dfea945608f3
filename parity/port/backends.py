"""Where the port runs. A backend is one entry of one table; the checks name none."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from parity.port import graph_capture, xla
from parity.port.graph_capture import Capture
from parity.port.xla_program import Program


@dataclasses.dataclass(frozen=True)
class Backend:
    """One place to run the port in.

    Attributes:
        name: by which it is asked for.
        device: where layers and tensors are put.
        missing: says why it cannot run here; empty where it can.
        settings: a context in which everything runs on it.
        start: makes the device ready; before anything else is computed in a process.
        flushes_denormals: whether numbers below 1.2e-38 count as zero there.
        flush: computes what is pending, given outputs and gradients; nothing where each operation
            is computed when it is called.
        watched: computes something, and tells what it knows of the compiled program; None where
            nothing is compiled.
        capture: makes a graph of a module and calls that in its place; None where the module itself
            is called.
        own_order: whether sums are added up in another order than by torch's kernels on a CPU.
        outputs_only: why it gives neither gradients nor state; empty where it does.
        opt_in: whether it runs only where it is asked for by name: capturing takes long.
    """

    name: str
    device: str
    missing: Callable[[], str]
    settings: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext
    start: Callable[[], None] = lambda: None
    flushes_denormals: bool = False
    flush: Callable[[Sequence[Tensor], Sequence[Tensor]], None] = lambda *_: None
    watched: Callable[[Callable[[], Any]], tuple[Any, Program]] | None = None
    capture: Capture | None = None
    own_order: bool = True
    outputs_only: str = ""
    opt_in: bool = False


def _no_cuda() -> str:
    return "" if torch.cuda.is_available() else "torch finds no CUDA device"


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
    """TF32 off: it keeps 10 of the 23 bits of each factor, which no budget allows."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


CPU = Backend("cpu", "cpu", lambda: "", own_order=False)
CUDA = Backend("cuda", "cuda", _no_cuda, _full_float32)
XLA = Backend(
    name="xla",
    device="xla",
    missing=xla.missing,
    settings=xla.full_float32,
    start=xla.start,
    flushes_denormals=True,  # its CPU device as TensorFlow's pool: tsl/platform/denormal.cc
    flush=xla.flush,
    watched=xla.watched,
)
COMPILED = Backend(
    name="compiled",
    device="cpu",
    missing=graph_capture.no_compiler,
    settings=graph_capture.quietly,
    capture=graph_capture.compiled,
    opt_in=True,
)
EXPORTED = Backend(
    name="exported",
    device="cpu",
    missing=lambda: "",
    settings=graph_capture.quietly,
    capture=graph_capture.exported,
    own_order=False,
    opt_in=True,
)
ONNX = Backend(
    name="onnx",
    device="cpu",
    missing=graph_capture.no_onnx,
    settings=graph_capture.quietly,
    capture=graph_capture.in_onnxruntime,
    outputs_only="onnxruntime computes outputs only",
    opt_in=True,
)
TABLE: Mapping[str, Backend] = {
    backend.name: backend for backend in (CPU, CUDA, XLA, COMPILED, EXPORTED, ONNX)
}


def default() -> dict[str, str]:
    """All backends, each with why it does not run unless it is named; empty: it does."""
    return {name: each.missing() or _only_if_asked(each) for name, each in TABLE.items()}


def _only_if_asked(backend: Backend) -> str:
    return f"only where it is asked for: --backend {backend.name}" if backend.opt_in else ""


def named(name: str) -> Backend:
    """The backend of a name.

    Raises:
        LeafError: there is none.
    """
    if name not in TABLE:
        from leaf_port.errors import (
            LeafError,  # no sooner: see parity/commands/mutants/runner.py, PRELOADED
        )

        known = f"one of {', '.join(TABLE)}"
        raise LeafError("parity", "backend", known, name, "give one of them")
    return TABLE[name]
