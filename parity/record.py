"""Makes the recordings: the project's own command, never by hand, never from the port's code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import Progress

from leaf_port.errors import LeafError
from parity import drawn, port
from parity.oracles import recorded
from parity.oracles.official import NotRunError, Official
from parity.spec import Answer, Case, LayerSpec, Question, digest

Answers = dict[str, tuple[Question, Answer]]

# Numbers that the initial weights of a drawn case may hold: they are kept whole.
MOST_INITIAL = 4000


def cases(spec: LayerSpec, draw: int | None) -> list[Case]:
    """The declared cases of a layer, and drawn ones: new, or those that were recorded."""
    if draw is not None:
        return [*spec.cases(), *drawn.sample(spec, draw, seed=0)]
    try:
        return recorded.cases(spec)
    except LeafError:  # never recorded yet
        return list(spec.cases())


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
    question = port.ask(spec, case)
    answer = official.answer(spec, question)
    numbers = sum(array.size for array in answer.initial.values())
    if case.initial and case.draw and numbers > MOST_INITIAL:
        return _ask(spec, dataclasses.replace(case, initial=False), official)
    if not case.initial:
        answer.initial = {}
    return question, answer


def drift(spec: LayerSpec, answers: Answers) -> list[str]:
    """Cases whose kept answer is another, or which are not kept."""
    try:
        kept = recorded.load(spec).entries
    except LeafError:
        kept = {}
    fresh = {name: digest(answer.arrays()) for name, (_, answer) in answers.items()}
    old = {name: entry["answer"] for name, entry in kept.items()}
    return sorted(name for name in set(fresh) | set(old) if fresh.get(name) != old.get(name))


def record(specs: Sequence[LayerSpec], write: bool, draw: int | None, console: Console) -> bool:
    """Asks the live official implementation all declared and drawn cases, and keeps the answers.

    Args:
        specs: the layers.
        write: whether to write; else only what differs from the kept answers is told.
        draw: how many cases of each layer are drawn anew; None for those that are kept.
        console: for progress and summary.

    Returns:
        Whether anything differs from what was kept, or could not be asked.
    """
    changed = False
    with Official() as official, Progress(console=console) as progress:
        console.print(f"official: {official.stack}")
        for spec in specs:
            asked = cases(spec, draw)
            task = progress.add_task(spec.name, total=len(asked))
            advance = functools.partial(progress.advance, task)
            try:
                answers = answers_of(spec, asked, official, advance)
            except (RuntimeError, NotRunError) as error:
                console.print(f"{spec.name}: not recorded: {error}", markup=False)
                changed = True
                continue
            different = drift(spec, answers)
            changed |= bool(different)
            if write:
                path = recorded.save(spec, answers, official.versions)
                size = path.stat().st_size
                console.print(f"{spec.name}: {len(answers)} cases, {size / 1e3:.0f} kB")
            elif different:
                console.print(f"{spec.name}: {len(different)} cases differ: {', '.join(different)}")
    return changed
