"""Writes a data set in the layout of Speech Commands, which `leaf_port train` reads."""

import argparse
import math
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """A recording and its label; `name` is that of its file, without suffix."""

    label: str
    name: str
    samples: Samples
    rate: int
    is_test: bool


def read(path: Path) -> tuple[Samples, int]:
    """Samples, the channels' mean, and their rate in Hz."""
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    return samples.mean(axis=1), rate


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """At another rate, by a polyphase filter."""
    common = math.gcd(rate, wanted)
    return np.asarray(signal.resample_poly(samples, wanted // common, rate // common))


def write(out: Path, about: str, clips: Iterable[Clip], rate: int) -> None:
    """Writes the folder, whole or not at all: a folder a label, a list of the test's files.

    Args:
        out: a folder that does not exist.
        about: what README.md says.
        clips: what is written.
        rate: in Hz, of all files.
    """
    if out.exists():
        raise SystemExit(f"{out}: is there already; give another name, or remove it")
    count, test = 0, []
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.resolve().parent) as folder:
        made = Path(folder, "made")
        for clip in clips:
            file = f"{clip.label}/{clip.name}.wav"
            (made / clip.label).mkdir(parents=True, exist_ok=True)
            if (made / file).exists():
                raise SystemExit(f"{file}: two clips of this name")
            samples = resampled(clip.samples, clip.rate, rate).clip(-1.0, 1.0)
            soundfile.write(made / file, samples, rate, "PCM_16")
            test += [file] * clip.is_test
            count += 1
            if count % 200 == 0:
                print(f"{count} clips", flush=True)
        if not count:
            raise SystemExit("no clips: are the packages installed?")
        (made / "testing_list.txt").write_text("".join(f"{file}\n" for file in sorted(test)))
        (made / "README.md").write_text(about)
        shutil.move(made, out)
    labels = sum(each.is_dir() for each in out.iterdir())
    print(f"{out}: {count} clips of {labels} labels, {len(test)} of them for the test, {rate} Hz")


def parser(about: str) -> argparse.ArgumentParser:
    """With `--out` and `--rate`."""
    made = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--out", type=Path, required=True, help="a folder that does not exist yet")
    made.add_argument("--rate", type=int, default=8000, help="in Hz, of the files (default: 8000)")
    return made


def installed(folder: Path, package: str) -> Path:
    """The folder, or an end that names the package."""
    if not folder.is_dir():
        raise SystemExit(f"{folder}: not there; install the Debian package {package}")
    return folder
