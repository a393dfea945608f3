"""TensorFlow's primitives: the declarations, the runner, and the live check where there is one."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _fake_official import install
from rich.console import Console

from leaf_port import LeafError, padding
from parity.checks import case_checks
from parity.commands.primitives import Primitive, _check, _report, all_primitives
from parity.oracles import exact_answer, official
from parity.oracles.official import NotInThisStackError, Official
from parity.port import runner
from parity.spec import Answer, LayerSpec, Question, Ref

TABLE = all_primitives()


def exact(spec: LayerSpec, question: Question) -> Answer:
    """Answers as TensorFlow would, in float32: the exact outputs, the float64 port's gradients."""
    answer = exact_answer.answer(spec, question)
    gradients = runner.answer(spec, question, runner.Run()).gradients
    return Answer([out.astype(np.float32) for out in answer.outputs], gradients)


class Stub:
    """Stands for the worker."""

    stack = "tensorflow 0.0"

    def __init__(self, answer: _check.Ask = exact) -> None:
        self.answer = answer


def told(chosen: dict[str, Primitive], stub: Stub, case: str | None = None) -> tuple[bool, str]:
    """Verdict and text of a short run."""
    console = Console(record=True, width=250)
    ok = _report.run(chosen, 12, case, console, stub)  # type: ignore[arg-type]
    return ok, console.export_text()


@pytest.mark.parametrize("name", TABLE)
def test_error_cases(name: str) -> None:
    """As of every declaration."""
    for error_case in TABLE[name].spec.errors:
        assert case_checks.check_error(error_case) is None


@pytest.mark.parametrize("name", TABLE)
def test_a_primitive_names_tensorflow_and_no_checkout(name: str) -> None:
    """Whatever its configuration."""
    for config in TABLE[name].spec.configs:
        assert "leaf_audio" not in str(TABLE[name].spec.official(config).tree)


@pytest.mark.parametrize("name", ["same_padding", "clipping", "max_pooling1d", "reduce_max"])
def test_a_correct_answer_passes(name: str) -> None:
    """The table says so, with what answered and what was not drawn."""
    ok, text = told({name: TABLE[name]}, Stub())
    assert ok, text
    assert "12 examples; 1 passed, 0 failed, 0 not run" in text
    assert "tensorflow 0.0" in text
    assert all(reason in text for reason in TABLE[name].left_out.values())


@pytest.mark.parametrize("signal", ["nan", "infinity", "silence"])
def test_signals_that_are_left_out_are_not_drawn(signal: str) -> None:
    """All others are."""
    base = TABLE["clipping"]
    assert signal in base.signals
    assert signal not in Primitive(base.spec, {signal: "for a reason"}).signals
    with pytest.raises(ValueError, match="left out"):
        Primitive(base.spec, {"noise": "no such signal"})


def test_a_planted_bug_is_found_and_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The symmetric padding of three public ports; the printed command finds it again."""

    def symmetric(_length: int, kernel_size: int, *_: int) -> tuple[int, int]:
        return kernel_size // 2, (kernel_size - 1) // 2

    monkeypatch.setattr(padding, "same_padding", symmetric)
    chosen = {"same_padding": TABLE["same_padding"]}
    ok, text = told(chosen, Stub())
    assert not ok
    assert "0 passed, 1 failed" in text
    command = next(line for line in text.splitlines() if line.startswith("python -m parity"))
    assert command.startswith("python -m parity primitives --primitive same_padding --case '{")
    case = command.split("--case ")[1].strip("'")
    ok, text = told(chosen, Stub(), case)
    assert not ok
    monkeypatch.undo()
    ok, text = told(chosen, Stub(), case)
    assert ok, text


def test_a_printed_case_asks_the_same_question() -> None:
    """Through JSON and back, whatever its configuration holds."""
    for primitive in TABLE.values():
        for case in primitive.spec.cases():
            again = _check.from_text(case.as_json())
            first, second = (runner.ask(primitive.spec, each) for each in (case, again))
            assert first.digest() == second.digest()


def test_a_halved_gradient_at_a_tie_is_found() -> None:
    """The direct check sees it: ties are no matter of the exact oracle."""

    def halving(spec: LayerSpec, question: Question) -> Answer:
        answer = exact(spec, question)
        ties = spec.exceptions.ties(question.case.config)["input/inputs"]
        answer.gradients["input/inputs"] = answer.gradients["input/inputs"] * np.where(ties, 0.5, 1)
        return answer

    ok, text = told({"clipping": TABLE["clipping"]}, Stub(halving))
    assert not ok
    assert "port and official: gradients/input/inputs" in text


def test_a_primitive_of_a_missing_package_is_not_run() -> None:
    """Told with the reason; nothing failed."""

    def lacking(_spec: LayerSpec, _question: Question) -> Answer:
        raise NotInThisStackError("the official interpreter lacks tensorflow_addons")

    ok, text = told({"instance_normalization": TABLE["instance_normalization"]}, Stub(lacking))
    assert ok
    assert "not run: the official interpreter lacks tensorflow_addons" in text
    assert "0 passed, 0 failed, 1 not run" in text


@pytest.mark.parametrize("text", ["{}", "no JSON", "[1]"])
def test_a_case_that_is_none(text: str) -> None:
    """Said so, not raised."""
    with pytest.raises(LeafError, match="a case as JSON"):
        told({"scan": TABLE["scan"]}, Stub(), text)


def test_an_error_of_tensorflow_is_told() -> None:
    """As a failure of the primitive, with the traceback."""

    def raising(_spec: LayerSpec, _question: Question) -> Answer:
        raise RuntimeError("official code raised\nValueError: no")

    ok, text = told({"scan": TABLE["scan"]}, Stub(raising))
    assert not ok
    assert "ValueError: no" in text


def test_a_worker_that_dies_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the real worker: the first primitive kills it, the others are told."""
    install(tmp_path, monkeypatch)
    monkeypatch.delenv(official.CHECKOUT)
    (tmp_path / "packages" / "deadly.py").write_text("import os\ndef dies(*_): os._exit(3)\n")
    base = TABLE["same_padding"]
    spec = dataclasses.replace(base.spec, official=lambda _: Ref("deadly.dies"))
    console = Console(record=True, width=250)
    with Official(with_leaf_audio=False, restarts=0) as worker:
        chosen = {"first": Primitive(spec), "second": Primitive(spec)}
        assert not _report.run(chosen, 5, None, console, worker)
    text = console.export_text()
    assert "it died with exit code 3" in text
    assert "0 passed, 1 failed, 1 not run" in text


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs it as a user does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEAF_")}
    line = [sys.executable, "-m", "parity", "primitives", *arguments]
    environment = kept | variables
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


def test_without_an_interpreter() -> None:
    """One line with the variable and the fix; exit code 2."""
    done = command()
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert official.PYTHON in done.stderr
    assert "tox run -e reference" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [(("--primitive", "nonsense"), "one of activations"), (("--case", "{}"), "one --primitive")],
)
def test_wrong_arguments(arguments: tuple[str, ...], wrong: str) -> None:
    """Told before anything is started."""
    done = command(*arguments)
    assert done.returncode == 2
    assert wrong in done.stderr


@pytest.fixture(scope="module")
def worker() -> Iterator[Official]:
    """One for all live tests; skips where there is no TensorFlow. A checkout is not needed."""
    if not os.environ.get(official.PYTHON):
        pytest.skip(f"needs {official.PYTHON}: an interpreter with TensorFlow")
    with Official(with_leaf_audio=False) as started:
        yield started


@pytest.mark.parametrize("name", TABLE)
def test_live(name: str, worker: Official) -> None:
    """A few drawn examples against TensorFlow."""
    tally = _report.drawn(TABLE[name], worker, 10)
    if tally.not_run and not tally.failure:
        pytest.skip(tally.not_run)
    assert not tally.failure, tally.failure
