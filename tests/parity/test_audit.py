"""python -m parity audit: foreign ports, healthy and faulty, judged at the right stage."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from _planted_ports import PLANTED, Spelt
from torch import Tensor, nn

from leaf_port import Leaf
from leaf_port.errors import LeafError
from parity.commands import app as command
from parity.commands.audit import adapters, rules
from parity.commands.audit.adapters.generic import find_slots
from parity.commands.audit.foreign import Foreign
from parity.commands.audit.probes import probes
from parity.commands.audit.report import record, verdict
from parity.commands.audit.stages import OUTPUT, STAGES, Reference
from parity.commands.audit.verdict import Audit, audit
from parity.commands.cli import foreign as foreign_command

# Samples, and whether the weights are the initial ones: short clips, and not 1 modulo the stride.
SHORT = ((1759, False), (1759, True))
NO_SPEECHBRAIN = "needs speechbrain and torchaudio: pip install leaf-port[audit]"


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    """The right values on short recorded clips, computed once; one thread, as for all cases."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Reference(probes(SHORT))
    torch.set_num_threads(threads)


def foreign(module: nn.Module) -> Foreign:
    return Foreign("generic", "planted", module, find_slots(module))


def diverging(found: Audit) -> list[str]:
    return [stage for stage in STAGES if not all(each.ok for each in found.readings[stage])]


@pytest.mark.parametrize("probe", probes(SHORT), ids=lambda probe: probe.name)
def test_rules_are_the_port(probe: Any) -> None:
    """Without a fault the stages together are leaf_port's Leaf in float64."""
    leaf = Leaf()
    foreign(leaf).load(probe.weights)
    leaf.double()
    ours = rules.features(probe.wave.double(), probe.double)
    # Both in float64: what is left is its own rounding.
    apart = torch.linalg.norm(ours - leaf(probe.wave.double())) / torch.linalg.norm(ours)
    assert apart < 1000 * torch.finfo(torch.float64).eps


def test_initial_weights_are_the_port() -> None:
    """Bit for bit."""
    held = foreign(Leaf()).weights()
    for name, weight in rules.initial(rules.OFFICIAL, torch.float32).items():
        assert torch.equal(weight, held[name]), name


def test_our_own_port_agrees(reference: Reference) -> None:
    """Every stage, and the output."""
    found = audit(foreign(Leaf()), reference)
    assert found.agrees, verdict(found)
    assert not found.findings
    assert found.together is None
    assert set(found.readings) == {*STAGES, OUTPUT}


@pytest.mark.parametrize("form", ["blocks", "separate", "complex", "2d"])
def test_however_it_is_spelt(form: str, reference: Reference) -> None:
    """Order and number of channels, complex or two-dimensional convolutions."""
    found = audit(foreign(Spelt(form)), reference)
    assert found.agrees, verdict(found)


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_found_at_its_stage(name: str, reference: Reference) -> None:
    """There and nowhere else, and the cause reproduces the faulty output."""
    build, stages, changes = PLANTED[name]
    found = audit(foreign(build()), reference)
    assert not found.agrees
    assert diverging(found) == stages
    assert found.first == stages[0]
    assert all(finding.confirmed for finding in found.findings), verdict(found)
    told = {
        key: value
        for finding in found.findings
        for cause in finding.causes
        for key, value in cause.changes.items()
    }
    assert told == changes
    assert found.together is not None
    assert found.together.ok, verdict(found)


def test_unknown_fault_is_not_explained(reference: Reference) -> None:
    """No cause is claimed that does not reproduce it."""

    class Louder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.leaf = Leaf()

        def forward(self, x: Tensor) -> Tensor:
            return self.leaf(x) * 1.001

    found = audit(foreign(Louder()), reference)
    assert diverging(found) == ["compression"]
    assert not found.findings[0].confirmed
    assert found.together is not None
    assert not found.together.ok
    assert any("no known cause" in line for line in verdict(found))


def test_a_small_fault_is_seen(reference: Reference) -> None:
    """A hundred-thousandth of one filter."""

    class Nudged(Leaf):
        def forward(self, inputs: Tensor) -> Tensor:
            scale = torch.ones(40)
            scale[17] += 1e-5
            return super().forward(inputs) * scale

    assert diverging(audit(foreign(Nudged()), reference)) == ["compression"]


def test_weights_are_left_as_they_were(reference: Reference) -> None:
    """An audit changes nothing."""
    port = foreign(Leaf())
    before = {name: weight.clone() for name, weight in port.module.state_dict().items()}
    audit(port, reference)
    assert all(torch.equal(before[name], w) for name, w in port.module.state_dict().items())


def test_record_is_json(reference: Reference) -> None:
    """Without infinities, which JSON lacks."""
    build, *_ = PLANTED["valid pooling"]
    told = record(audit(foreign(build()), reference))
    text = json.dumps(told, allow_nan=False)
    assert json.loads(text)["first_divergence"] == "pooling"
    assert np.isfinite(told["together"]["after"])


# The command.

FACTORY = """
from _planted_ports import PLANTED
from leaf_port import Leaf, TimeDomainFilterbanks
import torch

print("noise on import")
faulty = PLANTED["symmetric pooling"][0]
healthy = Leaf
class NoConvolution(Leaf):
    def energies(self, x):
        return torch.rand(x.shape[0], -(-x.shape[1] // 160), 40)
class Raises(Leaf):
    def forward(self, x):
        raise RuntimeError("out of order")
number = 3
"""


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reference: Reference,
) -> Any:
    """Runs the command on a folder with the module above; short clips."""
    (tmp_path / "their_package.py").write_text(FACTORY)
    monkeypatch.setattr(foreign_command, "probes", lambda: reference.probes)
    monkeypatch.setattr(foreign_command, "Reference", lambda _probes: reference)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delitem(sys.modules, "their_package", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        line = ["audit", *(str(tmp_path) if a == "HERE" else a for a in arguments)]
        monkeypatch.setattr(sys, "argv", ["parity", *line])
        with pytest.raises(SystemExit) as ended:
            command.main("parity")
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def test_exit_code_0_where_it_agrees(run: Any) -> None:
    """And the verdict says so; what the target prints is kept away."""
    code, out, _ = run("HERE", "--factory", "their_package:healthy")
    assert code == 0, out
    assert "agrees at every stage" in out
    assert "noise on import" not in out


def test_exit_code_1_where_it_diverges(run: Any, tmp_path: Path) -> None:
    """With table, verdict and JSON."""
    file = tmp_path / "audit.json"
    code, out, _ = run("HERE", "--factory", "their_package:faulty()", "--json", str(file))
    assert code == 1
    assert "first divergence: pooling" in out
    assert "symmetric padding, kernel // 2" in out
    told = json.loads(file.read_text())
    assert told["agrees"] is False
    assert told["findings"][0]["confirmed"] is True


ERRORS = [
    (["no_such_package:Leaf"], "expected a module no_such_package"),
    (["nonsense"], "expected speechbrain, module:attribute, or a folder"),
    (["HERE"], "give --factory"),
    (["HERE", "--factory", "their_package:absent"], "NameError"),
    (["HERE", "--factory", "their_package:number"], "expected their_package:number to be"),
    (["HERE", "--factory", "their_package:Leaf(n_filters=8)"], "expected parameters for gabor"),
    (["HERE", "--factory", "their_package:Leaf(compression_fn=None)"], "parameters for alpha"),
    (["HERE", "--factory", "their_package:NoConvolution"], "conv1d or conv2d"),
    (["HERE", "--factory", "their_package:Raises"], "RuntimeError: out of order"),
    (["HERE", "--factory", "their_package:healthy", "--weight", "alpha=x"], "parameter x for"),
    (["HERE", "--factory", "their_package:healthy", "--weight", "beta=x"], "NAME=PATH"),
    (["HERE", "--adapter", "denfed"], "a folder with leaf_audio_pytorch/frontend.py"),
    (["HERE", "--adapter", "leaf-pytorch"], "a folder with leaf_pytorch/frontend.py"),
    (["HERE", "--adapter", "efficientleaf"], "a folder with model/leaf.py"),
    (["HERE", "--adapter", "efficientleaf-og"], "a folder with model/OG_leaf.py"),
    (["HERE", "--adapter", "mine"], "expected one of speechbrain"),
]


@pytest.mark.parametrize(("arguments", "told"), ERRORS)
def test_exit_code_2_and_one_line(run: Any, arguments: list[str], told: str) -> None:
    """What was expected and what came."""
    code, _, err = run(*arguments)
    assert code == 2, err
    assert told in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "adapter"),
    [
        ("leaf_pytorch/frontend.py", "leaf-pytorch"),
        ("leaf_audio_pytorch/frontend.py", "denfed"),
        ("model/efficientleaf.py", "efficientleaf"),
    ],
)
def test_layouts_are_known(file: str, adapter: str, tmp_path: Path) -> None:
    """A folder's files tell its adapter."""
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).touch()
    assert adapters.adapter_of(str(tmp_path), None) == adapter


def test_a_package_of_that_name_from_elsewhere_is_dropped(tmp_path: Path) -> None:
    """``model`` is no rare name: the folder given is the one that is audited."""
    for name in ("one", "two"):
        package = tmp_path / name / "model"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "efficientleaf.py").touch()
        (package / "leaf.py").write_text(f"def Leaf(): raise ValueError('{name}')")
    for name in ("one", "two"):
        with pytest.raises(LeafError, match=f"ValueError: {name}"):
            adapters.load(str(tmp_path / name))


# The real one.


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("speechbrain", "torchaudio")),
    reason=NO_SPEECHBRAIN,
)
def test_speechbrain(tmp_path: Path) -> None:
    """0.76 off at the output of one second: pooling padding, pooling bias, mel triangles in Hz."""
    file = tmp_path / "speechbrain.json"
    line = [sys.executable, "-W", "error", "-m", "parity", "audit", "speechbrain", "--json"]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [*line, str(file)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(file.read_text())
    assert told["target"] == "speechbrain 1.1.2"
    assert told["first_divergence"] == "initialisation"
    rules_of = {
        finding["stage"]: {k: v for cause in finding["causes"] for k, v in cause["rules"].items()}
        for finding in told["findings"]
    }
    assert rules_of == {
        "initialisation": {"mel": "hz"},
        "pooling": {"pool_padding": "symmetric", "pool_bias": 1.0},
    }
    assert all(finding["confirmed"] for finding in told["findings"])
    together = told["together"]
    assert together["probe"] == "16000 samples, initial weights"
    assert together["ok"]
    assert round(together["before"], 2) == 0.76
    assert "first divergence: initial weights" in done.stdout
