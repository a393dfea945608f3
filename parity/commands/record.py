"""Makes the recordings: the project's own command, never by hand, never from the port's code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence

from rich.console import Console
from rich.progress import Progress

from leaf_port.errors import LeafError
from parity.checks import sampling
from parity.commands import record_descriptions
from parity.oracles import recorded
from parity.oracles.official import NotRunError, Official
from parity.oracles.recorded import Recording
from parity.port import runner
from parity.spec import Answer, Case, LayerSpec, Question, digest

Answers = dict[str, tuple[Question, Answer]]

# Numbers that the initial weights of a drawn case may hold: they are kept whole.
MOST_INITIAL = 4000


def cases(spec: LayerSpec, draw: int | None, keep: Sequence[Case] = ()) -> list[Case]:
    """The declared cases of a layer, witnesses old and new, and drawn ones: new, or the old."""
    old = _recorded(spec)
    kept = [] if old is None else old.drawn
    if draw is not None and old is not None:
        kept = [case for case in kept if case.name in old.witnesses]
    fresh = [] if draw is None else sampling.sample(spec, draw, seed=0)
    found = [*spec.cases(), *kept, *(case for case in keep if case.layer == spec.name), *fresh]
    return list({case.name: case for case in found}.values())


def _recorded(spec: LayerSpec) -> recorded.Recording | None:
    """What was recorded of a layer; None where nothing was yet.

    Raises:
        LeafError: the file is damaged: which cases were drawn is not known, and none may be lost.
    """
    return recorded.load(spec) if recorded.path_of(spec).exists() else None


def witnesses(spec: LayerSpec, keep: Sequence[Case] = ()) -> set[str]:
    """Names of the cases that are kept for what they show, old and new."""
    old = _recorded(spec)
    return {case.name for case in keep} | (set() if old is None else set(old.witnesses))


def unchanged(spec: LayerSpec, asked: Sequence[Case], versions: Mapping[str, str]) -> Recording:
    """Of what was recorded, the answers to cases whose question is still the same.

    Raises:
        LeafError: other versions answered: then all is to be asked.
    """
    old = _recorded(spec) or Recording(dict(versions), {}, {})
    if old.versions != dict(versions):
        expected, got = (
            ", ".join(f"{k} {v}" for k, v in v.items()) for v in (old.versions, versions)
        )
        fix = "leave --new out: it asks everything"
        raise LeafError("parity", "--new", f"the versions of {spec.name}, {expected}", got, fix)
    declared = {case.name for case in spec.cases()}
    same = [
        case.name
        for case in asked
        if (entry := old.entries.get(case.name))
        and ("case" in entry) == (case.name not in declared)
        and entry["question"] == runner.ask(spec, case).digest()
    ]
    entries = {name: old.entries[name] for name in same}
    return Recording(old.versions, {name: old.answers[name] for name in same}, entries)


def answers_of(
    spec: LayerSpec, asked: Sequence[Case], official: Official, advance: Callable[[], None]
) -> Answers:
    """Asks cases of a layer."""
    answers: Answers = {}
    for case in asked:
        question, answer = _ask(spec, case, official)
        answers[question.case.name] = question, answer
        advance()
    return answers


def _ask(spec: LayerSpec, case: Case, official: Official) -> tuple[Question, Answer]:
    question = runner.ask(spec, case)
    answer = official.answer(spec, question)
    numbers = sum(array.size for array in answer.initial.values())
    if case.initial and case.draw and numbers > MOST_INITIAL:
        return _ask(spec, dataclasses.replace(case, initial=False), official)
    if not case.initial:
        answer.initial = {}
    return question, answer


def drift(spec: LayerSpec, answers: Answers, kept: Collection[str] = ()) -> list[str]:
    """Cases whose recorded answer is another, or which are not recorded; none that is ``kept``."""
    old = _recorded(spec)
    entries = {} if old is None else old.entries
    fresh = {name: digest(answer.arrays()) for name, (_, answer) in answers.items()}
    before = {name: entry["answer"] for name, entry in entries.items() if name not in kept}
    return sorted(name for name in set(fresh) | set(before) if fresh.get(name) != before.get(name))


def record(
    specs: Sequence[LayerSpec],
    write: bool,
    draw: int | None,
    console: Console,
    keep: Sequence[Case] = (),
    new: bool = False,
) -> bool:
    """Asks the live official implementation all declared and drawn cases, and keeps the answers.

    Args:
        specs: the layers.
        write: whether to write; else only what differs from the kept answers is told.
        draw: how many cases of each layer are drawn anew; None for those that are kept.
        console: for progress and summary.
        keep: further cases to ask, and to keep from now on: witnesses of a bound.
        new: whether to ask only what was not asked before, and leave the other answers as they are.

    Returns:
        Whether anything differs from what was kept, or could not be asked.
    """
    changed = False
    with Official() as official, Progress(console=console) as progress:
        console.print(f"official: {official.stack}", markup=False)
        for spec in specs:
            try:
                asked = cases(spec, draw, keep)
                kept = unchanged(spec, asked, official.versions) if new else None
                asked = [case for case in asked if kept is None or case.name not in kept.entries]
                task = progress.add_task(spec.name, total=len(asked))
                advance = functools.partial(progress.advance, task)
                answers = answers_of(spec, asked, official, advance)
            except (LeafError, RuntimeError, NotRunError) as error:
                console.print(f"{spec.name}: not recorded: {error}", markup=False)
                changed = True
                continue
            different = drift(spec, answers, kept.entries if kept else ())
            changed |= bool(different)
            if write:
                shown = witnesses(spec, keep)
                path = recorded.save(spec, answers, official.versions, witnesses=shown, kept=kept)
                size = path.stat().st_size
                console.print(f"{spec.name}: {len(answers)} cases asked, {size / 1e3:.0f} kB")
            elif different:
                line = f"{spec.name}: {len(different)} cases differ: {', '.join(different)}"
                console.print(line, markup=False)
            else:
                console.print(f"{spec.name}: {len(answers)} cases, none differs", markup=False)
        return describe(specs, write, console, official) or changed


def describe(specs: Sequence[LayerSpec], write: bool, console: Console, official: Official) -> bool:
    """Asks what the official code says of itself, and keeps it; True if anything differs."""
    different = record_descriptions.update(specs, official, write)
    for name in different:
        console.print(f"{name}: described otherwise than before", markup=False)
    return bool(different)
