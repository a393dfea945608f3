"""What the official implementation answered when it was asked, kept in ``parity/recordings``.

One safetensors file a layer: the arrays of every case's answer, and in its metadata the versions
that answered and, for each case, the seed and the SHA-256 of question and answer. Inputs, weights
and cotangents are not kept: they come from the seed, and their hash tells whether they still do.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.numpy

from leaf_port.errors import LeafError
from parity.spec import Answer, Array, LayerSpec, Question, digest

FOLDER = Path(__file__).parent.parent / "recordings"
RECORD_AGAIN = "record it again: python -m parity record"


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
        if entry["answer"] != digest(found.arrays()):
            raise LeafError(where, argument, "an intact answer", "another hash", RECORD_AGAIN)
        return found


def load(spec: LayerSpec, folder: Path = FOLDER) -> Recording:
    """Reads a layer's recordings.

    Raises:
        LeafError: there is no file, or it cannot be read.
    """
    path = path_of(spec, folder)
    if not path.exists():
        raise LeafError("recorded oracle", spec.name, f"a file {path.name}", "none", RECORD_AGAIN)
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            record = json.loads(file.metadata()["record"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise LeafError(
            "recorded oracle", path.name, "a recording", str(error), RECORD_AGAIN
        ) from error
    answers = {name: _answer(name, arrays) for name in record["cases"]}
    return Recording(record["versions"], answers, record["cases"])


def _answer(case: str, arrays: Mapping[str, Any]) -> Answer:
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
    return Answer(outputs=outputs, **kinds)


def save(
    spec: LayerSpec,
    answers: Mapping[str, tuple[Question, Answer]],
    versions: Mapping[str, str],
    folder: Path = FOLDER,
) -> Path:
    """Writes a layer's recordings, whole or not at all."""
    arrays: dict[str, Array] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, (question, answer) in answers.items():
        named = answer.arrays()
        arrays |= {f"{name}|{array_name}": array for array_name, array in named.items()}
        entries[name] = {
            "seed": question.case.seed,
            "question": question.digest(),
            "answer": digest(named),
        }
    record = json.dumps({"versions": dict(versions), "cases": entries}, sort_keys=True)
    path = path_of(spec, folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    safetensors.numpy.save_file(arrays, partial, metadata={"record": record})
    partial.replace(path)
    return path
