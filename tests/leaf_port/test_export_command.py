# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""``python -m leaf_port export`` and ``leaf_port.export``: files that compute the model."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _features_command import snapshot
from _layers import move
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

import leaf_port as lp
from leaf_port._cli import app
from leaf_port._export import capture, compare, onnx_file, pt2_file, roundings
from leaf_port._installation import hint
from leaf_port.export import ExportError, to_onnx, to_pt2
from leaf_port.pretrained import build

Tree = dict[str, Any]

_LEAF: Tree = {  # of a compression without PCEN, whose graph takes a minute
    "kind": "Leaf",
    "arguments": {"n_filters": 4, "sample_rate": 4000, "compression_fn": "log"},
}
_CLASSIFIER: Tree = {
    "kind": "AudioClassifier",
    "arguments": {
        "num_outputs": 3,
        "frontend": _LEAF,
        "encoder": {"kind": "ConvNet", "arguments": {"filters": [2]}},
    },
}
needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(each) is None for each in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs onnx, onnxscript and onnxruntime",
)


def folder(path: Path, tree: Tree) -> Path:
    """A model's folder, as ``weight_conversion convert`` makes it, with moved weights."""
    path.mkdir(exist_ok=True)
    model = build(tree)
    move(model)
    save_file(model.state_dict(), path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"format_version": 1, **tree}))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app.app, ["export", *map(str, arguments)])


def refused(where: Path, *arguments: object) -> str:
    """The one line of a run that must be refused and leave the folder as it is."""
    before = snapshot(where)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: export: ")
    assert result.stderr.count("\n") == 1
    assert snapshot(where) == before
    return str(result.stderr)


def table(result: Result) -> list[list[str]]:
    """The comparisons that a run prints, without their header."""
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    return [line for line in lines[1:] if len(line) == 6]


def check_rows(result: Result, shortest: int) -> None:
    rows = table(result)
    assert len(rows) >= 6
    assert {row[0] for row in rows} == {"1", "3"}
    lengths = [int(row[1]) for row in rows]
    assert min(lengths) == shortest
    assert {length % 40 == 0 for length in lengths} == {True, False}
    assert all(row[5] == "ok" and float(row[4]) <= compare.ALLOWED for row in rows)


def steps(batches: int) -> str:
    """What a run that ends well tells on stderr meanwhile."""
    compared = f"comparing it with the model on {batches} batches"
    told = ("capturing the graph", "writing the file", "reading it again", compared)
    return "".join(f"export: {step}\n" for step in told)


@needs_onnx
def test_a_classifier_as_onnx(tmp_path: Path) -> None:
    """Run without this package's reader, at a length and a batch that the command did not try."""
    import onnx
    import onnxruntime

    made, out = folder(tmp_path / "model", _CLASSIFIER), tmp_path / "model.onnx"
    result = run(made, out, "--samples", 777)
    assert (result.exit_code, result.stderr) == (0, steps(10))
    check_rows(result, 41)  # two frames: the encoder halves them
    assert {("1", "777"), ("3", "777")} <= {(row[0], row[1]) for row in table(result)}
    assert "any batch, any length from 41" in result.stdout

    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    (given,), (told,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape, given.type) == (
        "waveforms",
        ["batch", "samples"],
        "tensor(float)",
    )
    assert (told.name, told.shape) == ("logits", ["batch", 3])
    clips = torch.randn(5, 1234) * 0.1
    (found,) = session.run(None, {"waveforms": clips.numpy()})
    expected = lp.AudioClassifier.from_pretrained(made)(clips).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    about = session.get_modelmeta().custom_metadata_map
    digest = hashlib.sha256((made / "model.safetensors").read_bytes()).hexdigest()
    assert about["weights_sha256"] == digest
    wanted = {"kind": "AudioClassifier", "sample_rate": "4000", "opset": "18", "shortest": "41"}
    assert wanted.items() <= about.items()
    assert about["torch"] == torch.__version__
    proto = onnx.load(out)
    onnx.checker.check_model(proto)
    assert [each.version for each in proto.opset_import] == [18]
    assert not list(onnx_file._complex_ones(proto.graph))


@needs_onnx
def test_complex_numbers_in_onnx_are_seen() -> None:
    import onnx
    from onnx import TensorProto, helper

    def graph(kind: int) -> Any:
        value = helper.make_tensor("v", kind, [1], [1.0])
        node = helper.make_node("Constant", [], ["y"], name="c", value=value)
        out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        return helper.make_graph([node], "g", [], [out])

    assert list(onnx_file._complex_ones(graph(onnx.TensorProto.COMPLEX64))) == ["c"]
    assert not list(onnx_file._complex_ones(graph(onnx.TensorProto.FLOAT)))


def test_a_leaf_as_pt2(tmp_path: Path) -> None:
    made, out = folder(tmp_path / "model", _LEAF), tmp_path / "leaf.pt2"
    result = run(made, out)
    assert (result.exit_code, result.stderr) == (0, steps(8))
    check_rows(result, 41)  # two frames: of one, torch.export takes the size for a constant
    extra = {pt2_file.ABOUT: ""}
    program = torch.export.load(out, extra_files=extra)
    clips = torch.randn(2, 999) * 0.1
    torch.testing.assert_close(program.module()(clips), lp.Leaf.from_pretrained(made)(clips))
    about = json.loads(extra[pt2_file.ABOUT])
    assert (about["kind"], about["sample_rate"], about["shortest"]) == ("Leaf", "4000", "41")
    values = [node.meta.get("val") for node in program.graph.nodes]
    assert not any(isinstance(each, torch.Tensor) and each.is_complex() for each in values)

    before = out.read_bytes()
    assert "--force" in refused(tmp_path, made, out)
    assert run(made, out, "--force", "--no-check").exit_code == 0
    assert len(out.read_bytes()) == pytest.approx(len(before), rel=0.01)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["leaf.pt2", "model"]


def test_what_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One element of each batch, by 1e-4 of itself: an error that usual tolerances let pass."""
    made, read = folder(tmp_path / "model", _LEAF), pt2_file.read

    def off(path: Path) -> Any:
        called = read(path)

        def run_off(clips: torch.Tensor) -> torch.Tensor:
            found = called(clips).clone()
            found[-1, -1, 2] *= 1 + 1e-4
            return found

        return run_off

    monkeypatch.setattr(pt2_file, "read", off)
    result = run(made, tmp_path / "leaf.pt2")
    assert result.exit_code == 1
    assert all("units off the float64 model" in row[5] for row in table(result))
    assert "nothing was written" in result.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    monkeypatch.setattr(compare, "drawn", lambda *_: [(1, 500), (3, 91)])
    with pytest.raises(ExportError, match="2 of 2 batches off") as caught:
        to_pt2(lp.Leaf.from_pretrained(made), tmp_path / "leaf.pt2")
    assert [each.ok for each in caught.value.comparisons] == [False, False]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (lambda y: y[:, :-1], "shape"),
        (lambda y: y.double(), "torch.float64"),
        (lambda y: y * torch.nan, "NaN"),
        (lambda y: y.unflatten(1, (7, 7)), "unflatten"),
    ],
)
def test_what_cannot_be_compared_is_off(found: Any, message: str) -> None:
    what = capture.subject(lp.MelFilterbanks(n_filters=4))
    (one,) = compare.compare(what, lambda x: found(what.model(x).detach()), [(2, 500)])
    assert not one.ok
    assert message in one.message


@pytest.mark.parametrize("kind", ["Leaf", "TimeDomainFilterbanks", "MelFilterbanks"])
def test_units_are_about_those_of_the_proof(kind: str) -> None:
    """They count sums in any order, in place of torch's: never less than half of the proof's."""
    pytest.importorskip("scipy", reason="parity needs scipy")
    pytest.importorskip("mpmath", reason="parity needs mpmath")
    from parity.checks.monte_carlo import Noise

    torch.manual_seed(0)
    model = build({"kind": kind, "arguments": {"n_filters": 4}})
    double = roundings.in_double(model).eval()
    clips = torch.randn(2, 1500).double() * 0.1
    exact, unit = roundings.exact_and_units(double, clips.float(), 40)
    total = torch.zeros_like(exact)
    with torch.no_grad():
        exact = double(clips.float().double())
        for seed in range(40):
            with Noise(seed):
                total += (double(clips.float().double()) - exact) ** 2
    proof = torch.maximum((total / 40).sqrt(), roundings.ROUNDOFF * exact.abs())
    ratio = unit / proof
    assert float(ratio.min()) > 0.5
    assert float(ratio.max()) < 12.0  # sqrt(401 / 3), of the longest sum


def test_a_sum_in_the_worst_order_is_within_its_units() -> None:
    """401 positive terms added up one after the other in float32, as no model is slower to."""

    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum(1)

    x = torch.rand(200, 401)
    one_by_one = torch.zeros(200)
    for column in x.T:
        one_by_one += column
    exact, unit = roundings.exact_and_units(Sum(), x, roundings.STURDY_RUNS)
    each = (one_by_one.double() - exact).abs() / unit
    assert float(each.max()) <= compare.ALLOWED
    assert float(each.max()) > 0.3  # and the unit is no excuse for anything


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x.txt", "'.txt'"), ("x", "no suffix"), ("x.pte", "ExecuTorch"), ("no/x.pt2", "no folder")],
)
def test_names_that_are_refused(name: str, expected: str, tmp_path: Path) -> None:
    assert expected in refused(tmp_path, "mel", tmp_path / name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "x.pt2").mkdir()
    assert "a folder" in refused(tmp_path, "mel", tmp_path / "x.pt2", "--force")


@needs_onnx
@pytest.mark.parametrize("opset", [11, 17, 999])
def test_an_opset_that_cannot_be_written(opset: int, tmp_path: Path) -> None:
    assert "opset" in refused(tmp_path, "mel", tmp_path / "x.onnx", "--opset", opset)


def test_an_opset_of_something_else(tmp_path: Path) -> None:
    assert "--opset" in refused(tmp_path, "mel", tmp_path / "x.pt2", "--opset", 18)


def test_models_that_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "x.pt2"
    assert "nothing of that name" in refused(tmp_path, tmp_path / "no", out)
    (tmp_path / "file").write_text("")
    assert "got a file" in refused(tmp_path, tmp_path / "file", out)
    assert "--n-filters" in refused(tmp_path, folder(tmp_path / "m", _LEAF), out, "--n-filters", 4)
    other = tmp_path / "m" / "config.json"
    other.write_text(json.dumps({"format_version": 9, **_LEAF}))
    result = run(tmp_path / "m", out)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "format_version" in result.stderr


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: torch.nn.Linear(2, 2), "a frontend or an AudioClassifier"),
        (lambda: lp.Leaf(n_filters=4).double(), "float32"),
        (lambda: lp.Leaf(n_filters=4, arithmetic="complex"), "no complex operators"),
        (lambda: lp.MelFilterbanks(n_filters=4, arithmetic="complex"), "no complex operators"),
        (lambda: lp.Leaf(n_filters=4, energies="fft"), "energies='fft'"),
        (lambda: lp.AudioClassifier(2, None, lp.ConvNet([2])), "takes none"),
    ],
)
def test_models_that_no_graph_can_be_made_of(model: Any, expected: str, tmp_path: Path) -> None:
    with pytest.raises(lp.LeafError, match=expected):
        to_pt2(model(), tmp_path / "x.pt2")
    assert not list(tmp_path.iterdir())


def test_lengths_that_the_graph_does_not_take(tmp_path: Path) -> None:
    out = tmp_path / "x.pt2"
    assert "at least 401" in refused(tmp_path, "tfbanks", out, "--samples", 200)


@pytest.mark.parametrize(
    ("missing", "check", "expected"),
    [("onnx", False, "onnx not installed"), ("onnxruntime", True, "export without the check")],
)
def test_a_missing_package_is_told(
    missing: str, check: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def lacking(name: str, *rest: Any) -> Any:
        found = find(name, *rest) or True  # the others count as there, also where they are not
        return None if name == missing else found

    monkeypatch.setattr(importlib.util, "find_spec", lacking)
    with pytest.raises(lp.LeafError) as caught:
        to_onnx(lp.MelFilterbanks(n_filters=4), tmp_path / "x.onnx", check=check)
    assert expected in str(caught.value)
    assert hint("onnx") in str(caught.value)
    assert not list(tmp_path.iterdir())
