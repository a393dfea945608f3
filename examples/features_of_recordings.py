"""Features of recordings of different lengths, in one batch.

    python examples/features_of_recordings.py [RECORDING.wav ...]

Without arguments it writes tones to a temporary folder and reads these. All recordings must have
one sample rate. It needs soundfile: pip install "leaf-port[cli]".
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn.utils.rnn import pad_sequence

from leaf_port import Leaf

RATE = 16000
TONES = {"low": (300.0, 0.5), "middle": (1200.0, 0.3), "high": (4000.0, 0.45)}  # Hz, seconds


def write_tones(folder: Path) -> list[Path]:
    """Writes a file for each tone."""
    paths = []
    for name, (hertz, seconds) in TONES.items():
        time = np.arange(int(seconds * RATE)) / RATE
        paths.append(folder / f"{name}.wav")
        soundfile.write(paths[-1], 0.5 * np.sin(2 * np.pi * hertz * time), RATE)
    return paths


def show(paths: list[Path]) -> None:
    """Prints the shape of each recording's features, and where they are greatest."""
    read = [soundfile.read(path, dtype="float32", always_2d=True) for path in paths]
    (sample_rate,) = {rate for _, rate in read}  # all of one rate
    clips = [torch.from_numpy(samples.mean(axis=1)) for samples, _ in read]  # mixed to mono
    lengths = [len(clip) for clip in clips]
    leaf = Leaf.for_sample_rate(sample_rate, compression_fn="log").eval()
    with torch.no_grad():
        batch = leaf(pad_sequence(clips, batch_first=True), lengths=lengths)
        hertz = leaf.center_frequencies()
    for path, features, frames in zip(paths, batch, leaf.frames(lengths), strict=True):
        loudest = features[:frames].mean(dim=0).argmax()
        shape = tuple(features[:frames].shape)
        print(f"{path.name}: {shape} frames and filters, greatest at {hertz[loudest]:.0f} Hz")


def main() -> None:
    """Reads the files that are named, or tones."""
    if len(sys.argv) > 1:
        show([Path(name) for name in sys.argv[1:]])
        return
    with tempfile.TemporaryDirectory() as folder:
        show(write_tones(Path(folder)))


if __name__ == "__main__":
    main()
