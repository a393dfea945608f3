"""One clip through the official frontends and the port's.

The official side is the live implementation where it is at hand and a recording is given, else the
recorded answers to the recorded clip.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from leaf_port._cli import audio
from leaf_port.errors import LeafError
from parity.checks import case_checks, compare, monte_carlo
from parity.oracles import exact_answer, recorded
from parity.oracles.official import Official
from parity.port import runner
from parity.report import clip_layers
from parity.report.closeness import FRONTENDS
from parity.report.not_run import NotRun
from parity.spec import Answer, Array, LayerSpec, Question

MOST_SECONDS = 3.0  # of a recording: what one looks at in a picture
Ask = Callable[[LayerSpec, Question], Answer]


@dataclasses.dataclass(frozen=True)
class Waveform:
    """A recording: ``(samples,)``, in Hz, and what it is called."""

    name: str
    samples: Array
    rate: int


@dataclasses.dataclass(frozen=True)
class ClipAnswer:
    """What both sides make of the clip: each ``(frames, filters)``.

    Attributes:
        frontend: name of the declaration.
        official: the official features.
        port: the port's.
        unit: the rounding of each element, in float32.
        allowed: how many units the declaration's budget allows.
    """

    frontend: str
    official: Array
    port: Array
    unit: Array
    allowed: float

    @property
    def apart(self) -> Array:
        """``port - official``, in units of each element's rounding."""
        difference = self.port.astype(np.float64) - self.official.astype(np.float64)
        apart: Array = difference / np.maximum(self.unit, compare.SMALLEST)
        return apart

    @property
    def worst_units(self) -> float:
        """The greatest difference."""
        return float(np.abs(self.apart).max(initial=0.0))

    @property
    def relative(self) -> float:
        """Relative difference (Frobenius norm)."""
        return compare.relative_difference(self.port, self.official)


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip and what came of it.

    Attributes:
        name: what it is.
        why: why this clip and this official side.
        live: whether the live official implementation answered.
        waveform: ``(samples,)``.
        rate: in Hz.
        answers: by frontend, in their order.
        versions: of what answered on the official side.
        not_run: frontends without an answer.
    """

    name: str
    why: str
    live: bool
    waveform: Array
    rate: int
    answers: Sequence[ClipAnswer]
    versions: Mapping[str, str]
    not_run: Sequence[NotRun]


def read(path: Path) -> Waveform:
    """The first :data:`MOST_SECONDS` of a recording.

    Raises:
        LeafError: it cannot be read.
    """
    try:
        clip = audio.read_clip(path)
    except LeafError as error:
        option = f"--audio {error.argument}"
        raise LeafError("report", option, error.expected, error.got, error.fix) from error
    kept = clip.samples[: int(MOST_SECONDS * clip.sample_rate)]
    return Waveform(path.name, kept, clip.sample_rate)


def _frontends(specs: Sequence[LayerSpec]) -> list[LayerSpec]:
    named = {spec.name: spec for spec in specs}
    return [named[name] for name in FRONTENDS if name in named]


def _answer(spec: LayerSpec, question: Question, theirs: Answer) -> ClipAnswer:
    """The port's answer beside the official one."""
    arithmetic = case_checks.arithmetics(spec)[0]
    ours = runner.answer(spec, question, runner.Run(arithmetic=arithmetic))
    pinned = exact_answer.pinned(question, theirs)
    unit = monte_carlo.units(spec, pinned, arithmetic).units["output/0"][0]
    sides = theirs.outputs[0][0], ours.outputs[0][0]
    return ClipAnswer(spec.name, *sides, unit, spec.budget.forward)


def _answers(
    questions: Sequence[tuple[LayerSpec, Question]], ask: Ask, advance: Callable[[], object]
) -> tuple[list[ClipAnswer], list[NotRun]]:
    answers, left = [], []
    for spec, question in questions:
        try:
            with torch.no_grad():
                answers.append(
                    _answer(clip_layers.forward_only(spec), question, ask(spec, question))
                )
        except Exception as error:  # told; the other frontends still answer
            what = f"the clip through {spec.name}"
            left.append(NotRun(what, f"{type(error).__name__}: {str(error).splitlines()[0]}"))
        advance()
    return answers, left


def from_recordings(
    specs: Sequence[LayerSpec], why: str, advance: Callable[[], object]
) -> Clip | None:
    """The longest recorded clip with initial weights; None without a frontend."""
    chosen = _frontends(specs)
    questions = [(spec, runner.ask(spec, clip_layers.longest(spec))) for spec in chosen]
    if not questions:
        return None
    waveform = next(iter(questions[0][1].inputs.values())).reshape(-1)
    answers, left = _answers(
        questions, lambda spec, question: recorded.load(spec).answer(spec, question), advance
    )
    versions = recorded.load(chosen[0]).versions
    name = f"synthetic, {len(waveform)} samples, drawn for each frontend from its seed"
    return Clip(name, why, False, waveform, 16000, answers, versions, left)


def from_official(
    specs: Sequence[LayerSpec],
    waveform: Waveform,
    live: Official,
    advance: Callable[[], object],
) -> Clip:
    """A recording through the live official implementation and the port, both with initial
    weights.
    """
    chosen = _frontends(specs)
    made = {spec.name: clip_layers.at_rate(spec, waveform.rate) for spec in chosen}
    questions = [
        (spec, clip_layers.question(spec, config, waveform.samples))
        for spec, config in (each for each in made.values() if each)
    ]
    answers, left = _answers(questions, live.answer, advance)
    why_not = "the official class can be built at 16 kHz alone"
    left += [NotRun(f"the clip through {name}", why_not) for name, each in made.items() if not each]
    seconds = len(waveform.samples) / waveform.rate
    name = f"{waveform.name}, {seconds:.2f} s at {waveform.rate} Hz"
    why = "--audio, answered by the live official implementation"
    versions, samples = live.versions, waveform.samples
    return Clip(name, why, True, samples, waveform.rate, answers, versions, left)


def make(
    specs: Sequence[LayerSpec], waveform: Waveform | None, advance: Callable[[], object]
) -> Clip | None:
    """One clip: the recording if the live official implementation is at hand, else a recorded one.

    Args:
        specs: the layers that were chosen.
        waveform: the recording; None for none.
        advance: called after each frontend.
    """
    if waveform is None:
        why = "no recording was given with --audio; the official side is the recorded answer"
        return from_recordings(specs, why, advance)
    if not _frontends(specs):
        return None
    try:
        with Official() as live:
            return from_official(specs, waveform, live, advance)
    except LeafError as error:
        why = (
            f"{waveform.name} was given, but the live official implementation is not at hand "
            f"({error.argument}: expected {error.expected}); this is a recorded answer"
        )
        return from_recordings(specs, why, advance)
