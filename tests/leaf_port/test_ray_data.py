"""Features by Ray Data: each row is what its waveform alone gives."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import leaf_port as lp
from leaf_port.errors import LeafError
from leaf_port.ray_data import FeatureExtractor

RATE = 8000
LENGTHS = (1600, 1201, 1600, 999)
NAMES = {
    "leaf": lp.Leaf,
    "tfbanks": lp.TimeDomainFilterbanks,
    "sincnet": lp.SincNet,
    "sincnet_plus": lp.SincNetPlus,
    "mel": lp.MelFilterbanks,
}


def clips(lengths: tuple[int, ...] = LENGTHS) -> np.ndarray[Any, Any]:
    """Noise of these lengths, as a column."""
    generator = np.random.default_rng(0)
    column = np.empty(len(lengths), dtype=object)
    for k, length in enumerate(lengths):
        column[k] = (0.1 * generator.normal(size=length)).astype(np.float32)
    return column


def alone(module: torch.nn.Module, clip: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with torch.inference_mode():
        return module.eval()(torch.from_numpy(clip)[None])[0].numpy()


@pytest.mark.parametrize("name", NAMES)
def test_waveforms_of_several_lengths(name: str) -> None:
    extractor = FeatureExtractor(name, sample_rate=RATE, n_filters=6)
    batch = {"audio": clips(), "label": np.arange(len(LENGTHS))}
    made = extractor(batch)
    assert list(made) == ["audio", "label", "features"]
    module = NAMES[name].for_sample_rate(RATE, n_filters=6)
    for values, clip in zip(made["features"], batch["audio"], strict=True):
        expected = alone(module, clip)
        assert values.shape == expected.shape
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_the_usual_frontend() -> None:
    assert type(FeatureExtractor(sample_rate=RATE).frontend) is lp.Leaf


def test_waveforms_of_one_length_are_one_array() -> None:
    made = FeatureExtractor("mel", RATE, n_filters=6)({"audio": np.stack(clips((800, 800)))})
    assert made["features"].shape == (2, 10, 6)
    assert made["features"].dtype == np.float32


def test_a_batch_of_nothing() -> None:
    made = FeatureExtractor("mel", RATE)({"audio": np.empty(0, dtype=object)})
    assert len(made["features"]) == 0


def folder(path: Path) -> tuple[Path, torch.nn.Module]:
    """A folder as ``convert`` makes it."""
    save_file = pytest.importorskip(
        "safetensors.torch", reason="folders need safetensors"
    ).save_file
    path.mkdir()
    leaf = lp.Leaf(n_filters=6, sample_rate=RATE)
    with torch.no_grad():
        leaf.pooling.kernel.mul_(1.1)
    save_file(leaf.state_dict(), path / "model.safetensors")
    arguments = {"n_filters": 6, "sample_rate": RATE}
    told = {"format_version": 1, "kind": "Leaf", "arguments": arguments}
    (path / "config.json").write_text(json.dumps(told))
    return path, leaf


def test_the_frontend_of_a_folder(tmp_path: Path) -> None:
    path, leaf = folder(tmp_path / "leaf")
    clip = clips((1600,))
    made = FeatureExtractor(str(path))({"audio": clip})["features"][0]
    np.testing.assert_allclose(made, alone(leaf, clip[0]), rtol=1e-4, atol=1e-5)
    with pytest.raises(LeafError, match="expected 8000 Hz, as the weights are for, got 16000 Hz"):
        FeatureExtractor(path, sample_rate=16000)
    with pytest.raises(LeafError, match="none beside a folder, got n_filters"):
        FeatureExtractor(path, n_filters=6)


def test_bad_input() -> None:
    with pytest.raises(LeafError, match="a folder, or one of leaf, tfbanks"):
        FeatureExtractor("zebra", RATE)
    with pytest.raises(LeafError, match="sample_rate: expected a number in Hz"):
        FeatureExtractor("leaf")
    extractor = FeatureExtractor("mel", RATE)
    with pytest.raises(LeafError, match="a column 'audio', got sound"):
        extractor({"sound": clips()})
    for wrong in (np.zeros((1, 800), np.int16), np.zeros((1, 800, 2)), np.zeros((1, 0))):
        with pytest.raises(LeafError, match="floats of shape"):
            extractor({"audio": wrong})


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_on_a_local_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.data", reason='needs Ray: pip install "leaf-port[ray]"')
    import ray

    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", paths)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        rows = [{"audio": clip, "id": k} for k, clip in enumerate(clips())]
        made = ray.data.from_items(rows).map_batches(
            FeatureExtractor,
            fn_constructor_kwargs={"frontend": "leaf", "sample_rate": RATE, "n_filters": 6},
            batch_size=3,
            concurrency=1,
        )
        found = {row["id"]: row["features"] for row in made.take_all()}
    finally:
        ray.shutdown()
    module = lp.Leaf.for_sample_rate(RATE, n_filters=6)
    assert sorted(found) == list(range(len(LENGTHS)))
    for k, clip in enumerate(clips()):
        np.testing.assert_allclose(found[k], alone(module, clip), rtol=1e-4, atol=1e-5)
