"""The backends that capture a graph: what they catch, what they leave out, that they say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from leaf_port.errors import LeafError
from parity.checks import case_checks, expected_capture_failures
from parity.checks.compare import Difference
from parity.checks.expected_capture_failures import NotCaptured
from parity.checks.result import Result
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import backends, graph_capture, runner, trace_shapes
from parity.port.backends import CPU, Backend
from parity.port.graph_capture import CaptureError
from parity.report import graphs, table
from parity.report.rows import Row
from parity.spec import Case, LayerSpec

SPECS = all_specs()
SMALL = SPECS["gaussian_lowpass_layer"]
CASE = SMALL.cases()[0]
CAPTURING = [each for each in backends.TABLE.values() if each.capture is not None]

Changed = Callable[[Tensor], Tensor]


def backend(change: Changed = lambda output: output, **settings: Any) -> Backend:
    """One that captures nothing: the module itself, its outputs changed."""

    def capture(module: nn.Module, *_: Sequence[Tensor]) -> graph_capture.Called:
        return lambda *arrays: [change(output) for output in module(*arrays)]

    return Backend("compiled", "cpu", lambda: "", capture=capture, **settings)


def result_on(where: Backend, spec: LayerSpec = SMALL, case: Case = CASE) -> Result:
    (result,) = case_checks.check(spec, case, recorded.load(spec).answer, where)
    return result


def test_the_right_numbers_pass() -> None:
    assert not result_on(backend()).failures


def test_wrong_outputs_are_caught() -> None:
    failures = result_on(backend(lambda output: output * 1.001)).failures
    assert any("port and official: output/0" in line for line in failures)
    assert any("port and exact: output/0" in line for line in failures)


def test_wrong_gradients_are_caught() -> None:
    """Outputs that are right, with twice their slope."""
    failures = result_on(backend(lambda output: 2.0 * output - output.detach())).failures
    assert failures
    assert all("gradients/" in line for line in failures)


def test_outputs_alone_are_told_to_be_alone() -> None:
    result = result_on(backend(lambda output: output.detach(), outputs_only="no gradients there"))
    assert not result.failures
    assert {(skip.array, skip.reason) for skip in result.skips} == {
        ("gradients/input/inputs", "no gradients there"),
        ("gradients/weight/kernel", "no gradients there"),
    }
    assert any(each.array == "output/0" for each in result.differences)


# Shapes


@pytest.mark.parametrize("name", SPECS)
def test_every_declared_axis_is_longer_when_traced(name: str) -> None:
    """And no other: those are the layer's own."""
    spec = SPECS[name]
    case = spec.cases()[0]
    question = runner.ask(spec, case)
    arrays = [torch.from_numpy(each) for each in (*question.inputs.values(), *question.draws)]
    declared = spec.sampling.axes(case.config)
    names = [*question.inputs, *(["draws"] * len(question.draws))]
    for free in (trace_shapes.AXES, ("batch",), ()):
        traced = trace_shapes.longer(spec, question, arrays, free)
        for array, other, key in zip(arrays, traced, names, strict=True):
            axes = [*declared.get(key, ()), *([""] * array.ndim)][: array.ndim]
            longer = [
                size + trace_shapes.LONGER.get(axis, 0) * (axis in free)
                for size, axis in zip(array.shape, axes, strict=True)
            ]
            assert list(other.shape) == longer
            assert other.dtype == array.dtype


@pytest.mark.parametrize(
    "name", ["leaf", "time_domain_filterbanks", "sincnet", "sincnet_plus", "mel_filterbanks"]
)
def test_frontends_are_to_serve_any_batch_and_length(name: str) -> None:
    assert SPECS[name].sampling.axes(SPECS[name].configs[0])["inputs"] == ("batch", "time")


def _of_long_clips(inputs: Tensor) -> Tensor:
    """Takes another way for a long input: no graph serves both."""
    return torch.log(inputs + 1e-5) if inputs.shape[1] > 1000 else inputs


def test_a_graph_of_one_length_is_no_graph_of_another() -> None:
    """Traced at more than 1000 frames; at fewer it does not answer, and that is a failure."""
    spec = dataclasses.replace(SPECS["log_compression"], port=lambda _: _of_long_clips)
    result = result_on(backends.EXPORTED, spec, spec.cases()[0])
    assert result.error.startswith("the exported program: ")


# What is missing


def test_missing_packages_are_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    there: Callable[[str], object] = lambda name: None if name == "onnxruntime" else object()  # noqa: E731
    monkeypatch.setattr(graph_capture.importlib.util, "find_spec", there)
    told = "onnxruntime is not installed (pip install leaf-port[onnx])"
    assert backends.ONNX.missing() == told


def test_a_missing_compiler_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(graph_capture.shutil, "which", lambda _: None)
    assert backends.COMPILED.missing().startswith("inductor finds no C++ compiler")
    monkeypatch.setattr(graph_capture.shutil, "which", lambda name: name)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert backends.COMPILED.missing() == ""


def test_a_processor_without_vectors_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_capture.shutil, "which", lambda name: name)
    monkeypatch.setattr(graph_capture.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert "without vectors" in backends.COMPILED.missing()


def test_of_those_asked_for_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told in one line, and the run does not pass; with nothing left it ends."""
    lost = dataclasses.replace(backends.ONNX, missing=lambda: "onnxruntime is not installed")
    monkeypatch.setattr(backends, "TABLE", {"cpu": CPU, "onnx": lost})
    seen: list[str] = []
    monkeypatch.setattr(
        table.gathered,
        "gather",
        lambda _specs, _case, _progress, where, _first: seen.extend(where) or [],
    )
    console = Console(record=True, width=200)
    assert not table.run([], None, console, ["cpu", "onnx"])
    assert seen == ["cpu"]
    text = console.export_text()
    assert text.count("backend onnx was asked for: onnxruntime is not installed") == 1
    with pytest.raises(LeafError, match="onnxruntime is not installed"):
        table.run([], None, console, ["onnx"])


def test_they_run_only_where_they_are_asked_for() -> None:
    reasons = backends.default()
    assert reasons["cpu"] == ""
    for each in CAPTURING:
        assert reasons[each.name]


# The table of what is not captured

ENTRY = NotCaptured("loop", [SMALL.name], ["compiled"], "a loop over time", error="as often")
FIXED = dataclasses.replace(ENTRY, fixed=("time",))
OFF = NotCaptured(
    "off", [SMALL.name], ["compiled"], "torch adds up", off="gradients/weight/", most=20.0
)

WORSE: dict[str, Any] = {"aspect": "shape", "units": 21.0}  # than what OFF excuses


def _attempt(
    monkeypatch: pytest.MonkeyPatch, compute: Callable[[runner.Run], Result], *entries: NotCaptured
) -> Result:
    monkeypatch.setattr(expected_capture_failures, "TABLE", entries)
    question = runner.ask(SMALL, CASE)
    return expected_capture_failures.attempt(
        SMALL, question, runner.Run(backend=backends.COMPILED), compute
    )


def _good(*differences: Difference) -> Result:
    return Result(SMALL.name, CASE.name, None, differences, backend="compiled")


def _stale(result: Result) -> list[str]:
    return list(expected_capture_failures.unneeded(SMALL, SMALL.cases(), [result]))


def test_an_entry_excuses_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_run: runner.Run) -> Result:
        raise CaptureError("steps as often as frames ask")

    result = _attempt(monkeypatch, refuses, ENTRY)
    assert not result.failures
    assert result.left_out == "not captured: loop"
    assert _stale(result) == []
    (line,) = graphs.notes([Row(SMALL, [result])])
    assert line.startswith("compiled: 0 of 1 results were compared")
    assert f"loop: {SMALL.name} 1" in line


def test_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another error, another layer, another backend."""

    def refuses(_run: runner.Run) -> Result:
        raise CaptureError("no compiler")

    elsewhere = dataclasses.replace(ENTRY, error="no compiler")
    for entry in (
        ENTRY,
        dataclasses.replace(elsewhere, layers=["leaf"]),
        dataclasses.replace(elsewhere, backends=["onnx"]),
        dataclasses.replace(elsewhere, cases=lambda case, _: case.training),
    ):
        assert _attempt(monkeypatch, refuses, entry).error == "no compiler"


def test_a_fixed_axis_is_tried_free_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def of_one_length(run: runner.Run) -> Result:
        seen.append(run.free)
        if "time" in run.free:
            raise CaptureError("steps as often as frames ask")
        return _good(Difference("output/0", "values", True))

    result = _attempt(monkeypatch, of_one_length, FIXED)
    assert seen == [("batch", "time"), ["batch"]]
    assert not result.failures
    assert not result.left_out
    assert result.not_captured == ("loop",)


def test_values_that_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the entry's arrays are told and left out; others fail."""
    weight = Difference("gradients/weight/kernel", "values", False, units=19.0, message="far")
    other = Difference("output/0", "values", False, message="far")
    result = _attempt(monkeypatch, lambda _: _good(weight), OFF)
    assert not result.failures
    assert [skip.array for skip in result.skips] == ["gradients/weight/kernel"]
    assert result.not_captured == ("off",)
    assert _attempt(monkeypatch, lambda _: _good(weight, other), OFF).failures
    for worse in (
        dataclasses.replace(weight, aspect="shape"),
        dataclasses.replace(weight, units=21.0),
    ):
        result = _attempt(monkeypatch, lambda _, worse=worse: _good(worse), OFF)  # type: ignore[misc]
        assert result.failures


@pytest.mark.parametrize("entry", [ENTRY, FIXED, OFF])
def test_an_entry_that_nothing_needs_is_told(
    entry: NotCaptured, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _attempt(monkeypatch, lambda _: _good(Difference("output/0", "values", True)), entry)
    assert result.not_captured == ()
    (line,) = _stale(result)
    assert f"{SMALL.name}: no case on compiled needs {entry.name!r}" in line
    assert _stale(dataclasses.replace(result, backend="cpu")) == []  # not run there: nothing known


def test_entries_are_complete() -> None:
    known = {each.name for each in CAPTURING}
    for entry in expected_capture_failures.TABLE:
        assert entry.reason
        assert set(entry.layers) <= set(SPECS)
        assert set(entry.backends) <= known
        assert set(entry.fixed) <= set(trace_shapes.AXES)
        assert bool(entry.error) != bool(entry.off)
        assert bool(entry.off) == bool(entry.most)
        assert not (entry.fixed and entry.off)
    assert len({entry.name for entry in expected_capture_failures.TABLE}) == len(
        expected_capture_failures.TABLE
    )


def test_nothing_to_capture_is_told() -> None:
    result = result_on(backends.EXPORTED, SPECS["melfilters"], SPECS["melfilters"].cases()[0])
    assert result.left_out == expected_capture_failures.NOTHING_GOES_IN
    assert not result.failures


# Each of them, on something small


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("where", CAPTURING, ids=lambda each: each.name)
def test_a_small_layer(where: Backend) -> None:
    if reason := where.missing():
        pytest.skip(f"backend {where.name}: {reason}")
    result = result_on(where)
    assert not result.failures
    assert not result.left_out
    assert any(each.array == "output/0" for each in result.differences)
    gradients = any(each.is_gradient for each in result.differences)
    assert gradients != bool(where.outputs_only)
