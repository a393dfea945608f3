"""Makes the recordings: the project's own command, never by hand, never from the port's code."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress

from leaf_port.errors import LeafError
from parity import port
from parity.oracles import recorded
from parity.oracles.official import NotRunError, Official
from parity.spec import Answer, LayerSpec, Question, digest


def answers_of(
    spec: LayerSpec, official: Official, progress: Progress, task: object
) -> dict[str, tuple[Question, Answer]]:
    """Asks all cases of a layer."""
    answers: dict[str, tuple[Question, Answer]] = {}
    for case in spec.cases():
        question = port.ask(spec, case)
        answer = official.answer(spec, question)
        if not case.initial:
            answer.initial = {}
        answers[case.name] = question, answer
        progress.advance(task)  # type: ignore[arg-type]
    return answers


def drift(spec: LayerSpec, answers: dict[str, tuple[Question, Answer]]) -> list[str]:
    """Cases whose kept answer is another, or which are not kept."""
    try:
        kept = recorded.load(spec).entries
    except LeafError:
        kept = {}
    fresh = {name: digest(answer.arrays()) for name, (_, answer) in answers.items()}
    old = {name: entry["answer"] for name, entry in kept.items()}
    return sorted(name for name in set(fresh) | set(old) if fresh.get(name) != old.get(name))


def record(specs: Sequence[LayerSpec], write: bool, console: Console) -> bool:
    """Asks the live official implementation all declared cases, and keeps the answers.

    Args:
        specs: the layers.
        write: whether to write; else only what differs from the kept answers is told.
        console: for progress and summary.

    Returns:
        Whether anything differs from what was kept, or could not be asked.
    """
    changed = False
    with Official() as official, Progress(console=console) as progress:
        console.print(f"official: {official.stack}")
        for spec in specs:
            task = progress.add_task(spec.name, total=len(spec.cases()))
            try:
                answers = answers_of(spec, official, progress, task)
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
