"""timm's names of EfficientNet-B0's weights, and encoders of timm; by a stand-in for timm."""

from __future__ import annotations

import importlib.abc
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from leaf_port import _registry
from leaf_port.efficientnet import EfficientNetB0, load_timm, timm_names, to_timm
from leaf_port.encoders import TimmEncoder
from leaf_port.errors import LeafError

_NORMALIZED = ("weight", "bias", "running_mean", "running_var")
_LAYERS = (1, 2, 2, 3, 3, 4, 1)  # of each stage


def _published() -> Iterator[str]:
    """The names in timm's ``tf_efficientnet_b0``, without its classifier and counters."""
    for layer in ("conv_stem", "conv_head"):
        yield f"{layer}.weight"
    yield from (f"{layer}.{name}" for layer in ("bn1", "bn2") for name in _NORMALIZED)
    for stage, layers in enumerate(_LAYERS):
        first = stage == 0
        for repeat in range(layers):
            block = f"blocks.{stage}.{repeat}"
            for layer in ("conv_dw", "conv_pw") if first else ("conv_pw", "conv_dw", "conv_pwl"):
                yield f"{block}.{layer}.weight"
            for layer in ("bn1", "bn2") if first else ("bn1", "bn2", "bn3"):
                yield from (f"{block}.{layer}.{name}" for name in _NORMALIZED)
            for layer in ("se.conv_reduce", "se.conv_expand"):
                yield from (f"{block}.{layer}.{name}" for name in ("weight", "bias"))


_SOME = {
    "stem_bn.moving_variance": "bn1.running_var",
    "top_bn.beta": "bn2.bias",
    "block1a.dwconv.weight": "blocks.0.0.conv_dw.weight",
    "block1a.bn.gamma": "blocks.0.0.bn1.weight",
    "block1a.project_conv.weight": "blocks.0.0.conv_pw.weight",
    "block1a.project_bn.gamma": "blocks.0.0.bn2.weight",
    "block4c.expand_conv.weight": "blocks.3.2.conv_pw.weight",
    "block4c.expand_bn.moving_mean": "blocks.3.2.bn1.running_mean",
    "block4c.dwconv.weight": "blocks.3.2.conv_dw.weight",
    "block4c.bn.gamma": "blocks.3.2.bn2.weight",
    "block4c.se_reduce.bias": "blocks.3.2.se.conv_reduce.bias",
    "block4c.se_expand.weight": "blocks.3.2.se.conv_expand.weight",
    "block4c.project_conv.weight": "blocks.3.2.conv_pwl.weight",
    "block4c.project_bn.moving_variance": "blocks.3.2.bn3.running_var",
}


def names_of_timm() -> str:
    """Each weight but the input's statistics has the name that timm gives it."""
    with torch.device("meta"):
        names = timm_names(EfficientNetB0())
    if sorted(names.values()) != sorted(_published()):
        return f"{set(names.values()) ^ set(_published())} are others"
    with torch.device("meta"):  # more blocks than channels
        many = EfficientNetB0(blocks_args=((3, 9, 8, 1, 1),))
    if len(timm_names(many)) != len(many.state_dict()) - 2:
        return "some weights of many blocks have no name"
    for ours, theirs in _SOME.items():
        if names.get(ours) != theirs:
            return f"{ours} is {names.get(ours)}, not {theirs}"
    return ""


def to_and_from_timm() -> str:
    """Weights that go to timm come back as they were, and others are refused by name."""
    stages = ((3, 1, 16, 1, 1), (5, 2, 8, 2, 2))
    one, other = (EfficientNetB0(2, blocks_args=stages) for _ in range(2))
    with torch.no_grad():
        for each in one.state_dict().values():
            each.uniform_(0.5, 1.5)
    kept = {key: value.clone() for key, value in other.normalization.state_dict().items()}
    state = to_timm(one)
    counters = [name for name in state if name.endswith("num_batches_tracked")]
    if len(counters) != 10 or any(state[name].item() != 0 for name in counters):
        return f"{len(counters)} counters, or some that are not 0"
    classifier = {"classifier.weight": torch.ones(3), "classifier.bias": torch.ones(3)}
    load_timm(other, {**state, **classifier})
    wanted = {**one.state_dict(), **{f"normalization.{key}": kept[key] for key in kept}}
    for key, value in other.state_dict().items():
        if not torch.equal(value, wanted[key]):
            return f"{key} comes back otherwise"
    return _refused(other, state)


def _refused(model: EfficientNetB0, state: dict[str, Tensor]) -> str:
    """What of another state is told; the first five in turn."""
    few = {name: value for name, value in state.items() if "conv_stem" not in name}
    for wrong, told in (
        ({**state, "new.weight": torch.ones(1)}, "new.weight"),
        (few, "conv_stem.weight"),
        ({**state, "bn2.bias": torch.ones(1280, 1)}, "bn2.bias"),
        ({"a": torch.ones(1)}, ", ".join(["a", *sorted(timm_names(model).values())[:4]])),
    ):
        before = {key: value.clone() for key, value in model.state_dict().items()}
        try:
            load_timm(model, wrong)
        except LeafError as error:
            whole = f"missing, of another shape or without a place: {told}"
            if (error.argument, error.got) != ("state", whole):
                return str(error)
        else:
            return f"{told} is taken"
        if any(not torch.equal(value, before[key]) for key, value in model.state_dict().items()):
            return f"{told} is refused when others are loaded"
    return ""


class _Features(nn.Module):
    """What timm gives, in place of one of its models."""

    num_features = 5

    def __init__(self, output: Tensor, constant: bool = False) -> None:
        super().__init__()
        self.output = output
        self.register_buffer("kept", torch.ones(1))
        if constant:
            self.register_buffer("lost", torch.ones(1), persistent=False)

    def forward_features(self, _inputs: Tensor) -> Tensor:
        return self.output


def encoders_of_timm() -> str:
    """An encoder asks timm for features of a map, without a pooling, and gives the last."""
    if _registry.KINDS.get("TimmEncoder") is not TimmEncoder:
        return "no model's folder can name it"
    asked: list[tuple[object, ...]] = []
    made: list[Any] = []

    def create_model(name: str, **told: Any) -> Any:
        asked.append((name, told))
        if isinstance(made[0], Exception):
            raise made[0]
        return made[0]

    one, map_ = torch.ones(2, 1, 8, 8), torch.ones(2, 5, 3, 4)
    with mock.patch.dict(sys.modules, {"timm": types.SimpleNamespace(create_model=create_model)}):
        made[:] = [_Features(map_)]
        encoder = TimmEncoder("some", 3)
        told = {"pretrained": False, "in_chans": 3, "num_classes": 0, "global_pool": ""}
        if asked != [("some", told)]:
            return f"timm is asked {asked}"
        if encoder._arguments() != {"name": "some", "in_channels": 3} or encoder.out_channels != 5:
            return f"{encoder._arguments()} and {encoder.out_channels} channels are told"
        if encoder(one) is not map_:
            return "it gives something else than timm"
        for output in (torch.ones(2, 5), torch.ones(2, 3, 4, 5), torch.ones(2, 5, 3)):
            made[:] = [_Features(output)]
            encoder, got = TimmEncoder("some"), str(tuple(output.shape))
            if problem := _told(lambda: encoder(one), "name: some", got):  # noqa: B023
                return problem
        made[:] = [_Features(map_, constant=True)]
        if problem := _told(lambda: TimmEncoder("some"), "name", "some, which has lost"):
            return problem
        for error in (RuntimeError(), TypeError(), ValueError()):
            made[:] = [error]
            if problem := _told(lambda: TimmEncoder("some"), "name", "'some'"):
                return problem
    with mock.patch.dict(sys.modules, {"timm": None}):
        if problem := _told(lambda: TimmEncoder("some"), "timm", "no timm"):
            return problem
    for broken in (ImportError, OSError, RuntimeError):
        path = [_Broken(broken), *sys.meta_path]
        with mock.patch.dict(sys.modules), mock.patch.object(sys, "meta_path", path):
            sys.modules.pop("timm", None)
            told_of = f"{broken.__name__}: {('no operator ' * 30)[:200]}"
            if problem := _told(lambda: TimmEncoder("some"), "timm", told_of):
                return problem
    return ""


class _Broken(importlib.abc.MetaPathFinder):
    """Finds a timm that cannot be imported, and says so in many lines."""

    def __init__(self, kind: type[Exception]) -> None:
        self.kind = kind

    def find_spec(self, name: str, *_others: object) -> None:
        if name == "timm":
            raise self.kind("no\n   operator\n" * 30)


def _told(act: Any, argument: str, got: str) -> str:
    """How something is not refused so."""
    try:
        act()
    except LeafError as error:
        right = (error.owner, error.argument, error.got) == ("TimmEncoder", argument, got)
        return "" if right and error.expected and error.fix else str(error)
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"
    return f"taken, where {argument} is wrong: {got}"
