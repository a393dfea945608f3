"""Trains a classifier on a folder of recordings, with a loop of one's own.

    python examples/train_loop.py

The folder, which is generated here, has a folder of WAV files for each label. The command
`python -m leaf_port train` does more: validation, resuming, pictures. It needs soundfile:
pip install "leaf-port[cli]".
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from leaf_port import AudioClassifier, ConvNet, Leaf
from leaf_port.optim import KerasAdam
from leaf_port.training import Clips, Corpus, read_corpus

RATE, SAMPLES = 8000, 2000
LABELS = {"low": (200.0, 500.0), "high": (2000.0, 3000.0)}  # Hz


def write_recordings(folder: Path, of_each: int = 40) -> None:
    """Writes tones in noise, a folder for each label."""
    generator = np.random.default_rng(0)
    time = np.arange(SAMPLES) / RATE
    for label, band in LABELS.items():
        (folder / label).mkdir()
        for k in range(of_each):
            tone = np.sin(2 * np.pi * generator.uniform(*band) * time)
            samples = 0.3 * tone + 0.05 * generator.normal(size=SAMPLES)
            soundfile.write(folder / label / f"{k}.wav", samples, RATE)


def fit(corpus: Corpus, epochs: int = 5) -> AudioClassifier:
    """Trains frontend and encoder together."""
    clips = Clips(corpus, "train", RATE, SAMPLES)
    frontend = Leaf.for_sample_rate(RATE)
    # Without batch normalisation, whose averages need more steps than these.
    encoder = ConvNet([8, 16], normalization_layer=None)
    model = AudioClassifier(len(corpus.labels), frontend, encoder)
    optimizer = KerasAdam(model, lr=2e-2)  # with the constraints of the filters
    for epoch in range(epochs):
        clips.set_epoch(epoch)
        losses = []
        for waveforms, labels in DataLoader(clips, batch_size=8, shuffle=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(waveforms), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {np.mean(losses):.3f}")
    return model.eval()


def main() -> None:
    """Trains, then tells how many clips of the validation are recognised."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        write_recordings(Path(folder))
        corpus = read_corpus(Path(folder))
        model = fit(corpus)
        waveforms, labels = next(
            iter(DataLoader(Clips(corpus, "validation", RATE, SAMPLES), batch_size=100))
        )
    with torch.no_grad():
        right = int((model(waveforms).argmax(dim=1) == labels).sum())
    print(f"validation: {right} of {len(labels)} right")


if __name__ == "__main__":
    main()
