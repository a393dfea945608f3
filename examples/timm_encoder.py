"""LEAF before an image model of timm: AudioClassifier with a TimmEncoder.

    python examples/timm_encoder.py [NAME]

NAME is timm's name of a convolutional model. The LEAF paper has EfficientNet-B0,
"tf_efficientnet_b0"; a smaller one is the default here. It needs timm:
pip install "leaf-port[timm]".
"""

import sys

import torch
from torch.nn import functional as F

from leaf_port import AudioClassifier, Leaf
from leaf_port.encoders import TimmEncoder
from leaf_port.optim import KerasAdam

RATE, SAMPLES = 16000, 4000


def tones(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Low and high tones in noise, and their labels."""
    labels = torch.randint(2, (count,), generator=generator)
    hertz = 400.0 + 2000.0 * labels + 200.0 * torch.rand(count, generator=generator)
    waveforms = torch.sin(2 * torch.pi * hertz[:, None] * torch.arange(SAMPLES) / RATE)
    return waveforms + 0.1 * torch.randn(count, SAMPLES, generator=generator), labels


def main() -> None:
    """Trains frontend and encoder together for a few steps."""
    torch.manual_seed(0)
    name = sys.argv[1] if len(sys.argv) > 1 else "resnet10t"
    encoder = TimmEncoder(name)
    model = AudioClassifier(2, Leaf(), encoder)
    print(f"{name}: {encoder.out_channels} channels, {count(encoder):,} weights")
    optimizer = KerasAdam(model, lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    for step in range(6):
        waveforms, labels = tones(8, generator)
        loss = F.cross_entropy(model(waveforms), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}: loss {loss.item():.3f}")


def count(module: torch.nn.Module) -> int:
    """How many weights a module has."""
    return sum(weight.numel() for weight in module.parameters())


if __name__ == "__main__":
    main()
