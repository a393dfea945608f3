"""The exact oracle and the bounds of converted models, in every option that a conversion has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leaf_port import _registry, pretrained
from parity.checks import kept_units
from parity.checks.compare import Limit
from parity.checks.monte_carlo import Noise
from parity.checks.transforms import official_rounding
from parity.commands.conversion import judge
from parity.commands.conversion.exact import Exact, answers
from parity.commands.conversion.judge import DeclaredBudgets, declared, limit
from parity.layers import all_specs
from parity.spec import Budget
from weight_conversion.official.mapping import official_weights
from weight_conversion.verification import clips, verify
from weight_conversion.verification.verify import (
    EXACT,
    OFFICIAL,
    PORT,
    PORT_DOUBLE,
    NotRunError,
    Subject,
)
from weight_conversion.verification.weights import WeightsRow

Tree = dict[str, Any]
CLIPS = {"noise": clips.seeded(3, 80, 1500)["noise"]}
TIMES = {"n_filters": 5, "sample_rate": 8000, "window_len": 20.0, "window_stride": 8.0}


def tree(kind: str, **arguments: Any) -> Tree:
    return {"kind": kind, "arguments": arguments}


def leaf(**arguments: Any) -> Tree:
    return tree("Leaf", **{**TIMES, "compression_fn": None, **arguments})


def pcen(**arguments: Any) -> Tree:
    return tree("PCEN", num_channels=5, trainable=True, **arguments)


def classifier(frontend: Tree | None, encoder: Tree | None, **arguments: Any) -> Tree:
    return tree("AudioClassifier", num_outputs=3, frontend=frontend, encoder=encoder, **arguments)


def conv_net(**arguments: Any) -> Tree:
    return tree("ConvNet", filters=[3, 4], **arguments)


BAND = {"n_fft": 256, "min_freq": 30.0, "max_freq": 3900.0}
LOG = tree("log_compression", log_offset=1e-3)
MODELS = {
    "Leaf, no compression": leaf(),
    "Leaf, log": leaf(compression_fn=LOG),
    "Leaf, PCEN's floor": leaf(compression_fn=pcen(floor=1e-3, learn_smooth_coef=True)),
    "Leaf, PCEN's default floor, fixed": leaf(compression_fn=pcen()),
    "Leaf, pre-emphasis and normalisation": leaf(preemp=True, mean_var_norm=True),
    "Leaf, free taps": leaf(conv1d_cls="Conv1d"),
    "Leaf, free taps of norm 1": leaf(conv1d_cls="NormalizedConv1d"),
    "Leaf, Gabor and Gaussian by name": leaf(
        conv1d_cls="GaborConv1d", pooling_cls="GaussianLowpass", learn_filters=False
    ),
    "Leaf, the pooling of other ports": leaf(pooling_padding="SYMMETRIC", pooling_bias=True),
    "Leaf, a pooling for each channel": leaf(pooling_cls="ChannelWiseLearnablePooling1d"),
    "SincNet": tree("SincNet", **{**TIMES, "window_len": 21.0}),
    "SincNetPlus": tree("SincNetPlus", **TIMES, preemp=True),
    "TimeDomainFilterbanks": tree(
        "TimeDomainFilterbanks",
        **{**TIMES, "sample_rate": 16000, "window_stride": 7.0, "mean_var_norm": True},
    ),
    "MelFilterbanks, no compression": tree("MelFilterbanks", **TIMES, **BAND, compression_fn=None),
    "MelFilterbanks, log": tree("MelFilterbanks", **TIMES, **BAND, compression_fn=LOG),
    "no encoder": classifier(leaf(), None),
    "ELU": classifier(leaf(), conv_net(activation="elu")),
    "no normalisation": classifier(leaf(), conv_net(normalization_layer=None)),
    "PANN": classifier(leaf(), tree("PANN", depth=2, dropout_rate=0.5, num_features=5)),
    "WaveGram": classifier(None, tree("WaveGram")),
}


def subject(config: Tree) -> Subject:
    """A model of that description, its weights moved off their initial values."""
    torch.manual_seed(0)
    model = pretrained.build(config).eval()
    with torch.no_grad():
        for weight in model.state_dict().values():
            weight.mul_(1.0 + 0.05 * torch.rand_like(weight)).add_(0.01 * torch.rand_like(weight))
    return Subject(config, model, official_weights(model))


@pytest.mark.parametrize("name", MODELS)
def test_every_option(name: str) -> None:
    checked = subject(MODELS[name])
    found = verify.verify((checked, WeightsRow("", None)), CLIPS, [Exact()], DeclaredBudgets())
    assert "exact" not in found.not_run
    assert [row for row in found.rows if not row.ok] == []
    assert {row.second for row in found.rows} >= {"exact"}


def test_kept_units_are_of_a_model_and_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The two have equal weights and clips."""
    monkeypatch.setenv(kept_units.FOLDER, str(tmp_path))
    for name in ("Leaf, no compression", "Leaf, log"):
        test_every_option(name)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (leaf(sort_filters=True), "sort_filters"),
        (leaf(compression_fn=tree("StablePCEN", num_channels=5)), "StablePCEN"),
        (leaf(compression_fn="stable_pcen"), "compression stable_pcen"),
        (leaf(conv1d_cls="FFTConv1d"), "conv1d_cls FFTConv1d"),
        (classifier(leaf(), tree("Transformer")), "Transformer"),
        (tree("EfficientLeaf", **TIMES), "EfficientLeaf"),
    ],
)
def test_what_no_formula_is_written_for_is_named(config: Tree, told: str) -> None:
    weights = {
        f"{prefix}{name}": np.ones(shape)
        for prefix in ("", "_frontend/")
        for name, shape in (("_complex_conv/kernel", (5, 2)), ("_pooling/kernel", (1, 1, 5, 1)))
    }
    with pytest.raises(NotRunError, match=told):
        answers(config, weights, CLIPS["noise"].astype(np.float64))


# The bounds


def test_every_kind_has_its_declaration() -> None:
    arguments = {"PCEN", "StablePCEN", "log_compression", "ScaleInit", "L1L2", "SpecAugment"}
    arguments |= {"TimmEncoder"}  # of another library
    kinds = set(_registry.KINDS) - arguments - {"ChannelsFirst"}  # a layout, not a function
    assert kinds == set(judge.LAYERS)
    assert set(judge.LAYERS.values()) <= set(all_specs())


def test_an_output_has_passed_the_layers_before_it() -> None:
    whole = classifier(leaf(), conv_net())

    def names(config: Tree, output: str) -> list[str]:
        return [spec.name for spec in declared(config, output)]

    assert names(whole, "features") == ["leaf"]
    assert names(whole, "logits") == ["leaf", "conv_net", "audio_classifier"]
    assert names(leaf(), "features") == ["leaf"]
    assert declared(leaf(pooling_bias=True), "features")[0].mirrors.startswith("the Leaf of")
    assert names(MODELS["WaveGram"], "logits") == ["wavegram", "audio_classifier"]


def budget(name: str) -> Budget:
    return all_specs()[name].budget


def test_the_bounds_are_the_declared_ones() -> None:
    mel, net, whole = (all_specs()[n] for n in ("mel_filterbanks", "conv_net", "audio_classifier"))
    layers = [mel, net, whole]
    budgets = [each.budget for each in layers]

    def forward(first: str, second: str) -> float:
        return limit(layers, (first, second)).forward

    port = max(each.port.allowed for each in budgets)
    assert forward(PORT, EXACT) == forward(PORT, PORT_DOUBLE) == port
    assert forward(PORT, PORT) == 2 * port
    official = max(each.reference.allowed for each in budgets)
    assert limit([mel], (OFFICIAL, EXACT)).forward == mel.budget.reference.allowed
    assert forward(OFFICIAL, EXACT) == forward(OFFICIAL, PORT_DOUBLE) == official
    assert forward(PORT_DOUBLE, EXACT) == max(each.double.allowed for each in budgets)
    direct = limit(layers, (PORT, OFFICIAL))
    widest = max(each.forward for each in budgets)
    assert direct == Limit(widest, 0.0, 1e-5, np.inf, max(each.norm for each in budgets))


def test_an_official_transform_may_be_less_exact_and_nothing_else() -> None:
    """TensorFlow 2.13's: a low tone's energies at high frequencies are its rounding, squared."""
    times = {"n_filters": 40, "sample_rate": 16000, "window_len": 25.0, "window_stride": 10.0}
    band = {"n_fft": 512, "min_freq": 60.0, "max_freq": 7800.0}
    log = tree("log_compression", log_offset=1e-5)
    checked = subject(tree("MelFilterbanks", **times, **band, compression_fn=log))
    clip = clips.seeded(3, 160, 4000)["chirp"]
    exact = Exact().answers(checked, {"chirp": clip})["chirp"]["features"]
    with torch.no_grad(), Noise(5, transform=official_rounding):
        inexact = checked.model.double()(torch.from_numpy(clip).double()).numpy()
    louder = inexact.copy()
    loudest = np.unravel_index(louder.argmax(), louder.shape)
    louder[loudest] += 1e-2

    def judged(kind: str, features: Any) -> bool | None:
        sides = [
            verify.Side(name, of, {"chirp": {"features": each}})
            for name, of, each in (("it", kind, features), ("exact", EXACT, exact))
        ]
        fresh = subject(checked.config)
        return DeclaredBudgets().judge(fresh, clip, "features", *sides, "chirp").ok

    assert judged(OFFICIAL, inexact)
    assert not judged(PORT, inexact)
    assert not judged(OFFICIAL, louder)


def test_what_is_slightly_beyond_is_judged_by_more_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = subject(leaf())
    runs: list[int] = []
    measured = judge.monte_carlo.units

    def counted(spec: Any, question: Any, arithmetic: Any, count: int) -> Any:
        assert not spec.exceptions.official_transform
        runs.append(count)
        return measured(spec, question, arithmetic, 2)

    monkeypatch.setattr(judge.monte_carlo, "units", counted)
    (clip,) = CLIPS.values()
    exact = Exact().answers(checked, CLIPS)
    unit = DeclaredBudgets()._rounded(checked, "noise", clip, 12, False).units["output/0"]
    for factor, expected in ((0.5, [12]), (2.0, [12, 100]), (1000.0, [12])):
        runs.clear()
        allowed = budget("leaf").port.allowed
        moved = {"noise": {"features": exact["noise"]["features"] + factor * allowed * unit}}
        sides = verify.Side("moved", PORT, moved), verify.Side("exact", EXACT, exact)
        said = DeclaredBudgets().judge(checked, clip, "features", *sides, "noise")
        assert runs == expected
        assert said.ok is (factor < 1)
        assert bool(said.message) is (factor > 1)
