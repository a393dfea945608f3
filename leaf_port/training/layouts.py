"""Reading data sets in the layouts of Speech Commands, VoxCeleb1 and AudioSet."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from leaf_port.errors import LeafError
from leaf_port.training.corpus import SPLITS, TEST, TRAIN, VALIDATION, Corpus, Item

SUFFIXES = (".wav", ".flac")
LISTS = {VALIDATION: "validation_list.txt", TEST: "testing_list.txt"}
VOXCELEB = "iden_split.txt"
AUDIOSET_LABELS = "class_labels_indices.csv"
AUDIOSET = {TRAIN: "balanced_train_segments.csv", TEST: "eval_segments.csv"}
_VOXCELEB_SPLITS = {"1": TRAIN, "2": VALIDATION, "3": TEST}
_HELD_OUT = 0.1
_ID = 11  # characters of a video's name


def read_corpus(folder: Path, validation: str = "auto") -> Corpus:
    """The data set of a folder, whose files tell its layout.

    * With ``iden_split.txt``, VoxCeleb1: its lines say split (1 training, 2 validation, 3 test) and
      file; the speaker, the first part of the file's name, is the label.
    * With ``class_labels_indices.csv``, AudioSet: ``balanced_train_segments.csv`` and
      ``eval_segments.csv`` list clips with several labels each. A clip's file is named after its
      video (``--PJhxphWEs.wav``, ``Y--PJhxphWEs.wav``, ``--PJhxphWEs_30.000_40.000.wav``), in any
      folder. Clips that are not there are left out and counted.
    * Else Speech Commands: a folder a label; ``validation_list.txt`` and ``testing_list.txt`` name
      the files of these splits, the others are for training. Folders whose names begin with ``_``
      or ``.`` are no labels.

    Args:
        folder: of the data set.
        validation: where the clips for validation come from. ``"auto"``: from the layout's own
            list; where it has none, one clip in ten of the training's, chosen by the SHA-256 of its
            name. ``"test"``: the test's, as the official example does where there is no other.

    Raises:
        LeafError: a folder without clips, a list that names a file that is not there or names it
            twice, or nothing to train or to validate on.
    """
    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing of that name"
        raise _refusal(folder, "a folder of recordings", got, "check --data")
    if (folder / VOXCELEB).is_file():
        corpus = _voxceleb(folder)
    elif (folder / AUDIOSET_LABELS).is_file():
        corpus = _audioset(folder)
    else:
        corpus = _speech_commands(folder)
    corpus = _with_validation(corpus, validation)
    corpus.check()
    return corpus


def _speech_commands(folder: Path) -> Corpus:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] not in "_.")
    files = {name: list(_clips_below(folder, folder / name)) for name in names}
    empty = [name for name, found in files.items() if not found]
    if empty:
        got, fix = f"none in {', '.join(empty[:5])}", "remove the folder, or put recordings there"
        raise _refusal(folder, f"{' or '.join(SUFFIXES)} files in each label's folder", got, fix)
    labels = {file: names.index(name) for name, found in files.items() for file in found}
    listed = {
        split: _listed(folder / name, labels)
        for split, name in LISTS.items()
        if (folder / name).is_file()
    }
    taken = [file for found in listed.values() for file in found]
    _refuse_twice(folder, taken)
    rest = [file for file in labels if file not in set(taken)]
    splits = {TRAIN: rest, **listed}
    return Corpus(
        folder,
        tuple(names),
        {name: [Item(file, (labels[file],)) for file in found] for name, found in splits.items()},
    )


def _clips_below(root: Path, folder: Path) -> Iterator[str]:
    """Names of the recordings in a folder, relative to ``root``, in order."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path.relative_to(root).as_posix()


def _listed(path: Path, known: Mapping[str, int]) -> list[str]:
    """The files that a list names."""
    found = [line.strip() for line in _text(path).splitlines() if line.strip()]
    missing = [file for file in found if file not in known]
    if missing:
        got = f"{len(missing)} that are not there, such as {missing[0]!r:.80}"
        raise _refusal(path, "names of recordings, label/file.wav", got, "mend the list")
    return found


def _voxceleb(folder: Path) -> Corpus:
    root = folder / "wav" if (folder / "wav").is_dir() else folder
    below = "wav/" if root != folder else ""
    found: dict[str, list[str]] = {name: [] for name in SPLITS}
    for number, line in enumerate(_text(folder / VOXCELEB).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 2 or parts[0] not in _VOXCELEB_SPLITS:
            fix = "take the file as VoxCeleb1 has it"
            expected = "1, 2 or 3 and a file's name"
            raise _refusal(f"{folder / VOXCELEB}: line {number}", expected, repr(line[:80]), fix)
        found[_VOXCELEB_SPLITS[parts[0]]].append(parts[1])
    named = [file for files in found.values() for file in files]
    _refuse_twice(folder, named)
    missing = [file for file in named if not (root / file).is_file()]
    if missing:
        got = f"{len(missing)} that are not there, such as {missing[0]!r:.80}"
        raise _refusal(folder / VOXCELEB, "names of recordings", got, "unpack all of them")
    labels = sorted({file.partition("/")[0] for file in named})
    index = {name: i for i, name in enumerate(labels)}
    return Corpus(
        folder,
        tuple(labels),
        {
            name: [Item(below + file, (index[file.partition("/")[0]],)) for file in files]
            for name, files in found.items()
        },
    )


def _audioset(folder: Path) -> Corpus:
    labels, names = _audioset_labels(folder / AUDIOSET_LABELS)
    files = {_video(Path(file).stem): file for file in _clips_below(folder, folder)}
    splits, notes = dict[str, list[Item]](), []
    for split, name in AUDIOSET.items():
        if not (folder / name).is_file():
            fix = "take the file from AudioSet"
            raise _refusal(folder / name, "a list of segments", "no file", fix)
        segments = list(_segments(folder / name, labels))
        splits[split] = [Item(files[video], found) for video, found in segments if video in files]
        missing = len(segments) - len(splits[split])
        if missing:
            notes.append(f"{name}: {missing} of {len(segments)} clips are not there")
    return Corpus(folder, names, splits, several=True, notes=tuple(notes))


def _audioset_labels(path: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """The index of each machine identifier, and the names in the order of the indices."""
    rows = list(csv.DictReader(_text(path).splitlines()))
    try:
        found = {row["mid"]: int(row["index"]) for row in rows}
        names = {int(row["index"]): row["display_name"] for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        expected = "the columns index, mid, display_name"
        raise _refusal(path, expected, f"{type(error).__name__}: {error}", "mend it") from error
    if sorted(found.values()) != list(range(len(rows))):
        raise _refusal(path, "indices from 0 up, each once", "others", "mend it")
    return found, tuple(names[i] for i in range(len(names)))


def _segments(path: Path, labels: Mapping[str, int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Video and labels of each line: ``--PJhxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"``."""
    lines = [line for line in _text(path).splitlines() if line.strip() and line[0] != "#"]
    for row in csv.reader(lines, skipinitialspace=True):
        mids = row[3].split(",") if len(row) == 4 else []
        if not mids or any(mid not in labels for mid in mids):
            expected = "video, start, end and known labels in each line"
            raise _refusal(path, expected, repr(",".join(row))[:80], "mend the line")
        yield row[0], tuple(sorted(labels[mid] for mid in mids))


def _video(stem: str) -> str:
    """The video that a file is named after."""
    if len(stem) > _ID and stem[0] == "Y" and (len(stem) == _ID + 1 or stem[_ID + 1] == "_"):
        return stem[1 : _ID + 1]
    return stem[:_ID] if len(stem) == _ID or stem[_ID : _ID + 1] == "_" else stem


def _with_validation(corpus: Corpus, validation: str) -> Corpus:
    splits = dict(corpus.splits)
    if validation == TEST:
        if not splits.get(TEST):
            fix = "leave --validation out: a tenth of the training's clips is held out then"
            raise _refusal(corpus.folder, "clips for test", "none", fix)
        splits[VALIDATION] = splits[TEST]
        notes = (*corpus.notes, "validated on the clips of the test, as the official example does")
    elif splits.get(VALIDATION):
        return corpus
    else:
        train = splits[TRAIN]
        splits[VALIDATION] = [item for item in train if _held_out(item.file)]
        splits[TRAIN] = [item for item in train if not _held_out(item.file)]
        held, whole = len(splits[VALIDATION]), len(train)
        notes = (*corpus.notes, f"validated on {held} of the {whole} clips for training")
    return Corpus(corpus.folder, corpus.labels, splits, corpus.several, notes)


def _held_out(file: str) -> bool:
    """Whether a clip is one of the tenth that is not trained on: the same ones on any machine."""
    drawn = int.from_bytes(hashlib.sha256(file.encode()).digest()[:8], "big")
    return drawn < _HELD_OUT * 2**64


def _refuse_twice(folder: Path, files: Iterable[str]) -> None:
    seen = set[str]()
    for file in files:
        if file in seen:
            fix = "name each recording once, in one list"
            raise _refusal(folder, "each recording in one split", f"{file!r:.80} twice", fix)
        seen.add(file)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(path, "a readable text file", error, "check it") from error


def _refusal(what: object, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("train", str(what), expected, got, fix)
