"""Encoders of other libraries, for :class:`~leaf_port.models.AudioClassifier`.

:class:`EfficientNetB0` is Keras', in torch; :class:`TimmEncoder` is any convolutional one of timm.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from leaf_port import _registry
from leaf_port._installation import hint
from leaf_port.efficientnet import EfficientNetB0 as EfficientNetB0
from leaf_port.efficientnet import load_timm as load_timm
from leaf_port.efficientnet import to_timm as to_timm
from leaf_port.errors import LeafError


@_registry.kind
class TimmEncoder(nn.Module):
    """The feature map of an image model of timm, with new weights.

    Args:
        name: timm's name of the model, such as ``"tf_efficientnet_b3"``.
        in_channels: channels of the input map.

    Shape:
        ``(batch, in_channels, frames, filters)`` to ``(batch, out_channels, frames', filters')``.

    Raises:
        LeafError: timm is not installed, has no such model, or one whose features are no map.

    Example:
        >>> from leaf_port import AudioClassifier, Leaf
        >>> model = AudioClassifier(10, Leaf(), TimmEncoder("resnet18"))  # doctest: +SKIP
    """

    def __init__(self, name: str, in_channels: int = 1) -> None:
        super().__init__()
        self.name = name
        self.in_channels = in_channels
        model: Any = _timm_model(name, in_channels)
        self.model = model
        self.out_channels: int = model.num_features
        kept = model.state_dict()
        constants = [buffer for buffer, _ in model.named_buffers() if buffer not in kept]
        if constants:  # a folder of weights would not hold them
            got, fix = f"{name}, which has {constants[0]}", "choose another model"
            raise LeafError("TimmEncoder", "name", "a model without constants", got, fix)

    def _arguments(self) -> dict[str, Any]:
        return {"name": self.name, "in_channels": self.in_channels}

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` to the last feature map."""
        model: Any = self.model
        features: Tensor = model.forward_features(inputs)
        if features.ndim != 4 or features.shape[1] != self.out_channels:
            expected = f"a map of {self.out_channels} channels, channels first"
            fix = "choose a convolutional model"
            got = str(tuple(features.shape))
            raise LeafError("TimmEncoder", f"name: {self.name}", expected, got, fix)
        return features


def _timm_model(name: str, in_channels: int) -> nn.Module:
    timm = _timm()
    try:
        made: nn.Module = timm.create_model(
            name, pretrained=False, in_chans=in_channels, num_classes=0, global_pool=""
        )
    except (RuntimeError, TypeError, ValueError) as error:
        fix = "timm.list_models() lists the names"
        raise LeafError("TimmEncoder", "name", "a model of timm", repr(name), fix) from error
    return made


def _timm() -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        got = f"no {error.name}"
        raise LeafError("TimmEncoder", "timm", "timm, installed", got, hint("timm")) from error
    except (ImportError, OSError, RuntimeError) as error:  # torchvision, of another torch
        told = " ".join(str(error).split())[:200]
        fix = "install torch and torchvision together: https://pytorch.org/get-started/locally/"
        expected, got = "timm that can be imported", f"{type(error).__name__}: {told}"
        raise LeafError("TimmEncoder", "timm", expected, got, fix) from error
    return timm
