"""torch.export beyond what the backend ``exported`` of the parity suite checks.

The very bits, strict tracing, arguments that no declared case has, saved programs, no complex
numbers.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _layers import FRONTENDS, SAMPLES, call, clips, make, same_bits
from _rounding import apart, units
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

import leaf_port as lp
from leaf_port.frontend import Compression
from parity.spec.random_arrays import Source


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
}


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_of_any_length(name: str) -> None:
    """Shorter than a window, multiples of the stride, ten times as long."""
    frontend = ANY_LENGTH[name]()
    program = export(frontend, (clips(2, SAMPLES),), dynamic_shapes=({1: Dim.DYNAMIC},))
    for samples in (601, 1600, 1601, 1931, 16000):
        x = clips(2, samples)
        assert same_bits(call(program.module(), [x]), call(frontend, [x]))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", ["Leaf", "SincNetPlus"])
def test_of_any_length_with_pcen(name: str, strict: bool) -> None:
    """Two frames, fewer and more than where the program was traced; to a power's last bit.

    torch's vector kernel of a power and its scalar one differ in the last bit, and which of both an
    element meets depends on how the tensor lies in memory: the loop's smoother is contiguous, the
    graph's lies as the pooled energies do. Before the powers the bits are the same (below).
    """
    program = _exported(name, strict=strict, dynamic_shapes=({1: Dim.DYNAMIC},))
    frontend = _frontend(name)
    exact = _frontend(name).double()
    for samples in (161, 320, 601, 1600, 1931, 9003):
        x = clips(3, samples)
        unit = units(lambda x=x: [call(exact, [x.double()])])[0]
        assert apart(call(program.module(), [x]), call(frontend, [x]), unit) <= 1


def test_the_smoother_of_any_length_however_its_input_lies() -> None:
    """The loop's own bits, of frames that are contiguous and of channels that are."""
    smoother = lp.ExponentialMovingAverage(4, 0.04, per_channel=True)
    x = torch.rand(3, 33, 4)
    program = export(smoother, (x, x[:, 0]), dynamic_shapes=({1: Dim.DYNAMIC}, None))
    for frames in (2, 32, 57, 100, 1000):
        by_frames = torch.from_numpy(Source(frames).uniform((3, frames, 4), 0.0, 1.0))
        for x in (by_frames, by_frames.mT.contiguous().mT):
            assert same_bits(program.module()(x, x[:, 0]), smoother(x, x[:, 0]))


@pytest.mark.parametrize("learned", [False, True])
def test_of_a_bounded_length_with_pcen(learned: bool) -> None:
    """Fewer doublings where the longest input is declared; the same bits."""
    pcen = lp.PCEN(3, trainable=True, learn_smooth_coef=learned)
    sizes = {}
    for most in (64, 1000):
        bounded = {1: Dim("frames", max=most)}
        program = export(pcen, (torch.rand(2, 33, 3),), dynamic_shapes=(bounded,))
        sizes[most] = len(program.graph.nodes)
    assert sizes[64] < sizes[1000]
    for frames in (1, 2, 3, 64, 65, 257, 1000):
        x = Source(frames).uniform((2, frames, 3), 0.0, 1.0)
        assert same_bits(program.module()(torch.from_numpy(x)), pcen(torch.from_numpy(x)))


@pytest.mark.parametrize("learned", [False, True])
def test_gradients_of_a_bounded_length_with_pcen(learned: bool) -> None:
    """In float64, to two roundings for each of the ten doublings."""
    pcen = lp.PCEN(3, trainable=True, learn_smooth_coef=learned).double()
    bounded = {1: Dim("frames", max=1000)}
    program = export(pcen, (torch.rand(2, 33, 3).double(),), dynamic_shapes=(bounded,))
    for frames in (1, 2, 3, 64, 65, 257, 1000):
        x = Source(frames).uniform((2, frames, 3), 0.0, 1.0)
        given, again = (torch.from_numpy(x).double().requires_grad_() for _ in range(2))
        program.module()(given).square().sum().backward()
        pcen(again).square().sum().backward()
        assert given.grad is not None
        assert again.grad is not None
        allowed = 20 * torch.finfo(torch.float64).eps * again.grad.abs().max()
        assert (given.grad - again.grad).abs().max() <= allowed


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
