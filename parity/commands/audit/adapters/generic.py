"""Any other Leaf: ``module:attribute``, or a folder and a factory expression.

Its parameters are found by shape and name, or named by the user.
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from parity.commands.audit.adapters._common import evaluate, source_of
from parity.commands.audit.foreign import Foreign, Slots, does_not_fit, import_module
from parity.commands.audit.rules import FILTERS

NAME = "generic"

# What the last part of a parameter's path, then the whole path, is called in public ports.
_NAMES = {
    "alpha": r"alpha",
    "delta": r"delta",
    "root": r"root|r|inv_root",
    "smooth": r"smooth.*|ema.*|s",
    "pooling": r"pool.*|sigma|lowpass.*",
}
_PATHS = {"smooth": r"\bema\b|smooth", "pooling": r"pool|lowpass"}
_CENTERS, _WIDTHS = r"cent(er|re)|mu$|freq", r"width|sigma|fwhm|std"


def build(target: str, factory: str | None, slots: Slots) -> Foreign:
    """The Leaf that an expression in a module of ``target`` gives."""
    folder = Path(target).expanduser().resolve() if Path(target).expanduser().is_dir() else None
    address = factory or (target if folder is None else "")
    name, _, expression = address.partition(":")
    if not (name and expression):
        expected = "module:attribute, or a folder and --factory module:expression"
        raise does_not_fit(NAME, expected, repr(address or target), "name module and attribute")
    leaf = evaluate(NAME, import_module(NAME, name, folder), expression)
    source = address if folder is None else f"{source_of(folder)}, {address}"
    return Foreign(NAME, source, leaf, {**find_slots(leaf), **slots})


def find_slots(leaf: nn.Module) -> Slots:
    """Where the parameters seem to be; those not found are left out."""
    found: dict[str, list[str]] = {}
    single = []
    for path, parameter in leaf.named_parameters():
        if parameter.numel() == 2 * FILTERS and parameter.ndim == 2 and "gabor" not in found:
            found["gabor"] = [path]
        elif parameter.numel() == FILTERS:
            single.append(path)
    for patterns, whole in ((_NAMES, False), (_PATHS, True)):
        for name, pattern in patterns.items():
            for path in single:
                part = path if whole else path.rpartition(".")[2]
                fits = re.search(pattern, part) if whole else re.fullmatch(pattern, part)
                taken = any(path in paths for paths in found.values())
                if fits and name not in found and not taken and "bias" not in part:
                    found[name] = [path]
    if "gabor" not in found:
        pairs = [[p for p in single if re.search(each, p)] for each in (_CENTERS, _WIDTHS)]
        free = [[p for p in each if [p] not in found.values()] for each in pairs]
        if all(free):
            found["gabor"] = [free[0][0], free[1][0]]
    return found
