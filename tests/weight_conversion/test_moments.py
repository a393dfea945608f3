"""Which moments belong to which weight, which optimisers are converted, and what is restored."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from _objects import Shape, Tensors
from safetensors.torch import save_file
from torch import nn

from leaf_port import LeafError
from leaf_port.optim import KerasAdam, KerasAdamW
from weight_conversion.official import adam
from weight_conversion.official.adam import Chosen
from weight_conversion.official.mapping import Row
from weight_conversion.official.optimizers import AVERAGES, Optimizer
from weight_conversion.official.source import Source

FIX = "copy the whole checkpoint, or leave the optimiser out: --no-optimizer"


def source(
    optimizer: Optimizer | None,
    weights: Mapping[str, Shape],
    slots: Mapping[str, Shape] | None = None,
    names: Mapping[str, str] | None = None,
) -> Source:
    """A checkpoint of some weights, named as their paths, and slots."""
    reader = Tensors(
        {**{f"key of {path}": shape for path, shape in weights.items()}, **(slots or {})}
    )
    keys = {path: f"key of {path}" for path in weights}
    own = {path: path for path in weights} if names is None else dict(names)
    return Source(Path("x"), [], keys, own, optimizer, reader)


def refused(
    attempt: Any, expected: str, got: str, argument: str = "x: optimizer", fix: str = FIX
) -> None:
    with pytest.raises(LeafError) as caught:
        attempt()
    error = caught.value
    assert (error.owner, error.argument) == ("convert", argument)
    assert (error.expected, error.got, error.fix) == (expected, got, fix)


WEIGHTS: dict[str, Shape] = {"a": (2,), "b": (3, 1)}
SLOTS: dict[str, Shape] = {"ma": (2,), "va": (2,), "mb": (3, 1), "vb": (3, 1)}
NAMES = ["Adam/m/a", "Adam/v/a", "Adam/m/b", "Adam/v/b"]
FOUND: adam.Moments = {"a": ("ma", "va"), "b": ("mb", "vb")}


def listed(**other: Any) -> Optimizer:
    return Optimizer(**{"listed": list(SLOTS), "names": NAMES, "kind": "Adam", **other})


def moments(optimizer: Optimizer | None, **more: Any) -> adam.Moments:
    return adam.moments(source(optimizer, WEIGHTS, SLOTS | more))


# By names


@pytest.mark.parametrize("above", ["Adam", "AdamW", "cond/Adam", "cond_1/Adam", "mine"])
def test_slots_are_told_by_their_names(above: str) -> None:
    names = [name.replace("Adam", above) for name in NAMES]
    assert moments(listed(names=names)) == FOUND


def test_slots_in_any_order_of_names() -> None:
    """The names count, not the turns."""
    optimizer = Optimizer(
        listed=["va", "mb", "vb", "ma"], names=["A/v/a", "A/m/b", "A/v/b", "A/m/a"]
    )
    assert moments(optimizer) == FOUND


def test_names_with_slashes_are_whole() -> None:
    names = ["Adam/m/x/m/kernel", "Adam/v/x/m/kernel"]
    made = source(
        Optimizer(listed=["m", "v"], names=names),
        {"p": (2,)},
        {"m": (2,), "v": (2,)},
        {"p": "x/m/kernel"},
    )
    assert adam.moments(made) == {"p": ("m", "v")}


@pytest.mark.parametrize("name", ["SGD/momentum/a", "Adam/m", "Adam/u/a", "x/Adam/m/a", "m/a"])
def test_slots_of_another_name_are_refused(name: str) -> None:
    refused(
        lambda: moments(listed(names=[name, *NAMES[1:]])),
        "Adam's slots, Adam/m/... and Adam/v/...",
        name,
    )


def test_a_weight_with_one_slot_is_refused() -> None:
    lacking = Optimizer(listed=["ma", "mb", "vb"], names=["Adam/m/a", "Adam/m/b", "Adam/v/b"])
    refused(lambda: moments(lacking), "slots m and v of each weight", "one of a")
    lacking = Optimizer(listed=["mb", "ma"], names=["Adam/m/b", "Adam/m/a"])
    refused(lambda: moments(lacking), "slots m and v of each weight", "one of a, b")


@pytest.mark.parametrize(
    "names",
    [
        ["Adam/m/a", "Adam/v/a", "Adam/m/a", "Adam/v/a"],
        ["Adam/m/gone", "Adam/v/gone", "Adam/m/b", "Adam/v/b"],
        [],
    ],
)
def test_names_that_do_not_tell_leave_it_to_the_order(names: list[str]) -> None:
    """Two weights of one name, names of others, none."""
    assert moments(listed(names=names)) == FOUND


def test_weights_of_one_name_leave_it_to_the_order() -> None:
    made = source(listed(), WEIGHTS, SLOTS, {"a": "a", "b": "a"})
    assert adam.moments(made) == FOUND


# By order

ORDER = [
    *(f"_frontend/{n}/kernel" for n in ("_preemp_conv", "_complex_conv", "_pooling")),
    *(f"_frontend/_instance_norm/{n}" for n in ("gamma", "beta")),
    *(f"_frontend/_compress_fn/{n}" for n in ("alpha", "delta", "root", "ema/smooth")),
    *("_encoder/pre_conv0/kernel", "_encoder/pre_bn0/gamma", "_encoder/pre_bn0/beta"),
    *(
        f"_encoder/pre_blocks/layer_with_weights-{i}/layer_with_weights-{j}/{n}"
        for i in range(3)
        for j, names in enumerate((("kernel", "bias"), ("gamma", "beta")))
        for n in names
    ),
    *(f"_encoder/last_block/layer_with_weights-{i}/kernel" for i in (0, 2, 10)),
    *("_head/kernel", "_head/bias"),
]


@pytest.mark.parametrize("place", range(len(ORDER) - 1))
def test_weights_stand_in_the_order_of_keras(place: int) -> None:
    first, second = ORDER[place : place + 2]
    assert adam.keras_order(first) < adam.keras_order(second)


def test_a_name_that_is_not_known_stands_first() -> None:
    layer = "_encoder/layer_with_weights-3"
    assert adam.keras_order(f"{layer}/depthwise_kernel") < adam.keras_order(f"{layer}/bias")


def test_the_numbers_of_a_frontend_alone() -> None:
    frontend = [path.removeprefix("_frontend/") for path in ORDER[:9]]
    mixed = [*frontend[1::2], *frontend[::2]]
    assert sorted(mixed, key=adam.keras_order) == frontend


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(LeafError, match="a name that ends in a number"):
        adam.keras_order("_encoder/layer_with_weights-x/kernel")


FREEZABLE = [("_preemp_conv/kernel", "_complex_conv/kernel"), ("_pooling/kernel",)]
FREEZABLE += [("_compress_fn/alpha", "_compress_fn/ema/smooth")]
UNTRAINED = ["_compress_fn/ema/cell/kernel", "_compress_fn/ema/cell/recurrent_kernel"]
STATISTICS = [f"_encoder/layer_with_weights-0/{n}" for n in ("moving_mean", "moving_variance")]
STATISTICS += [f"_encoder/layer_with_weights-0/{n}" for n in ("mean", "variance")]


@pytest.mark.parametrize("prefix", ["", "_frontend/"])
@pytest.mark.parametrize(
    "frozen", [each for n in range(4) for each in itertools.combinations(range(3), n)]
)
def test_what_the_official_options_freeze_has_no_slots(
    frozen: tuple[int, ...], prefix: str
) -> None:
    """Each weight has a shape of its own here, so each way is told from the others."""
    groups = [*FREEZABLE, ("_instance_norm/gamma",)]
    paths = [prefix + path for group in groups for path in group]
    rest = UNTRAINED if not prefix else [*(f"{prefix}{n}" for n in UNTRAINED), *STATISTICS]
    shapes = {path: (i + 1,) for i, path in enumerate([*paths, *rest])}
    fixed = {prefix + path for i in frozen for path in groups[i]}
    trained = sorted((path for path in paths if path not in fixed), key=adam.keras_order)
    slots = {f"{kind} {path}": shapes[path] for path in trained for kind in "mv"}
    made = source(Optimizer(listed=list(slots)), shapes, slots)
    assert adam.moments(made) == {path: (f"m {path}", f"v {path}") for path in trained}
    assert list(adam.moments(made)) == trained


def test_an_odd_number_of_slots_is_refused() -> None:
    optimizer = Optimizer(listed=["ma", "va", "mb"])
    refused(lambda: moments(optimizer), "slots m and v in turns", "3 slots")


def test_slots_that_fit_in_no_way_are_refused() -> None:
    expected = "slots m and v of the trained weights, 2 unless some are fixed"
    optimizer = Optimizer(listed=["mb", "vb", "ma", "va"])
    refused(lambda: moments(optimizer), expected, "4 slots that fit in 0 ways")


def test_slots_that_fit_in_two_ways_are_refused() -> None:
    weights: dict[str, Shape] = {"_complex_conv/kernel": (2,), "_pooling/kernel": (2,)}
    made = source(Optimizer(listed=["m", "v"]), weights, {"m": (2,), "v": (2,)})
    expected = "slots m and v of the trained weights, 2 unless some are fixed"
    refused(lambda: adam.moments(made), expected, "2 slots that fit in 2 ways")


def test_slots_of_another_shape_are_refused() -> None:
    refused(
        lambda: moments(listed(), va=(4,)),
        *("2 slots of shape (2,) for a", "(2,) and (4,)"),
    )
    refused(
        lambda: moments(listed(), ma=(4,), va=(3,)),
        *("2 slots of shape (2,) for a", "(3,) and (4,)"),
    )


# AMSGrad


def test_amsgrads_greatest_are_in_the_order_of_the_first_moments() -> None:
    optimizer = listed(hats=["ha", "hb"], notes=("amsgrad",))
    assert moments(optimizer, ha=(2,), hb=(3, 1)) == {
        "a": ("ma", "va", "ha"),
        "b": ("mb", "vb", "hb"),
    }


def test_amsgrads_greatest_of_another_number_or_shape_are_refused() -> None:
    refused(lambda: moments(listed(hats=["ha"])), "2 members of _velocity_hats", "1")
    refused(
        lambda: moments(listed(hats=["hb", "ha"]), ha=(2,), hb=(3, 1)),
        *("3 slots of shape (2,) for a", "(2,) and (3, 1)"),
    )


# By reference


def referred(*slots: tuple[str, str], **other: Any) -> Optimizer:
    return Optimizer(
        **{"referred": {(p, n): f"{n[:1]}{p}" for p, n in slots}, "kind": "Adam", **other}
    )


PAIRS = [("a", "m"), ("a", "v"), ("b", "v"), ("b", "m")]
HATS = [("a", "vhat"), ("b", "vhat")]


def test_slots_by_reference() -> None:
    assert moments(referred(*PAIRS)) == FOUND
    hats = {("a", "vhat"): "ha", ("b", "vhat"): "hb"}
    optimizer = Optimizer(referred={**referred(*PAIRS).referred, **hats}, notes=("amsgrad",))
    assert moments(optimizer, ha=(2,), hb=(3, 1)) == {
        "a": ("ma", "va", "ha"),
        "b": ("mb", "vb", "hb"),
    }


@pytest.mark.parametrize(
    ("slots", "notes", "expected", "got"),
    [
        (PAIRS[1:], (), "m and v of a", "v"),
        ([*PAIRS, ("b", "vhat")], (), "m and v of b", "m, v, vhat"),
        ([*PAIRS, *HATS[:1]], ("amsgrad",), "m and v and vhat of b", "m, v"),
        ([*PAIRS, ("gone", "m"), ("gone", "v")], (), "m and v of gone", "m, v"),
    ],
)
def test_slots_by_reference_that_are_not_whole_are_refused(
    slots: Sequence[tuple[str, str]], notes: tuple[str, ...], expected: str, got: str
) -> None:
    refused(lambda: moments(referred(*slots, notes=notes)), f"Adam's slots {expected}", got)


def test_an_optimiser_without_slots() -> None:
    assert moments(None) == {}
    assert moments(Optimizer(kind="Adam")) == {}


def test_what_was_trained_is_told_where_it_can_be() -> None:
    assert adam.trained(source(listed(), WEIGHTS, SLOTS)) == {"a", "b"}
    assert adam.trained(source(listed(names=NAMES[::-1]), WEIGHTS, SLOTS)) == frozenset()
    assert adam.trained(source(None, WEIGHTS)) == frozenset()


# Which optimiser it is


def choose(optimizer: Optimizer | None, wanted: str | None = None) -> Chosen:
    return adam.choose(source(optimizer, WEIGHTS, SLOTS | {"ha": (2,), "hb": (3, 1)}), wanted)


@pytest.mark.parametrize("wanted", [None, "adam", "ADAM"])
def test_adam_is_taken(wanted: str | None) -> None:
    assert choose(listed(), wanted) == Chosen("Adam", FOUND, ())
    made = choose(listed(kind="AdamW", notes=("clipnorm 1.0", "amsgrad"), hats=["ha", "hb"]))
    assert made.kind == "AdamW"
    assert made.notes == ("clipnorm 1.0 of AdamW",)
    assert made.moments["a"] == ("ma", "va", "ha")


@pytest.mark.parametrize(("wanted", "kind"), [("adam", "Adam"), ("AdamW", "AdamW")])
def test_the_user_says_which_where_the_file_does_not(wanted: str, kind: str) -> None:
    assert choose(listed(kind=""), wanted) == Chosen(kind, FOUND, ())
    left = "the optimiser: the file does not say which it is (--optimizer adam or adamw does)"
    assert choose(listed(kind="")) == Chosen(None, {}, (left,))


def test_another_kind_than_the_user_says_is_refused() -> None:
    refused(lambda: choose(listed(), "adamw"), "AdamW, as --optimizer says", "Adam")
    refused(lambda: choose(listed(kind="Lion"), "adam"), "Adam, as --optimizer says", "Lion")


def test_no_kind_is_refused() -> None:
    expected, fix = "one of adam, adamw", "give one of them, or --no-optimizer"
    refused(lambda: choose(listed(), "sgd"), expected, "sgd", "--optimizer", fix)


@pytest.mark.parametrize("optimizer", [None, Optimizer(), Optimizer({"iterations": "x"})])
def test_where_there_is_no_optimiser(optimizer: Optimizer | None) -> None:
    assert choose(optimizer) == Chosen(None, {}, ())
    refused(lambda: choose(optimizer, "adam"), "the moments of Adam", "none")
    assert choose(Optimizer(kind="Adam")) == Chosen("Adam", {}, ())


@pytest.mark.parametrize(
    ("optimizer", "left"),
    [
        (listed(kind="Lion"), "Lion"),
        (listed(kind="Lion", notes=("amsgrad",)), "Lion"),
        (listed(notes=("amsgrad",)), "Adam with amsgrad"),
        (listed(notes=(AVERAGES,), names=[]), "Adam with moving averages of the weights (EMA)"),
        (listed(notes=(AVERAGES, "amsgrad"), names=[]), "Adam with amsgrad"),
    ],
)
def test_other_optimisers_are_left_out(optimizer: Optimizer, left: str) -> None:
    told = f"the optimiser, {left}: only plain Adam and AdamW are"
    assert choose(optimizer) == Chosen(None, {}, (told,))


def test_averages_beside_named_slots_are_told() -> None:
    """There they are no slots by mistake."""
    assert choose(listed(notes=(AVERAGES,))) == Chosen("Adam", FOUND, (f"{AVERAGES} of Adam",))
    assert choose(referred(*PAIRS, notes=(AVERAGES,))).kind == "Adam"


def test_what_is_said_and_not_converted_is_refused() -> None:
    refused(
        lambda: choose(listed(kind="", notes=("amsgrad",)), "adam"),
        "plain Adam",
        "Adam with amsgrad",
    )
    refused(lambda: choose(listed(notes=("amsgrad",)), "adam"), "plain Adam", "Adam with amsgrad")


# What is written

ROWS = [Row("a", "x.a", None, (2,)), Row("b", "x.b", (1, 0), (3, 1)), Row("c", "x.c", None, (9,))]


@pytest.mark.parametrize("scalars", [{"iterations": "n", "iter": "ma"}, {"iter": "n"}])
def test_moments_are_written_as_the_weights_are(scalars: dict[str, str]) -> None:
    slots = {**SLOTS, "ha": (2,), "hb": (3, 1), "n": ()}
    optimizer = listed(scalars=scalars, hats=["ha", "hb"], notes=("amsgrad",))
    made = source(optimizer, WEIGHTS, slots)
    made.reader.tensor("mb")[:] = [[1.0], [2.0], [3.0]]  # an array in memory
    tensors = adam.tensors(made, ROWS, adam.moments(made))
    assert list(tensors) == [
        "step",
        *(f"{kind}.x.a" for kind in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")),
        *(f"{kind}.x.b" for kind in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")),
    ]
    assert tensors["step"].dtype == torch.int64
    assert tensors["step"].item() == made.reader.tensor("n")
    for name, key in zip(list(tensors)[1:4], ("ma", "va", "ha"), strict=True):
        assert torch.equal(tensors[name], torch.from_numpy(made.reader.tensor(key)))
    assert tensors["exp_avg.x.b"].tolist() == [[1.0, 2.0, 3.0]]
    assert len(adam.tensors(made, ROWS, {k: v[:2] for k, v in adam.moments(made).items()})) == 5


@pytest.mark.parametrize("optimizer", [None, listed()])
def test_without_a_count_of_steps_nothing_is_written(optimizer: Optimizer | None) -> None:
    made = source(optimizer, WEIGHTS, SLOTS)
    refused(lambda: adam.tensors(made, [], {}), "the step count, optimizer/iterations", "none")


def test_a_count_of_steps_that_is_none_is_refused() -> None:
    made = source(listed(scalars={"iterations": "ma"}), WEIGHTS, SLOTS)
    with pytest.raises(LeafError, match="x: ma: expected one number, got float32 of shape"):
        adam.tensors(made, [], {})


def test_the_numbers_are_described() -> None:
    optimizer = Optimizer({"b": "n1", "a": "n0"}, config={"lr": 0.5, "a": 7})
    made = source(optimizer, {}, {"n0": (), "n1": (1,)})
    assert list(adam.described(made).items()) == [("lr", 0.5), ("a", 0.0), ("b", 1.0)]
    assert adam.described(source(None, {})) == {}
    assert adam.described(source(listed(hats=["h"], notes=("amsgrad",)), {})) == {"amsgrad": True}
    bad = source(Optimizer({"rate": "n"}), {}, {"n": (2,)})
    with pytest.raises(LeafError, match="x: n: expected one number, got float32 of shape"):
        adam.described(bad)


# What is restored


class Model(nn.Module):
    """Two trained weights, and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.zeros(2))
        self.fixed = nn.Parameter(torch.zeros(3), requires_grad=False)
        self.a = nn.Parameter(torch.zeros(2, 3))


def state(amsgrad: bool = False) -> dict[str, torch.Tensor]:
    kinds = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * amsgrad
    shapes = {"a": (2, 3), "b": (2,)}
    names = [f"{kind}.{name}" for kind in kinds for name in shapes]
    made = {n: torch.full(shapes[n[-1]], i + 0.5) for i, n in enumerate(names)}
    return {"step": torch.tensor(7), **made}


def folder(place: Path, told: object, tensors: Mapping[str, torch.Tensor]) -> Path:
    place.mkdir(exist_ok=True)
    save_file(dict(tensors), place / adam.FILE)
    noted = hashlib.sha256((place / adam.FILE).read_bytes()).hexdigest()
    config = {"format_version": 1, "kind": "Leaf", "optimizer": told, "weights": {adam.FILE: noted}}
    (place / "config.json").write_text(json.dumps(config))
    return place


ADAM = {"kind": "Adam", "learning_rate": 0.25}


@pytest.mark.parametrize("amsgrad", [False, True])
def test_moments_are_restored(amsgrad: bool, tmp_path: Path) -> None:
    model, kept = Model(), state(amsgrad)
    folder(tmp_path, {**ADAM, "amsgrad": amsgrad}, kept)
    made = adam.restore(tmp_path, model)
    assert type(made) is KerasAdam
    assert [len(group["params"]) for group in made.param_groups] == [2]
    assert made.param_groups[0]["params"][0] is model.b
    assert made.param_groups[0]["amsgrad"] is amsgrad
    steps = []
    for name, weight in (("a", model.a), ("b", model.b)):
        found = dict(made.state[weight])
        steps.append(found.pop("step"))
        expected = {key.removesuffix(f".{name}"): each for key, each in kept.items()}
        expected = {key: each for key, each in expected.items() if "." not in key and key != "step"}
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], each) for key, each in expected.items())
    assert steps == [7.0, 7.0]
    assert {each.dtype for each in steps} == {torch.float32}
    assert steps[0] is not steps[1]


RESTORED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {"lr": 0.25, "betas": (0.9, 0.999), "eps": 1e-7, "weight_decay": 0.0}),
    ({"beta_1": 0.5, "beta_2": 0.75}, {}, {"betas": (0.5, 0.75)}),
    ({"beta_1": 0.5}, {"betas": (0.25, 0.125)}, {"betas": (0.25, 0.125)}),
    ({"epsilon": 0.5}, {}, {"eps": 0.5}),
    ({"epsilon": 0.5}, {"eps": 0.25}, {"eps": 0.25}),
    ({"current_learning_rate": 0.5}, {}, {"lr": 0.25}),
    ({"learning_rate": None, "current_learning_rate": 0.5}, {}, {"lr": 0.5}),
    ({}, {"lr": 0.5}, {"lr": 0.5}),
    ({"learning_rate": None}, {"lr": 0.5}, {"lr": 0.5}),
    ({"weight_decay": 0.5}, {}, {"weight_decay": 0.5}),
    ({"weight_decay": 0.5}, {"weight_decay": 0.25}, {"weight_decay": 0.25}),
    ({"kind": "AdamW"}, {"weight_decay": 0.25}, {"weight_decay": 0.25}),
    ({"kind": "AdamW", "weight_decay": 0.5}, {}, {"weight_decay": 0.5}),
    ({"kind": "AdamW", "weight_decay": 0.5}, {"weight_decay": 0.0}, {"weight_decay": 0.0}),
]


@pytest.mark.parametrize(("told", "given", "expected"), RESTORED)
def test_numbers_are_those_given_or_told(
    told: dict[str, Any], given: dict[str, Any], expected: dict[str, Any], tmp_path: Path
) -> None:
    folder(tmp_path, {**ADAM, **told}, state())
    made = adam.restore(tmp_path, Model(), **given)
    assert type(made) is (KerasAdamW if told.get("kind") == "AdamW" else KerasAdam)
    assert {name: made.param_groups[0][name] for name in expected} == expected


def not_restored(
    place: Path, told: object, tensors: Mapping[str, torch.Tensor], **given: Any
) -> tuple[str, str, str, str]:
    with pytest.raises(LeafError) as caught:
        adam.restore(folder(place, told, tensors), Model(), **given)
    error = caught.value
    assert error.owner == "restore"
    where = f"{place / adam.FILE}"
    assert error.argument.startswith(where)
    return error.argument.removeprefix(where), error.expected, str(error.got), error.fix


@pytest.mark.parametrize(
    ("told", "given", "argument", "expected"),
    [
        ({"kind": "Adam"}, {}, "lr", "the learning rate"),
        (None, {"weight_decay": 0.5}, "lr", "the learning rate"),
        ([], {}, "lr", "the learning rate"),
        ({"kind": "AdamW"}, {"lr": 0.5}, "weight_decay", "AdamW's decay of the weights"),
    ],
)
def test_what_is_not_told_is_asked_for(
    told: object, given: dict[str, float], argument: str, expected: str, tmp_path: Path
) -> None:
    assert not_restored(tmp_path, told, state(), **given) == (
        f": {argument}",
        expected,
        "none: the checkpoint has none",
        f"give it: restore(..., {argument}=...)",
    )


@pytest.mark.parametrize("name", ["learning_rate", "weight_decay", "epsilon", "beta_1", "beta_2"])
@pytest.mark.parametrize("value", ["0.5", True, -0.5, [0.5]])
def test_numbers_that_are_none_are_refused(name: str, value: object, tmp_path: Path) -> None:
    argument, expected, got, _ = not_restored(tmp_path, {**ADAM, name: value}, state())
    assert (argument, expected, got) == (f": {name}", "a number from 0 on", repr(value))


@pytest.mark.parametrize("name", ["beta_1", "beta_2"])
def test_a_beta_is_below_1(name: str, tmp_path: Path) -> None:
    argument, expected, got, _ = not_restored(tmp_path, {**ADAM, name: 1}, state())
    assert (argument, expected, got) == (f": {name}", "a number below 1", "1.0")


OTHERS: list[tuple[dict[str, torch.Tensor | None], bool, str]] = [
    ({"step": None}, False, "step"),
    ({"exp_avg.b": None}, False, "exp_avg.b"),
    ({"exp_avg_sq.fixed": torch.zeros(3)}, False, "exp_avg_sq.fixed"),
    ({"x": torch.zeros(3), "exp_avg_sq.a": None}, False, "exp_avg_sq.a, x"),
    ({}, True, "max_exp_avg_sq.a, max_exp_avg_sq.b"),
]


@pytest.mark.parametrize(("change", "amsgrad", "names"), OTHERS)
def test_moments_of_other_weights_are_refused(
    change: dict[str, torch.Tensor | None], amsgrad: bool, names: str, tmp_path: Path
) -> None:
    kept = {key: each for key, each in {**state(), **change}.items() if each is not None}
    assert not_restored(tmp_path, {**ADAM, "amsgrad": amsgrad}, kept) == (
        "",
        "moments of the trained parameters",
        f"missing or unexpected: {names}",
        "give the model as from_pretrained made it, with the same parameters trained",
    )


@pytest.mark.parametrize("told", [False, "yes", 1, None])
def test_amsgrad_is_told_by_true_alone(told: object, tmp_path: Path) -> None:
    names = "max_exp_avg_sq.a, max_exp_avg_sq.b"
    got = not_restored(tmp_path, {**ADAM, "amsgrad": told}, state(amsgrad=True))[2]
    assert got == f"missing or unexpected: {names}"


@pytest.mark.parametrize("kind", ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"])
@pytest.mark.parametrize(
    ("value", "got"),
    [
        (torch.zeros(3, 2), "torch.float32 of shape (3, 2)"),
        (torch.zeros(2, 3, dtype=torch.float64), "torch.float64 of shape (2, 3)"),
    ],
)
def test_moments_of_another_shape_or_type_are_refused(
    kind: str, value: torch.Tensor, got: str, tmp_path: Path
) -> None:
    kept = {**state(amsgrad=True), f"{kind}.a": value}
    told = not_restored(tmp_path, {**ADAM, "amsgrad": True}, kept)
    assert told[:3] == (f": {kind}.a", "torch.float32 of shape (2, 3)", got)


@pytest.mark.parametrize("value", [torch.tensor(-1), torch.tensor(0.5), torch.tensor(True)])
def test_a_restored_count_of_steps_is_one(value: torch.Tensor, tmp_path: Path) -> None:
    with pytest.raises(LeafError, match=r"safetensors: step: expected a count of steps, from 0 on"):
        adam.restore(folder(tmp_path, ADAM, {**state(), "step": value}), Model())


def test_moments_that_are_not_those_noted_are_refused(tmp_path: Path) -> None:
    folder(tmp_path, ADAM, state())
    save_file({**state(), "step": torch.tensor(8)}, tmp_path / adam.FILE)
    with pytest.raises(LeafError, match="SHA-256"):
        adam.restore(str(tmp_path), Model())


def test_what_is_no_file_of_moments_is_refused(tmp_path: Path) -> None:
    folder(tmp_path, ADAM, state())
    (tmp_path / "config.json").write_text('{"format_version": 1, "kind": "Leaf"}')
    (tmp_path / adam.FILE).write_bytes(b"none")
    with pytest.raises(LeafError, match="a safetensors file") as caught:
        adam.restore(tmp_path, Model())
    assert str(tmp_path / adam.FILE) in str(caught.value)
