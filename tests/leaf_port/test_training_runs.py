"""Training: the same numbers after any interruption, and by any number of processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from _recordings import speech_commands
from torch import Tensor, nn

from leaf_port import AudioClassifier, LeafError
from leaf_port.normalization import BatchNormalization
from leaf_port.training import Recipe, loop, read_corpus, train
from leaf_port.training.run import Options, Run

SCRIPT = Path(__file__).parents[1] / "support" / "_train.py"
SMALL: dict[str, Any] = {
    "filters": (2, 3),
    "n_filters": 6,
    "sample_rate": 8000,
    "seq_len": 1600,
    "epochs": 3,
    "batch_size": 5,
    "learning_rate": 1e-2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_commands(tmp_path_factory.mktemp("data"), each=11, held=3)


def _silent(_: str) -> None:
    pass


def _trained(data: Path, folder: Path, resume: bool = False, **given: Any) -> dict[str, Any]:
    """What a run ends with: weights, figures and measures."""
    recipe = Recipe(**{**SMALL, **given})
    options = Options(seconds=0.0, tell=_silent)
    found = train(recipe, read_corpus(data), folder, resume=resume, options=options)
    return _ended(folder) | {"measures": {name: each.as_dict() for name, each in found.items()}}


def _ended(folder: Path) -> dict[str, Any]:
    state = torch.load(folder / "state.pt", weights_only=True)
    return {"state": state, "metrics": (folder / "metrics.jsonl").read_text()}


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


@pytest.mark.parametrize("config", ["leaf", "sincnet_plus"])
def test_an_interrupted_run_ends_with_the_same_numbers(
    config: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every third step, of which each epoch has two; the dropout is drawn anew each time."""
    whole = _trained(data, tmp_path / "whole", config=config)
    step, count = loop.Trainer.step, 0

    def interrupted(*given: Any) -> Any:
        nonlocal count
        count += 1
        if count % 3 == 0:
            raise KeyboardInterrupt
        return step(*given)

    monkeypatch.setattr(loop.Trainer, "step", interrupted)
    times = 0
    while True:
        try:
            parts = _trained(data, tmp_path / "parts", resume=True, config=config)
            break
        except KeyboardInterrupt:
            times += 1
    assert times >= 2
    assert _same(whole, parts)


def test_a_killed_run_ends_with_the_same_numbers(data: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments, in processes of their own."""
    whole = _process(data, tmp_path / "whole")  # in this one, torch may be set in another way
    assert whole.wait(timeout=300) == 0
    moments = random.Random(1)
    killed = 0
    for _ in range(40):
        process = _process(data, tmp_path / "parts")
        wait = moments.uniform(0.0, 1.5) if killed < 2 else 300.0
        try:
            process.wait(timeout=_started(process, tmp_path / "parts") + wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        if process.returncode == 0:
            break
    assert process.returncode == 0
    assert killed
    assert _same(_ended(tmp_path / "parts"), _ended(tmp_path / "whole"))
    left = [path.name for path in (tmp_path / "parts").iterdir() if path.name.startswith(".")]
    assert not left


def _started(process: subprocess.Popen[bytes], folder: Path) -> float:
    """Waits until a run writes, so that it is killed while it trains."""
    seen = (folder / "state.pt").stat().st_mtime_ns if (folder / "state.pt").exists() else 0
    for _ in range(3000):
        state = folder / "state.pt"
        if process.poll() is not None or (state.exists() and state.stat().st_mtime_ns != seen):
            break
        time.sleep(0.02)
    return 0.0


def _process(data: Path, folder: Path, **given: Any) -> subprocess.Popen[bytes]:
    told = json.dumps({**SMALL, **given})
    command = [sys.executable, str(SCRIPT), str(data), str(folder), told]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_two_processes_make_the_steps_of_one(data: Path, tmp_path: Path) -> None:
    """Batches of 3 are divided into 2 and 1; the last one, of 1 clip, each computes whole.

    Without dropout, whose draws differ.
    """
    given = {"dropout": 0.0, "epochs": 1, "learning_rate": 1e-4, "batch_size": 3}
    alone = _trained(data, tmp_path / "alone", **given)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    told = json.dumps({**SMALL, **given})
    done = subprocess.run(
        [*command, str(SCRIPT), str(data), str(tmp_path / "two"), told],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    ours, theirs = (each["state"]["model"] for each in (alone, _ended(tmp_path / "two")))
    for name, value in ours.items():
        # Of a gradient that is zero but for rounding Adam makes a whole step, of 1e-4, either way.
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1.1e-3, msg=name)
    apart = [(ours[name] - theirs[name]).abs().flatten() for name in ours]
    assert torch.cat(apart).median() < 1e-7


def test_the_best_model_is_kept(data: Path, tmp_path: Path) -> None:
    ended = _trained(data, tmp_path / "run", epochs=4)
    epochs = [json.loads(line) for line in ended["metrics"].splitlines()]
    scores = [each["validation"]["accuracy"] for each in epochs]
    assert ended["measures"]["validation"]["accuracy"] == max(scores)
    best = AudioClassifier.from_pretrained(tmp_path / "run" / "best")
    assert not best.training
    assert ended["measures"].keys() == {"validation", "test"}
    assert len(epochs[0]["filters"]["center_frequencies"]) == 6


def test_it_learns(data: Path, tmp_path: Path) -> None:
    """Two tones, an octave and a half apart."""
    given = {"epochs": 25, "learning_rate": 1e-2, "dropout": 0.0, "filters": (4, 8)}
    found = _trained(data, tmp_path / "run", **given)
    assert found["measures"]["test"]["accuracy"] == 1.0


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_trains(precision: str, data: Path, tmp_path: Path) -> None:
    full = _trained(data, tmp_path / "full", epochs=1)
    mixed = _trained(data, tmp_path / "mixed", epochs=1, precision=precision)
    assert not _same(full["state"]["model"], mixed["state"]["model"])
    first, second = (
        json.loads(each["metrics"].splitlines()[0])["train"]["loss"] for each in (full, mixed)
    )
    assert first == pytest.approx(second, rel=0.2)


def _nan_in_compression(run: Run) -> None:
    with torch.no_grad():
        run.trainer.model.get_parameter("frontend.compress_fn.delta").fill_(-5.0)


def _nan_in_encoder(run: Run) -> None:
    with torch.no_grad():
        run.trainer.model.get_parameter("encoder.0.0.weight").fill_(float("nan"))


@pytest.mark.parametrize(
    ("spoil", "layer"),
    [(_nan_in_compression, "frontend.compress_fn"), (_nan_in_encoder, "encoder.0.0")],
)
def test_nan_is_told_at_its_step(
    spoil: Callable[[Run], None], layer: str, data: Path, tmp_path: Path
) -> None:
    from leaf_port.training.processes import Processes
    from leaf_port.training.run_folder import RunFolder

    corpus = read_corpus(data)
    folder, options = RunFolder(tmp_path / "run"), Options(tell=_silent)
    run = Run(Recipe(**SMALL), corpus, folder, Processes(), options)
    run.begin(resume=False, augment=None)
    run.prepare(torch.device("cpu"), None)
    spoil(run)
    with pytest.raises(LeafError, match=rf"epoch 1, step 1.*first in {layer}"):
        run.train()


def test_another_runs_folder_is_refused(data: Path, tmp_path: Path) -> None:
    _trained(data, tmp_path / "run", epochs=1)
    with pytest.raises(LeafError, match="--resume"):
        _trained(data, tmp_path / "run", epochs=1)
    with pytest.raises(LeafError, match="recipe"):
        _trained(data, tmp_path / "run", resume=True, epochs=2)


def test_a_folder_of_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("...")
    with pytest.raises(LeafError, match="no run"):
        _trained(data, tmp_path / "run")


def test_a_state_that_is_cut_off_is_refused(data: Path, tmp_path: Path) -> None:
    _trained(data, tmp_path / "run", epochs=1)
    path = tmp_path / "run" / "state.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(LeafError, match=r"state\.pt.*damaged"):
        _trained(data, tmp_path / "run", resume=True, epochs=1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"config": "leef"}, "config"),
        ({"encoder": "resnet"}, "encoder"),
        ({"precision": "float8"}, "precision"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"config": "mel", "compression": "log"}, "compression"),
    ],
)
def test_bad_recipes_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(LeafError, match=told):
        Recipe(**given)


def test_statistics_of_one_process_are_its_own() -> None:
    """``synchronize`` needs a group; unsynchronised layers do not."""
    from leaf_port.normalization import synchronize, unsynchronized

    model = nn.Sequential(BatchNormalization(3))
    synchronize(model)
    with unsynchronized(model):
        assert model(torch.ones(4, 3)).shape == (4, 3)
    assert model[0].synchronized
