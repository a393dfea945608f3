"""What a foreign port is asked: recorded default cases, and the right value at every stage.

A stage's right input is rounded to float32, the precision of the foreign port, before both sides
take it, so a stage carries its own rounding alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from leaf_port.errors import LeafError
from parity.checks import compare
from parity.commands.audit import rules as r
from parity.layers import leaf
from parity.oracles import recorded
from parity.port import runner
from parity.spec import Array, Case, Config

# Samples, and whether the weights are the initial ones. Lengths modulo the stride of 160: 1 (where
# symmetric padding is right by accident), 159, 0. The last is the one that verdicts are told of.
ALL = ((1601, False), (1759, False), (1601, True), (16000, True))


@dataclasses.dataclass(frozen=True)
class Probe:
    """A recorded case, taken apart.

    Attributes:
        name: samples and weights, for messages.
        initial: whether the weights are the initial ones.
        wave: ``(batch, time)``, float32.
        weights: the case's, float32.
        official: the recorded official features.
    """

    name: str
    initial: bool
    wave: Tensor
    weights: r.Weights
    official: Array
    filters: Tensor = dataclasses.field(init=False)
    pairs: Tensor = dataclasses.field(init=False)
    energies: Tensor = dataclasses.field(init=False)
    windows: Tensor = dataclasses.field(init=False)
    pooled: Tensor = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        def set_(name: str, value: Tensor) -> None:
            object.__setattr__(self, name, value.float())

        with torch.no_grad():
            set_("filters", r.filters(self.double))
            set_("pairs", r.convolve(self.wave.double(), self.filters.double()))
            set_("energies", r.modulus(self.pairs.double()))
            set_("windows", r.windows(self.double))
            set_("pooled", r.pool(self.energies.double(), self.windows.double()))

    @property
    def double(self) -> r.Weights:
        """The weights in float64."""
        return {name: weight.double() for name, weight in self.weights.items()}

    def stage(self, name: str, rules: r.Rules = r.OFFICIAL) -> Tensor:
        """A stage's float64 value under ``rules``, computed from its right input."""
        compute: dict[str, Callable[[], Tensor]] = {
            "filters": lambda: r.filters(self.double, rules),
            "convolution": lambda: r.convolve(self.wave.double(), self.filters.double(), rules),
            "modulus": lambda: r.modulus(self.pairs.double(), rules),
            "windows": lambda: r.windows(self.double, rules),
            "pooling": lambda: r.pool(self.energies.double(), self.windows.double(), rules),
            "compression": lambda: r.compress(self.pooled.double(), self.double, rules),
            "output": lambda: r.features(self.wave.double(), self.double, rules),
        }
        return compute[name]()


def _config(samples: int) -> Config:
    return next(
        config
        for config in leaf.SPEC.configs
        if config["kind"] == "default" and config["samples"] == samples
    )


def _numbers(case: Case) -> tuple[Tensor, r.Weights, Array]:
    """Clip, weights and official answer of a recorded case."""
    question = runner.ask(leaf.SPEC, case)
    answer = recorded.load(leaf.SPEC).answer(leaf.SPEC, question)
    values = answer.initial if case.initial else question.weights
    paths = {"gabor": "_complex_conv/kernel", "pooling": "_pooling/kernel"}
    paths |= {name: f"_compress_fn/{name}" for name in ("alpha", "delta", "root")}
    paths["smooth"] = "_compress_fn/ema/smooth"
    weights = {name: torch.from_numpy(values[path].copy()) for name, path in paths.items()}
    weights = {name: w if name == "gabor" else w.reshape(-1) for name, w in weights.items()}
    (clip,) = question.inputs.values()
    return torch.from_numpy(clip).reshape(clip.shape[:2]), weights, answer.outputs[0]


def probes(chosen: Sequence[tuple[int, bool]] = ALL) -> Sequence[Probe]:
    """Recorded default cases: their samples, and whether their weights are the initial ones.

    Raises:
        LeafError: the rules of this audit are not those of the recorded official answers.
    """
    made = []
    for samples, initial in chosen:
        case = Case(leaf.SPEC.name, _config(samples), initial=initial)
        name = f"{samples} samples, {'initial' if initial else 'drawn'} weights"
        made.append(Probe(name, initial, *_numbers(case)))
    for probe in made:
        _check(probe)
    return made


def _check(probe: Probe) -> None:
    """Refuses to judge others where the rules here are not the official ones."""
    ours = probe.stage("output").numpy()
    relative = compare.relative_difference(ours, probe.official)
    if relative > 1e-5:
        got = f"relative {relative:.1e} on {probe.name}"
        fix = "run python -m parity run --layer leaf"
        raise LeafError("audit", "reference", "the recorded official answer", got, fix)
