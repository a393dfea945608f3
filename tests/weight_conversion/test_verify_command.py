"""``python -m weight_conversion verify``, and ``convert``, which verifies too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from _conversion import converted, without_sign
from safetensors.torch import save_file

from leaf_port import PCEN, impulse_responses
from weight_conversion.cli import app as conversion_app
from weight_conversion.reference.record import RECORDINGS

SOURCE = RECORDINGS / "leaf"
CAPTURE = pytest.CaptureFixture[str]


def run(*args: object) -> int:
    """The command in this process; its exit code."""
    before, sys.argv = sys.argv, ["weight_conversion", *map(str, args)]
    try:
        conversion_app.run("python -m weight_conversion")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = before
    return 0


@pytest.fixture(autouse=True)
def _without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEAF_REFERENCE_PYTHON", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command") / "leaf"
    converted("leaf", folder)
    return folder


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        if path.name != "verification.json":
            (to / path.name).write_bytes(path.read_bytes())
    return to


def wav(path: Path, rate: int = 16000, seconds: float = 0.3) -> Path:
    samples = np.random.default_rng(0).integers(-9000, 9000, int(rate * seconds))
    soundfile.write(path, samples.astype(np.int16), rate, subtype="PCM_16")
    return path


def test_convert_verifies_and_keeps_what_it_found(tmp_path: Path, capsys: CAPTURE) -> None:
    assert run("convert", SOURCE, tmp_path / "new", "--defaults") == 0
    shown = capsys.readouterr().out
    for each in ("CPU complex – exact", "CPU float64 – exact", "folder – checkpoint"):
        assert each in shown
    assert "verified: " in shown
    assert "not run: official: LEAF_REFERENCE_PYTHON" in shown
    told = json.loads((tmp_path / "new" / "verification.json").read_text())
    assert told["ok"] is True
    assert told["judged"] is True
    assert told["weights"]["against"] == "checkpoint"


def test_convert_without_verification(tmp_path: Path, capsys: CAPTURE) -> None:
    assert run("convert", SOURCE, tmp_path / "new", "--defaults", "--no-verify") == 0
    assert "exact" not in capsys.readouterr().out
    assert not (tmp_path / "new" / "verification.json").exists()


def test_a_conversion_that_is_off_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: CAPTURE
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich draws as on a terminal
    monkeypatch.setattr(impulse_responses, "gabor_impulse_response_real", without_sign)
    assert run("convert", SOURCE, tmp_path / "new", "--defaults") == 1
    shown = capsys.readouterr()
    assert "nothing was written" in shown.err
    assert "off: features, CPU real – exact, chirp: worst " in shown.out
    assert "  CPU complex – CPU real  " in shown.out  # millions of units fit too
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_conversion_stays_where_the_new_one_is_off(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = copied(made, tmp_path / "earlier")
    before = {path.name: path.read_bytes() for path in earlier.iterdir()}
    monkeypatch.setattr(impulse_responses, "gabor_impulse_response_real", without_sign)
    assert run("convert", SOURCE, earlier, "--defaults", "--force") == 1
    assert {path.name: path.read_bytes() for path in earlier.iterdir()} == before
    assert list(tmp_path.iterdir()) == [earlier]


def test_a_recording_and_a_later_verification(made: Path, tmp_path: Path, capsys: CAPTURE) -> None:
    folder = copied(made, tmp_path / "copy")
    (folder / "verification.json").write_text("earlier")
    clip = wav(tmp_path / "clip.wav", seconds=3.5)
    assert run("verify", folder, "--source", SOURCE, "--audio", clip, "--json", "--seed", 5) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((folder / "verification.json").read_text())
    assert told["clips"]["clip.wav"] == [1, 48000]  # its first 3 s
    assert told["seed"] == 5
    assert {row["clip"] for row in told["rows"]} == set(told["clips"])
    assert len(told["files"]["model.safetensors"]) == 64


def test_16_bit_samples_are_divided_by_32767(tmp_path: Path) -> None:
    from weight_conversion.verification.verified_folder import _recording

    path = tmp_path / "full.wav"
    soundfile.write(path, np.array([32767, -32767, 0], np.int16), 16000, subtype="PCM_16")
    assert _recording(path, 16000)["full.wav"].tolist() == [[1.0, -1.0, 0.0]]


def test_a_folder_that_was_tampered_with_is_exit_code_1(
    made: Path, tmp_path: Path, capsys: CAPTURE
) -> None:
    folder = copied(made, tmp_path / "copy")
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-3] ^= 1  # a bit of the last number
    (folder / "model.safetensors").write_bytes(data)
    assert run("verify", folder) == 1
    assert "and the weights are off" in capsys.readouterr().out
    assert json.loads((folder / "verification.json").read_text())["ok"] is False


def nothing(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def later(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"format_version": 1', '"format_version": 2'))


def a_part(folder: Path) -> None:
    told = {"format_version": 1, "kind": "PCEN", "arguments": {"num_channels": 8}}
    (folder / "config.json").write_text(json.dumps(told))
    save_file(PCEN(8).state_dict(), folder / "model.safetensors")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (nothing, ("config.json", "No such file")),
        (cut, ("model.safetensors", "a safetensors file")),
        (later, ("config.json", "format_version 1", "2")),
        (a_part, ("a frontend or an AudioClassifier", "PCEN")),
    ],
)
def test_a_folder_that_is_no_conversion(
    damage: object, words: tuple[str, ...], made: Path, tmp_path: Path, capsys: CAPTURE
) -> None:
    folder = copied(made, tmp_path / "copy")
    damage(folder)  # type: ignore[operator]
    refused(capsys, words, folder)
    assert not (folder / "verification.json").exists()


def refused(capsys: CAPTURE, words: tuple[str, ...], *args: object) -> None:
    """Exit code 2 and one line with these words."""
    assert run("verify", *args) == 2
    *progress, told = capsys.readouterr().err.strip().splitlines()
    assert told.startswith("error: ")
    assert all(line.startswith("verifying ") for line in progress)
    for each in words:
        assert each in told


def test_bad_recordings(made: Path, tmp_path: Path, capsys: CAPTURE) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    wrong = wav(tmp_path / "wrong.wav", 44100)
    refused(capsys, ("--audio", "16000 Hz", "44100 Hz", "resample"), made, "--audio", wrong)
    refused(capsys, ("--audio", "text.wav"), made, "--audio", tmp_path / "text.wav")
    refused(capsys, ("--audio", "gone.wav"), made, "--audio", tmp_path / "gone.wav")
    short = wav(tmp_path / "short.wav", seconds=0.01)
    refused(capsys, ("a map of at least",), made, "--audio", short)
    assert not (made / "verification.json").exists()


def test_another_source(made: Path, capsys: CAPTURE) -> None:
    words = ("converted from", "other bytes")
    refused(capsys, words, made, "--source", RECORDINGS / "leaf_fixed")


def test_the_table_fits_a_terminal_of_80_columns(
    made: Path, capsys: CAPTURE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich draws as on a terminal
    monkeypatch.setenv("TERM", "dumb")  # without colours
    assert run("verify", made) == 0
    shown = capsys.readouterr().out.splitlines()
    table = [line for line in shown if not line.startswith(("not run: ", "verified: "))]
    assert max(map(len, table)) <= 80
    rows = [line for line in table if line.startswith((" features", " logits"))]
    assert len(rows) >= 8
    assert all(line.rstrip().endswith(" ok") for line in rows)  # nothing is folded


def test_without_the_packages_of_parity(made: Path, tmp_path: Path) -> None:
    """Said, not judged, and exit code 3 of both; the conversion itself stands."""
    line = "import sys; sys.modules['scipy'] = None; sys.argv[0] = 'x'; "
    line += "from weight_conversion.__main__ import main; main()"
    folder = copied(made, tmp_path / "copy")
    args = (["verify", folder], ["convert", SOURCE, tmp_path / "new", "--defaults"])
    for each in args:
        command = [sys.executable, "-c", line, *map(str, each)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 3, done.stderr
        for name in ("exact", "bounds"):
            told = f'not run: {name}: scipy is not installed: pip install "leaf-port[parity]"'
            assert told in done.stdout
        assert "not judged: " in done.stdout
        assert "verified" not in done.stdout
    assert json.loads((tmp_path / "new" / "verification.json").read_text())["judged"] is False
