"""Instance normalisation of maps, which an official ConvNet may be built with."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from leaf_port import ConvNet, LeafError
from leaf_port.normalization import InstanceNormalization
from parity.spec.random_arrays import Source

MAP = torch.from_numpy(Source(3).normal((2, 3, 5, 4), 1.0, 0.5)).double()


def layer() -> InstanceNormalization:
    made = InstanceNormalization(3, epsilon=1e-3).double()
    with torch.no_grad():
        made.gamma.copy_(torch.tensor([0.5, 1.0, 2.0]))
        made.beta.copy_(torch.tensor([0.0, -1.0, 3.0]))
    return made


def test_a_map_is_normalised_over_frames_and_filters() -> None:
    made = layer()
    wanted = F.instance_norm(MAP, weight=made.gamma, bias=made.beta, eps=1e-3)
    assert torch.allclose(made(MAP), wanted, rtol=0, atol=1e-12)


def test_each_clip_has_statistics_of_its_own() -> None:
    made = layer()
    assert torch.equal(made(MAP)[1:], made(MAP[1:]))


def test_an_encoder_takes_it() -> None:
    encoder = ConvNet([2, 3], normalization_layer=partial(InstanceNormalization, epsilon=1e-3))
    assert encoder(torch.ones(1, 1, 9, 8)).shape == (1, 3, 2, 2)
    assert [name for name, _ in encoder.named_buffers()] == []


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (2, 3, 0, 4), (2, 3, 5, 4, 1), (2, 3)])
def test_other_maps_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LeafError, match=r"InstanceNormalization.*inputs"):
        InstanceNormalization(3)(torch.ones(shape))
