"""ONNX files: written by torch's exporter, read by onnxruntime."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from leaf_port._export.capture import OWNER, quietly, told
from leaf_port._installation import hint
from leaf_port.errors import LeafError

INPUT = "waveforms"
OPSET = 18
"""What torch's exporter writes by itself; others are made from it."""

_LARGEST = 2**31 - 2**20  # a message of protobuf ends at 2 GiB
_COMPLEX = {14, 15}  # COMPLEX64 and COMPLEX128 of TensorProto.DataType


def needed(check: bool) -> None:
    """Refuses where a package is missing.

    Args:
        check: whether the file is to be run, too.
    """
    names = ("onnx", "onnxscript", *(("onnxruntime",) if check else ()))
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        fix = hint("onnx")
        if missing == ["onnxruntime"]:
            fix += ", or export without the check"
        got = f"{' and '.join(missing)} not installed"
        raise LeafError(OWNER, "ONNX", f"the packages {', '.join(names)}", got, fix)


def check_opset(opset: int) -> None:
    """Refuses a version of the operators that cannot be written.

    Raises:
        LeafError: older than what torch's exporter writes, or newer than onnx knows.
    """
    from onnx.defs import onnx_opset_version

    newest = onnx_opset_version()
    if not OPSET <= opset <= newest:
        older = opset < OPSET
        fix = f"leave it out: {OPSET}" if older else "update onnx, or give an older one"
        expected = f"{OPSET} (the oldest that torch's exporter writes) to {newest}"
        raise LeafError(OWNER, "opset", expected, opset, fix)


def write(
    program: ExportedProgram, path: Path, output: str, opset: int, metadata: Mapping[str, str]
) -> None:
    """Writes a program as one ONNX file.

    Raises:
        LeafError: the exporter refuses it, gives another opset, or a complex number is in it.
    """
    with quietly(), told("torch.onnx.export"):
        made: Any = torch.onnx.export(
            program,
            (),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=[output],
            opset_version=opset,
            dynamic_shapes=({0: "batch", 1: "samples"},),
        )
        model = made.model_proto
    _check(model, opset)
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    if model.ByteSize() > _LARGEST:
        got = f"{model.ByteSize()} bytes"
        raise LeafError(OWNER, "model", "a model below 2 GiB", got, "export it to .pt2")
    path.write_bytes(model.SerializeToString(deterministic=True))


def _check(model: Any, opset: int) -> None:
    """The exporter only tells of it where it cannot convert to another opset."""
    found = {each.domain: each.version for each in model.opset_import}
    if found != {"": opset}:
        told = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in found.items())
        fix = f"leave it out: {OPSET}"
        raise LeafError(OWNER, "opset", f"a graph of opset {opset} alone", told, fix)
    complex_ones = sorted(set(_complex_ones(model.graph)))
    if complex_ones:
        got = f"complex numbers in {', '.join(complex_ones[:3])}"
        fix = "build its layers with arithmetic='real'"
        raise LeafError(OWNER, "model", "a graph of real numbers", got, fix)


def _complex_ones(graph: Any) -> Iterator[str]:
    """The names of all values that are complex, in the graph and in those inside it."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in _COMPLEX:
            yield value.name
    yield from (each.name for each in graph.initializer if each.data_type in _COMPLEX)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.t.data_type in _COMPLEX or _casts(node, attribute):
                yield node.name
            for inner in _graphs(attribute):
                yield from _complex_ones(inner)


def _casts(node: Any, attribute: Any) -> bool:
    return node.op_type == "Cast" and attribute.name == "to" and attribute.i in _COMPLEX


def _graphs(attribute: Any) -> Iterable[Any]:
    return (*attribute.graphs, *((attribute.g,) if attribute.HasField("g") else ()))


def read(path: Path, output: str) -> Callable[[Tensor], Tensor]:
    """What an ONNX file computes, in onnxruntime on the CPU.

    Raises:
        LeafError: onnxruntime does not take it, or its names are others.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised too
    with told("onnxruntime"):
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    names = [each.name for each in (*session.get_inputs(), *session.get_outputs())]
    if names != [INPUT, output]:
        raise LeafError(OWNER, "model", f"{INPUT} and {output}", ", ".join(names), "report it")

    def run(waveforms: Tensor) -> Tensor:
        return torch.from_numpy(session.run([output], {INPUT: waveforms.numpy()})[0])

    return run
