"""Gives recordings of format 1 the seal of today's, without asking the official code again.

Answers, seeds and hashes stay as they are. What can be told without the official code is verified
first: every answer's hash, every drawn case's seed, and that no declared case and no entry is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console

from leaf_port.errors import LeafError
from parity.oracles import recorded, sealed_file
from parity.oracles.recorded import Recording
from parity.port import runner
from parity.spec import Case, LayerSpec, digest


def reseal(specs: Sequence[LayerSpec], console: Console, folder: Path = recorded.FOLDER) -> bool:
    """Seals what is not sealed; True if every recording is whole and sealed now.

    Questions that are others here are told, and leave the file as whole as it was: what they were
    recorded for is to be asked again.
    """
    whole = True
    for spec in specs:
        path = recorded.path_of(spec, folder)
        try:
            told = _sealed(spec, path)
        except LeafError as error:
            told, whole = str(error), False
        console.print(f"{sealed_file.name_of(path)}: {told}", markup=False, soft_wrap=True)
    return whole


def _sealed(spec: LayerSpec, path: Path) -> str:
    """What was done with a file.

    Raises:
        LeafError: it is damaged.
    """
    record, arrays = sealed_file.read(path, unsealed=True)
    recording = recorded.parsed(path, record, arrays)
    asked = {case.name: case for case in [*spec.cases(), *recording.drawn]}
    for name, entry in recording.entries.items():
        _verify(path, name, entry["seed"], asked.get(name))
    for case in spec.cases():
        if case.name not in recording.entries:
            raise sealed_file.damaged(path, f"no entry for the declared case {case.name}")
    for name, answer in recording.answers.items():
        entry = recording.entries[name]
        if digest(answer.arrays()) != entry.get("kept", entry["answer"]):
            raise sealed_file.damaged(path, f"another hash of the answer to {name}")
    others = list(_other_questions(spec, recording, asked.values()))
    told = f"; {len(others)} questions are others here: {', '.join(others)}" if others else ""
    if "seal" in record:
        return "sealed already" + told
    drawn = len(recording.drawn)
    sealed_file.write(path, arrays, {"layer": spec.name, "drawn": drawn, **record})
    return f"sealed, {len(recording.entries)} cases, {drawn} of them drawn" + told


def _verify(path: Path, name: str, seed: int, case: Case | None) -> None:
    """Refuses an entry that no case declares, or of another seed."""
    if case is None:
        raise sealed_file.damaged(path, f"an entry of no case: {name}")
    if seed != case.seed:
        raise sealed_file.damaged(path, f"another seed of {name}")


def _other_questions(spec: LayerSpec, recording: Recording, cases: Iterable[Case]) -> Iterator[str]:
    """Names of cases whose question is another than was recorded."""
    for case in cases:
        if runner.ask(spec, case).digest() != recording.entries[case.name]["question"]:
            yield case.name
