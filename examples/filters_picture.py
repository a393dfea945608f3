"""Draws how training moved the filters of a Leaf.

    python examples/filters_picture.py [PICTURE.png]

It trains a little on tones, and writes filters.png, unless there is one. It needs matplotlib:
pip install "leaf-port[cli]".
"""

import argparse
import copy
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

from leaf_port import Leaf, plot
from leaf_port.optim import KerasAdam

RATE, SAMPLES = 16000, 4000


def train(leaf: Leaf, steps: int = 8) -> None:
    """Teaches the frontend and a linear layer to tell two near tones in noise apart."""
    model = nn.Sequential(leaf, nn.AdaptiveAvgPool2d((1, leaf.n_filters)), nn.Flatten())
    model.append(nn.Linear(leaf.n_filters, 2))
    optimizer = KerasAdam(model, lr=2e-2)  # much: the filters should be seen to move
    for _ in range(steps):
        labels = torch.randint(2, (8,))
        turns = (1000.0 + 150.0 * labels)[:, None] * torch.arange(SAMPLES) / RATE
        waveforms = torch.sin(2 * torch.pi * turns) + 0.1 * torch.randn(8, SAMPLES)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(waveforms), labels).backward()
        optimizer.step()


def picture(leaf: Leaf, before: Leaf) -> Figure:
    """Four panels; what was before training is grey."""
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    plot.frequency_responses(leaf, before, ax=axes[0, 0])
    plot.center_frequencies(leaf, before, ax=axes[0, 1])
    plot.cumulative_response(leaf, before, ax=axes[1, 0])
    tone = torch.sin(2 * torch.pi * 1000.0 * torch.arange(RATE // 2) / RATE)[None]
    with torch.no_grad():
        features = leaf.eval()(tone)
    plot.features(features, leaf, samples=tone.shape[1], colorbar=True, ax=axes[1, 1])
    return figure


def main() -> None:
    """Trains, draws and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path, nargs="?", default=Path("filters.png"))
    path = parser.parse_args().picture
    if path.exists():
        raise SystemExit(f"{path} exists: give another name")
    torch.manual_seed(0)
    leaf = Leaf()
    before = copy.deepcopy(leaf)
    train(leaf)
    figure = picture(leaf, before)
    figure.savefig(path, dpi=100)
    moved = (leaf.center_frequencies() - before.center_frequencies()).abs().max()
    print(f"{path}: centres moved by up to {moved:.0f} Hz")


if __name__ == "__main__":
    main()
