"""Trains with Hugging Face's accelerate: the same loop on a CPU, a GPU and several of them.

    python examples/accelerate_training.py
    accelerate launch examples/accelerate_training.py

It needs accelerate: pip install accelerate.
"""

import torch
from accelerate import Accelerator
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from leaf_port import AudioClassifier, ConvNet, Leaf, constrain_after_step

RATE, SAMPLES = 16000, 4000


def tones(count: int) -> TensorDataset:
    """Low and high tones in noise, and their labels."""
    labels = torch.arange(count) % 2
    hertz = 400.0 + 2000.0 * labels + 200.0 * torch.rand(count)
    waveforms = torch.sin(2 * torch.pi * hertz[:, None] * torch.arange(SAMPLES) / RATE)
    return TensorDataset(waveforms + 0.1 * torch.randn(count, SAMPLES), labels)


def main() -> None:
    """Trains frontend and encoder together."""
    torch.manual_seed(0)
    accelerator = Accelerator()
    model = AudioClassifier(2, Leaf(), ConvNet([8, 16]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    constrain_after_step(optimizer, model)  # keeps the filters valid, as Keras does
    loader = DataLoader(tones(32), batch_size=8, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for epoch in range(3):
        for waveforms, labels in loader:
            loss = F.cross_entropy(model(waveforms), labels)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
        accelerator.print(f"epoch {epoch}: last loss {loss.item():.3f}")
    frontend = accelerator.unwrap_model(model).frontend
    centers = frontend.center_frequencies()
    accelerator.print(f"filters from {centers.min():.0f} to {centers.max():.0f} Hz")


if __name__ == "__main__":
    main()
