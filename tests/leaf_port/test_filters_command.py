# ruff: noqa: E402 - without the packages of the command this file is skipped before it needs them
"""The command ``python -m leaf_port filters``: models, tables, pictures, refusals."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

for _package in ("matplotlib", "rich", "safetensors", "soundfile", "typer"):
    pytest.importorskip(_package, reason=f"the command needs {_package}")

from _features_command import snapshot
from _layers import move
from rich.console import Console
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

import leaf_port as lp
from leaf_port._cli import app, filter_models, filter_table, filters_plot
from leaf_port._cli.filter_models import Model
from leaf_port._cli.frontends import Asked
from leaf_port.pretrained import build

pytestmark = pytest.mark.filterwarnings("error")

Tree = dict[str, Any]

_LEAF: Tree = {"kind": "Leaf", "arguments": {"n_filters": 5, "sample_rate": 8000}}
_SINC: Tree = {"kind": "SincNetPlus", "arguments": {"n_filters": 5, "sample_rate": 8000}}
_CLASSIFIER: Tree = {
    "kind": "AudioClassifier",
    "arguments": {
        "num_outputs": 3,
        "frontend": _LEAF,
        "encoder": {"kind": "ConvNet", "arguments": {"filters": [2]}},
    },
}
NAMES = {"leaf", "tfbanks", "sincnet", "sincnet_plus", "mel"}
COLUMNS = ["filter", "center_hz", "bandwidth_hz"]
MOVED = ["center_moved_hz", "bandwidth_moved_hz"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app.app, ["filters", *map(str, arguments)])


def table(*arguments: object) -> list[list[str]]:
    """What a run prints that must succeed and keep stderr empty."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return [line.split("\t") for line in result.stdout.splitlines()]


def refused(folder: Path, *arguments: object) -> str:
    """The one line of a run that must be refused and leave ``folder`` as it is."""
    before = snapshot(folder)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert snapshot(folder) == before
    return str(result.stderr)


def kept(tree: Tree, path: Path, **changes: torch.Tensor) -> tuple[Path, Any]:
    """A folder as ``convert`` makes it, and its frontend."""
    path.mkdir()
    model = move(build(tree)).eval()
    state: Mapping[str, torch.Tensor] = {
        **model.state_dict(),
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    model.load_state_dict(state)
    save_file(dict(state), path / "model.safetensors")
    (path / "config.json").write_text(json.dumps({"format_version": 1, **tree}))
    return path, getattr(model, "frontend", model)


def numbers(rows: list[list[str]]) -> np.ndarray[Any, Any]:
    return np.array([[float(cell) for cell in row] for row in rows[1:]])


# The table


@pytest.mark.parametrize("name", sorted(NAMES))
def test_initial_weights_by_name(name: str) -> None:
    kinds = {
        "leaf": lp.Leaf,
        "tfbanks": lp.TimeDomainFilterbanks,
        "sincnet": lp.SincNet,
        "sincnet_plus": lp.SincNetPlus,
        "mel": lp.MelFilterbanks,
    }
    options = ("--sample-rate", 8000, "--n-filters", 7, "--window-len", 20)
    rows = table(name, *options)
    made: Any = kinds[name].for_sample_rate(8000, n_filters=7, window_len=20.0)
    assert rows[0] == COLUMNS
    expected = np.stack([np.arange(7), made.center_frequencies(), made.bandwidths()], axis=1)
    np.testing.assert_allclose(numbers(rows), expected, rtol=1e-5)


@pytest.mark.parametrize("tree", [_LEAF, _SINC, _CLASSIFIER], ids=lambda tree: tree["kind"])
def test_folders(tree: Tree, tmp_path: Path) -> None:
    folder, frontend = kept(tree, tmp_path / "made")
    for given in (folder, folder / "model.safetensors"):
        found = numbers(table(given))
        np.testing.assert_allclose(found[:, 1], frontend.center_frequencies(), rtol=1e-5)
        np.testing.assert_allclose(found[:, 2], frontend.bandwidths(), rtol=1e-5)


def test_how_far_they_moved(tmp_path: Path) -> None:
    """A name means initial weights of the model's own sizes and sample rate."""
    folder, frontend = kept(_LEAF, tmp_path / "made")
    rows = table(folder, "--before", "leaf")
    first = lp.Leaf.for_sample_rate(8000, n_filters=5)
    assert rows[0] == COLUMNS + MOVED
    centers = frontend.center_frequencies() - first.center_frequencies()
    widths = frontend.bandwidths() - first.bandwidths()
    found = numbers(rows)
    np.testing.assert_allclose(found[:, 3:], torch.stack([centers, widths], 1), rtol=1e-4)
    same = numbers(table(folder, "--before", folder))
    np.testing.assert_array_equal(same[:, 3:], 0.0)


def test_the_table_of_a_terminal(tmp_path: Path) -> None:
    folder, _ = kept(_LEAF, tmp_path / "made")
    model = filter_models.read("MODEL", str(folder), Asked(), None)
    console = Console(force_terminal=True, width=100, record=True, file=(tmp_path / "x").open("w"))
    filter_table.show(filter_table.rows(model, model), console)
    text = console.export_text()
    console.file.close()
    for title in ("centre (Hz)", "bandwidth (Hz)", "centre moved (Hz)", "+0.0"):
        assert title in text


def test_tables_in_files(tmp_path: Path) -> None:
    folder, frontend = kept(_LEAF, tmp_path / "made")
    for name in ("out.csv", "out.json"):
        table(folder, "--before", "leaf", "--out", tmp_path / name)
    with (tmp_path / "out.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["frontend"] == "Leaf"
    assert told["sample_rate_hz"] == 8000
    assert (told["model"], told["before"]) == (str(folder), "leaf")
    for index, (line, row) in enumerate(zip(lines, told["filters"], strict=True)):
        assert list(line) == list(row) == COLUMNS + MOVED
        assert {key: float(value) for key, value in line.items()} == row
        assert row["filter"] == index
        assert row["center_hz"] == float(frontend.center_frequencies()[index])


# The picture


@pytest.mark.parametrize(
    ("name", "starts"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_pictures_of_all_kinds(name: str, starts: bytes, tmp_path: Path) -> None:
    rows = table("mel", "--n-filters", 3, "--plot", tmp_path / name)
    assert len(rows) == 4
    assert (tmp_path / name).read_bytes().startswith(starts)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def model_of(name: str) -> Model:
    return filter_models.read("MODEL", name, Asked(n_filters=5), 8000)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_panels(name: str) -> None:
    model = model_of(name)
    figure = filters_plot.draw(model, None)
    assert len(figure.axes) == (7 if name in ("leaf", "sincnet_plus") else 3)
    responses, centers, cumulative = figure.axes[:3]
    assert len(responses.lines) == 5
    assert len(cumulative.lines) == 1
    data = np.asarray(centers.lines[0].get_ydata())
    np.testing.assert_allclose(data, model.frontend.center_frequencies(), rtol=1e-6)
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    assert figure.get_suptitle() == f"{model.title} at 8000 Hz, initial weights"


def test_no_text_lies_on_another_one(tmp_path: Path) -> None:
    folder, _ = kept(_LEAF, tmp_path / "a $model$ of a rather long name, of which the middle goes")
    model = filter_models.read("MODEL", str(folder), Asked(), None)
    before = filter_models.read_before("leaf", model)
    figure = filters_plot.draw(model, before)
    figure.draw_without_rendering()
    legends = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
    assert len(legends) == 4
    texts = [text for axes in figure.axes for text in (axes.xaxis.label, axes.yaxis.label)]
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = axis.get_view_interval()
        texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    title = figure._suptitle  # type: ignore[attr-defined]
    boxes = [each.get_window_extent() for each in [*texts, *legends, title]]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1


def test_pcen_of_a_model_that_had_none_before(tmp_path: Path) -> None:
    folder, _ = kept(_LEAF, tmp_path / "made")
    model = filter_models.read("MODEL", str(folder), Asked(), None)
    figure = filters_plot.draw(model, filter_models.read_before("tfbanks", model))
    assert [len(axes.lines) for axes in figure.axes[3:]] == [1] * 4


# Warnings


def test_filters_that_coincide_are_told_in_one_line() -> None:
    result = run("leaf", "--n-filters", 128, "--sample-rate", 8000)
    assert result.exit_code == 0
    (line,) = result.stderr.splitlines()
    assert line.startswith("warning: filters: 5 of 128 filters coincide with another, 0 are empty")


def test_trained_filters_that_coincide_or_are_empty(tmp_path: Path) -> None:
    arguments = {"n_filters": 4, "sample_rate": 8000, "max_freq": 3900.0}
    tree: Tree = {"kind": "TimeDomainFilterbanks", "arguments": arguments}
    kernel = build(tree).get_parameter("complex_conv.kernel").detach().clone()
    kernel[..., 2:4] = 1.001 * kernel[..., 0:2]  # the second filter is nearly the first
    kernel[..., 6:8] = 0.0
    folder, _ = kept(tree, tmp_path / "made", complex_conv__kernel=kernel)
    result = run(folder)
    assert result.exit_code == 0
    assert "warning: filters: 1 of 4 filters coincide with another, 1 are empty" in result.stderr


def test_a_model_is_not_told_of_its_initial_filters(tmp_path: Path) -> None:
    kernel = torch.stack([torch.linspace(0.1, 3.0, 128), torch.full((128,), 100.0)], dim=1)
    tree: Tree = {"kind": "Leaf", "arguments": {"n_filters": 128}}
    folder, _ = kept(tree, tmp_path / "made", complex_conv__kernel=kernel)
    table(folder)


# What is refused


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "filters: MODEL: expected a folder of config.json"),
        (["leaf", "--n-filters", "0"], "--n-filters: expected an integer of at least 1"),
        (["leaf", "--sample-rate", "-1"], "--sample-rate: expected an integer of at least 1"),
        (["leaf", "--before", "mel"], "--before: expected two mel filterbanks"),
        (["leaf", "--plot", "a.jpg"], "--plot: expected a name that ends in .png or .svg or .pdf"),
        (["leaf", "--out", "a.npy"], "--out: expected a name that ends in .csv or .json"),
        (["leaf", "--out", "no/a.csv"], "--out: expected a path in a folder that exists"),
        (["leaf", "--out", "there.csv"], "--out: expected a name that is free"),
        (["made", "--n-filters", "4"], "--n-filters: expected 5, as"),
        (["made", "--sample-rate", "16000"], "--sample-rate: expected 8000 Hz, as"),
        (["made", "--before", "other"], "--before: expected a frontend with the same filters, 5"),
        (["made", "--before", "nowhere"], "--before: expected a folder of config.json"),
        (["made/config.json"], "MODEL: expected a folder of config.json"),
        (["broken"], "MODEL: expected finite weights"),
        (["leaf", "--before", "broken"], "--before: expected finite weights"),
        (["empty"], "config.json"),
    ],
)
def test_refusals(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kept(_LEAF, tmp_path / "made")
    kept({**_LEAF, "arguments": {"n_filters": 4, "sample_rate": 8000}}, tmp_path / "other")
    kept(_LEAF, tmp_path / "broken", complex_conv__kernel=torch.full((5, 2), torch.nan))
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.csv").write_text("mine")
    line = refused(tmp_path, *arguments)
    assert told in line
    assert "features" not in line


def test_a_name_that_is_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept(_SINC, tmp_path / "leaf")
    assert "leaf, which is both; give ./leaf for the folder" in refused(tmp_path, "leaf")
    assert len(table("./leaf")) == 6
    (tmp_path / "mel").mkdir()  # holds no model
    assert len(table("mel", "--n-filters", 3)) == 4


def test_force_replaces(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("mine")
    table("leaf", "--n-filters", 3, "--out", out, "--force")
    assert out.read_text().startswith("filter,center_hz,bandwidth_hz\n")
