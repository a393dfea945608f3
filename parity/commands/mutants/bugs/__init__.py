"""The bugs by subject: one file each, with a list ``MUTANTS``."""

from __future__ import annotations

import importlib
import pkgutil

from parity.commands.mutants.mutant import Mutant


def all_mutants() -> list[Mutant]:
    """Every bug, in the order of the files."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [mutant for module in modules for mutant in module.MUTANTS]
