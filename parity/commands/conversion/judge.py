"""Judges a converted model's answers by the declared budgets of the layers that it is made of.

The unit is measured as everywhere in the suite: ``parity.checks.monte_carlo`` disturbs the whole
model in float64. An output carries the rounding of every layer before it, so it is allowed what the
most generous of their declarations allows: features that of the frontend, logits that of frontend,
encoder and classifier. Two backends of the port may differ by what both may be off, as port and
official may.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from parity.checks import compare, monte_carlo
from parity.checks.compare import Difference, Limit, Rounded
from parity.commands.ports.spec import SPECS as IMPORTED
from parity.layers import all_specs
from parity.layers._common import uniform
from parity.layers.mel_filterbanks import SPEC as MEL
from parity.spec import Array, Case, Config, LayerSpec, Question, Weight
from weight_conversion.official.mapping import table
from weight_conversion.verification.backends import FEATURES, answers, arithmetic_of, has_arithmetic
from weight_conversion.verification.verify import (
    EXACT,
    OFFICIAL,
    PORT,
    PORT_DOUBLE,
    Side,
    Subject,
    Verdict,
)

LAYERS: Mapping[str, str] = {
    "Leaf": "leaf",
    "TimeDomainFilterbanks": "time_domain_filterbanks",
    "SincNet": "sincnet",
    "SincNetPlus": "sincnet_plus",
    "MelFilterbanks": "mel_filterbanks",
    "ConvNet": "conv_net",
    "PANN": "pann",
    "WaveGram": "wavegram",
    "EfficientNetB0": "efficientnet_b0",
    "AudioClassifier": "audio_classifier",
}
"""Declarations by the kind of a description."""

# What is off by this many times its allowance is off by any unit that more runs could measure: of
# 12 runs the root mean square is a tenth of the true one in less than one element of 10^12.
_HOPELESS = 10.0


def declared(config: Mapping[str, Any], output: str) -> list[LayerSpec]:
    """The declarations of the layers that an output has passed."""
    if config["kind"] != "AudioClassifier":
        return [_own(config)]
    parts = [config["arguments"].get(name) for name in ("frontend", "encoder")]
    found = [_own(part) for part in parts if part is not None]
    return found[:1] if output == FEATURES else [*found, _own(config)]


def _own(part: Mapping[str, Any]) -> LayerSpec:
    """The declaration of one part; that of an imported frontend is the ports'."""
    if part["kind"] == "Leaf" and part["arguments"].get("pooling_bias"):
        return next(iter(IMPORTED.values()))
    return all_specs()[LAYERS[part["kind"]]]


def limit(specs: list[LayerSpec], kinds: tuple[str, str]) -> Limit:
    """What two kinds of answers may differ by."""
    budgets = [spec.budget for spec in specs]
    port = max(budget.port.allowed for budget in budgets)
    if kinds == (PORT, OFFICIAL):
        forward, relative, norm = (
            max(getattr(budget, name) for budget in budgets)
            for name in ("forward", "relative", "norm")
        )
        return Limit(forward, 0.0, relative, np.inf, norm)
    allowed = {
        (PORT, PORT): 2.0 * port,
        (PORT, EXACT): port,
        (PORT, PORT_DOUBLE): port,
        (PORT_DOUBLE, EXACT): max(budget.double.allowed for budget in budgets),
        (OFFICIAL, EXACT): max(budget.reference.allowed for budget in budgets),
        (OFFICIAL, PORT_DOUBLE): max(budget.reference.allowed for budget in budgets),
    }
    return Limit(allowed[kinds], 0.0, np.inf, np.inf)


class DeclaredBudgets:
    """The judge of one verification; units are measured once a clip."""

    def __init__(self) -> None:
        self._measured: dict[tuple[str, int, bool], Rounded] = {}

    def judge(
        self, subject: Subject, clip: Array, output: str, first: Side, second: Side, name: str
    ) -> Verdict:
        """Whether the two differ by no more than is declared.

        What is beyond it is judged again by units that more runs have measured.
        """
        kinds = (first.kind, second.kind)
        allowed = limit(declared(subject.config, output), kinds)
        scale = compare.DOUBLE_UNIT if kinds == (PORT_DOUBLE, EXACT) else 1.0
        ours, theirs = first.answers[name][output], second.answers[name][output]

        def judged(runs: int) -> tuple[Difference, Array]:
            rounded = self._rounded(subject, name, clip, runs, OFFICIAL in kinds)
            units = rounded.of_official.units
            unit = units[f"output/{_outputs(subject).index(output)}"] * scale
            sides = ours.astype(np.float64), theirs.astype(np.float64)
            return compare.compare_array(output, *sides, unit, allowed), unit

        found, unit = judged(monte_carlo.RUNS)
        if not found.ok and found.budget_used < _HOPELESS:
            found, unit = judged(monte_carlo.STURDY_RUNS)
        message = "" if found.ok else _message(found, ours, theirs, unit)
        return Verdict(found.ok, found.units, allowed.forward, message)

    def _rounded(
        self, subject: Subject, name: str, clip: Array, runs: int, official: bool
    ) -> Rounded:
        """The answer with its units; those of the official side where it is ``official``."""
        key = (name, runs, official)
        if key not in self._measured:
            spec = _declaration(subject, official)
            # The options, since kept units are found by the case (parity/checks/kept_units.py).
            options = {name: subject.config.get(name) for name in ("kind", "arguments")}
            case = Case(spec.name, {"model": json.dumps(options, sort_keys=True)})
            question = Question(case, {"inputs": clip}, dict(subject.weights), [])
            arithmetic = spec.arithmetics[0] if spec.arithmetics else None
            with torch.no_grad():
                self._measured[key] = monte_carlo.units(spec, question, arithmetic, runs)
        return self._measured[key]


def _message(found: Difference, ours: Array, theirs: Array, unit: Array) -> str:
    """Where it is off most, and how far."""
    each = compare.in_units(ours, theirs, unit)
    at = tuple(int(i) for i in np.unravel_index(int(each.argmax()), each.shape))
    told = f"worst {found.units:.3g} units (allowed {found.allowed:g}) at {at}: "
    told += f"{float(ours[at]):.9g} and {float(theirs[at]):.9g}, unit {unit[at]:.2g}"
    if found.relative > found.allowed_relative:
        told += f"; relative {found.relative:.1e} (allowed {found.allowed_relative:.0e})"
    return told


def _outputs(subject: Subject) -> list[str]:
    """The names of the outputs, in the order of ``answers``."""
    if subject.config["kind"] != "AudioClassifier":
        return [FEATURES]
    has_frontend = subject.config["arguments"].get("frontend") is not None
    return [FEATURES, "logits"] if has_frontend else ["logits"]


def _declaration(subject: Subject, official: bool) -> LayerSpec:
    """The model as a declaration, of which the measurement of units takes the port's part.

    ``official``: whether what the official code's Fourier transform rounds counts too. Where the
    spectrum is far below the frame's norm, as a low tone's at high frequencies, the energy is the
    square of that rounding.
    """

    def port(config: Config) -> nn.Module:
        return arithmetic_of(copy.deepcopy(subject.model), config.get("arithmetic"))

    def call(layer: nn.Module, inputs: Tensor) -> list[Tensor]:
        return list(answers(layer, inputs).values())

    weights = {
        row.path: Weight(row.key, uniform(0.0, 1.0), row.axes, differentiable=False)
        for row in table(subject.model)
    }
    constants = _constants(subject.config)
    declaration = declared(subject.config, "logits")[-1]
    return dataclasses.replace(
        declaration,
        port=port,
        call=call,
        weights=lambda _config: weights,
        exceptions=dataclasses.replace(
            declaration.exceptions,
            constants=lambda _config: constants,
            official_transform=official and _mel(subject.config) is not None,
        ),
        differentiable=(),
        arithmetics=("complex", "real") if has_arithmetic(subject.model) else (),
    )


def _constants(config: Mapping[str, Any]) -> Mapping[str, Array]:
    """How far what is computed when the model is built may be off: mel's window and matrix."""
    arguments = _mel(config)
    if arguments is None:
        return {}
    prefix = "" if config["kind"] == "MelFilterbanks" else "frontend."
    found = MEL.exceptions.constants(arguments)
    return {f"{prefix}{name}": size for name, size in found.items()}


def _mel(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The arguments of a model's mel filterbanks; None where it has none."""
    is_classifier = config["kind"] == "AudioClassifier"
    part = config["arguments"].get("frontend") if is_classifier else config
    if part is None or part["kind"] != "MelFilterbanks":
        return None
    found: Mapping[str, Any] = part["arguments"]
    return found
