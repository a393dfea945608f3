"""Questions are the same bits on every machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from leaf_port.errors import LeafError
from parity.layers import _common, all_specs
from parity.oracles import recorded
from parity.port import runner
from parity.spec import Array, Config
from parity.spec.random_arrays import Source

try:
    from numpy._core import _multiarray_umath as umath
except ImportError:  # NumPy 1.26
    from numpy.core import _multiarray_umath as umath  # type: ignore[no-redef]

SHAPE = (3, 5)
FEATURES = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]]

_ASK = """
import json, sys
import numpy as np
from parity.layers import all_specs
from parity.port import runner
print(json.dumps({
    f"{spec.name} {case.name}": runner.ask(spec, case).digest()
    for spec in all_specs().values() for case in spec.cases()
}))
"""


@pytest.mark.parametrize(
    "inexact",
    [
        lambda x: x**4,
        lambda x: x**0.3,
        np.exp,
        np.sin,
        np.sum,
        np.mean,
        np.cumsum,
        np.add.accumulate,
        np.linalg.norm,
        np.fft.rfft,
        lambda x: x @ x.T,
        lambda x: np.add(x, 1, out=np.log(x)),
    ],
)
def test_an_operation_whose_last_bit_varies_is_refused(inexact: Any) -> None:
    with pytest.raises(LeafError, match="question: numpy"):
        inexact(Source(0, guard=True).uniform(SHAPE))


@pytest.mark.parametrize(
    ("exact", "plain"),
    [
        (lambda x: x * 3.4 - 0.1, lambda x: x * 3.4 - 0.1),
        (lambda x: x**2, lambda x: x * x),
        (lambda x: np.sqrt(abs(x)), lambda x: np.sqrt(np.abs(x))),
        (lambda x: np.repeat(x[:, None], 2, axis=1), lambda x: np.stack([x, x], axis=1)),
        (lambda x: np.where(x > 0, x, -x).max(axis=1), lambda x: np.abs(x).max(axis=1)),
        (lambda x: np.add(x, x, out=x.copy()), lambda x: x + x),
    ],
)
def test_what_is_exactly_rounded_is_computed(exact: Any, plain: Any) -> None:
    drawn = Source(0, guard=True).uniform(SHAPE)
    made = exact(drawn)
    assert np.array_equal(made, plain(np.asarray(drawn)))
    with pytest.raises(LeafError):  # the guard stays on what is made
        np.exp(made)


def test_every_question_is_the_recorded_one() -> None:
    others = [
        f"{spec.name} {case.name}"
        for spec in all_specs().values()
        for case in recorded.cases(spec)
        if runner.ask(spec, case).digest() != recorded.load(spec).entries[case.name]["question"]
    ]
    assert not others


@pytest.mark.skipif(not FEATURES, reason="NumPy dispatches to no feature of this processor")
def test_no_feature_of_the_processor_moves_a_question() -> None:
    """The same digests from a process whose NumPy has its baseline alone."""
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(FEATURES)}
    made = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ASK],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    there = json.loads(made.stdout)
    entries = {spec.name: recorded.load(spec).entries for spec in all_specs().values()}
    assert there
    assert there == {
        f"{spec.name} {case.name}": entries[spec.name][case.name]["question"]
        for spec in all_specs().values()
        for case in spec.cases()
    }


def test_a_question_that_depends_on_the_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The power that stood here once: a declaration that draws so fails wherever it runs."""

    def once(config: Config, source: Source) -> dict[str, Array]:
        return {"inputs": source.uniform((2, config["frames"], config["channels"])) ** 4}

    spec = all_specs()["log_compression"]
    monkeypatch.setitem(spec.__dict__, "inputs", once)
    with pytest.raises(LeafError, match=r"numpy\.power"):
        runner.ask(spec, spec.cases()[0])


def test_energies_span_orders_of_magnitude() -> None:
    drawn = np.asarray(_common.energies(Source(3), (4, 50, 8)))
    assert drawn.dtype == np.float32
    assert drawn.min() < 1e-3
    assert drawn.max() > 0.5
