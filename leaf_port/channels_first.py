"""A frontend for models of other layouts: channels before samples, filters before frames."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from leaf_port import _checks, _registry
from leaf_port._lengths import Lengths
from leaf_port.errors import LeafError
from leaf_port.pretrained import FromPretrained


@_registry.kind
class ChannelsFirst(FromPretrained, nn.Module):
    """A frontend whose inputs have an axis of one channel and whose outputs start with filters.

    The layout of torch's convolutions. The official frontends have no such layout; the numbers are
    those of ``frontend``, its last two axes exchanged.

    Args:
        frontend: such as :class:`~leaf_port.frontend.Leaf`; ``(batch, samples)`` to
            ``(batch, frames, filters)``.

    Shape:
        ``(batch, 1, samples)`` or ``(batch, samples)`` to ``(batch, filters, frames)``;
        ``(samples,)`` to ``(filters, frames)``.

    Raises:
        LeafError: a frontend that is no module, more than one channel, what ``frontend`` refuses.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from leaf_port import Leaf
        >>> model = nn.Sequential(ChannelsFirst(Leaf()), nn.Conv1d(40, 8, kernel_size=3))
        >>> model(torch.zeros(2, 1, 16000)).shape  # 100 frames, less those at both ends
        torch.Size([2, 8, 98])
        >>> ChannelsFirst(Leaf())(torch.zeros(16000)).shape
        torch.Size([40, 100])
    """

    def __init__(self, frontend: nn.Module) -> None:
        super().__init__()
        if not isinstance(frontend, nn.Module):
            expected, fix = "a torch.nn.Module", "give a frontend such as Leaf(), not its class"
            raise LeafError("ChannelsFirst", "frontend", expected, repr(frontend), fix)
        self.frontend = frontend

    def _arguments(self) -> dict[str, Any]:
        return {"frontend": self.frontend}

    def forward(self, inputs: Tensor, lengths: Lengths | None = None) -> Tensor:
        """Features of a waveform or of a batch of them; ``lengths`` as the frontend takes them."""
        _checks.floating("ChannelsFirst", inputs)
        known: dict[str, Any] = {} if lengths is None else {"lengths": lengths}
        if inputs.ndim == 1:
            features: Tensor = self.frontend(inputs.unsqueeze(0), **known)
            return features.squeeze(0).mT
        return self.frontend(_mono(inputs), **known).mT


def _mono(inputs: Tensor) -> Tensor:
    """``(batch, 1, samples)`` or ``(batch, samples)`` as ``(batch, samples)``."""
    if inputs.ndim == 2:
        return inputs
    if inputs.ndim != 3 or inputs.shape[1] != 1:
        expected = "one channel: (batch, 1, samples), (batch, samples) or (samples,)"
        fix = "mix to mono, or put the channels on the batch axis: x.flatten(0, 1)"
        raise LeafError("ChannelsFirst", "inputs", expected, str(tuple(inputs.shape)), fix)
    return inputs.squeeze(1)
