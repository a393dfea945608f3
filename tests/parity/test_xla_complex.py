"""python -m parity xla-complex: every class is recognised, the bounds hold, the verdict follows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import _fake_torch_xla as fake
import pytest
import torch

from leaf_port import LeafError, impulse_responses
from leaf_port.convolution import fft_conv1d
from parity.commands.xla_complex import bounds, judge, verdict, worker
from parity.commands.xla_complex.command import merge
from parity.commands.xla_complex.document import Document
from parity.commands.xla_complex.judge import Finding
from parity.commands.xla_complex.probes import SINGLE, Probe, all_probes, both
from parity.commands.xla_complex.session import Session
from parity.commands.xla_complex.verdict import USES, Findings

DEVICE = "FAKE"
LIMIT = 60.0
VERSIONS = {"python": "3.11", "torch": "2", "torch_xla": "2.10.0", "device": DEVICE}

# The class of every planted fault: function of torch, fault, probe, backward, verdict, detail.
PLANTED = [
    ("exp", "dies", "exp", False, judge.DIES, "signal 6: F0000 client.cc:1] Check failed: planted"),
    ("polar", "raises", "polar", False, judge.RAISES, "RuntimeError: planted"),
    ("angle", "refuses autograd", "angle", True, judge.NO_AUTOGRAD, "angle does not support"),
    ("conv1d", "detaches", "conv1d", True, judge.NO_AUTOGRAD, "no grad_fn"),
    ("fft_fft", "falls back", "fft", False, judge.FALLS_BACK, "aten::fft_fft"),
    ("fft_irfft", "wrong value", "irfft", False, judge.WRONG_VALUE, "off by"),
    ("mean", "nan", "mean", False, judge.WRONG_VALUE, "off by nan"),
    ("cat", "wrong shape", "cat", False, judge.WRONG_VALUE, "shape (1, 4) instead of (6, 4)"),
    ("matmul", "real dtype", "matmul", False, judge.DROPS_IMAGINARY, "float32 instead of comp"),
    ("add", "zero imaginary part", "add", False, judge.DROPS_IMAGINARY, "off by"),
    ("abs", "complex dtype", "abs", False, judge.WRONG_DTYPE, "complex64 instead of float32, va"),
    ("fft_rfft", "wrong gradient", "rfft", True, judge.WRONG_VALUE, "off by"),
    ("fft_rfft", "wrong gradient", "rfft", False, judge.LOWERED, "units"),
    ("imag", "float64", "imag", False, judge.WRONG_DTYPE, "float64 instead of float32, values"),
    ("view_as_real", "complex inside", "view_as_real", False, judge.WRONG_DTYPE, "next operation"),
    ("complex", "spoiled by use", "complex", False, judge.WRONG_VALUE, "once used again: "),
    ("sum", "unusable", "sum", False, judge.RAISES, "once used again: RuntimeError: planted: exp"),
    ("view_as_complex", "", "view_as_complex", True, judge.LOWERED, "exact"),
]
FAULTS = {function: fault for function, fault, *_ in PLANTED}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Finding]:
    """The findings of all planted faults, asked of one session."""
    with pytest.MonkeyPatch.context() as patch:
        python = fake.install(tmp_path_factory.mktemp("fake"), patch, **FAULTS)
        with Session(python, DEVICE, LIMIT) as session:
            asked = [Probe(name, backward) for _, _, name, backward, _, _ in PLANTED]
            return {(each.operation, each.backward): session.ask(each) for each in asked}


@pytest.mark.parametrize(("function", "fault", "name", "backward", "expected", "told"), PLANTED)
def test_each_class_is_recognised(
    planted: dict[tuple[str, bool], Finding],
    function: str,
    fault: str,
    name: str,
    backward: bool,
    expected: str,
    told: str,
) -> None:
    """Also the probe after one whose process died or raised."""
    found = planted[name, backward]
    assert found.verdict == expected, found
    assert told in found.detail


def test_a_process_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told with the limit; the next probe is answered."""
    python = fake.install(tmp_path, monkeypatch, exp="hangs")
    with Session(python, DEVICE, 2.0) as session:
        found = session.ask(Probe("exp", backward=False))
        session.limit = LIMIT
        assert session.ask(Probe("mul", backward=False)).verdict == judge.LOWERED
    assert (found.verdict, found.detail) == (judge.HANGS, "it gave no answer within 2 s")


# Bounds


@pytest.mark.parametrize(
    "probe", all_probes(), ids=lambda each: f"{each.operation} {each.direction}"
)
def test_complex64_on_the_cpu_is_within_the_bounds(probe: Probe) -> None:
    """And the bounds are those of single precision: at most 1e-4 of the largest element."""
    reply = worker.answer(_Cpu(), probe.question())
    found = judge.judge(probe, reply)
    assert found.verdict == judge.LOWERED, found
    for exact, allowed in zip(probe.expected.exact, probe.expected.bounds, strict=True):
        assert float(allowed.max()) <= 1e-4 * float(exact.abs().max())


class _Cpu:
    """The CPU in the place of the XLA device."""

    device = torch.device("cpu")

    def sync(self) -> None:
        """Nothing is lazy."""

    def counters(self) -> dict[str, int]:
        """Nothing falls back."""
        return {}


def test_a_bound_is_what_the_formula_says() -> None:
    """``z = x y``, then ``x z``: two products of ``2 sqrt(2) u``, in either component."""
    x, y = (
        torch.tensor([3.0 + 4.0j]).to(torch.complex128),
        torch.tensor([0.5j]).to(torch.complex128),
    )
    found = bounds.bounded(lambda: (x * (x * y),))
    # The first product's error, in its real and its imaginary part, goes through x.
    unit = 2 * 2.0**-24 * (abs(3 + 4j) * 2.5 + 12.5)
    assert float(found.units[0]) == pytest.approx(unit, rel=1e-6)
    assert float(found.bounds[0]) == pytest.approx(2 * 2**0.5 * unit, rel=1e-6)


def test_real_and_imaginary_parts_have_bounds_of_their_own() -> None:
    """Each may be off by the product's modulus, ``2.5 u``; neither by the other's error."""
    x, y = (torch.tensor([z]).to(torch.complex128) for z in (3.0 + 4.0j, 0.5j))
    found = bounds.bounded(lambda: (torch.view_as_real(x * y),))
    assert found.units[0].flatten().tolist() == pytest.approx([2.5 * 2.0**-24] * 2, rel=1e-6)


def test_an_operator_without_a_bound_is_refused() -> None:
    x = torch.ones(2, dtype=torch.float64)
    with pytest.raises(LeafError, match="erfinv: expected an operator with a known bound"):
        bounds.bounded(lambda: (torch.erfinv(x * 0.5),))


# The port


@pytest.mark.parametrize("use", USES, ids=lambda use: use.operation)
@pytest.mark.parametrize("backward", [False, True])
def test_the_probe_of_a_use_computes_as_the_port_does(use: verdict.Use, backward: bool) -> None:
    """The same operators on complex numbers; each of them is probed alone too."""
    ours = use.operators(backward)
    assert ours == Probe(use.operation, backward).operators
    alone = frozenset().union(*(each.operators for name in SINGLE for each in both(name)))
    assert ours <= alone
    assert ours


def test_the_probes_give_the_ports_bits() -> None:
    kernel = torch.tensor([[0.5, 1.0], [1.0, 2.0], [3.0, 2.5]])
    filters = torch.view_as_real(impulse_responses.gabor_filters(kernel, 9))
    assert torch.equal(worker.gabor_filters(kernel), filters)
    inputs, taps = Probe("FFT convolution", backward=False).inputs
    for ours, expected in zip(
        worker.fft_conv1d(inputs, taps), fft_conv1d(inputs, taps), strict=True
    ):
        assert torch.equal(ours, expected)
    spectrum = Probe("amplitude", backward=False).inputs[0]
    assert torch.equal(worker.amplitude(spectrum), impulse_responses.amplitude(spectrum, 0))


# The verdict


def findings(**odd: str) -> Findings:
    """All lowered but those named: ``operation_direction="verdict"``."""
    found = {
        (each.operation, each.direction): Finding(each.operation, each.direction, judge.LOWERED, "")
        for each in all_probes()
    }
    for key, what in odd.items():
        name, _, direction = key.rpartition("_")
        name = name.replace("__", " ")
        fell_back = ("aten::op",) if what == judge.FALLS_BACK else ()
        assert (name, direction) in found
        found[name, direction] = Finding(name, direction, what, "why", fell_back=fell_back)
    return found


def gabor(found: Findings) -> verdict.Verdict:
    """The verdict of the Gabor filters."""
    return verdict.all_verdicts(list(found.values()))[0]


def test_where_all_is_right_the_workaround_is_not_needed() -> None:
    every = verdict.all_verdicts(list(findings().values()))
    assert [each.needed for each in every] == ["no"] * len(USES)
    assert "is not needed for Gabor filters on torch_xla 2.10.0" in verdict.headline(
        every, VERSIONS
    )


def test_where_it_falls_back_it_is_needed_for_speed() -> None:
    found = gabor(findings(**{"Gabor__filters_forward": judge.FALLS_BACK}))
    assert (found.needed, found.silent) == ("for speed", "")
    assert "on the CPU: aten::op" in found.text


@pytest.mark.parametrize("wrong", [judge.RAISES, judge.NO_AUTOGRAD, judge.DIES, judge.HANGS])
def test_where_it_fails_it_is_needed(wrong: str) -> None:
    found = gabor(findings(**{"Gabor__filters_backward": wrong}))
    assert (found.needed, found.silent) == ("yes", "")
    assert f"backward {wrong} (why)" in found.text


@pytest.mark.parametrize("wrong", sorted(judge.SILENT))
def test_what_is_silently_wrong_is_told(wrong: str) -> None:
    """Beside it the operator that is wrong in every single operation with it."""
    odd = {"Gabor__filters_forward": wrong, "exp_forward": wrong, "exp_backward": wrong}
    found = gabor(findings(**odd))
    assert (found.needed, found.silent) == ("yes", f"{wrong} forward")
    assert f"not right alone: exp(c) -> c (exp, forward: {wrong})" in found.text


def test_an_operation_that_the_port_does_not_use_changes_nothing() -> None:
    every = findings(div__by__complex_forward=judge.DROPS_IMAGINARY, mean_forward=judge.RAISES)
    assert gabor(every) == gabor(findings())


# Files


def document(version: str, **odd: str) -> Document:
    """A run of the command."""
    found = list(findings(**odd).values())
    versions = {**VERSIONS, "torch_xla": version, "matmul_precision": "highest"}
    return Document("2026-01-02", versions, found, verdict.all_verdicts(found))


def test_files_become_one_table(tmp_path: Path) -> None:
    """In the order of versions, whatever that of the files."""
    new, old = document("2.10.0"), document("2.9.0", abs_backward=judge.NO_AUTOGRAD)
    paths = []
    for each in (new, old):
        paths.append(tmp_path / f"{each.versions['torch_xla']}.json")
        paths[-1].write_text(each.text())
    assert Document.read(paths[0]) == new
    lines = merge(paths).splitlines()
    assert lines[0] == "| operation | 2.9.0 | 2.10.0 |"
    assert "| abs | ok / no autograd | ok |" in lines
    assert "| **real arithmetic needed: Gabor filters** | no | no |" in lines
    assert "torch_xla 2.9.0: torch 2, Python 3.11, FAKE, 2026-01-02" in lines[-1]


def test_an_infinite_error_can_be_written(tmp_path: Path) -> None:
    found = dataclasses.replace(next(iter(findings().values())), units=float("inf"))
    path = tmp_path / "a.json"
    path.write_text(dataclasses.replace(document("1.0"), findings=[found]).text())
    assert Document.read(path).findings[0].units is None


def later() -> str:
    """As a later version of the command may write it."""
    return document("2.9.0").text().replace("xla-complex 1", "xla-complex 2")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": "leaf_port xla-complex 1"}', later()], ids=range(5)
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(LeafError, match=r"--table: expected findings as JSON, got .*other\.json"):
        merge([path])
