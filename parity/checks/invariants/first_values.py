"""Random initial values follow Glorot's rule, and depend on the generator alone.

The rule, from the official shape of a weight: uniform in ``+-L``, ``L = sqrt(6 / (fan in + fan
out))``, where the last two axes are the channels and the others the receptive field.

Each check of a random figure fails for a right layer in at most ``MISS`` of all seeds. It is a
bound for every sample size: Hoeffding's inequality for means of independent values that lie in a
range, and ``(1 - d)^n`` for a greatest of ``n`` values below ``(1 - d) L``. A run makes a few
hundred such checks, below ``MOST`` in any case: all of them together fail in less than one of 1e6.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from leaf_port.errors import LeafError
from parity.checks.invariants.generic import once_each
from parity.oracles import descriptions
from parity.port import runner
from parity.port.seeded import seeded
from parity.spec import Array, Case, LayerSpec

MOST = 10_000  # checks of random figures in a run
MISS = 1e-6 / MOST
ENOUGH = 2000  # values of a weight, of as many layers as that takes
FEWEST, MANY = 2, 400  # layers that are built
MANY_WEIGHTS = 24  # the same of a layer with several random weights


def limit(shape: Sequence[int]) -> float:
    """The greatest magnitude that Glorot's rule draws for an official shape."""
    if len(shape) == 1:
        return math.sqrt(6.0 / (2 * shape[0]))
    return math.sqrt(6.0 / (math.prod(shape[:-2]) * (shape[-2] + shape[-1])))


def within(spread: float, count: int) -> float:
    """How far a mean of ``count`` independent values of a range ``spread`` may be off."""
    return spread * math.sqrt(math.log(2.0 / MISS) / (2.0 * count))


def wrong(values: Array, greatest: float) -> Iterator[str]:
    """How independent values are not uniform in ``+-greatest``: ``(layers, values)``."""
    flat, count = values.reshape(-1).astype(np.float64) / greatest, values.size
    rounding = 1.0 + 2.0**-22
    if np.abs(flat).max() > rounding:
        yield f"{np.abs(flat).max():.4g} of the greatest magnitude, {greatest:.4g}"
    if np.abs(flat).max() < MISS ** (1.0 / count):
        yield f"none above {np.abs(flat).max():.4g} of the greatest magnitude, {greatest:.4g}"
    figures = {
        "mean": (flat, 0.0, 2.0),
        "variance": (flat**2, 1.0 / 3.0, 1.0),
        "product of neighbours": (flat[: count // 2 * 2 : 2] * flat[1::2], 0.0, 2.0),
    }
    rows = values.reshape(len(values), -1) / greatest
    even = len(rows) // 2 * 2
    figures["product of two layers"] = ((rows[:even:2] * rows[1:even:2]).reshape(-1), 0.0, 2.0)
    for name, (each, wanted, spread) in figures.items():
        off = abs(float(each.mean()) - wanted)
        if off > within(spread, each.size):
            yield f"{name} {each.mean():.4g}, not {wanted:.4g}, of {each.size} values"


def cases(spec: LayerSpec) -> Iterator[Case]:
    """A case for each set of random weights."""
    seen: list[list[str]] = []
    for case in once_each(spec):
        paths = [path for path, weight in spec.weights(case.config).items() if weight.random]
        if paths and paths not in seen:
            seen.append(paths)
            yield case


def _drawn(spec: LayerSpec, case: Case, seed: int, enough: int) -> dict[str, Array]:
    """The random weights of layers that are built one after the other: ``(layers, ...)``."""
    declared = spec.weights(case.config)
    random = {path: weight for path, weight in declared.items() if weight.random}
    found: dict[str, list[Array]] = {path: [] for path in random}
    fewest = count = 0
    with seeded(seed):
        most = MANY if len(random) == 1 else MANY_WEIGHTS
        while count == 0 or (enough and (count < FEWEST or fewest < enough) and count < most):
            held = runner.held(runner.build(spec, case), declared)
            for path, weight in random.items():
                found[path].append(weight.to_official(held[path].detach().numpy()))
            count += 1
            fewest = count * min(held[path].numel() for path in random)
    return {path: np.stack(values) for path, values in found.items()}


def glorot(spec: LayerSpec) -> str:
    """Every random weight of a declaration: the first problem."""
    for case in cases(spec):
        for problem in _problems(spec, case):
            return f"{case.name}: {problem}"
    return ""


def _problems(spec: LayerSpec, case: Case) -> Iterator[str]:
    drawn = _drawn(spec, case, 0, ENOUGH)
    official = descriptions.made_of(spec.name, case.name)["weights"]
    for path, values in drawn.items():
        shape = values.shape[1:]
        for problem in wrong(values, limit(shape)):
            yield f"{path}: {problem}"
        for problem in _official(official[path]["starts"], shape):
            yield f"{path}: officially {problem}"
    yield from _between(drawn)
    first = {path: values[:1] for path, values in drawn.items()}
    yield from _generator(first, _drawn(spec, case, 0, 0), _drawn(spec, case, 1, 0))


def _official(starts: Sequence[float] | float, shape: Sequence[int]) -> Iterator[str]:
    """How a recorded draw of the official code breaks the rule that ours are held to."""
    size, greatest = math.prod(shape), limit(shape)
    least, most, mean, square = starts if isinstance(starts, Sequence) else [starts] * 4
    if max(-least, most) > greatest * (1.0 + 2.0**-22):
        yield f"{max(-least, most):.4g}, beyond {greatest:.4g}"
    if max(-least, most) < greatest * MISS ** (1.0 / size):
        yield f"none above {max(-least, most):.4g} of {greatest:.4g}"
    for name, off, spread in (
        ("mean", abs(mean), 2.0 * greatest),
        ("variance", abs(square - greatest**2 / 3.0), greatest**2),
    ):
        if off > within(spread, size):
            yield f"a {name} that is {off:.4g} off"


def _between(drawn: Mapping[str, Array]) -> Iterator[str]:
    """Which two weights of a layer are drawn together."""
    flat = {path: array.reshape(len(array), -1) for path, array in drawn.items()}
    paths = list(flat)
    for one, other in itertools.pairwise(paths):
        count = min(flat[one].shape[1], flat[other].shape[1])
        a, b = flat[one][:, :count], flat[other][:, :count]
        product = (a / np.abs(a).max()) * (b / np.abs(b).max())
        if abs(float(product.mean())) > within(2.0, product.size):
            yield f"{one} and {other} are drawn together"


def _generator(
    drawn: Mapping[str, Array], again: Mapping[str, Array], other: Mapping[str, Array]
) -> Iterator[str]:
    """Whether equal generators give equal draws, and others give others."""
    for path, array in drawn.items():
        if not np.array_equal(array, again[path]):
            yield f"{path}: equal generators give other draws"
        if np.mean(array == other[path]) > 0.5:
            yield f"{path}: other generators give the same draws"


def shares_nothing(spec: LayerSpec) -> str:
    """Two layers of one configuration have no memory in common."""
    for case in once_each(spec):
        one, other = (runner.build(spec, case) for _ in range(2))
        if isinstance(one, nn.Module) and isinstance(other, nn.Module):
            held = {tensor.data_ptr(): name for name, tensor in _tensors(one)}
            for name, tensor in _tensors(other):
                if tensor.numel() and tensor.data_ptr() in held:
                    return f"{case.name}: two layers share {name}"
    return ""


def _tensors(layer: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from layer.named_parameters()
    yield from layer.named_buffers()


# By which a class with initialisers is built; what else it takes has a default.
_ARGUMENTS = {"filters": 4, "kernel_size": 5, "num_channels": 3, "preemp": True}


def copies_what_it_is_given(spec: LayerSpec) -> str:
    """A tensor that an initialiser gives to two layers is neither's own."""
    for signature in spec.signatures:
        takes = inspect.signature(signature.port).parameters
        initialisers = [name for name, each in takes.items() if _is_initialiser(each)]
        given: dict[str, torch.Tensor] = {}
        arguments: dict[str, Any] = {n: v for n, v in _ARGUMENTS.items() if n in takes}
        arguments |= {name: functools.partial(_same, given, name) for name in initialisers}
        if initialisers and (problem := _two(signature.port, arguments, given)):
            return f"{signature.port.__qualname__}: {problem}"
        used = list(given)
        if initialisers and (problem := _without_memory(signature.port, arguments, given)):
            return f"{signature.port.__qualname__}: {problem}"
        if initialisers and (problem := _of_another_type(signature.port, arguments, initialisers)):
            return f"{signature.port.__qualname__}: {problem}"
        for name in used:
            for broken in _BROKEN:
                spoilt = functools.partial(_with_one, broken)
                if problem := _not_refused(signature.port, {**arguments, name: spoilt}):
                    return f"{signature.port.__qualname__}({name} gives {broken}): {problem}"
    return ""


def _is_initialiser(parameter: inspect.Parameter) -> bool:
    return "Initializer" in str(parameter.annotation)


def _same(
    given: dict[str, torch.Tensor], name: str, shape: Sequence[int], dtype: torch.dtype
) -> torch.Tensor:
    """The one tensor for all."""
    return given.setdefault(name, torch.full(tuple(shape), 0.25, dtype=dtype))


def _without_memory(port: Any, arguments: Mapping[str, Any], given: dict[str, torch.Tensor]) -> str:
    """What an initialiser gives on the meta device has no numbers that could be refused."""
    given.clear()
    with torch.device("meta"):
        devices = {each.device.type for each in port(**arguments).parameters()}
    return "" if devices <= {"meta"} else f"made on {devices}"


def _of_numpy(shape: Sequence[int], _dtype: torch.dtype) -> Array:
    return np.full(tuple(shape), 0.25)


def _of_another_type(port: Any, arguments: Mapping[str, Any], names: Sequence[str]) -> str:
    """An initialiser may give NumPy's numbers in float64: the parameters are of torch's type."""
    given = dict.fromkeys(names, _of_numpy)
    types = {each.dtype for each in port(**{**arguments, **given}).parameters()}
    return "" if types <= {torch.float32} else f"parameters of {types}"


_BROKEN = (float("nan"), float("inf"), -float("inf"))


def _with_one(broken: float, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Finite numbers, and behind them one that is none."""
    made = torch.full(tuple(shape), 0.25, dtype=dtype)
    made.view(-1)[-1] = broken
    return made


def _not_refused(port: Any, arguments: Mapping[str, Any]) -> str:
    """How a layer does not refuse what an initialiser gives."""
    try:
        port(**arguments)
    except LeafError as error:
        wanted = "an initialiser of finite values"
        return "" if error.expected == wanted and error.fix else str(error)
    return "accepted"


def _two(port: Any, arguments: Mapping[str, Any], given: Mapping[str, torch.Tensor]) -> str:
    one, other = (port(**arguments) for _ in range(2))
    kept = {name: tensor.clone() for name, tensor in given.items()}
    values = {name: tensor.clone() for name, tensor in other.named_parameters()}
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(1.0)
    for name, tensor in given.items():
        if not torch.equal(tensor, kept[name]):
            return f"the tensor of {name} is its parameter"
    for name, parameter in other.named_parameters():
        if not torch.equal(parameter, values[name]):
            return f"two of them share {name}"
    return ""
