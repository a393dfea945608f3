"""torch.export: the same values from the exported program, for any batch; no complex numbers."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _layers import FRONTENDS, SAMPLES, call, clips, make, same_bits
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

import leaf_port as lp
from leaf_port.frontend import Compression


def _frontend(name: str) -> nn.Module:
    """To compare with bit by bit: in the arithmetic that "auto" takes in an export."""
    return make(f"{name}-real" if name in ("Leaf", "MelFilterbanks") else name)


def _exported(name: str, **kwargs: Any) -> ExportedProgram:
    """Of the frontend as it is by default."""
    return export(make(name), (clips(3, SAMPLES),), **kwargs)


def _values(program: ExportedProgram) -> list[Tensor]:
    """What every node of the graph gives, where that is a tensor."""
    values = [node.meta.get("val") for node in program.graph.nodes]
    return [value for value in values if isinstance(value, Tensor)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", FRONTENDS)
def test_of_one_shape(name: str, strict: bool) -> None:
    program = _exported(name, strict=strict)
    x = clips(3, SAMPLES, seed=5)
    assert same_bits(call(program.module(), [x]), call(_frontend(name), [x]))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", FRONTENDS)
def test_of_any_batch(name: str, strict: bool) -> None:
    program = _exported(name, strict=strict, dynamic_shapes=({0: Dim("batch")},))
    for batch in (1, 2, 5):
        x = clips(batch, SAMPLES, seed=batch)
        assert same_bits(call(program.module(), [x]), call(_frontend(name), [x]))


def _leaf(compression: Compression | None, **kwargs: Any) -> nn.Module:
    return lp.Leaf(n_filters=4, compression_fn=compression, arithmetic="real", **kwargs)


def _mel(**kwargs: Any) -> nn.Module:
    return lp.MelFilterbanks(n_filters=4, arithmetic="real", **kwargs)


ANY_LENGTH: dict[str, Callable[[], nn.Module]] = {
    "Leaf, log": lambda: _leaf(lp.log_compression),
    "Leaf, none": lambda: _leaf(None),
    "Leaf, gaps": lambda: _leaf(None, window_len=5.0),  # windows shorter than the stride
    "Leaf, symmetric": lambda: _leaf(None, pooling_padding="SYMMETRIC", pooling_bias=True),
    "MelFilterbanks, gaps": lambda: _mel(window_len=5.0),
    "TimeDomainFilterbanks": FRONTENDS["TimeDomainFilterbanks"],
    "SincNet": FRONTENDS["SincNet"],
    "MelFilterbanks": lambda: _mel(),
}


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_of_any_length(name: str) -> None:
    """Without PCEN: shorter than a window, multiples of the stride, ten times as long."""
    frontend = ANY_LENGTH[name]()
    program = export(frontend, (clips(2, SAMPLES),), dynamic_shapes=({1: Dim.DYNAMIC},))
    for samples in (601, 1600, 1601, 1931, 16000):
        x = clips(2, samples)
        assert same_bits(call(program.module(), [x]), call(frontend, [x]))


@pytest.mark.parametrize("name", ["Leaf", "SincNetPlus"])
def test_of_lengths_that_pcen_doubles_as_often(name: str) -> None:
    """The smoother takes log2(frames) steps: one program serves 9 (or 10) to 16 frames."""
    program = _exported(name, dynamic_shapes=({1: Dim.DYNAMIC},))
    for samples in (1441, 1600, 1931, 2560):
        x = clips(3, samples)
        assert same_bits(call(program.module(), [x]), call(_frontend(name), [x]))


@pytest.mark.parametrize("name", FRONTENDS)
def test_no_complex_number_is_exported(name: str) -> None:
    assert not any(value.is_complex() for value in _values(_exported(name)))


def test_an_exported_program_can_be_saved() -> None:
    program, x = _exported("Leaf"), clips(3, SAMPLES)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    assert same_bits(
        call(torch.export.load(file).module(), [x]),
        call(program.module(), [x]),
    )
