"""Training on XLA, and on several devices: the same as on one CPU.

Each way of training is a process of its own: see ``_data_parallel.py``.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from _data_parallel import STEPS

from parity.port import xla

ROOT = Path(__file__).resolve().parents[2]
REASON = xla.missing()
on_xla = pytest.mark.skipif(bool(REASON), reason=f"backend xla: {REASON}")

# Between the losses, of about 1, of two trainings: each step's rounding moves the weights, and with
# them every later loss, by about a unit roundoff; here all of them to the same side.
ALLOWED = STEPS * 2.0**-24 * 1.3


def run(*line: str, **environment: str) -> str:
    """What a process of this interpreter prints."""
    done = subprocess.run(
        [sys.executable, *line],
        capture_output=True,
        text=True,
        cwd=ROOT / "tests" / "support",
        env={**os.environ, "PYTHONPATH": f"{ROOT}", **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def losses(how: str, *before: str, **environment: str) -> list[float]:
    """Of 50 steps."""
    printed = run(*before, "_data_parallel.py", how, **environment)
    found: list[float] = json.loads(printed.splitlines()[-1])  # gloo of torch 2.9 prints before
    assert len(found) == STEPS
    return found


def greatest_difference(how: str, *before: str, **environment: str) -> float:
    """Between the losses of two ways of training on the same batches."""
    alone = losses("cpu")
    assert max(alone) > 1.2 * min(alone)  # it trains
    found = losses(how, *before, **environment)
    return max(abs(a - b) for a, b in zip(found, alone, strict=True))


def test_data_parallel_over_processes() -> None:
    """torchrun starts two processes, and DistributedDataParallel (gloo) adds up their gradients."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert greatest_difference("ddp", *torchrun) <= ALLOWED


@on_xla
def test_training_on_xla() -> None:
    assert greatest_difference("xla") <= ALLOWED


@on_xla
@pytest.mark.skipif(os.environ.get("PJRT_DEVICE") != "CPU", reason="the CPU device alone is split")
def test_data_parallel_over_xla_devices() -> None:
    """torch_xla's SPMD shards every batch over two devices of one process."""
    assert greatest_difference("spmd", CPU_NUM_DEVICES="2") <= ALLOWED


@on_xla
def test_every_step_on_xla_is_the_cpus_to_rounding() -> None:
    """Loss and updated weights of 50 steps, each from the CPU's weights."""
    lines = [json.loads(line) for line in run("_one_step.py").splitlines()]
    assert len(lines) == STEPS
    assert max(max(far) for far in lines) <= 1
