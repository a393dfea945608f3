"""Where the fused operation computes the same as the three layers, and why not elsewhere."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

from leaf_port import constraints, convolution, padding, pooling
from leaf_port._ops.energies import blocks
from leaf_port.errors import LeafError

Energies: TypeAlias = Literal["auto", "direct", "fft"]

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_GLOBAL_HOOKS = tuple(f"_global{name}" for name in _HOOKS)
# What somebody may have put on one layer in place of its class' own.
_METHODS = ("forward", "impulse_responses", "_convolve", "_depthwise", "_call_impl")


def check_energies(owner: str, energies: str) -> Energies:
    """``energies``, if it is one of the three."""
    if energies not in get_args(Energies):
        expected = "one of 'auto', 'direct', 'fft'"
        raise LeafError(owner, "energies", expected, repr(energies), "give one of the three")
    return energies  # type: ignore[return-value]


def obstacle(
    conv: nn.Module,
    activation: object,
    pool: nn.Module,
    inputs: Tensor,
    shortest: int,
    modulus: type[nn.Module],
) -> str:
    """Why the three layers have to be computed one by one, or nothing."""
    return (
        _of_layers(conv, activation, pool, modulus, shortest)
        or _of_tensors(conv, pool, inputs)
        or _of_surroundings()
    )


def _of_layers(
    conv: nn.Module, activation: object, pool: nn.Module, modulus: type[nn.Module], samples: int
) -> str:
    layers = ((conv, convolution.GaborConv1d), (activation, modulus))
    for layer, expected in (*layers, (pool, pooling.GaussianLowpass)):
        # Not isinstance: a class derived from it may compute something else.
        if type(layer) is not expected:
            return f"{type(layer).__name__} is not {expected.__name__}"
        if any(vars(layer)[name] for name in _HOOKS):
            return f"{expected.__name__} has hooks"
        if any(name in vars(layer) for name in _METHODS):
            return f"{expected.__name__} has a method of its own"
    assert isinstance(conv, convolution.GaborConv1d)  # noqa: S101
    assert isinstance(pool, pooling.GaussianLowpass)  # noqa: S101
    usual = conv.strides == 1 and conv.padding == padding.SAME and conv.bias is None
    if not usual or conv.sort_filters or pool.num_channels != conv.filters // 2:
        return "the convolution has a stride, a bias, sorted filters or no SAME padding"
    if conv.arithmetic == "real":
        return "real arithmetic is asked for"
    if type(conv.constraints.get("kernel")) is not constraints.GaborConstraint:
        return "the kernel has another constraint"
    if pool.kernel_size != conv.kernel_size:
        return "convolution and pooling have different windows"
    if pool.padding == padding.VALID and samples < pool.kernel_size:
        return "the clip is shorter than the window"
    if blocks.shape(conv.kernel_size, pool.strides) is None:
        return "the window or its hop is too long, or the hop too short"
    return ""


def _of_tensors(conv: nn.Module, pool: nn.Module, inputs: Tensor) -> str:
    parameters = [conv.kernel, pool.kernel, *([] if pool.bias is None else [pool.bias])]
    for each in (inputs, *parameters):
        if type(each) not in (Tensor, nn.Parameter) or each.layout != torch.strided:
            return f"a tensor is a {type(each).__name__}, or not strided"
        if each.device.type != "cpu":
            return f"the device is {each.device.type}"
        if each.dtype != torch.float32:
            return f"the precision is {str(each.dtype).removeprefix('torch.')}"
    if inputs.numel() == 0:
        return "there is no sample"
    return ""


def _of_surroundings() -> str:
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "functorch transforms the function"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward mode is on"
    if torch._C._len_torch_dispatch_stack() > 0:
        return "a mode watches torch's operations"
    if any(type(mode) is not DeviceContext for mode in _get_current_function_mode_stack()):
        return "a mode watches torch's functions"
    if any(getattr(torch_module, name) for name in _GLOBAL_HOOKS):
        return "there are hooks of all modules"
    return ""
