"""torch.jit.trace: right at every length, saved or not, or refused; the older ONNX exporter."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from _layers import FRONTENDS, SAMPLES, call, clips, make
from _rounding import apart, units
from torch import Tensor, nn

import leaf_port as lp
from leaf_port import models
from parity.spec.random_arrays import Source

LENGTHS = (401, 1600, 9003)  # shorter and longer than what is traced


def _traced(module: nn.Module, *inputs: Tensor) -> Callable[..., Tensor]:
    """The graph after it was saved and loaded again."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # That torch.jit is deprecated; that a size was compared, which our checks of inputs do.
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(module, inputs, check_trace=False), file)
        file.seek(0)
        loaded: Callable[..., Tensor] = torch.jit.load(file)
    return loaded


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "gaps": lambda: lp.Leaf(n_filters=4, window_len=5.0),  # windows shorter than the stride
    "mel, gaps": lambda: lp.MelFilterbanks(n_filters=4, window_len=5.0),
    "mel, real": lambda: lp.MelFilterbanks(n_filters=4, arithmetic="real"),
    "classifier": lambda: models.AudioClassifier(
        3, lp.SincNetPlus(n_filters=8), models.ConvNet([4])
    ),
}


@pytest.mark.parametrize("name", [*FRONTENDS, *OTHERS])
def test_of_any_length(name: str) -> None:
    """To the last bit of a power, which torch's vector kernel rounds otherwise (test_export.py)."""
    frontend = make(name) if name in FRONTENDS else OTHERS[name]().eval()
    program = _traced(frontend, clips(2, SAMPLES))
    exact = copy.deepcopy(frontend).double()
    for samples in LENGTHS:
        x = clips(2, samples)
        unit = units(lambda x=x: [call(exact, [x.double()])])[0]
        assert apart(call(program, [x]), call(frontend, [x]), unit) <= 1


@pytest.mark.parametrize("learned", [False, True])
def test_pcen_of_any_length(learned: bool) -> None:
    """The same bits: its input lies as that of the graph."""
    pcen = lp.PCEN(3, learn_smooth_coef=learned)
    program = _traced(pcen, torch.rand(2, 33, 3))
    for frames in (1, 2, 32, 33, 34, 257, 1000):
        x = torch.from_numpy(Source(frames).uniform((2, frames, 3), 0.0, 1.0))
        assert torch.equal(program(x), pcen(x))


def _refused(act: Callable[[], Any]) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(lp.LeafError) as caught:
            act()
    return str(caught.value)


def test_what_depends_on_the_length_is_refused() -> None:
    for module, x in ((lp.FFTConv1d(4, 25), clips(2, 300)[..., None]), (lp.SpecAugment(), None)):
        given = torch.rand(2, 31, 3) if x is None else x
        assert "torch.export.export" in _refused(lambda m=module, g=given: torch.jit.trace(m, g))


@pytest.mark.parametrize("name", [*FRONTENDS, "PCEN", "WaveGram", "ConvNet"])
def test_the_older_onnx_exporter_is_refused(name: str) -> None:
    """At other lengths than the traced one it dropped a frame of Leaf, and smoothed in part."""
    inputs = {"PCEN": torch.rand(2, 31, 3), "ConvNet": torch.rand(2, 1, 12, 10)}
    x = inputs.get(name, clips(2, SAMPLES))
    message = _refused(
        lambda: torch.onnx.export(make(name), (x,), io.BytesIO(), dynamo=False, verbose=False)
    )
    assert "dynamo=True" in message
