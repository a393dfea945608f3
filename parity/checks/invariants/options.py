"""Each option of a model is told by it, and the model that is told is the same one.

Recorded configurations set few of the options that a class has. What a folder tells of a model are
its arguments; here each of them is given in turn, and the description is built again.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from leaf_port import (
    L1L2,
    ChannelWiseLearnablePooling1d,
    GaborConv1d,
    GaussianLowpass,
    NormalizedConv1d,
    SpecAugment,
    _description,
    _rates,
    _registry,
    log_compression,
    pretrained,
)
from leaf_port.errors import LeafError
from leaf_port.models import ConvNet
from parity.port.seeded import seeded
from parity.spec import LayerSpec

# Other values than the defaults, by the names that arguments have throughout the port. Of several
# the first that a class takes.
_OTHERS: Mapping[str, Sequence[Any]] = {
    "activation": ("tanh", nn.LeakyReLU(0.1)),
    "alpha": (0.9,),
    "arithmetic": ("real",),
    "blocks_args": ([[3, 1, 8, 2, 2], [5, 2, 16, 1, 1]],),
    "compression_fn": ("stable_pcen", "log"),
    "conv1d_cls": (NormalizedConv1d,),
    "delta": (1.5,),
    "depth": (2,),
    "drop_connect_rate": (0.5,),
    "dropout": (0.25,),
    "dropout_rate": (0.25,),
    "encoder": (ConvNet([2, 3]),),
    "energies": ("direct",),
    "filters": ([3, 5],),
    "floor": (1e-4,),
    "freq_mask_count": (3,),
    "freq_mask_max_bins": (3,),
    "in_channels": (2,),
    "input_shape": ([33, 40],),
    "learn_filters": (False,),
    "learn_pooling": (False,),
    "learn_smooth_coef": (True,),
    "max_freq": (7000.0,),
    "mean_var_norm": (True,),
    "min_freq": (100.0,),
    "n_fft": (1024,),
    "n_filters": (7,),
    "normalization_layer": (None,),
    "num_channels": (5,),
    "num_features": (6,),
    "num_outputs": (2,),
    "pooling_bias": (True,),
    "pooling_cls": (ChannelWiseLearnablePooling1d,),
    "pooling_padding": ("SYMMETRIC", "VALID"),
    "preemp": (True,),
    "regularizer_fn": (L1L2(0.5, 0.25),),
    "root": (3.0,),
    "sample_rate": (24000,),
    "scale": ("bark",),
    "smooth_coef": (0.1,),
    "spec_augment": (SpecAugment(time_mask_count=5),),
    "time_mask_count": (5,),
    "time_mask_max_frames": (3,),
    "time_mask_max_ratio": (0.5,),
    "time_warp_max_frames": (3,),
    "time_warp_max_ratio": (0.5,),
    "trainable": (True,),
    "window_len": (32.0,),
    "window_stride": (8.0,),
}


def _own(base: type, name: str) -> Any:
    """A class of the user's."""
    return type(name, (base,), {"__module__": __name__})


def _own_function(x: torch.Tensor) -> torch.Tensor:
    return x


_LOGARITHM: Any = log_compression

# What no folder holds, by the names of arguments; its name in the error, and where it is inside.
_NO_DATA: Mapping[str, Sequence[tuple[Any, ...]]] = {
    "activation": (
        (nn.LeakyReLU(0.1), "torch.nn.modules.activation.LeakyReLU"),
        (nn.Sequential(nn.ReLU()), "torch.nn.modules.container.Sequential"),
        (nn.GELU("tanh"), "torch.nn.modules.activation.GELU"),
        (nn.Softmax(dim=2), "torch.nn.modules.activation.Softmax"),
    ),
    "compression_fn": (
        (_own_function, f"{__name__}._own_function"),
        (functools.partial(_own_function), "functools.partial"),
        (functools.partial(_LOGARITHM, another=1), "functools.partial"),
        (functools.partial(_LOGARITHM, torch.ones(1)), "functools.partial"),
    ),
    "encoder": (
        (ConvNet([2], nn.LeakyReLU(0.1)), "torch.nn.modules.activation.LeakyReLU", ".activation"),
        (nn.Conv2d(1, 2, 3), "torch.nn.modules.conv.Conv2d"),
    ),
    "conv1d_cls": (
        (_own(GaborConv1d, "OwnConv1d"), f"{__name__}.OwnConv1d"),
        (_own(GaborConv1d, "GaborConv1d"), f"{__name__}.GaborConv1d"),
    ),
    "pooling_cls": ((_own(GaussianLowpass, "Own"), f"{__name__}.Own"),),
    "regularizer_fn": (
        (_own(L1L2, "Own")(), f"{__name__}.Own"),
        (_own(L1L2, "L1L2")(), f"{__name__}.L1L2"),
    ),
}
_OFFSETS: Sequence[tuple[Any, float]] = (
    (_LOGARITHM, 1e-5),
    (functools.partial(_LOGARITHM), 1e-5),
    (functools.partial(_LOGARITHM, log_offset=0.5), 0.5),
    (functools.partial(_LOGARITHM, log_offset=np.float32(0.5)), 0.5),
)
"""Compressions that are logarithms, and their offsets."""


def as_data(spec: LayerSpec) -> str:
    """Every class that says how it is built: what no folder holds, and logarithms."""
    for port in _describing(spec):
        takes = inspect.signature(port).parameters
        for name in sorted(takes.keys() & _NO_DATA.keys()):
            for value, called, *inside in _NO_DATA[name]:
                if problem := _not_told(port, name, value, (name + "".join(inside), called)):
                    return f"{port.__name__}({name}={called}): {problem}"
        for value, offset in _OFFSETS if "compression_fn" in takes else ():
            if problem := _offset(port, value, offset):
                return f"{port.__name__}(compression_fn={value}): {problem}"
        if problem := _cut(port):
            return f"{port.__name__}: {problem}"
    return ""


def _cut(port: type[nn.Module]) -> str:
    """How a model of which a part was taken out does not tell what is wrong, if anything is."""
    expected = f"a {port.__name__} as it was built"
    for name, _ in _built(port).named_children():
        model = _built(port)
        delattr(model, name)
        try:
            model._arguments()
        except Exception as error:
            try:
                _description.described(model, "the model")
            except LeafError as told:
                whole = told.owner, told.argument, told.expected, told.got
                got = f"another one, in which {type(error).__name__}: {error}"
                if whole == ("save_pretrained", "the model", expected, got) and told.fix:
                    continue
            return f"without {name}: it is not told what is missing"
    return ""


def _describing(spec: LayerSpec) -> list[type[nn.Module]]:
    """The classes of a declaration that say how they are built."""
    ports: list[Any] = [each.port for each in spec.signatures if inspect.isclass(each.port)]
    return [each for each in ports if issubclass(each, nn.Module) and hasattr(each, "_arguments")]


def _not_told(port: type[nn.Module], name: str, value: Any, called: tuple[str, str]) -> str:
    """How something that is no data is not refused by the argument's name."""
    known = _registry.PARTS if isinstance(value, type) else _registry.KINDS
    wanted = f"one of {', '.join(sorted(known))}"
    expected = wanted if isinstance(value, type) else f"data, or {wanted} itself"
    try:
        model = _built(port, name, value)
    except (LeafError, TypeError):  # it takes no such value
        return ""
    try:
        _description.described(model, "model")
    except LeafError as error:
        told = error.owner, error.expected, error.argument, error.got
        right = told == ("save_pretrained", expected, *called) and error.fix
        return "" if right else f"refused by {told}"
    return "it is told as data"


def _offset(port: type[nn.Module], value: Any, offset: float) -> str:
    """How a logarithm is not told by its offset."""
    model = _built(port, "compression_fn", value)
    told = _description.described(model, "model")["arguments"]["compression_fn"]
    wanted = {"kind": "log_compression", "arguments": {"log_offset": offset}}
    if told != wanted or json.dumps(told) != json.dumps(wanted):
        return f"told as {told}, not {wanted}"
    return _rebuilt(model)


def kept(spec: LayerSpec) -> str:
    """Every class of a declaration that says how it is built, with every option in turn."""
    for port in _describing(spec):
        if problem := _rebuilt(_built(port)):
            return f"{port.__name__}: {problem}"
        for name in _names(port):
            if problem := _problem(port, name):
                return f"{port.__name__}: {name}: {problem}"
    return ""


def _names(port: type[nn.Module]) -> list[str]:
    """The options of a class, those that it hands on included."""
    takes = dict(inspect.signature(port).parameters)
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in takes.values()):
        for base in port.__mro__[1:]:
            takes |= inspect.signature(base).parameters if _says(base) else {}
    return [name for name in takes if name in _OTHERS]


def _says(base: type) -> bool:
    return hasattr(base, "_arguments")


def _problem(port: type[nn.Module], name: str) -> str:
    """What is wrong with a model of a class that has one option otherwise."""
    refusals = []
    for value in _OTHERS[name]:
        try:
            model = _built(port, name, value)
        except (LeafError, TypeError) as error:
            refusals.append(str(error))
        else:
            return _told(port, model, name, value)
    own = name in inspect.signature(port).parameters
    return "; ".join(refusals) if own else ""  # a class may fix what its base takes


def _built(port: type[nn.Module], name: str = "", value: Any = None, device: str = "meta") -> Any:
    """A model, without memory for its weights unless it is asked for."""
    arguments = _needed(port, name) | ({name: value} if name else {})
    with torch.device(device), seeded(0), _rates.without_warning():
        return port(**arguments)


def _needed(port: type[nn.Module], name: str = "") -> dict[str, Any]:
    """The arguments without which a model cannot be built."""
    takes = inspect.signature(port).parameters
    needed = [each for each in takes if takes[each].default is inspect.Parameter.empty]
    if "encoder" in takes and name != "encoder":  # which tells the number of features
        needed.append("num_features")
    return {each: _OTHERS[each][0] for each in needed if each in _OTHERS}


def _told(port: type[nn.Module], model: nn.Module, name: str, value: Any) -> str:
    """How a model does not tell an option, or tells of another model."""
    try:
        described = _description.described(model, "model")
    except LeafError as error:  # of a layer that is no data
        return "" if isinstance(value, nn.Module) and error.argument == name else str(error)
    told = described["arguments"].get(name)
    if isinstance(value, (bool, int, float, list)) and told not in (None, value):
        return f"told as {told!r}, not {value!r}"
    if name not in _needed(port) and not _differs(port, model, name, value):
        return "neither told nor kept by the weights"
    return _rebuilt(model)


def _rebuilt(model: nn.Module) -> str:
    """How the description of a model builds another one."""
    described = _description.described(model, "model")
    again = pretrained.skeleton(json.loads(json.dumps(described)))
    if _description.described(again, "model") != described:
        return f"what is told builds {_description.described(again, 'model')}, not {described}"
    return _unlike(model, again)


def _differs(port: type[nn.Module], model: nn.Module, name: str, value: Any) -> bool:
    """Whether an option is told, or kept by the weights; one of a base may change nothing."""
    usual = _built(port)
    told, usually = (_description.described(each, "model")["arguments"] for each in (model, usual))
    if (name in told, told.get(name)) != (name in usually, usually.get(name)):
        return True
    if name not in inspect.signature(port).parameters and not _unlike(usual, model):
        return True
    ours, theirs = (
        each.state_dict() for each in (_built(port, name, value, "cpu"), _built(port, device="cpu"))
    )
    return any(not torch.equal(ours[key], theirs[key]) for key in ours)


def _unlike(model: nn.Module, again: nn.Module) -> str:
    """What a model that is built of a description has otherwise."""
    if repr(again) != repr(model):
        return f"what is told builds {again}, not {model}"
    others = dict(again.named_modules())
    for path, module in model.named_modules():
        for each, kept in vars(module).items():
            if _is_plain(kept) and vars(others[path]).get(each) != kept:
                there = vars(others[path]).get(each)
                return f"what is told builds {path}.{each} = {there!r}, not {kept!r}"
    ours, theirs = ([*each.named_parameters(), *each.named_buffers()] for each in (model, again))
    for (key, tensor), (_, other) in zip(ours, theirs, strict=True):
        if (tensor.shape, tensor.requires_grad) != (other.shape, other.requires_grad):
            return f"what is told builds another {key}"
    return ""


def _is_plain(value: Any) -> bool:
    """Whether an attribute is data."""
    if isinstance(value, (list, tuple)):
        return all(_is_plain(each) for each in value)
    return value is None or isinstance(value, (bool, int, float, str))
