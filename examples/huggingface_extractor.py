"""LEAF as the feature extractor of a model of transformers.

    python examples/huggingface_extractor.py

The model is a small Audio Spectrogram Transformer with new weights. Only the classifier behind the
features is trained here; a frontend that is to be trained stands in the model, before it.
It needs transformers: pip install transformers.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import ASTConfig, ASTForAudioClassification

from leaf_port import Leaf
from leaf_port.extractor import LeafFeatureExtractor

RATE, SAMPLES = 16000, 6400


def tones(count: int) -> tuple[list[np.ndarray], torch.Tensor]:
    """Low and high tones in noise, and their labels."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 2
    time = np.arange(SAMPLES) / RATE
    hertz = 400.0 + 2000.0 * labels + generator.uniform(0.0, 200.0, size=count)
    noise = 0.1 * generator.normal(size=(count, SAMPLES))
    return list(np.sin(2 * np.pi * hertz[:, None] * time) + noise), torch.from_numpy(labels)


def new_model(feature_extractor: LeafFeatureExtractor, frames: int) -> ASTForAudioClassification:
    """A transformer of maps of so many frames and as many filters as the extractor has."""
    config = ASTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        num_mel_bins=feature_extractor.feature_size,
        max_length=frames,
        num_labels=2,
    )
    return ASTForAudioClassification(config)


def main() -> None:
    """Saves and loads the extractor, and trains the model on its features."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        LeafFeatureExtractor(Leaf()).save_pretrained(Path(folder) / "leaf")
        feature_extractor = LeafFeatureExtractor.from_pretrained(Path(folder) / "leaf")
    clips, labels = tones(16)
    inputs = feature_extractor(clips, sampling_rate=RATE, return_tensors="pt")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    inputs = inputs.to(device)
    values = inputs["input_values"]
    print("input_values:", tuple(values.shape))
    values = (values - values.mean()) / values.std()  # as the model wants its maps
    model = new_model(feature_extractor, values.shape[1]).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for step in range(12):
        # Clips are of one length here; a model that takes an attention_mask gets **inputs.
        output = model(input_values=values, labels=labels.to(device))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        print(f"step {step}: loss {output.loss.item():.3f}")


if __name__ == "__main__":
    main()
