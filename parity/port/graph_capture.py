"""The backends that make a graph of the port first: compiled, exported, run in onnxruntime.

Each takes a module, the tensors of a case and other tensors of the same ranks that an export is
traced with, and gives something to call with the case's tensors. Sizes are not specialised where
the two differ, so what was traced at one length and batch answers for another.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import platform
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.export import Dim

LONGEST = 400  # characters of a message

Called = Callable[..., Sequence[Tensor]]
Capture = Callable[[nn.Module, Sequence[Tensor], Sequence[Tensor]], Called]


class CaptureError(Exception):
    """No graph could be made, or it does not run at the case's shape."""


_X86 = ("x86_64", "AMD64")
_NO_VECTORS = ("DEFAULT", "NO AVX")


def no_compiler() -> str:
    """Why inductor cannot compile here; empty where it can."""
    named = os.environ.get("CXX")
    if not (shutil.which(named) if named else shutil.which("g++") or shutil.which("clang++")):
        return "inductor finds no C++ compiler: install g++ or clang++, or name one in CXX"
    if platform.machine() in _X86 and torch.backends.cpu.get_cpu_capability() in _NO_VECTORS:
        # It calls transpose_mxn, which it does not declare (torch 2.13).
        return "inductor writes code that does not compile for a processor without vectors"
    return ""


def no_onnx() -> str:
    """Why nothing can be exported to ONNX or run there; empty where it can."""
    needed = ("onnx", "onnxscript", "onnxruntime")
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    if not lacking:
        return ""
    are = "is" if len(lacking) == 1 else "are"
    # Not the checkout's folder: reports do not name the machine.
    return f"{', '.join(lacking)} {are} not installed (pip install leaf-port[onnx])"


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Torch's own warnings about itself, while it captures, are nobody's concern."""
    log = logging.getLogger("torch")
    before = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.ERROR)
        try:
            yield
        finally:
            log.setLevel(before)


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Whatever is raised, as a CaptureError: in the words of its first cause."""
    try:
        yield
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        words = " ".join(str(cause).split())[:LONGEST]
        raise CaptureError(f"{what}: {type(cause).__name__}: {words}") from error


def _guarded(what: str, call: Called) -> Called:
    def called(*arrays: Tensor) -> Sequence[Tensor]:
        with told(what):
            return call(*arrays)

    return called


def compiled(module: nn.Module, _arrays: Sequence[Tensor], _traced: Sequence[Tensor]) -> Called:
    """By inductor, forward and backward, without a graph break; at the case's own shape."""
    import torch._inductor.config as inductor

    torch._dynamo.reset()  # else the cases of a run count as recompilations of one function
    inductor.compile_threads = 1
    made = torch.compile(module, fullgraph=True, dynamic=False, backend="inductor")
    return _guarded("torch.compile", made)


def _dynamic_shapes(
    arrays: Sequence[Tensor], traced: Sequence[Tensor]
) -> tuple[tuple[dict[int, object], ...]]:
    """Every axis whose size differs, for the one variadic argument of the module."""

    def free(each: Tensor, other: Tensor) -> dict[int, object]:
        sizes = enumerate(zip(each.shape, other.shape, strict=True))
        return {axis: Dim.DYNAMIC for axis, (size, longer) in sizes if size != longer}

    return (tuple(map(free, arrays, traced)),)


def exported(module: nn.Module, arrays: Sequence[Tensor], traced: Sequence[Tensor]) -> Called:
    """By torch.export, traced at the other shape; parameters are the module's own."""
    with told("torch.export"):
        program = torch.export.export(
            module, tuple(traced), dynamic_shapes=_dynamic_shapes(arrays, traced)
        )
        return _guarded("the exported program", program.module())


def in_onnxruntime(module: nn.Module, arrays: Sequence[Tensor], traced: Sequence[Tensor]) -> Called:
    """By torch's ONNX exporter, traced at the other shape; run on onnxruntime's CPU device."""
    import onnxruntime

    with told("torch.onnx.export"), contextlib.redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            module,
            tuple(traced),
            dynamo=True,
            dynamic_shapes=_dynamic_shapes(arrays, traced),
            verbose=False,
        )
        model = program.model_proto.SerializeToString()  # type: ignore[union-attr]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised too
    with told("onnxruntime"):
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(*given: Tensor) -> list[Tensor]:
        feed = {name: each.detach().numpy() for name, each in zip(names, given, strict=True)}
        return [torch.from_numpy(each) for each in session.run(None, feed)]

    return _guarded("onnxruntime", run)
