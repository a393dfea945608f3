"""What the official implementation answered when it was asked, kept in ``parity/recordings``.

One safetensors file a layer: the arrays of every case's answer, and in its metadata the versions
that answered and, for each case, the seed and the SHA-256 of question and answer. Inputs, weights
and cotangents are not kept: they come from the seed, and their hash tells whether they still do.
A hash of the whole file covers the rest (``parity/oracles/sealed_file.py``); the number of drawn
cases is written beside them.

Beside the declared cases stand drawn ones, which the file itself describes. Of their arrays, and of
those of counter-examples, at most ``KEPT`` elements are held, at positions that the seed decides,
and the hash of the whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from leaf_port.errors import LeafError
from parity.oracles import sealed_file
from parity.spec import Answer, Array, Case, Kept, LayerSpec, Question, digest
from parity.spec.random_arrays import Source

FOLDER = Path(__file__).parent.parent / "recordings"
RECORD_AGAIN = "record it again: python -m parity record"
KEPT = 48  # elements of an array of a drawn case
KEPT_OF_EXPLICIT = (
    1024  # the same of a counter-example or witness, which may be about a few of them
)


def path_of(spec: LayerSpec, folder: Path = FOLDER) -> Path:
    """The file of a layer's recordings."""
    return folder / f"{spec.name}.safetensors"


@dataclasses.dataclass
class Recording:
    """All recorded answers of a layer.

    Attributes:
        versions: what answered.
        answers: by case name.
        entries: seed and hashes, by case name.
    """

    versions: dict[str, str]
    answers: dict[str, Answer]
    entries: dict[str, dict[str, Any]]

    @property
    def drawn(self) -> list[Case]:
        """The cases that were drawn when the recording was made."""
        return [Case(**entry["case"]) for entry in self.entries.values() if "case" in entry]

    @property
    def witnesses(self) -> frozenset[str]:
        """Names of the cases that were kept for what they show: see ``parity record --keep``."""
        marked = (name for name, entry in self.entries.items() if "case" in entry)
        return frozenset(n for n in marked if self.entries[n].get("most") == KEPT_OF_EXPLICIT)

    def answer(self, spec: LayerSpec, question: Question) -> Answer:
        """The recorded answer to a question.

        Raises:
            LeafError: not recorded, recorded for another question, or damaged.
        """
        case = question.case
        entry = self.entries.get(case.name)
        where, argument = "recorded oracle", f"{spec.name} [{case.name}]"
        if entry is None:
            raise LeafError(where, argument, "a recorded case", "none", RECORD_AGAIN)
        if entry["question"] != question.digest():
            got = "other inputs, weights or seed than were recorded"
            raise LeafError(where, argument, "the recorded question", got, RECORD_AGAIN)
        found = self.answers[case.name]
        if entry.get("kept", entry["answer"]) != digest(found.arrays()):
            raise LeafError(where, argument, "an intact answer", "another hash", RECORD_AGAIN)
        return found


def load(spec: LayerSpec, folder: Path = FOLDER) -> Recording:
    """Reads a layer's recordings.

    Raises:
        LeafError: there is no file, it is damaged, of another format or of another layer.
    """
    path = path_of(spec, folder)
    record, arrays = sealed_file.read(path)
    if record.get("layer") != spec.name:
        raise sealed_file.damaged(path, f"the recording of {record.get('layer')!r}")
    return parsed(path, record, arrays)


def parsed(path: Path, record: Mapping[str, Any], arrays: Mapping[str, Array]) -> Recording:
    """The recording that a file holds.

    Raises:
        LeafError: the file does not hold what its record says.
    """
    try:
        entries: dict[str, dict[str, Any]] = record["cases"]
        _all_there(entries, arrays)
        answers = {name: _answer(name, arrays, entry) for name, entry in entries.items()}
        found = Recording(dict(record["versions"]), answers, entries)
        drawn = [case.name for case in found.drawn]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise sealed_file.damaged(path, f"{type(error).__name__}: {error}") from error
    if drawn != [name for name, entry in entries.items() if "case" in entry]:
        raise sealed_file.damaged(path, "a drawn case under another name")
    if len(drawn) != record.get("drawn", len(drawn)):
        raise sealed_file.damaged(path, f"{len(drawn)} of {record['drawn']} drawn cases")
    return found


_ENTRY = {"seed", "question", "answer"}
_COMPACT = {"most", "shapes", "kept"}


def _all_there(entries: Mapping[str, Mapping[str, Any]], arrays: Collection[str]) -> None:
    """Refuses entries with other keys than there are, and arrays of no case."""
    for name, entry in entries.items():
        if set(entry) - {"case"} not in (_ENTRY, _ENTRY | _COMPACT):
            raise ValueError(f"the entry of {name} holds {', '.join(entry)}")
    strays = [name for name in arrays if name.partition("|")[0] not in entries]
    if strays:
        raise ValueError(f"an array of no case: {strays[0]}")


def cases(spec: LayerSpec, recording: Recording | None = None) -> list[Case]:
    """All cases that are checked against a recording, or the layer's own: declared and drawn ones.

    To read a recording and check its hashes takes milliseconds: whoever has it hands it over.
    """
    return [*spec.cases(), *(recording or load(spec)).drawn]


def positions(seed: int, name: str, size: int, most: int) -> Array:
    """Which elements of an array a compact recording keeps, in order: at most ``most``."""
    if size <= most:
        return np.arange(size)
    mixed = int.from_bytes(hashlib.sha256(f"{seed}|{name}".encode()).digest()[:8], "little")
    return np.unique(Source(mixed).integers((most,), 0, size))


def compact(
    question: Question, answer: Answer, most: int
) -> tuple[dict[str, Array], dict[str, list[int]]]:
    """The elements of an answer that are kept, and the shapes of the whole arrays.

    Initial weights are kept whole: the exact oracle computes with them.
    """
    whole = answer.arrays()
    part = {name: array for name, array in whole.items() if not name.startswith("initial/")}
    elements = {
        name: array.reshape(-1)[positions(question.case.seed, name, array.size, most)]
        for name, array in part.items()
    }
    return whole | elements, {name: list(array.shape) for name, array in part.items()}


def kept(entry: Mapping[str, Any]) -> dict[str, Kept]:
    """Where the elements of a compact recording stood, from its entry."""
    return {
        name: Kept(tuple(shape), positions(entry["seed"], name, int(np.prod(shape)), entry["most"]))
        for name, shape in entry.get("shapes", {}).items()
    }


def _answer(case: str, arrays: Mapping[str, Any], entry: Mapping[str, Any]) -> Answer:
    own = {
        name.removeprefix(case + "|"): array
        for name, array in arrays.items()
        if name.startswith(case + "|")
    }
    outputs = [own[f"output/{i}"] for i in range(sum(name.startswith("output/") for name in own))]
    kinds: dict[str, dict[str, Any]] = {"gradients": {}, "initial": {}, "state": {}}
    for name, array in own.items():
        kind, _, rest = name.partition("/")
        if kind in kinds:
            kinds[kind][rest] = array
    return Answer(outputs=outputs, kept=kept(entry), **kinds)


def save(
    spec: LayerSpec,
    answers: Mapping[str, tuple[Question, Answer]],
    versions: Mapping[str, str],
    folder: Path = FOLDER,
    witnesses: Collection[str] = (),
    kept: Recording | None = None,
) -> Path:
    """Writes a layer's recordings, whole or not at all; drawn cases are kept compact, those named
    as ``witnesses`` less so. What is ``kept`` of an earlier recording stays beside them.
    """
    arrays: dict[str, Array] = {}
    entries: dict[str, dict[str, Any]] = {}
    declared = {case.name for case in spec.cases()}
    for name, (question, answer) in answers.items():
        named = answer.arrays()
        entry = {
            "seed": question.case.seed,
            "question": question.digest(),
            "answer": digest(named),
        }
        if question.case.draw:
            most = KEPT_OF_EXPLICIT if name in declared or name in witnesses else KEPT
            named, shapes = compact(question, answer, most)
            entry |= {"most": most, "shapes": shapes, "kept": digest(named)}
        if name not in declared:
            entry["case"] = dataclasses.asdict(question.case)
        arrays |= {f"{name}|{array_name}": array for array_name, array in named.items()}
        entries[name] = entry
    if kept is not None:
        arrays |= {
            f"{name}|{array_name}": array
            for name, answer in kept.answers.items()
            for array_name, array in answer.arrays().items()
        }
        entries |= kept.entries
    drawn = sum("case" in entry for entry in entries.values())
    record = {"layer": spec.name, "drawn": drawn, "versions": dict(versions), "cases": entries}
    path = path_of(spec, folder)
    sealed_file.write(path, arrays, record)
    return path
