"""Folders of recordings in the layouts of Speech Commands, VoxCeleb1 and AudioSet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from _recordings import RATE, speech_commands, write

from leaf_port import LeafError
from leaf_port.training import Clips, Corpus, read_corpus
from leaf_port.training.checking import checked


def files(corpus: Corpus, split: str) -> list[str]:
    return [item.file for item in corpus.splits[split]]


def test_speech_commands(tmp_path: Path) -> None:
    speech_commands(tmp_path, each=8, held=2)
    write(tmp_path / "_background_noise_" / "hum.wav", 50.0, 1)
    (tmp_path / "README.md").write_text("not a label")
    corpus = read_corpus(tmp_path)
    assert corpus.labels == ("high", "low")
    assert files(corpus, "test") == ["high/04.wav", "high/05.wav", "low/04.wav", "low/05.wav"]
    assert files(corpus, "validation") == ["high/06.wav", "high/07.wav", "low/06.wav", "low/07.wav"]
    assert files(corpus, "train")[:2] == ["high/00.wav", "high/01.wav"]
    assert len(files(corpus, "train")) == 8
    assert [item.labels for item in corpus.splits["test"]] == [(0,), (0,), (1,), (1,)]


def test_without_a_list_a_tenth_is_held_out(tmp_path: Path) -> None:
    """The same clips wherever the folder is: 200 drawn with a chance of 0.1."""
    speech_commands(tmp_path / "a", each=100, held=0)
    for name in ("validation_list.txt", "testing_list.txt"):
        (tmp_path / "a" / name).unlink()
    corpus = read_corpus(tmp_path / "a")
    held = files(corpus, "validation")
    assert 5 <= len(held) <= 40
    assert set(held).isdisjoint(files(corpus, "train"))
    (tmp_path / "a").rename(tmp_path / "b")
    assert files(read_corpus(tmp_path / "b"), "validation") == held
    assert "test" not in corpus.splits
    assert any("validated on" in note for note in corpus.notes)


def test_validation_on_the_test_is_told(tmp_path: Path) -> None:
    speech_commands(tmp_path, each=8, held=2)
    corpus = read_corpus(tmp_path, "test")
    assert files(corpus, "validation") == files(corpus, "test")
    assert any("official" in note for note in corpus.notes)


def test_voxceleb1(tmp_path: Path) -> None:
    lines = []
    for speaker in ("id10001", "id10002"):
        for i, split in enumerate((1, 1, 2, 3)):
            file = f"{speaker}/video/{i:05}.wav"
            write(tmp_path / "wav" / file, 300.0, i)
            lines.append(f"{split} {file}")
    (tmp_path / "iden_split.txt").write_text("\n".join(lines))
    corpus = read_corpus(tmp_path)
    assert corpus.labels == ("id10001", "id10002")
    assert files(corpus, "train")[:2] == [f"wav/id10001/video/0000{i}.wav" for i in (0, 1)]
    assert [item.labels for item in corpus.splits["test"]] == [(0,), (1,)]
    assert Clips(corpus, "test", RATE)[1][1] == 1


def audioset(folder: Path) -> Path:
    labels = (
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/t/dd1,"Male speech, man"\n2,/m/x,Dog\n'
    )
    segments = (
        "# Segments csv\n# num_ytids=4\n# YTID, start_seconds, end_seconds, positive_labels\n"
        '--PJhxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd1"\n'
        '--ZhevVpy1s, 50.000, 60.000, "/m/x"\n'
        'missing0000, 0.000, 10.000, "/m/x"\n'
    )
    (folder / "class_labels_indices.csv").write_text(labels)
    (folder / "balanced_train_segments.csv").write_text(segments)
    (folder / "eval_segments.csv").write_text('Yabcdefghij, 0.000, 10.000, "/m/x"\n')
    write(folder / "train" / "--PJhxphWEs_30.000_40.000.wav", 300.0, 1)
    write(folder / "train" / "Y--ZhevVpy1s.wav", 300.0, 2)
    write(folder / "eval" / "Yabcdefghij.wav", 300.0, 3)
    return folder


def test_audioset(tmp_path: Path) -> None:
    corpus = read_corpus(audioset(tmp_path), "test")
    assert corpus.several
    assert corpus.labels == ("Speech", "Male speech, man", "Dog")
    assert [item.labels for item in corpus.splits["train"]] == [(0, 1), (2,)]
    assert files(corpus, "test") == ["eval/Yabcdefghij.wav"]
    assert any("1 of 3 clips are not there" in note for note in corpus.notes)
    assert Clips(corpus, "train", RATE)[0][1].tolist() == [1.0, 1.0, 0.0]


def _no_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _empty_label(folder: Path) -> None:
    (folder / "quiet").mkdir()


def _one_label(folder: Path) -> None:
    for path in (folder / "low").iterdir():
        path.unlink()
    (folder / "low").rmdir()
    for name in ("validation_list.txt", "testing_list.txt"):
        kept = [line for line in (folder / name).read_text().splitlines() if "low" not in line]
        (folder / name).write_text("\n".join(kept))


def _missing_in_list(folder: Path) -> None:
    with (folder / "testing_list.txt").open("a") as file:
        file.write("low/nothing.wav\n")


def _twice(folder: Path) -> None:
    with (folder / "testing_list.txt").open("a") as file:
        file.write((folder / "validation_list.txt").read_text())


def _nothing_to_train_on(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("low/*.wav"))]
    kept = [n for n in (folder / "validation_list.txt").read_text().split() if "low" not in n]
    tested = [n for n in (folder / "testing_list.txt").read_text().split() if "low" not in n]
    (folder / "testing_list.txt").write_text("\n".join([*tested, *names]))
    (folder / "validation_list.txt").write_text("\n".join(kept))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_folder, "nothing of that name"),
        (_empty_label, "none in quiet"),
        (_one_label, "two labels"),
        (_missing_in_list, "low/nothing.wav"),
        (_twice, "twice"),
        (_nothing_to_train_on, "none for low"),
    ],
)
def test_bad_trees_are_refused(spoil: Callable[[Path], None], told: str, tmp_path: Path) -> None:
    folder = speech_commands(tmp_path / "data", each=6, held=1)
    spoil(folder)
    with pytest.raises(LeafError, match=told):
        read_corpus(folder)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("iden_split.txt", "4 id1/a.wav\n", "line 1"),
        ("iden_split.txt", "1 id1/a.wav\n", "not there"),
        ("class_labels_indices.csv", "a,b\n1,2\n", "columns"),
        ("class_labels_indices.csv", "index,mid,display_name\n3,/m/a,A\n", "indices"),
        ("class_labels_indices.csv", "index,mid,display_name\n0,/m/a,A\n", "list of segments"),
    ],
)
def test_bad_lists_are_refused(name: str, text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(LeafError, match=told):
        read_corpus(tmp_path)


def test_an_unknown_label_of_audioset_is_refused(tmp_path: Path) -> None:
    audioset(tmp_path)
    (tmp_path / "eval_segments.csv").write_text('Yabcdefghij, 0.000, 10.000, "/m/unknown"\n')
    with pytest.raises(LeafError, match="known labels"):
        read_corpus(tmp_path)


def _silent(path: Path) -> None:
    write(path, 0.0, 1)
    path.write_bytes(path.read_bytes()[:44] + bytes(len(path.read_bytes()) - 44))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def _stereo(path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(path, np.ones((500, 2)) * 0.1, RATE)


def _text(path: Path) -> None:
    path.write_text("no audio")


def _other_rate(path: Path) -> None:
    write(path, 300.0, 1, rate=16000)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_silent, "silent"),
        (_cut, "cut short"),
        (_stereo, "2 channels"),
        (_text, "libsndfile"),
        (_other_rate, "16000 Hz"),
    ],
)
def test_bad_files_are_refused_or_left_out(
    spoil: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    speech_commands(tmp_path, each=6, held=1)
    spoil(tmp_path / "low" / "00.wav")
    corpus = read_corpus(tmp_path)
    with pytest.raises(LeafError, match=told):
        checked(corpus, skip_bad=False)
    lines: list[str] = []
    left, rate = checked(corpus, skip_bad=True, tell=lines.append)
    assert rate == RATE
    assert "low/00.wav" not in files(left, "train")
    assert len(files(left, "train")) == len(files(corpus, "train")) - 1
    assert any("1 of 12 files" in note for note in left.notes)
    assert any("low/00.wav" in line for line in lines)


def test_crops_depend_on_seed_epoch_and_clip(tmp_path: Path) -> None:
    corpus = read_corpus(speech_commands(tmp_path, each=6, held=1))
    clips, same = (Clips(corpus, "train", RATE, 500, seed=1) for _ in range(2))
    other = Clips(corpus, "train", RATE, 500, seed=2, cache=True)
    for i in (3, 0, 3):
        assert clips[i][0].equal(same[i][0])
        assert not clips[i][0].equal(other[i][0])
    first = clips[0][0]
    clips.set_epoch(1)
    assert not clips[0][0].equal(first)
    assert clips[0][0].shape == (500,)


def test_examples_are_the_official_preparation(tmp_path: Path) -> None:
    """Zeros after it, then a gain to a standard deviation of 15 dB, of 30 dB at the most."""
    corpus = read_corpus(speech_commands(tmp_path, each=6, held=1))
    clips = Clips(corpus, "train", RATE)
    waveform, label = clips[0]
    assert waveform.shape == (RATE,)
    assert label == 0
    assert not waveform[2000:].any()
    plain = Clips(corpus, "train", RATE, loudness=False)[0][0]
    assert plain[:2000].equal(clips.samples(0))
    gain = min(10 ** (30 / 20), 10 ** (15 / 20) / plain.std(correction=0).item())
    torch.testing.assert_close(waveform, gain * plain, rtol=1e-5, atol=0)
    short = Clips(corpus, "train", RATE, 1000)[0][0]
    assert short.std(correction=0).item() == pytest.approx(10 ** (15 / 20), rel=1e-5)
