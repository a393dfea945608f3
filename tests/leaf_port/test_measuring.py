"""The commands ``info`` and ``benchmark``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leaf_port._cli import benchmark
from leaf_port._cli.app import app
from leaf_port._ops.energies import library

SMALL = ["--shape", "2x4000", "--frontend", "Leaf", "--rounds", "1"]


def test_a_peer_is_measured_too(tmp_path: Path) -> None:
    (tmp_path / "their_frontend.py").write_text(
        "from leaf_port import Leaf\n"
        "class Theirs(Leaf):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x[:, 0])\n"  # (batch, 1, samples)
    )
    peer = f"theirs={tmp_path}:their_frontend:Theirs(n_filters=4)"
    done = CliRunner().invoke(app, ["benchmark", *SMALL, "--no-memory", "--peer", peer])
    assert done.exit_code == 0, done.output
    assert "theirs" in done.output


def test_info_tells_the_way_and_why() -> None:
    told = CliRunner().invoke(app, ["info"]).output
    kernel, why = library.opened()
    assert why in told
    assert ("at once, by the kernel" in told) == (kernel is not None)


def test_a_benchmark_is_written_whole(tmp_path: Path) -> None:
    made, chart = tmp_path / "made.json", tmp_path / "chart.png"
    done = CliRunner().invoke(
        app, ["benchmark", *SMALL, "--json", str(made), "--chart", str(chart)]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(made.read_text())
    rows = {(each["frontend"], each["training"]) for each in found["timings"]}
    assert rows == {(benchmark.MEL, False), ("Leaf", False), ("Leaf", True)}
    assert all(each["cpu_ms"] > 0 for each in found["timings"])
    assert all(value is None or value >= 0 for value in found["peak_bytes"].values())
    assert len(found["peak_bytes"]) == 2
    assert chart.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--shape", "8"], "BATCHxSAMPLES"),
        (["--shape", "8x100"], "2048 samples"),
        (["--peer", "leaf"], "FOLDER"),
        (["--peer", "mine=no_such_module:Leaf()", *SMALL], "ModuleNotFoundError"),
        (["--peer", "mine=torch.nn:Linear(7, 7)", *SMALL], "no layout works"),
        (["--frontend", "Loaf"], "one of"),
        (["--json", "no/such/folder.json"], "a new file"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["benchmark", *arguments])
    assert done.exit_code == 2
    assert told in done.output
