"""Small trees of recordings, in the layouts of public data sets; no tests in here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile  # type: ignore[import-untyped]

RATE = 8000


def write(path: Path, hertz: float, seed: int, seconds: float = 0.25, rate: int = RATE) -> None:
    """A tone in noise, 16 bits, mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    samples = np.sin(2 * np.pi * hertz * time + random.uniform(0, 6)) * 0.3
    soundfile.write(path, samples + 0.05 * random.standard_normal(len(time)), rate, "PCM_16")


def speech_commands(
    folder: Path, labels: Sequence[str] = ("high", "low"), each: int = 12, held: int = 3
) -> Path:
    """A folder a label, of a tone a label; the last clips of each are for validation and test."""
    lists: dict[str, list[str]] = {"validation_list.txt": [], "testing_list.txt": []}
    for number, label in enumerate(labels):
        for i in range(each):
            write(folder / label / f"{i:02}.wav", 400.0 * 3.0**number, 100 * number + i)
        for shift, name in enumerate(lists):
            first = each - held * (shift + 1)
            lists[name] += [f"{label}/{i:02}.wav" for i in range(first, first + held)]
    for name, files in lists.items():
        (folder / name).write_text("".join(f"{file}\n" for file in files))
    return folder
