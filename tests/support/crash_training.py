"""Kills a training at random moments, resumes it each time, and compares its end bit for bit.

    python tests/support/crash_training.py --kills 10 --seed 1

A run of its own, which nobody disturbs, says what the weights, the optimizer's state and the
figures have to be. The other is killed by SIGKILL, SIGTERM and SIGINT in turns, each time after a
random part of what the undisturbed run took, and resumed in a process forked from this one, so that
its moments are those of the work and not those of starting Python. At fault is an end that differs,
a file beside those of a run, and a run that ends with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from _recordings import speech_commands

from leaf_port import AudioClassifier, _publish
from leaf_port.training import Recipe, read_corpus, train
from leaf_port.training.run import Options

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
RECIPE = Recipe(
    filters=(4, 8),
    n_filters=10,
    sample_rate=8000,
    seq_len=4000,
    epochs=6,
    batch_size=8,
    learning_rate=1e-3,
)


def run(data: Path, folder: Path) -> int:
    """Starts or resumes the training in a forked process."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with _publish.ended_cleanly():
            options = Options(seconds=0.0, tell=lambda _: None)  # saves after each step
            train(RECIPE, read_corpus(data), folder, resume=True, options=options)
        code = 0
    except (SystemExit, KeyboardInterrupt):
        code = 3
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> str:
    """How a process ended: ``0``, ``3`` for one that was told to, the signal, or an error."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return str(os.WEXITSTATUS(status))


def outcome(folder: Path) -> dict[str, Any]:
    """All that a run ends with."""
    best = AudioClassifier.from_pretrained(folder / "best").state_dict()
    state = torch.load(folder / "state.pt", weights_only=True)
    return {"state": state, "best": best, "metrics": (folder / "metrics.jsonl").read_text()}


def same(first: Any, second: Any) -> bool:
    """Whether two nested values are the same bits."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def killed(data: Path, folder: Path, draw: random.Random, most: float, dead: int) -> list[str]:
    """Kills and resumes a run until it is through; how each of its processes ended.

    The signals go on where ``dead`` earlier ones stopped.
    """
    found = list[str]()
    while not found or found[-1] not in ("0", "1"):
        child = run(data, folder)
        time.sleep(draw.uniform(0.0, most))
        os.kill(child, SIGNALS[(dead + len(found)) % len(SIGNALS)])
        found.append(ended(child))
    return found


def faults(whole: Path, parts: Path, ends: list[str]) -> list[str]:
    """What is wrong with a run that was killed."""
    if ends[-1] != "0":
        return ["it ended with an error"]
    found = [] if same(outcome(whole), outcome(parts)) else ["another end than the undisturbed"]
    beside = {path.name for path in parts.iterdir()} - {path.name for path in whole.iterdir()}
    return [*found, *(f"beside: {name}" for name in sorted(beside))]


def main() -> None:
    """One undisturbed run; others that are killed, until so many processes died."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    draw, ends, wrong = random.Random(given.seed), Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as top:
        place = Path(top)
        data = speech_commands(place / "data", each=40, held=5)
        options = Options(seconds=0.0, tell=lambda _: None)
        # What a run imports is there when the others are forked.
        train(RECIPE, read_corpus(data), place / "first", options=options)
        began = time.monotonic()
        if ended(run(data, place / "whole")) != "0":
            raise SystemExit("the undisturbed run ended with an error")
        most = time.monotonic() - began
        print(f"undisturbed: {most:.1f} s", flush=True)
        while sum(ends.values()) - ends["0"] < given.kills and not wrong:
            parts = place / f"parts{len(list(place.iterdir()))}"
            of_it = killed(data, parts, draw, most, sum(ends.values()))
            ends.update(of_it)
            wrong = faults(place / "whole", parts, of_it)
            print(json.dumps({"ends": of_it, "faults": wrong}), flush=True)
    print(json.dumps({"killed": sum(ends.values()) - ends["0"], **ends, "faults": wrong}))
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
