"""Adam's or AdamW's moments and step count, so that training can go on in PyTorch.

Keras keeps them as a list, ``m`` and ``v`` in turns, in the order of ``model.trainable_variables``
(TensorFlow 2.11 and later), or by reference to the variables (``tf.keras.optimizers.legacy``).

They go on in :class:`leaf_port.optim.KerasAdam`, whose step is Keras'; torch's Adam has the same
moments and another step.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leaf_port.errors import LeafError
from leaf_port.optim import KerasAdam, KerasAdamW
from leaf_port.pretrained import check_noted, parse_weights, read
from weight_conversion.official import consistency
from weight_conversion.official.mapping import Row
from weight_conversion.official.optimizers import (
    ADAMW,
    AMSGRAD,
    AVERAGES,
    CONVERTED,
    Optimizer,
    amsgrad,
)
from weight_conversion.official.source import Source

FILE = "optimizer.safetensors"
STEP, FIRST, SECOND, GREATEST = "step", "exp_avg.", "exp_avg_sq.", "max_exp_avg_sq."
KINDS = (FIRST, SECOND, GREATEST)
EPSILON = 1e-7
"""Keras' default."""

Moments = dict[str, tuple[str, ...]]
"""Keys of the first and second moment, and AMSGrad's third, by official path of the weight."""

_FIX = "copy the whole checkpoint, or leave the optimiser out: --no-optimizer"
_NAME = re.compile(r"^(?:cond(?:_\d+)?/)?[^/]+/([mv])/(.+)$")
_ORDER = {
    name: i
    for names in (
        ("_frontend", "_encoder", "_head"),
        ("_preemp_conv", "_complex_conv", "_pooling", "_instance_norm", "_compress_fn"),
        ("pre_conv0", "pre_bn0", "pre_blocks", "last_block"),
        ("alpha", "delta", "root", "ema"),
        ("kernel", "bias", "gamma", "beta"),
    )
    for i, name in enumerate(names)
}
# What the official constructors can leave untrained, and what is never trained.
_FREEZABLE = (("_preemp_conv/", "_complex_conv/"), ("_pooling/",), ("_compress_fn/",))
_NEVER = re.compile(r"(^|/)(moving_mean|moving_variance|mean|variance)$|/ema/cell/")


@dataclass(frozen=True)
class Chosen:
    """What of a checkpoint's optimiser is converted.

    Attributes:
        kind: ``"Adam"`` or ``"AdamW"``; None where nothing is.
        moments: of the weights.
        notes: what is left out, in words.
    """

    kind: str | None = None
    moments: Moments = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def choose(source: Source, wanted: str | None = None) -> Chosen:
    """Which optimiser it is, and its moments where it is one that torch has.

    Args:
        source: the checkpoint.
        wanted: ``"adam"`` or ``"adamw"``, as the user says; None for what the checkpoint says.

    Raises:
        LeafError: the user says another kind than the checkpoint; the moments are not whole.
    """
    names = {kind.lower(): kind for kind in CONVERTED}
    if wanted is not None and wanted.lower() not in names:
        expected, fix = f"one of {', '.join(names)}", "give one of them, or --no-optimizer"
        raise LeafError("convert", "--optimizer", expected, wanted, fix)
    said = None if wanted is None else names[wanted.lower()]
    optimizer = source.optimizer
    if optimizer is None or not (optimizer.listed or optimizer.referred or optimizer.kind):
        if said is not None:
            raise _refusal(source, f"the moments of {said}", "none")
        return Chosen()
    if optimizer.kind and said not in (None, optimizer.kind):
        raise _refusal(source, f"{said}, as --optimizer says", optimizer.kind)
    kind = optimizer.kind or said
    if kind is None:
        left = "the optimiser: the file does not say which it is (--optimizer adam or adamw does)"
        return Chosen(None, {}, (left,))
    mixed = AVERAGES in optimizer.notes and not (optimizer.names or optimizer.referred)
    whole = amsgrad(optimizer)
    odd = AMSGRAD if AMSGRAD in optimizer.notes and not whole else AVERAGES if mixed else ""
    if kind not in CONVERTED or odd:
        left = f"{kind} with {odd}" if kind in CONVERTED else kind
        if said is not None:
            raise _refusal(source, f"plain {said}", left)
        return Chosen(None, {}, (f"the optimiser, {left}: only plain Adam and AdamW are",))
    notes = [each for each in optimizer.notes if each != AMSGRAD]
    return Chosen(kind, moments(source), tuple(f"{each} of {kind}" for each in notes))


def trained(source: Source) -> frozenset[str]:
    """The weights that an optimiser has slots of; none where that cannot be told."""
    try:
        return frozenset(moments(source))
    except LeafError:
        return frozenset()


def moments(source: Source) -> Moments:
    """Which slots belong to which weight; empty where the optimiser keeps none.

    By the slots' own names where they tell it; else, as in ``.h5`` files, by Keras' order: then
    there must be exactly one way in which the official options leave so many weights trained.

    Raises:
        LeafError: another optimiser than Adam, slots that are missing, or that fit no weights.
    """
    optimizer = source.optimizer
    if optimizer is None:
        return {}
    if optimizer.referred:
        return _by_reference(source, optimizer)
    if not optimizer.listed:
        return {}
    named = _by_name(source, optimizer)
    found = _by_order(source, optimizer) if named is None else named
    if optimizer.hats:
        found = _with_hats(source, optimizer, found)
    for path, keys in found.items():
        shapes = {source.reader.shape(key) for key in keys}
        if shapes != {source.shape(path)}:
            expected = f"{len(keys)} slots of shape {source.shape(path)} for {path}"
            raise _refusal(source, expected, " and ".join(map(str, sorted(shapes))))
    return found


def _with_hats(source: Source, optimizer: Optimizer, found: Moments) -> Moments:
    """Adds AMSGrad's, which are in the order of the first moments."""
    firsts = optimizer.listed[::2]
    if len(firsts) != len(optimizer.hats):
        got = f"{len(optimizer.hats)}"
        raise _refusal(source, f"{len(firsts)} members of _velocity_hats", got)
    hats = dict(zip(firsts, optimizer.hats, strict=True))
    return {path: (*keys, hats[keys[0]]) for path, keys in found.items()}


def _by_reference(source: Source, optimizer: Optimizer) -> Moments:
    slots: dict[str, dict[str, str]] = {}
    for (path, name), key in optimizer.referred.items():
        slots.setdefault(path, {})[name] = key
    wanted = ("m", "v", "vhat") if amsgrad(optimizer) else ("m", "v")
    for path, found in sorted(slots.items()):
        if path not in source.keys or set(found) != set(wanted):
            expected = f"Adam's slots {' and '.join(wanted)} of {path}"
            raise _refusal(source, expected, ", ".join(sorted(found)))
    return {path: tuple(found[name] for name in wanted) for path, found in slots.items()}


def _by_name(source: Source, optimizer: Optimizer) -> Moments | None:
    """By full names; None where there are none, or where two weights share one."""
    if not optimizer.names:
        return None
    slots: dict[str, dict[str, str]] = {}
    for full, key in zip(optimizer.names, optimizer.listed, strict=True):
        parts = _NAME.search(full)
        if parts is None:
            raise _refusal(source, "Adam's slots, Adam/m/... and Adam/v/...", full)
        slots.setdefault(parts[2], {})[parts[1]] = key
    if 2 * len(slots) != len(optimizer.listed):
        if len(set(optimizer.names)) < len(optimizer.names):
            return None
        lacking = sorted(name for name, found in slots.items() if len(found) < 2)
        raise _refusal(source, "slots m and v of each weight", f"one of {', '.join(lacking)}")
    paths = {name: path for path, name in source.names.items()}
    if len(paths) < len(source.names) or not slots.keys() <= paths.keys():
        return None
    return {paths[name]: (found["m"], found["v"]) for name, found in slots.items()}


def _by_order(source: Source, optimizer: Optimizer) -> Moments:
    keys = optimizer.listed
    if len(keys) % 2:
        raise _refusal(source, "slots m and v in turns", f"{len(keys)} slots")
    shapes = [source.reader.shape(key) for key in keys]
    ways = {tuple(paths) for paths in _ways(source)}
    fitting = [
        paths
        for paths in ways
        if [source.shape(path) for path in paths for _ in range(2)] == shapes
    ]
    if len(fitting) != 1:
        most = max(len(paths) for paths in ways)
        expected = f"slots m and v of the trained weights, {most} unless some are fixed"
        raise _refusal(source, expected, f"{len(keys)} slots that fit in {len(fitting)} ways")
    return dict(zip(fitting[0], zip(keys[::2], keys[1::2], strict=True), strict=True))


def _ways(source: Source) -> Iterator[list[str]]:
    """The lists of weights that the official options may leave trained."""
    paths = sorted((path for path in source.keys if not _NEVER.search(path)), key=keras_order)
    for size in range(len(_FREEZABLE) + 1):
        for frozen in itertools.combinations(_FREEZABLE, size):
            starts = tuple(each for group in frozen for each in group)
            yield [path for path in paths if not path.removeprefix("_frontend/").startswith(starts)]


def keras_order(path: str) -> list[int]:
    """A key that sorts paths as ``model.trainable_variables`` does."""
    return [
        consistency.numbered(part, path) if part.startswith("layer_with") else _ORDER.get(part, 0)
        for part in path.split("/")
    ]


def tensors(source: Source, rows: list[Row], found: Moments) -> dict[str, Tensor]:
    """What ``optimizer.safetensors`` holds: ``step``, and two moments of each trained weight.

    Raises:
        LeafError: no step count.
    """
    scalars = source.optimizer.scalars if source.optimizer else {}
    key = scalars.get("iterations", scalars.get("iter"))
    if key is None:
        raise _refusal(source, "the step count, optimizer/iterations", "none")
    count = consistency.step(source.reader.tensor(key), source.path, key)
    made = {STEP: torch.tensor(count, dtype=torch.int64)}
    for row in rows:
        if row.path in found:
            for kind, slot in zip(KINDS, found[row.path], strict=False):
                made[kind + row.key] = row.to_torch(source.reader.tensor(slot))
    return made


def described(source: Source) -> dict[str, Any]:
    """The optimiser's numbers, for ``config.json``: learning rate, betas where they are kept."""
    scalars = source.optimizer.scalars if source.optimizer else {}
    made = {
        name: consistency.scalar(source.reader.tensor(key), source.path, key)
        for name, key in sorted(scalars.items())
    }
    if source.optimizer and amsgrad(source.optimizer):
        made[AMSGRAD] = True
    return (dict(source.optimizer.config) if source.optimizer else {}) | made


def restore(
    folder: str | os.PathLike[str],
    model: nn.Module,
    *,
    lr: float | None = None,
    betas: tuple[float, float] | None = None,
    eps: float | None = None,
    weight_decay: float | None = None,
) -> KerasAdam:
    """An Adam over the trained parameters of ``model`` that goes on where Keras stopped.

    AdamW where the checkpoint's was one. As in Keras it adds the gradients of the model's
    regularisers, and applies its constraints after every step. What a checkpoint does not hold and
    has no default there is asked for: the learning rate, and AdamW's decay of the weights.

    Args:
        folder: that ``convert`` wrote.
        model: of ``from_pretrained(folder)``.
        lr: the learning rate; by default the checkpoint's, of a schedule the last one.
        betas: of Keras; by default those of the checkpoint, or 0.9 and 0.999 where it has none.
        eps: Keras' epsilon; by default the checkpoint's, or 1e-7 where it has none.
        weight_decay: Keras' of AdamW, which is 0.004 where it was not given; by default that of
            the checkpoint. Keras' Adam has one too, which its checkpoints do not tell: give it
            where it was used.

    Returns:
        The optimiser, its parameters in the order of ``model.named_parameters()``.

    Raises:
        LeafError: no optimiser there, moments of other parameters than the trained ones, or
            a number that is asked for.
    """
    path = Path(folder, FILE)
    config, data = read(Path(folder), FILE)
    check_noted(config, data, path)
    found = config.get("optimizer")
    told = found if isinstance(found, dict) else {}
    state = parse_weights(data, path)
    named = {name: each for name, each in model.named_parameters() if each.requires_grad}
    kinds = KINDS if told.get(AMSGRAD) is True else KINDS[:2]
    wanted = {prefix + name for name in named for prefix in kinds} | {STEP}
    if wanted != state.keys():
        got = f"missing or unexpected: {', '.join(sorted(wanted ^ state.keys()))}"
        fix = "give the model as from_pretrained made it, with the same parameters trained"
        raise LeafError("restore", str(path), "moments of the trained parameters", got, fix)
    consistency.moments_fit(path, state, named, kinds)
    adam = _made(path, model, told, (lr, weight_decay), betas, eps)
    groups = adam.state_dict()["param_groups"]
    count = consistency.step(state[STEP].numpy(), path, STEP)
    step = torch.tensor(count, dtype=torch.float32)
    states = {
        i: {
            "step": step.clone(),
            **{kind.rstrip("."): state[kind + name] for kind in kinds},
        }
        for i, name in enumerate(named)
    }
    adam.load_state_dict({"state": states, "param_groups": groups})
    return adam


def _made(
    path: Path,
    model: nn.Module,
    told: Mapping[str, Any],
    given: tuple[float | None, float | None],
    betas: tuple[float, float] | None,
    eps: float | None,
) -> KerasAdam:
    """The optimiser, new; its numbers as given, or as ``config.json`` tells them."""
    lr, decay = given
    if lr is None:
        lr = _told(told, "learning_rate", path)
    if lr is None:
        lr = _told(told, "current_learning_rate", path)
    decay = _told(told, "weight_decay", path) if decay is None else decay
    betas = betas or (
        consistency.share(told, "beta_1", 0.9, path),
        consistency.share(told, "beta_2", 0.999, path),
    )
    eps = consistency.rate(told, "epsilon", EPSILON, path) if eps is None else eps
    if lr is None:
        raise _asked(path, "lr", "the learning rate")
    if decay is None and told.get("kind") == ADAMW:
        raise _asked(path, "weight_decay", "AdamW's decay of the weights")
    greatest = told.get(AMSGRAD) is True
    kind = KerasAdamW if told.get("kind") == ADAMW else KerasAdam
    return kind(model, lr, betas, eps, decay or 0.0, amsgrad=greatest)


def _told(told: Mapping[str, Any], name: str, path: Path) -> float | None:
    """A number of ``config.json``; None where it has none."""
    return None if told.get(name) is None else consistency.rate(told, name, 0.0, path)


def _asked(path: Path, argument: str, what: str) -> LeafError:
    fix = f"give it: restore(..., {argument}=...)"
    return LeafError("restore", f"{path}: {argument}", what, "none: the checkpoint has none", fix)


def _refusal(source: Source, expected: str, got: str) -> LeafError:
    return LeafError("convert", f"{source.path}: optimizer", expected, got, _FIX)
