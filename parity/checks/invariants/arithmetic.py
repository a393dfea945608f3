"""Which arithmetic was taken: complex where it is asked for, none where it is not or is lacking."""

from __future__ import annotations

import dataclasses
import inspect

from parity.checks.invariants.one_object import smallest_of
from parity.port import feature_masking, runner
from parity.port.backends import CPU, Backend
from parity.port.complex_watch import ComplexWatch
from parity.spec import LayerSpec, Question


def taken(spec: LayerSpec) -> str:
    """What a layer does otherwise than it is told, in a small case of one clip."""
    case = smallest_of(spec)
    one = dataclasses.replace(case, config={**case.config, "batch": 1})
    question = runner.ask(spec, one)
    for arithmetic in spec.arithmetics:
        found = _complex(spec, question, arithmetic)
        if bool(found) != (arithmetic == "complex"):
            return f"arithmetic {arithmetic!r}: {found or 'no operation on complex numbers'}"
    if not _follows_the_device(spec):
        return ""
    if not _complex(spec, question, "auto"):
        return "arithmetic 'auto': no operation on complex numbers, where there are some"
    lacking = _complex(spec, question, "auto", feature_masking.LACKING)
    return f"arithmetic 'auto', where complex numbers lack: {lacking}" if lacking else ""


def _follows_the_device(spec: LayerSpec) -> bool:
    """Whether it takes an arithmetic, which may be that of the device."""
    found = (inspect.signature(signature.port).parameters for signature in spec.signatures)
    return any("arithmetic" in each for each in found)


def _complex(spec: LayerSpec, question: Question, arithmetic: str, backend: Backend = CPU) -> str:
    """The first operation on complex numbers, if there is one."""
    watch = ComplexWatch()
    run = runner.Run(arithmetic=arithmetic, noise=lambda: watch, backend=backend)
    runner.answer(spec, question, run)
    return watch.seen
