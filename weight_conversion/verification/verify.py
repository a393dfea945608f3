"""Does a converted model compute what it should? Its answers, each against every other source's.

The model runs on every backend (``weight_conversion.verification.backends``). Oracles, which are
handed in, give further answers to the same clips with the same weights: from the formulas, or from
the official code. What two answers may differ by, a judge says, which is handed in too; both are in
``parity.commands.conversion``, and nothing here imports it. Without a judge the differences are
told and not judged, but for what needs no bound: bits of weights, shapes, NaN, and the greatest
logit.

Where the checkpoint is at hand, the oracles take their weights from it, so that a weight that was
converted wrongly, or changed since, is seen. Without it they take those of the folder, whose hash
must be the one that the conversion noted.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import nn

from leaf_port import _publish, pretrained
from leaf_port.errors import LeafError
from weight_conversion.official import folder as folders
from weight_conversion.official.mapping import official_weights, table
from weight_conversion.official.source import Source
from weight_conversion.verification import weights as weights_check
from weight_conversion.verification.backends import (
    DOUBLE,
    LOGITS,
    Answers,
    Backend,
    finite,
    float32,
)
from weight_conversion.verification.weights import WeightsRow

Array = npt.NDArray[Any]
Clips = Mapping[str, Array]

FORMAT_VERSION = 1

# Kinds of answers: ours in float32, ours in float64, the formulas', the official code's.
PORT, PORT_DOUBLE, EXACT, OFFICIAL = "port", "float64", "exact", "official"
_ORDER = (PORT, PORT_DOUBLE, EXACT, OFFICIAL)


class NotRunError(Exception):
    """An oracle has no answers here; the message is the reason."""


@dataclass(frozen=True)
class Subject:
    """What is verified.

    Attributes:
        config: of the folder.
        model: of the folder, in float32 on the CPU.
        weights: by official path, in the official layout: the checkpoint's where it is at hand.
    """

    config: dict[str, Any]
    model: nn.Module
    weights: Mapping[str, Array]


@dataclass(frozen=True)
class Side:
    """One source's answers.

    Attributes:
        name: as the table calls it.
        kind: one of the constants above.
        answers: features and logits, by the clip's name.
    """

    name: str
    kind: str
    answers: Mapping[str, Answers]


class Oracle(Protocol):
    """Another source of answers."""

    name: str
    kind: str

    def answers(self, subject: Subject, clips: Clips) -> Mapping[str, Answers]:
        """Features and logits, by the clip's name.

        Raises:
            NotRunError: there are none, with the reason.
        """


@dataclass(frozen=True)
class Verdict:
    """What a judge says of two arrays.

    Attributes:
        ok: whether their difference is allowed; None where nobody says what is.
        units: the greatest difference of an element, in units of its own rounding.
        allowed: how many units there may be.
        message: what is wrong; empty where nothing is.
    """

    ok: bool | None
    units: float | None = None
    allowed: float | None = None
    message: str = ""


class Judge(Protocol):
    """Says what two answers may differ by."""

    def judge(
        self, subject: Subject, clip: Array, output: str, first: Side, second: Side, name: str
    ) -> Verdict:
        """Judges ``first.answers[name][output]`` beside ``second.answers[name][output]``."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        output: ``"features"`` or ``"logits"``.
        first, second: what is compared.
        clip: on which clip.
        relative: Frobenius norm of the difference over that of ``second``.
        units, allowed, message: see :class:`Verdict`.
        same_class: whether the greatest logit of each clip is the same; None for features.
        ok: whether it is allowed; None where it was not judged.
    """

    output: str
    first: str
    second: str
    clip: str
    relative: float
    units: float | None
    allowed: float | None
    same_class: bool | None
    ok: bool | None
    message: str = ""


@dataclass
class Verification:
    """Everything that was compared, and what was not run, by name, with its reason.

    Attributes:
        weights: how the folder's weights were compared with what they should be.
        rows: one an output, pair and clip.
        not_run: reasons by name.
        about: clips, versions and hashes, for ``verification.json``.
    """

    weights: WeightsRow
    rows: list[Row] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing is off, of what was judged."""
        return self.weights.ok is not False and all(row.ok is not False for row in self.rows)

    @property
    def judged(self) -> bool:
        """Whether there were bounds to judge every answer by."""
        return bool(self.rows) and all(row.ok is not None for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: infinity and NaN, which it does not know, are null."""
        told = {"format_version": FORMAT_VERSION, "ok": self.ok, "judged": self.judged}
        rows = [{key: _plain(value) for key, value in asdict(row).items()} for row in self.rows]
        weights = {key: _plain(value) for key, value in asdict(self.weights).items()}
        return told | self.about | {"weights": weights, "rows": rows, "not_run": self.not_run}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def subject(folder: Path, source: Source | None) -> tuple[Subject, WeightsRow]:
    """A folder's model, with the weights that it should have.

    Raises:
        LeafError: no folder that ``convert`` made, a damaged one, or another checkpoint.
    """
    config, model = folders.load(folder, noted=False)  # another hash is told in the table
    if source is None:
        return Subject(config, model, official_weights(model)), weights_check.by_hash(
            folder, config
        )
    weights_check.refuse_another_source(folder, config, source)
    weights = {row.path: source.tensor(row.path) for row in table(model)}
    return Subject(config, model, weights), weights_check.by_bits(model, source)


def verify(
    checked: tuple[Subject, WeightsRow],
    clips: Clips,
    oracles: Sequence[Oracle] = (),
    judge: Judge | None = None,
    more: Sequence[Backend] = (),
) -> Verification:
    """Compares every source's answers with every other's.

    Args:
        checked: of :func:`subject`.
        clips: by name, ``(batch, samples)`` each, float32.
        oracles: further sources.
        judge: says what is allowed; None where there is none.
        more: backends beside the CPU.
    """
    model, weights = checked
    made = Verification(weights)
    if weights.ok is None:
        made.not_run["weights"] = f"{pretrained.CONFIG} notes no hash of them; give the checkpoint"
    sides = _ours(model, clips, more, made.not_run)
    for oracle in oracles:
        try:
            sides.append(Side(oracle.name, oracle.kind, oracle.answers(model, clips)))
        except NotRunError as error:
            made.not_run[oracle.name] = str(error)
    sides.sort(key=lambda side: _ORDER.index(side.kind))
    for first, second in _pairs(sides):
        for output, name in itertools.product(_outputs(first, second), clips):
            made.rows.append(_row(model, clips, judge, output, first, second, name))
    return made


def _ours(
    model: Subject, clips: Clips, more: Sequence[Backend], not_run: dict[str, str]
) -> list[Side]:
    """The model's own answers, on every backend that there is."""
    sides = []
    for backend in (*float32(model.model), *more, DOUBLE):
        reason = backend.missing()
        if reason:
            not_run[backend.name] = reason
            continue
        answers = backend.run(model.model, clips.values())
        kind = PORT_DOUBLE if backend is DOUBLE else PORT
        sides.append(Side(backend.name, kind, dict(zip(clips, answers, strict=True))))
    return sides


def _pairs(sides: Sequence[Side]) -> list[tuple[Side, Side]]:
    """Who is compared with whom.

    The float64 model stands for the formulas where nothing else does; beside them it is compared
    with them alone.
    """
    has_exact = any(side.kind == EXACT for side in sides)
    wanted = {(PORT, PORT), (PORT, EXACT), (PORT, OFFICIAL), (PORT_DOUBLE, EXACT)}
    wanted |= {(EXACT, OFFICIAL)} if has_exact else {(PORT, PORT_DOUBLE), (PORT_DOUBLE, OFFICIAL)}
    return [
        (second, first) if second.kind == OFFICIAL and first.kind != PORT else (first, second)
        for first, second in itertools.combinations(sides, 2)
        if (first.kind, second.kind) in wanted
    ]


def _outputs(first: Side, second: Side) -> list[str]:
    """The outputs of either side, in order: one that lacks an output of the other's is off."""
    found: dict[str, None] = {}
    for side in (first, second):
        for answers in side.answers.values():
            found |= dict.fromkeys(answers)
    return list(found)


def _row(
    model: Subject,
    clips: Clips,
    judge: Judge | None,
    output: str,
    first: Side,
    second: Side,
    name: str,
) -> Row:
    ours, theirs = first.answers[name].get(output), second.answers[name].get(output)
    wrong = _incomparable(ours, theirs)
    if ours is None or theirs is None or wrong:
        values = (math.inf, None, None, None, False, wrong)
        return Row(output, first.name, second.name, name, *values)
    said = Verdict(None)
    if judge is not None:
        said = judge.judge(model, clips[name], output, first, second, name)
    same = None
    if output == LOGITS:
        same = bool((ours.argmax(-1) == theirs.argmax(-1)).all())
    return Row(
        output,
        first.name,
        second.name,
        name,
        relative(ours, theirs),
        said.units,
        said.allowed,
        same,
        False if same is False else said.ok,
        said.message or ("" if same is not False else "another greatest logit"),
    )


def _incomparable(ours: Array | None, theirs: Array | None) -> str:
    """What is wrong whatever the bounds are; empty where nothing is."""
    if ours is None or theirs is None:
        return "one of the two has no such output"
    if ours.shape != theirs.shape:
        return f"shapes {ours.shape} and {theirs.shape}"
    if not finite(ours) or not finite(theirs):
        return "NaN or infinity, of a finite clip"
    return ""


def relative(ours: Array, theirs: Array) -> float:
    """``||ours - theirs|| / ||theirs||``; the absolute norm where ``theirs`` is zero."""
    expected = theirs.astype(np.float64)
    apart, size = np.linalg.norm(ours - expected), np.linalg.norm(expected)
    return float(apart / size) if size > 0 else float(apart)


def write(folder: Path, found: Verification, name: str) -> None:
    """Writes ``verification.json``, whole or not at all; an earlier one is replaced.

    Raises:
        LeafError: the system refuses.
    """
    try:
        text = json.dumps(found.as_dict(), indent=1, allow_nan=False)
        with _publish.new_file(folder / name) as made:
            made.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        fix = "check the folder's permissions and the free space"
        got = error.strerror or error
        raise LeafError("verify", str(folder), "a place to write to", got, fix) from error


def about(folder: Path, clips: Clips, seed: int, versions: Mapping[str, Any]) -> dict[str, Any]:
    """What ``verification.json`` says beside the comparisons."""
    shapes = {name: list(clip.shape) for name, clip in clips.items()}
    hashes = {
        name: folders.sha256(folder / name) for name in (pretrained.CONFIG, pretrained.WEIGHTS)
    }
    return {"seed": seed, "clips": shapes, "files": hashes, "versions": dict(versions)}
