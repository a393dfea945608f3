"""The feature extractor with Hugging Face's names: each row is what its clip alone gives."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import leaf_port as lp
from leaf_port.errors import LeafError
from leaf_port.extractor import Features, LeafFeatureExtractor

RATE = 8000
LENGTHS = (1600, 1201, 999)
FRONTENDS = (
    lp.Leaf,
    lp.TimeDomainFilterbanks,
    lp.SincNet,
    lp.SincNetPlus,
    lp.MelFilterbanks,
)
FILES = ["README.md", "config.json", "model.safetensors", "preprocessor_config.json"]


def clips(lengths: tuple[int, ...] = LENGTHS) -> list[np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    return [(0.1 * generator.normal(size=n)).astype(np.float32) for n in lengths]


def new(cls: Any = lp.Leaf) -> Any:
    return cls.for_sample_rate(RATE, n_filters=5)


@pytest.fixture(scope="module")
def extractor() -> LeafFeatureExtractor:
    return LeafFeatureExtractor(new())


@pytest.mark.parametrize("cls", FRONTENDS)
def test_rows_are_what_their_clips_alone_give(cls: Any) -> None:
    frontend = new(cls)
    made = LeafFeatureExtractor(frontend)(clips(), sampling_rate=RATE, return_tensors="pt")
    assert list(made) == ["input_values", "attention_mask"]
    assert made.input_values.dtype == torch.float32
    assert made.attention_mask.dtype == torch.int32
    assert made.attention_mask.shape == made.input_values.shape[:2]
    for row, mask, clip in zip(made.input_values, made["attention_mask"], clips(), strict=True):
        with torch.no_grad():
            expected = frontend.eval()(torch.from_numpy(clip)[None])[0]
        count = len(expected)
        assert mask.tolist() == [1] * count + [0] * (len(mask) - count)
        torch.testing.assert_close(row[:count], expected, rtol=1e-4, atol=1e-5)
        assert not row[count:].any()


def test_padding_without_lengths_would_shift_the_frames(extractor: LeafFeatureExtractor) -> None:
    """What the mask is for: a clip that was padded first has other frames."""
    (clip,) = clips((999,))
    padded = np.concatenate([clip, np.zeros(601, np.float32)])
    alone = extractor(clip, RATE, return_tensors="pt").input_values
    shifted = extractor(padded, RATE, return_tensors="pt").input_values[:, : alone.shape[1]]
    assert not torch.allclose(alone, shifted, rtol=1e-3)


def test_each_way_to_give_clips(extractor: LeafFeatureExtractor) -> None:
    first, second = clips((800, 800))
    both = extractor([first, second], RATE, return_tensors="np").input_values
    for given in (
        np.stack([first, second]),
        torch.from_numpy(np.stack([first, second])),
        [first.tolist(), second.tolist()],
        [torch.from_numpy(first), second],
        (first.astype(np.float64), second),
    ):
        np.testing.assert_array_equal(
            extractor(given, RATE, return_tensors="np").input_values, both
        )
    for one in (first, torch.from_numpy(first), first.tolist()):
        found = extractor(one, RATE, return_tensors="np").input_values
        np.testing.assert_allclose(found, both[:1], rtol=1e-5)


def test_what_is_returned(extractor: LeafFeatureExtractor) -> None:
    made = extractor(clips(), sampling_rate=RATE)
    assert [each.shape for each in made.input_values] == [(20, 5)] * 3
    assert isinstance(made.input_values[0], np.ndarray)
    bare = extractor(clips(), sampling_rate=RATE, padding=False)
    assert [each.shape for each in bare["input_values"]] == [(20, 5), (16, 5), (13, 5)]
    assert [each.tolist() for each in bare.attention_mask] == [[1] * 20, [1] * 16, [1] * 13]
    for row, cut in zip(made.input_values, bare.input_values, strict=True):
        np.testing.assert_array_equal(row[: len(cut)], cut)
    assert list(extractor(clips(), RATE, return_attention_mask=False)) == ["input_values"]
    same = extractor(clips((800, 800)), RATE, padding="do_not_pad", return_tensors="np")
    assert same.input_values.shape == (2, 10, 5)


def test_the_frontend_is_copied_and_evaluated() -> None:
    frontend = lp.Leaf(n_filters=5, spec_augment=True).train()
    extractor = LeafFeatureExtractor(frontend)
    clip = clips((1600,))
    before = extractor(clip, 16000, return_tensors="pt").input_values
    with torch.no_grad():
        frontend.pooling.kernel.mul_(2.0)
    torch.testing.assert_close(extractor(clip, 16000, return_tensors="pt").input_values, before)
    assert frontend.training
    assert not before.requires_grad
    nn.Linear(5, 1)(before).sum().backward()  # tensors of inference_mode would fail


def test_a_frontend_in_float64() -> None:
    made = LeafFeatureExtractor(new().double())(clips(), RATE, return_tensors="pt")
    assert made.input_values.dtype == torch.float64


def test_features_are_moved_and_pickled(extractor: LeafFeatureExtractor) -> None:
    made = extractor(clips(), RATE, return_tensors="pt", device="cpu")
    assert pickle.loads(pickle.dumps(made)).input_values.equal(made.input_values)
    assert made.to("cpu", torch.float16) is made
    assert made.input_values.dtype == torch.float16
    assert made.attention_mask.dtype == torch.int32
    assert made.to("meta").attention_mask.is_meta
    with pytest.raises(AttributeError, match="no attribute 'labels'"):
        made.labels  # noqa: B018
    with pytest.raises(LeafError, match='got list; call the extractor with return_tensors="pt"'):
        extractor(clips(), RATE).to("cpu")


BAD = [
    ({}, "sampling_rate: expected 8000 Hz, as the frontend has, got none; give that of the clips"),
    ({"sampling_rate": 16000}, "got 16000 Hz; resample"),
    ({"sampling_rate": RATE, "padding": "max_length"}, "padding: .* got 'max_length'"),
    ({"sampling_rate": RATE, "return_tensors": "tf"}, "return_tensors: .* got 'tf'"),
    ({"sampling_rate": RATE, "padding": False, "return_tensors": "pt"}, "got 13 to 20 frames"),
]


@pytest.mark.parametrize(("given", "message"), BAD)
def test_bad_arguments(
    extractor: LeafFeatureExtractor, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(LeafError, match=message):
        extractor(clips(), **given)


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        ([], r"got float64 of shape \(0,\)"),
        (np.zeros((0, 800)), "got none"),
        ([0, 1], r"got int64 of shape \(2,\)"),
        (np.zeros(800, np.int16), "got int16"),
        (torch.zeros(800, dtype=torch.float16), "got torch.float16"),
        (np.zeros((1, 2, 800)), r"got float64 of shape \(2, 800\)"),
        ([np.zeros(800), np.zeros((800, 2))], r"got float64 of shape \(800, 2\)"),
        ([[0.0, 0.1], [[0.0], [0.1, 0.2]]], "got lists of several lengths"),
        ([np.zeros(0)], r"got float64 of shape \(0,\)"),
        ("clip.wav", "got <U8"),
    ],
)
def test_bad_clips(extractor: LeafFeatureExtractor, wrong: Any, got: str) -> None:
    with pytest.raises(LeafError, match=f"raw_speech: .*{got}"):
        extractor(wrong, sampling_rate=RATE)


def test_something_else_than_a_frontend() -> None:
    with pytest.raises(LeafError, match=r"expected a Leaf, .* got Linear"):
        LeafFeatureExtractor(nn.Linear(1, 1))
    with pytest.raises(LeafError, match=r"give its .frontend"):
        LeafFeatureExtractor(lp.AudioClassifier(2, new(), lp.ConvNet([2])))


needs_safetensors = pytest.mark.skipif(
    importlib.util.find_spec("safetensors") is None,
    reason="weights are kept by safetensors",
)


@needs_safetensors
def test_saved_and_loaded(tmp_path: Path, extractor: LeafFeatureExtractor) -> None:
    extractor.save_pretrained(tmp_path / "leaf")
    assert sorted(each.name for each in (tmp_path / "leaf").iterdir()) == FILES
    told = json.loads((tmp_path / "leaf" / "preprocessor_config.json").read_text())
    assert told["feature_extractor_type"] == "LeafFeatureExtractor"
    assert (told["sampling_rate"], told["feature_size"]) == (RATE, 5)
    found = LeafFeatureExtractor.from_pretrained(tmp_path / "leaf")
    assert repr(found) == repr(extractor)
    before, after = (
        each(clips(), RATE, return_tensors="np").input_values for each in (extractor, found)
    )
    np.testing.assert_array_equal(before, after)
    assert lp.Leaf.from_pretrained(tmp_path / "leaf").n_filters == 5


@needs_safetensors
def test_beside_a_classifier(tmp_path: Path) -> None:
    model = lp.AudioClassifier(2, new(), lp.ConvNet([2]))
    model.save_pretrained(tmp_path / "run")
    extractor = LeafFeatureExtractor(model.frontend)
    extractor.save_pretrained(tmp_path / "run")
    assert sorted(each.name for each in (tmp_path / "run").iterdir()) == FILES
    extractor.save_pretrained(tmp_path / "run")  # again: it is there
    lp.AudioClassifier.from_pretrained(tmp_path / "run")
    assert LeafFeatureExtractor.from_pretrained(tmp_path / "run").feature_size == 5
    with pytest.raises(LeafError, match="a name that is free"):
        LeafFeatureExtractor(lp.Leaf(n_filters=4)).save_pretrained(tmp_path / "run")


@needs_safetensors
def test_folders_are_replaced_if_asked(tmp_path: Path, extractor: LeafFeatureExtractor) -> None:
    place = tmp_path / "leaf"
    extractor.save_pretrained(place)
    other = LeafFeatureExtractor(lp.Leaf(n_filters=4))
    other.save_pretrained(place, overwrite=True)
    assert LeafFeatureExtractor.from_pretrained(place).feature_size == 4
    (place / "preprocessor_config.json").write_text('{"mine": 1}')
    with pytest.raises(LeafError, match=r"got a preprocessor_config.json of yours"):
        extractor.save_pretrained(place, overwrite=True)
    with pytest.raises(LeafError, match="expected none, or this extractor's, got another"):
        other.save_pretrained(place)
    other.save_pretrained(place, overwrite=True)
    LeafFeatureExtractor.from_pretrained(place)


@needs_safetensors
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"feature_extractor_type": "ASTFeatureExtractor"}', "got 'ASTFeatureExtractor'"),
        ("[]", "expected a JSON object"),
        ("{", "expected a JSON object, got JSONDecodeError"),
        (None, "sampling_rate 8000, as the frontend has, got 16000"),
    ],
)
def test_a_preprocessor_of_something_else(
    tmp_path: Path, extractor: LeafFeatureExtractor, text: str | None, message: str
) -> None:
    extractor.save_pretrained(tmp_path / "leaf")
    path = tmp_path / "leaf" / "preprocessor_config.json"
    path.write_text(path.read_text().replace("8000", "16000") if text is None else text)
    with pytest.raises(LeafError, match=message):
        LeafFeatureExtractor.from_pretrained(tmp_path / "leaf")


@needs_safetensors
def test_a_folder_without_the_file_and_without_a_frontend(tmp_path: Path) -> None:
    new(lp.MelFilterbanks).save_pretrained(tmp_path / "mel")
    assert LeafFeatureExtractor.from_pretrained(tmp_path / "mel").sampling_rate == RATE
    lp.AudioClassifier(2, None, lp.ConvNet([2])).save_pretrained(tmp_path / "bare")
    with pytest.raises(LeafError, match="got a classifier of waveforms"):
        LeafFeatureExtractor.from_pretrained(tmp_path / "bare")
    with pytest.raises(LeafError, match=r"config.json"):
        LeafFeatureExtractor.from_pretrained(tmp_path)


@needs_safetensors
def test_of_the_hub(
    tmp_path: Path, extractor: LeafFeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def snapshot_download(name: str, **options: Any) -> str:
        asked.append((name, options["revision"], options["allow_patterns"]))
        return str(tmp_path / "leaf")

    extractor.save_pretrained(tmp_path / "leaf")
    library = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    found = LeafFeatureExtractor.from_pretrained("owner/leaf", revision="v1")
    assert found.feature_size == 5
    files = ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert asked == [("owner/leaf", "v1", files)]


@pytest.fixture(scope="module")
def transformers() -> Any:
    """The package; it imports torchaudio, which may be one of another torch."""
    from parity.commands.audit.foreign import _without_native_code

    found = pytest.importorskip("transformers", reason="needs pip install transformers")
    _without_native_code()
    return found


def test_features_are_used_as_those_of_transformers(
    extractor: LeafFeatureExtractor, transformers: Any
) -> None:
    """Entries, attributes, ``to`` and a model's call, beside transformers' own class."""
    made = extractor(clips(), RATE, return_tensors="pt")
    twin = transformers.BatchFeature(dict(made))
    assert type(twin).__mro__[1] is type(made).__mro__[1]
    for device in ("cpu", "meta"):
        for ours, theirs in zip(made.to(device).items(), twin.to(device).items(), strict=True):
            assert ours[0] == theirs[0]
            assert (ours[1].device, ours[1].dtype) == (theirs[1].device, theirs[1].dtype)

    def model(input_values: torch.Tensor, attention_mask: torch.Tensor) -> torch.Size:
        return input_values.shape

    assert model(**made) == model(**twin)
    assert isinstance(made, Features)


def test_names_are_those_of_transformers(
    extractor: LeafFeatureExtractor, transformers: Any
) -> None:
    theirs = transformers.SequenceFeatureExtractor(5, RATE, 0.0)
    theirs.model_input_names = list(extractor.model_input_names)
    for name in ("feature_size", "sampling_rate", "padding_value", "return_attention_mask"):
        assert getattr(extractor, name) == getattr(theirs, name)
    bare = extractor(clips(), RATE, padding=False)
    padded = theirs.pad(
        transformers.BatchFeature({"input_values": bare.input_values}), return_tensors="np"
    )
    made = extractor(clips(), RATE, return_tensors="np")
    np.testing.assert_array_equal(padded["input_values"], made.input_values)
    np.testing.assert_array_equal(padded["attention_mask"], made.attention_mask)
    assert padded["attention_mask"].dtype == made.attention_mask.dtype
