"""Converts an official TensorFlow checkpoint, verifies it, loads it and exports it.

    python examples/convert_and_verify.py

The checkpoint is a small one that the official code wrote, of this repository's recordings. In a
shell: `python -m weight_conversion convert CHECKPOINT FOLDER --gin leaf.gin`. TensorFlow is not
needed. It needs pip install "leaf-port[convert,parity]".
"""

import tempfile
from pathlib import Path

import torch

import weight_conversion
from leaf_port import AudioClassifier
from leaf_port.export import to_pt2
from weight_conversion.official.settings import Settings

CHECKPOINT = Path(weight_conversion.__file__).parent / "recordings" / "leaf" / "checkpoint"


def main() -> None:
    """From the checkpoint to a folder, a model and a program of torch.export."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "leaf"
        # What a checkpoint lacks, such as the sample rate: here the official defaults.
        converted = weight_conversion.convert(CHECKPOINT, folder, Settings(defaults=True))
        print(f"{converted.kind}: {len(converted.rows)} weights, compared bit by bit")

        found = weight_conversion.verify(folder, CHECKPOINT)
        worst = max(row.relative for row in found.rows)
        print(f"{len(found.rows)} comparisons of outputs, worst relative difference {worst:.1e}")
        if not found.ok:
            raise SystemExit("the conversion is off")

        model = AudioClassifier.from_pretrained(folder)
        with torch.no_grad():
            print("logits:", tuple(model(torch.zeros(1, 16000)).shape))

        exported = to_pt2(model, Path(place) / "leaf.pt2")  # to_onnx writes an ONNX file
        print(f"{exported.path.name}: compared on {len(exported.comparisons)} batches")


if __name__ == "__main__":
    main()
