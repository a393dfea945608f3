"""torch.compile with dynamic shapes: no graph break, one graph for two lengths, the same values.

Values and gradients at one shape are the business of the backend ``compiled`` of the parity suite.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from _layers import FRONTENDS, call, clips, make
from _rounding import apart, units
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend

from parity.port import graph_capture

LENGTHS = (1700, 1931)  # 11 and 13 frames: PCEN's smoother doubles as often in both

# torch's own, while inductor is imported.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:.torch\.jit\.\w+. is deprecated:DeprecationWarning"
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing compiled before counts, nothing stays."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def _backend() -> str:
    """Inductor where it can run."""
    return "aot_eager" if graph_capture.no_compiler() else "inductor"


def _units(name: str, x: Tensor) -> Tensor:
    exact = make(name).double()
    return units(lambda: [exact(x.double())])[0]


@pytest.mark.parametrize("name", [*FRONTENDS, "Leaf-symmetric"])
def test_compiled_frontends_give_the_same_values(name: str) -> None:
    frontend, counter = make(name), CompileCounterWithBackend(_backend())
    compiled = torch.compile(frontend, fullgraph=True, dynamic=True, backend=counter)
    compilations = []
    for samples in LENGTHS:
        x = clips(2, samples)
        expected = call(frontend, [x])
        assert apart(call(compiled, [x]), expected, _units(name, x)) <= 1
        compilations.append(counter.frame_count)
    assert compilations[0] == compilations[1]  # the second length compiled nothing
