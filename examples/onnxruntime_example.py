"""Exports a frontend to ONNX and runs it in onnxruntime, without torch in the second half.

    python examples/onnxruntime_example.py

It needs pip install "leaf-port[onnx]".
"""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from leaf_port import Leaf
from leaf_port.export import to_onnx

RATE = 16000


def run(path: Path, waveforms: np.ndarray) -> np.ndarray:
    """The features that the file computes; any batch and any length from its shortest on."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    print(f"{path.name}: {told['kind']} at {told['sample_rate']} Hz")
    (features,) = session.run(["features"], {"waveforms": waveforms})
    return features


def main() -> None:
    """Writes the file, which is compared with the model first, and runs it on a tone."""
    leaf = Leaf(n_filters=8, compression_fn="log").eval()
    tone = np.sin(2 * np.pi * 1000.0 * np.arange(RATE // 2) / RATE).astype(np.float32)[None]
    with tempfile.TemporaryDirectory() as folder:
        made = to_onnx(leaf, Path(folder) / "leaf.onnx")
        features = run(made.path, tone)
    with torch.no_grad():
        expected = leaf(torch.from_numpy(tone)).numpy()
    apart = np.linalg.norm(features - expected) / np.linalg.norm(expected)
    frames, filters = features.shape[1:]
    print(f"{frames} frames, {filters} filters, relative difference to torch {apart:.1e}")


if __name__ == "__main__":
    main()
