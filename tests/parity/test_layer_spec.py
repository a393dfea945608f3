"""Declarations: complete, or an error."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from parity.layers import all_specs
from parity.oracles import recorded
from parity.port import runner
from parity.spec import Bound, Budget, Case, Exceptions, LayerSpec, Sampling, Weight, digest, grid
from parity.spec.random_arrays import Source

SPECS = all_specs()
OFFICIAL_SYMBOLS = [
    "frontend.Leaf",
    "frontend.TimeDomainFilterbanks",
    "frontend.SincNet",
    "frontend.SincNetPlus",
    "frontend.MelFilterbanks",
    "frontend.SquaredModulus",
    "frontend.log_compression",
    "convolution.GaborConv1D",
    "convolution.SincConv1D",
    "convolution.NormalizedConv1D",
    "convolution.FFTConv1D",
    "convolution.fft_conv1d",
    "convolution.overlap_add_conv1d",
    "convolution.GaborConstraint",
    "pooling.GaussianLowpass",
    "pooling.LearnablePooling1D",
    "pooling.ChannelWiseLearnablePooling1D",
    "pooling.MaxPooling1D",
    "postprocessing.ExponentialMovingAverage",
    "postprocessing.PCENLayer",
    "postprocessing.SpecAugment",
    "impulse_responses.gabor_impulse_response",
    "impulse_responses.gabor_filters",
    "impulse_responses.sinc_impulse_response",
    "impulse_responses.sinc_filters",
    "impulse_responses.gaussian_lowpass",
    "initializers.GaborInit",
    "initializers.PreempInit",
    "initializers.SincInit",
    "initializers.LowpassInit",
    "utils.hz2mel",
    "utils.mel2hz",
    "utils.window",
    "models.AudioClassifier",
    "models.ConvBlock",
    "models.ConvNet",
    "models.PANN",
    "models.PANNConvBlock",
    "models.PANNWavBlock",
    "models.WaveGram",
    "example.data.align",
    "example.data.loudness_normalization",
]


@pytest.mark.parametrize("symbol", OFFICIAL_SYMBOLS)
def test_every_official_symbol_is_declared(symbol: str) -> None:
    """Some case of some declaration builds it."""
    trees = (str(spec.official(config).tree) for spec in SPECS.values() for config in spec.configs)
    assert any(f"{symbol}'" in tree for tree in trees)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_cases_have_names_of_their_own(spec: LayerSpec) -> None:
    """Two cases of one name would be one recording."""
    names = [case.name for case in spec.cases()]
    assert len(names) == len(set(names))


def test_declaration_without_error_case_is_refused() -> None:
    """A layer that refuses nothing has not been thought about."""
    spec = next(iter(SPECS.values()))
    with pytest.raises(ValueError, match="declares no error case"):
        dataclasses.replace(spec, errors=())


def test_wide_budget_needs_a_reason() -> None:
    """Beyond 1e-6 (gradients 1e-5) the declaration says why."""
    one = Bound(1, 1)
    with pytest.raises(ValueError, match="needs its reason"):
        Budget(one, one, relative=2e-6)
    with pytest.raises(ValueError, match="needs its reason"):
        Budget(one, one, relative_gradient=2e-5)
    assert Budget(one, one, relative=2e-6, reason="because").relative == 2e-6


def test_wide_norm_needs_a_reason() -> None:
    """More than five norms of the units, too."""
    one = Bound(1, 1)
    with pytest.raises(ValueError, match="needs its reason"):
        Budget(one, one, norm=5.1)


def test_the_sides_bound_their_difference() -> None:
    """Port and official may be apart by the sum of their distances to exact."""
    budget = Budget(*(Bound(each, each) for each in (1, 2, 3, 4)))
    assert (budget.forward, budget.gradient) == (3, 7)


def test_other_kernels_have_the_wider_bound_of_both_sides() -> None:
    """Off the CPU the port's sums may be added up as the official ones are."""
    budget = Budget(*(Bound(each, each) for each in (1, 2, 4, 3)), narrow=0.5, narrow_gradient=0.5)
    assert (budget.forward, budget.gradient) == (0.5, 0.5)
    there = budget.off_the_cpu()
    assert (there.port.allowed, there.port_gradient.allowed) == (2, 4)
    assert (there.reference.allowed, there.reference_gradient.allowed) == (2, 3)
    assert (there.forward, there.gradient) == (4, 7)


def test_adverse_input_may_have_a_budget_of_its_own() -> None:
    """Plain input keeps the narrow one."""
    wide = Budget(*[Bound(1, 1)] * 4)
    spec = dataclasses.replace(next(iter(SPECS.values())), exceptions=Exceptions(adverse=wide))
    case = spec.cases()[0]
    assert spec.budget_of(case) is spec.budget
    assert spec.budget_of(dataclasses.replace(case, signal="silence")) is wide
    plain = dataclasses.replace(spec, exceptions=Exceptions())
    assert plain.budget_of(dataclasses.replace(case, signal="silence")) is spec.budget


def test_a_counter_example_of_another_layer_is_refused() -> None:
    """It would never be run."""
    first, second, *_ = SPECS.values()
    with pytest.raises(ValueError, match="declares cases of"):
        dataclasses.replace(first, sampling=Sampling(explicit=second.cases()[:1]))


def test_a_case_survives_json() -> None:
    """As a failure prints it."""
    case = next(case for spec in SPECS.values() for case in spec.sampling.explicit)
    again = Case.from_json(case.as_json())
    assert again == case
    assert again.seed == case.seed


def test_grid_holds_every_value_of_every_axis() -> None:
    """End points included."""
    axes = {"a": [1, 2, 3, 4, 5], "b": ["x", "y"], "c": [True, False, None]}
    rows = grid(**axes)
    assert len(rows) == 5
    for name, values in axes.items():
        assert {row[name] for row in rows} == set(values)


def test_weight_layouts_are_inverse() -> None:
    """To the port and back."""
    weight = Weight("weight", lambda *_: np.zeros(()), axes=(3, 2, 0, 1))
    value = np.arange(24.0).reshape(1, 2, 3, 4)
    assert np.array_equal(weight.to_official(weight.to_port(value)), value)
    assert weight.to_port(value).shape == (4, 3, 1, 2)


def test_source_gives_the_same_bits_everywhere() -> None:
    """The hash of a stream; recordings depend on it."""
    source = Source(2021)
    arrays = {
        "audio": source.audio(2, 300),
        "uniform": source.uniform((7,), -2.0, 3.0),
        "normal": source.normal((3, 2)),
        "integers": source.integers((5,), -3, 4),
    }
    assert digest(arrays)[:16] == "c6d500c3837607b5"
    assert np.abs(arrays["audio"]).max() < 2


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_no_recorded_answer_is_empty_or_constant(spec: LayerSpec) -> None:
    """A case that cannot tell one computation from another proves nothing."""
    telling = 0
    recording = recorded.load(spec)
    for case in spec.cases():
        question = runner.ask(spec, case)
        answer = recording.answer(spec, question)
        assert answer.outputs
        assert all(output.size for output in answer.outputs)
        telling += any(np.unique(output).size > 1 or output.size == 1 for output in answer.outputs)
        for name in spec.differentiable:
            if name in question.inputs and answer.outputs[0].size > 1:
                assert f"input/{name}" in answer.gradients, case.name
    assert telling
