"""The examples in the docstrings of public classes run."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from leaf_port import (
    convolution,
    extractor,
    frontend,
    mel_filterbanks,
    plot,
    postprocessing,
)

EXAMPLES = [
    (frontend, {"Leaf"}),
    (mel_filterbanks, {"MelFilterbanks"}),
    (convolution, {"GaborConv1d"}),
    (extractor, {"LeafFeatureExtractor"}),
    (plot, {"features"}),
    (postprocessing, {"PCEN", "SpecAugment"}),
]


@pytest.mark.parametrize(("module", "classes"), EXAMPLES)
def test_examples_run(module: ModuleType, classes: set[str]) -> None:
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert {test.name.rpartition(".")[2] for test in tests} >= classes
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        report: list[str] = []
        failed, _ = runner.run(test, out=report.append)
        assert not failed, "".join(report)
