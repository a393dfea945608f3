"""examples/data_sets: folders that `leaf_port train` reads, from packages or trees like theirs."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from leaf_port.training import read_corpus

SCRIPTS = Path(__file__).resolve().parents[1] / "examples" / "data_sets"
soundfile = pytest.importorskip("soundfile", reason='needs pip install "leaf-port[cli]"')


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a script as a run of it does."""
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def imported(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield imported
    for path in SCRIPTS.glob("*.py"):
        sys.modules.pop(path.stem, None)


def tone(path: Path, rate: int, seconds: float, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.5 * np.sin(2 * np.pi * 440.0 * np.arange(round(rate * seconds)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, 1), rate)


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *given: object) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *map(str, given)])
    module.main()


def test_languages(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What both games have; stereo and every rate become mono at one; one game is the test."""
    for number in range(10):
        tone(tmp_path / "klettres" / "de" / "alpha" / f"{number}.ogg", 44100, 0.2, 2)
        tone(tmp_path / "klettres" / "da" / f"{number}.wav", 22050, 0.2)
        tone(tmp_path / "klettres" / "cs" / f"{number}.wav", 22050, 0.2)
        tone(tmp_path / "ktuberling" / "de" / f"{number}.wav", 8000, 0.3)
        tone(tmp_path / "ktuberling" / "da" / f"{number}.wav", 48000, 0.3)
    out, games = tmp_path / "out", [tmp_path / "klettres", tmp_path / "ktuberling"]
    given = ["--out", out, "--klettres", games[0], "--ktuberling", games[1]]
    run(script("languages"), monkeypatch, *given)
    corpus = read_corpus(out)
    assert list(corpus.labels) == ["da", "de"]
    assert len(corpus.splits["test"]) == 20
    assert {soundfile.info(path).samplerate for path in out.rglob("*.wav")} == {8000}
    samples, _ = soundfile.read(out / "de" / "klettres_000.wav")
    assert len(samples) == 1600
    assert 400 < np.abs(np.fft.rfft(samples)).argmax() * 5.0 < 480
    with pytest.raises(SystemExit, match="is there already"):
        run(script("languages"), monkeypatch, *given)


def test_prompts(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By language, the same prompts held out in each; by prompt, one language held out."""
    sounds = tmp_path / "sounds"
    for language in ("en_US_f_A", "ru_RU_f_B"):
        for number in range(20):
            tone(sounds / language / "digits" / f"{number}.wav", 8000, 0.3)
        tone(sounds / language / "long.wav", 8000, 3.5)
        tone(sounds / language / "short.wav", 8000, 0.0)
    module = script("prompts")
    run(module, monkeypatch, "--out", tmp_path / "a", "--sounds", sounds)
    corpus = read_corpus(tmp_path / "a")
    assert list(corpus.labels) == ["en", "ru"]
    held = [(item.labels[0], Path(item.file).name) for item in corpus.splits["test"]]
    assert {name for label, name in held if label == 0} == {n for label, n in held if label == 1}
    given = ["--out", tmp_path / "b", "--sounds", sounds, "--label", "prompt"]
    run(module, monkeypatch, *given)
    corpus = read_corpus(tmp_path / "b", "test")
    assert len(corpus.labels) == len(corpus.splits["test"]) == len(corpus.splits["train"]) == 20
    with pytest.raises(SystemExit, match="no such language"):
        run(module, monkeypatch, *given, "--test", "it")


def test_nothing_is_left_of_a_run_that_fails(script: Any, tmp_path: Path) -> None:
    folder = script("_folder")
    clip = folder.Clip("a", "1", np.zeros(80), 8000, False)
    with pytest.raises(SystemExit, match="two clips"):
        folder.write(tmp_path / "out", "", [clip, clip], 8000)
    with pytest.raises(SystemExit, match="no clips"):
        folder.write(tmp_path / "out", "", [], 8000)
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_not_installed_is_named(script: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="klettres-data"):
        script("_folder").installed(tmp_path / "none", "klettres-data")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the program espeak-ng")
def test_keywords_have_no_noise_in_their_band(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = script("keywords")
    monkeypatch.setattr(module, "WORDS", ("yes", "no"))
    monkeypatch.setattr(module, "ACCENTS", ("en-us",))
    given = ["--band", "500", "1500", "--noise", "60"]
    run(module, monkeypatch, "--out", tmp_path / "out", *given)
    assert len(read_corpus(tmp_path / "out").splits["test"]) == 16
    samples, rate = soundfile.read(tmp_path / "out" / "yes" / "en-us_m1_140_40.wav")
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1.0 / rate)
    inside = (hertz > 550) & (hertz < 1450)
    assert power[inside].mean() < 1e-4 * power[~inside].mean()


def test_a_score_is_midi(script: Any) -> None:
    """A header, one track, each note on and off."""
    module = script("instruments")
    score = module.midi(5)
    assert score[:4] == b"MThd"
    assert score[14:18] == b"MTrk"
    assert int.from_bytes(score[18:22], "big") == len(score) - 22
    assert score.endswith(bytes([0, 0xFF, 0x2F, 0]))
    assert score.count(bytes([0x90])) == len(module.notes(5)) == 12


@pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs the program fluidsynth")
def test_notes_have_their_pitch(script: Any) -> None:
    """The loudest partial is one of the first four; the tuning of a font is off by little."""
    module = script("instruments")
    if not module.FONT.is_file():
        pytest.skip("needs the Debian package timgm6mb-soundfont")
    samples = module.played(0, module.FONT)
    for number, note in enumerate(module.notes(0)):
        begin = round(number * (module.LENGTH + module.GAP) * module.RATE)
        cut = samples[begin : begin + round(module.LENGTH * module.RATE)]
        power = np.abs(np.fft.rfft(cut * np.hanning(len(cut)), 8 * len(cut)))
        found = power.argmax() * module.RATE / (8 * len(cut))
        partial = found / (440.0 * 2.0 ** ((note - 69) / 12.0))
        assert round(partial) in (1, 2, 3, 4)
        assert abs(partial / round(partial) - 1.0) < 0.015
