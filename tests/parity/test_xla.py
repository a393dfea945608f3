"""The XLA backend: why it cannot run, what it watches, and a few layers on it where it can."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
from rich.console import Console

from leaf_port.errors import LeafError
from parity.checks import case_checks, compare
from parity.checks.case_checks import Result
from parity.checks.compare import Difference
from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import backends, xla, xla_program
from parity.port.xla_program import Program
from parity.report import programs, table
from parity.report.rows import Row

REASON = xla.missing()
on_xla = pytest.mark.skipif(bool(REASON), reason=f"backend xla: {REASON}")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torch_xla 2.9.0 were installed beside torch 2.9.1, on a CPU, and started."""
    monkeypatch.setattr(xla.importlib.util, "find_spec", lambda _: SimpleNamespace())
    monkeypatch.setattr(xla.importlib.metadata, "version", lambda _: "2.9.0")
    monkeypatch.setattr(xla.torch, "__version__", "2.9.1+cpu")
    monkeypatch.setattr(xla, "_does_not_start", lambda _: "")
    monkeypatch.setenv("PJRT_DEVICE", "CPU")
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


@pytest.mark.usefixtures("installed")
def test_nothing_is_missing() -> None:
    assert xla.missing() == ""


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xla.importlib.util, "find_spec", lambda _: None)
    assert xla.missing().startswith("torch_xla is not installed")


@pytest.mark.usefixtures("installed")
def test_built_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before its library is loaded, which ends in an undefined symbol."""
    monkeypatch.setattr(xla.torch, "__version__", "2.13.0")
    assert xla.missing() == "torch_xla 2.9.0 is built for torch 2.9, and torch 2.13.0 is installed"


@pytest.mark.usefixtures("installed")
def test_no_device_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PJRT_DEVICE")
    assert xla.missing().startswith("PJRT_DEVICE is not set")


@pytest.mark.usefixtures("installed")
def test_tensorflow_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing both aborts the process: an LLVM option is registered twice."""
    monkeypatch.setitem(sys.modules, "tensorflow", ModuleType("tensorflow"))
    assert "TensorFlow is imported in this process" in xla.missing()


def test_a_device_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process may raise, or die without a word."""
    xla._does_not_start.cache_clear()
    monkeypatch.setattr(xla, "_START", "raise OSError('libtpu not found')")
    assert xla._does_not_start("TPU").endswith("does not start: OSError: libtpu not found")
    monkeypatch.setattr(xla, "_START", "import os; os.abort()")
    assert xla._does_not_start("CUDA").endswith(f"does not start: exit code {-6}")
    monkeypatch.setattr(xla, "_START", "import time; time.sleep(60)")
    monkeypatch.setattr(xla, "_START_SECONDS", 0.5)
    assert xla._does_not_start("CPU").endswith("did not start within 0.5 s")
    xla._does_not_start.cache_clear()


def test_asked_for_and_missing_is_an_error_and_else_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other backends run."""
    broken = backends.Backend("xla", "xla", lambda: "no such device[0]")
    monkeypatch.setattr(backends, "TABLE", {"cpu": backends.CPU, "xla": broken})
    with pytest.raises(LeafError, match=r"no such device\[0\]"):
        table.run([], None, Console(), ["xla"])
    console = Console(record=True, width=200)
    assert table.run([], None, console, ())
    assert "backend xla not run: no such device[0]" in console.export_text()


def test_bounds_are_not_judged_by_a_run_without_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a run has nothing that they were measured on: every one of them would look too wide."""
    other = backends.Backend("xla", "cpu", lambda: "")
    monkeypatch.setattr(backends, "TABLE", {"cpu": backends.CPU, "xla": other})
    with pytest.raises(LeafError, match="Add --backend cpu"):
        table.run([], None, Console(), ["xla"], tight=True)


# What a program tells

_LINES = """
%p0.1 = f32[2,3]{1,0} parameter(0)
%convert.2 = f64[4]{0} convert(f32[4]{0} %p0.1)
%constant.3 = f64[] constant(0)
%compare.4 = pred[4]{0} compare(f64[4]{0} %convert.2, f64[4]{0} %broadcast.3), direction=LE
%dot.5 = f32[2,2]{1,0} dot(%p0.1, %p1.2), operand_precision={highest,highest}
%convolution.6 = f32[2,8]{1,0} convolution(%a, %b), operand_precision={highest,highest}
"""


def test_a_program_of_real_numbers() -> None:
    """Comparing with a plain number in float64 is torch_xla's habit, and not told."""
    told = xla_program.read(_LINES, _LINES)
    assert told == Program()
    assert not list(told.failures(complex_allowed=False))


@pytest.mark.parametrize(
    ("line", "forward", "expected"),
    [
        ("%c = c64[4]{0} complex(%a, %b)", True, "complex types"),
        ("%m = f64[4]{0} multiply(%a, %b)", True, "float64"),
        ("%d = f32[2,2]{1,0} dot(%a, %b), lhs_contracting_dims={1}", False, "1 products of less"),
        ("%d = f32[2,2]{1,0} convolution(%a, %b), window={}", True, "1 products of less"),
    ],
)
def test_what_a_program_must_not_hold(line: str, forward: bool, expected: str) -> None:
    told = xla_program.read(_LINES + line * forward, _LINES + line)
    (failure,) = told.failures(complex_allowed=False)
    assert expected in failure


def test_the_gradient_of_a_convolution_is_told_and_does_not_fail() -> None:
    """torch_xla 2.9.0 sets its precision nowhere."""
    line = "%d = f32[2,2]{1,0} convolution(%a, %b), window={}"
    told = xla_program.read(_LINES, _LINES + line)
    assert told.reduced_backward == 1
    assert not list(told.failures(complex_allowed=False))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Program(fallbacks=("aten::_fft_r2c",)), "fell back to the CPU: aten::_fft_r2c"),
        (Program(compilations=2, calls=2), "2 compilations in 2 calls"),
        (Program(complex_types=True), "complex types"),
    ],
)
def test_a_program_fails_a_result_of_the_real_path_alone(told: Program, expected: str) -> None:
    real = Result("leaf", "a case", "real", backend="xla", program=told)
    assert expected in "".join(real.failures)
    assert "--backend xla" in real.again
    assert not Result("leaf", "a case", "complex", backend="xla", program=told).failures


def test_the_notes_name_every_fallback() -> None:
    row = Row(all_specs()["amplitude"])
    slow = Program(reduced_backward=1, compile_seconds=2.0, seconds=0.25, peak_bytes=3_000_000)
    row.add(Result("amplitude", "a", "real", backend="xla", program=slow))
    fallen = Program(fallbacks=("aten::_fft_c2c",), complex_types=True)
    row.add(Result("amplitude", "a", "complex", backend="xla", program=fallen))
    without, in_complex, most, backward = programs.notes([row])
    assert "1 programs" in without
    assert "fell back to the CPU: nothing; complex types in 0" in without
    assert "amplitude: _fft_c2c" in in_complex
    assert "compiled in at most 2 s (amplitude: a)" in most
    assert "a second call in at most 0.25 s" in most
    assert "grew by at most 3 MB" in most
    assert "bfloat16" in backward


# On the device

_LAYERS = ["gabor_conv1d", "mel_filterbanks", "fft_conv1d", "pcen", "max_pooling1d"]


@on_xla
@pytest.mark.parametrize("layer", _LAYERS)
def test_a_layer_on_the_device(layer: str) -> None:
    """In a process of its own: a device that comes after the first backward has no gradients."""
    case = recorded.cases(all_specs()[layer])[0].name
    line = [sys.executable, "-m", "parity", "run", "--backend", "xla", "--layer", layer]
    done = subprocess.run([*line, "--case", case], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fell back to the CPU: nothing; complex types in 0" in done.stdout


@on_xla
def test_a_fallback_fails_the_real_path() -> None:
    """The transform that the CPU runs, in the place of the matrix products."""
    code = (
        "from leaf_port import frontend\n"
        "frontend._arithmetic.uses_complex = lambda *_: True\n"
        "from parity.checks import case_checks\n"
        "from parity.layers import all_specs\n"
        "from parity.oracles import recorded\n"
        "case = recorded.cases(all_specs()['mel_filterbanks'])[1].name\n"
        "for result in case_checks.check_named('mel_filterbanks', case, 'xla'):\n"
        "    print(result.arithmetic, result.failures)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "real ['program: fell back to the CPU: aten::_fft" in done.stdout, done.stderr


def test_the_gradient_of_a_device_needs_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every backend is started before anything is computed."""
    started = []
    late = backends.Backend("late", "cpu", lambda: "", start=lambda: started.append("late"))
    monkeypatch.setattr(backends, "TABLE", {"cpu": backends.CPU, "late": late})
    case = recorded.cases(all_specs()["energy_floor"])[0].name
    results = case_checks.check_named("energy_floor", case, "cpu", "late")
    assert started == ["late"]
    assert [result.backend for result in results] == ["cpu", "late"]
    assert not [failure for result in results for failure in result.failures]


def test_float64_is_checked_once_however_many_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units, exact oracle and the official answer concern the case, not the backend."""
    second = backends.Backend("second", "cpu", lambda: "")
    monkeypatch.setattr(backends, "TABLE", {"cpu": backends.CPU, "second": second})
    case = recorded.cases(all_specs()["fft_conv1d"])[0].name
    results = case_checks.check_named("fft_conv1d", case, "cpu", "second")
    found = [result for result in results if not result.lacking]
    kinds = [{each.check for each in result.differences} for result in found]
    assert [(result.backend, result.arithmetic) for result in found] == [
        ("cpu", "complex"),
        ("cpu", "real"),
        ("second", "complex"),
        ("second", "real"),
    ]
    assert len(kinds[0]) == 5
    assert kinds[2] == kinds[3] == {compare.DIRECT, compare.PORT}


def test_denormals_that_a_backend_flushes_are_told() -> None:
    """Values alone, and alone what is off."""
    off, good = Difference("output/0", "values", False), Difference("output/1", "values", True)
    shape = Difference("output/2", "shape", False)
    kept, skips = case_checks._without_flushed([off, good, shape])
    assert kept == [good, shape]
    assert [skip.array for skip in skips] == ["output/0"]
