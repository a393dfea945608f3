"""What layers do on devices that lack something."""

from __future__ import annotations

from unittest import mock

import torch
from torch import nn

from leaf_port._ops import precision
from leaf_port.errors import LeafError
from parity.checks.invariants import in_double
from parity.checks.invariants.generic import of_the_port
from parity.checks.invariants.one_object import smallest_of, smallest_of_each
from parity.port import feature_masking, runner
from parity.port.magnitude_watch import Magnitudes
from parity.spec import Case, LayerSpec


def half_on_meta(spec: LayerSpec) -> str:
    """Half precision is refused as such also where torch has no autocast: a small case of each."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        if isinstance(layer, nn.Module):
            problem = _half(spec, case, layer.to("meta"))
            if problem:
                return f"{case.name}: {problem}"
    return ""


def autocast_of_the_device(spec: LayerSpec) -> str:
    """A layer that leaves autocast leaves that of its input's device, not of the CPU."""
    for case in smallest_of_each(spec):
        layer = runner.build(spec, case)
        if isinstance(layer, nn.Module) and of_the_port(layer):
            off = mock.patch.object(precision, "autocast_off", wraps=precision.autocast_off)
            with off as called:
                _call_on_meta(spec, case, layer.to("meta"), torch.float32)
            asked = {each.args[0] for each in called.call_args_list}
            if asked - {"meta"}:
                return f"{case.name}: on the meta device it leaves autocast of {sorted(asked)}"
    return ""


@torch.no_grad()
def _call_on_meta(spec: LayerSpec, case: Case, layer: nn.Module, dtype: torch.dtype) -> None:
    question = runner.ask(in_double.forward_alone(spec, case.config), case)
    arrays = [torch.from_numpy(each).to("meta") for each in question.inputs.values()]
    inputs = [each.to(dtype) if each.is_floating_point() else each for each in arrays]
    draws = [torch.from_numpy(each).to("meta") for each in question.draws]
    spec.call(layer, *inputs, *([draws] if spec.draws else []))


def _half(spec: LayerSpec, case: Case, layer: nn.Module) -> str:
    try:
        _call_on_meta(spec, case, layer, torch.bfloat16)
    except LeafError as error:
        return "" if "bfloat16" in str(error.got) else f"it tells: {error}"
    except Exception as error:
        return f"raised {type(error).__name__}, not LeafError: {error}"
    return "accepted" if of_the_port(layer) else ""


def magnitudes(spec: LayerSpec) -> str:
    """Where complex numbers lack, their magnitude has no gradient: complex arithmetic avoids it."""
    question, watch = runner.ask(spec, smallest_of(spec)), Magnitudes()
    run = runner.Run(arithmetic="complex", noise=lambda: watch, backend=feature_masking.LACKING)
    runner.answer(spec, question, run)
    return "torch's magnitude of complex numbers is called" if watch.seen else ""
