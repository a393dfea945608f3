"""Trains a SpeechBrain recipe whose frontend is leaf_port's Leaf (speechbrain.yaml).

    python examples/speechbrain_example.py

It needs speechbrain and the torchaudio of your torch: pip install speechbrain torchaudio.
"""

from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.dataio.dataset import DynamicItemDataset

from leaf_port import constrain_after_step

RECIPE = Path(__file__).with_name("speechbrain.yaml")


class Tones(sb.Brain):
    """Tells low tones from high ones."""

    def compute_forward(self, batch, stage):
        """Logits of padded clips: the frames of each are averaged."""
        waveforms, shares = batch.to(self.device).waveform
        # SpeechBrain gives lengths as shares of the longest; with them padding shifts no frame.
        lengths = (shares * waveforms.shape[1]).round().long()
        features = self.modules.compute_features(waveforms, lengths=lengths)
        frames = self.modules.compute_features.frames(lengths).to(features)
        return self.modules.classifier(features.sum(dim=1) / frames[:, None])

    def compute_objectives(self, predictions, batch, stage):
        """Cross-entropy."""
        return torch.nn.functional.cross_entropy(predictions, batch.label.to(self.device))

    def init_optimizers(self):
        """Keeps the filters valid after each step, as Keras does."""
        super().init_optimizers()
        constrain_after_step(self.optimizer, self.modules)

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Prints the mean loss."""
        print(f"epoch {epoch}: loss {stage_loss:.3f}")


def tones(sample_rate: int, count: int) -> DynamicItemDataset:
    """Low and high tones in noise, 0.2 to 0.3 seconds long."""
    generator = torch.Generator().manual_seed(0)
    rows = {}
    for k in range(count):
        samples = int(sample_rate * (0.2 + 0.1 * torch.rand((), generator=generator)))
        turns = (400.0 + 2000.0 * (k % 2)) * torch.arange(samples) / sample_rate
        noise = 0.1 * torch.randn(samples, generator=generator)
        waveform = torch.sin(2 * torch.pi * turns) + noise
        rows[str(k)] = {"waveform": waveform, "label": k % 2}
    return DynamicItemDataset(rows, output_keys=["waveform", "label"])


def main() -> None:
    """Loads the recipe and trains."""
    torch.manual_seed(0)
    with RECIPE.open(encoding="utf-8") as file:
        hparams = load_hyperpyyaml(file)
    brain = Tones(hparams["modules"], hparams["opt_class"], hparams, {"device": "cpu"})
    data = tones(hparams["sample_rate"], 24)
    loader = {"batch_size": hparams["batch_size"], "shuffle": True}
    brain.fit(hparams["epoch_counter"], data, progressbar=False, train_loader_kwargs=loader)


if __name__ == "__main__":
    main()
