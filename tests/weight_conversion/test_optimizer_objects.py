"""What an optimiser's object tells: each number, list and kind, and what makes it another's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from _objects import Named, Objects

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import Node, ObjectGraph, SlotReference
from weight_conversion.official import optimizers
from weight_conversion.official.optimizers import Optimizer


def read(root: Named, slots: Sequence[tuple[str, str, str]] = (), **paths: str) -> Optimizer:
    keys = {f"key of {name}": path for name, path in paths.items()}
    return optimizers.read(Objects(root, slots).graph, 0, keys)


def listed(*names: str) -> dict[str, str]:
    return {str(i): name for i, name in enumerate(names)}


def adam(called: str = "Adam", **more: Any) -> dict[str, Any]:
    """Lists of Adam's, of two weights."""
    first, second = (listed(f"{called}/{n}/a", f"{called}/{n}/b") for n in "mv")
    numbers = {"_iterations": "iteration", "_learning_rate": "learning_rate"}
    lists = {"_momentums": first, "_velocities": second}
    own = listed("iteration", "learning_rate", *first.values(), *second.values())
    return {**numbers, **lists, "_variables": own, **more}


def test_what_adam_keeps() -> None:
    names = ["Adam/m/a", "Adam/v/a", "Adam/m/b", "Adam/v/b"]
    assert read(adam()) == Optimizer(
        scalars={
            "iterations": "key of iteration",
            "learning_rate": "key of learning_rate",
        },
        listed=[f"key of {name}" for name in names],
        names=names,
        kind="Adam",
    )


SCALARS = {
    **{"_iterations": "iterations", "iter": "iter", "decay": "decay"},
    **{"_learning_rate": "learning_rate", "learning_rate": "learning_rate"},
    **{"_current_learning_rate": "current_learning_rate", "beta_1": "beta_1"},
    **{"beta_2": "beta_2", "momentum": "momentum", "rho": "rho"},
}


@pytest.mark.parametrize("edge", SCALARS)
def test_each_number_has_its_name(edge: str) -> None:
    """And leaves an Adam one."""
    made = read({**adam(), edge: "own"})
    assert made.scalars[SCALARS[edge]] == "key of own"
    assert made.kind == "Adam"


def test_a_number_that_is_no_variable_is_left_out() -> None:
    assert read({**adam(), "beta_1": {}}).scalars.keys() == {"iterations", "learning_rate"}


KEPT = ["_index_dict", "loss_scale", "_update_step_xla", "_model_variables_moving_average"]
KEPT += ["_optimizer", "base_optimizer", "inner_optimizer", "epsilon", "_velocity_hats"]


@pytest.mark.parametrize("edge", KEPT)
def test_what_adam_may_keep_beside(edge: str) -> None:
    assert read({**adam(), edge: {}}).kind == "Adam"


@pytest.mark.parametrize("edge", ["_momentum", "_accumulators", "clip"])
def test_what_adam_does_not_keep_makes_it_anothers(edge: str) -> None:
    kept = ", ".join(sorted(["_momentums", "_velocities", edge]))
    found = read({**adam(), edge: {}, "_index_dict": {}, "_update_step_xla": {}})
    assert found.kind == f"an optimiser that is called Adam and keeps {kept}"


@pytest.mark.parametrize("lacks", ["_momentums", "_velocities"])
def test_half_of_adams_lists_are_anothers(lacks: str) -> None:
    root = adam()
    del root[lacks]
    left = {"_momentums": "_velocities", "_velocities": "_momentums"}[lacks]
    made = read(root)
    assert made.kind == f"an optimiser that is called Adam and keeps {left}"
    assert made.names == ["Adam/m/a", "Adam/m/b", "Adam/v/a", "Adam/v/b"]


def test_lists_of_two_lengths_are_not_paired() -> None:
    """All that has the name of a slot is told then, in the order of the optimiser's own list."""
    root = adam(_velocities=listed("Adam/v/a"))
    names = ["Adam/m/a", "Adam/m/b", "Adam/v/a", "Adam/v/b"]
    made = read(root)
    assert made.names == names
    assert made.listed == [f"key of {name}" for name in names]


KINDS = ["Adam", "AdamW", "Nadam", "Adamax", "Adadelta", "Adagrad", "Adafactor", "Ftrl", "Lion"]
KINDS += ["RMSprop", "SGD", "LAMB", "LazyAdam", "NovoGrad", "Yogi"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("called", ["{}", "{}_2", "cond/{}", "cond_1/{}_12"])
def test_a_kind_is_told_by_the_names_of_its_variables(kind: str, called: str) -> None:
    """However it is spelled; another kind than Adam with what looks like Adam's is not told."""
    name = called.format(kind.lower())
    converted = kind in ("Adam", "AdamW")
    assert read(adam(name)).kind == (kind if converted else "")
    other = {"_iterations": "iteration", "_variables": listed("iteration", f"{name}/sum/a")}
    told = f"an optimiser that is called {kind} and keeps " if converted else kind
    assert read(other).kind == told


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["mine/m/a", "mine/v/a"], "an unknown optimiser"),
        (["adams/m/a"], "an unknown optimiser"),
        (["x/sgd"], "an unknown optimiser"),
        (["sgd/m/a", "lion/m/a"], "SGD"),
        (["mine/a", "lion/m/a"], "Lion"),
        (["mine/lion_x/m"], "an unknown optimiser"),
    ],
)
def test_a_name_that_is_no_kind(names: list[str], kind: str) -> None:
    assert read({"_iterations": "iteration", "_variables": listed(*names)}).kind == kind


@pytest.mark.parametrize("name", ["m/a", "Adam/u/a", "Adam/m", "a/Adam/m/a", "Adam/m/"])
def test_slots_of_another_name_are_none_of_adams(name: str) -> None:
    root = {"_iterations": "iteration", "_momentums": listed(name), "_velocities": listed(name)}
    assert read({**root, "_variables": listed(name)}).kind != ""


@pytest.mark.parametrize(
    ("edge", "kind"), [("_u_product", "Nadam"), ("momentum_cache", "Nadam"), ("_u", "Adamax")]
)
def test_an_edge_of_another_kind_tells_it(edge: str, kind: str) -> None:
    assert read({**adam(), edge: {}}).kind == kind
    slots = [("w", "m", "w/m"), ("w", "v", "w/v")]
    assert read({"iter": "Adam/iter", edge: "Adam/x"}, slots).kind == kind


LISTS = ["_variables", "_momentums", "_velocities", "_velocity_hats"]


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("members", "odd"),
    [(["0", "2"], "1"), (["1"], "0"), (["0", "1", "x"], "2"), (["0", "01"], "01"), (["a"], "0")],
)
def test_a_list_with_a_gap_is_refused(name: str, members: list[str], odd: str) -> None:
    root = {**adam(), name: {each: f"Adam/{name}/{each}" for each in members}}
    with pytest.raises(MalformedError) as caught:
        read(root)
    assert caught.value.expected == f"a list {name} whose members are numbered from 0"
    assert caught.value.got == f"the member {odd!r}, there or missing"


def test_members_of_a_list_stand_in_the_order_of_their_numbers() -> None:
    names = [f"Adam/m/{i:02}" for i in range(12)]
    first = dict(reversed(listed(*names).items()))
    made = read(
        adam(_momentums=first, _velocities=listed(*(n.replace("/m/", "/v/") for n in names)))
    )
    assert made.names[::2] == names
    assert made.listed[1::2] == [f"key of Adam/v/{i:02}" for i in range(12)]


def test_what_is_not_converted_is_told() -> None:
    """Empty lists are as good as none."""
    averages = {"_model_variables_moving_average": listed("Adam/average/a")}
    hats = {"_velocity_hats": listed("Adam/vhat/a", "Adam/vhat/b")}
    rest: Named = {"loss_scale": {}, "_current_learning_rate": "current"}
    made = read({**adam(), **averages, **hats, **rest})
    assert made.notes == (
        "amsgrad",
        "moving averages of the weights (EMA)",
        "the scale of the loss",
        "the schedule of the learning rate, of which this is the last value",
    )
    assert made.hats == ["key of Adam/vhat/a", "key of Adam/vhat/b"]
    assert read({**adam(), "_velocity_hats": {}, "_model_variables_moving_average": {}}).notes == ()


@pytest.mark.parametrize("name", ["x", "-1", "\u0661", "1" * 10, "1" * 5000, ""])
def test_a_member_whose_name_is_no_number_is_none(name: str) -> None:
    """Of a list that is told, not converted, and so not refused."""
    for member, notes in ((name, ()), ("1" * 9, ("moving averages of the weights (EMA)",))):
        averages = {"_model_variables_moving_average": {member: "Adam/average/a"}}
        assert read({**adam(), **averages}).notes == notes


@pytest.mark.parametrize("edge", ["_optimizer", "base_optimizer"])
def test_what_scales_the_loss_is_looked_into(edge: str) -> None:
    assert read({edge: adam(), "loss_scale": {}}) == read(adam())
    legacy = {"iter": "Adam/iter"}
    assert read({edge: legacy}).scalars == {"iter": "key of Adam/iter"}
    # One that counts steps itself is the optimiser, whatever hangs in it.
    assert read({"iter": "own", edge: legacy}).scalars == {"iter": "key of own"}
    assert read({"_iterations": "own", edge: legacy}).scalars == {"iterations": "key of own"}


def test_the_inner_optimiser_is_asked_before_the_base() -> None:
    made = read({"base_optimizer": {"iter": "base"}, "_optimizer": {"iter": "inner"}})
    assert made.scalars == {"iter": "key of inner"}


def test_one_that_is_in_itself_is_read_once() -> None:
    graph = ObjectGraph((Node((("_optimizer", 0), ("loss_scale", 0)), (), ()),), 100)
    assert optimizers.read(graph, 0, {}) == Optimizer()


# Slots by reference


SLOTS = [("w", "m", "w/m"), ("w", "v", "w/v"), ("x", "m", "x/m"), ("x", "v", "x/v")]


def test_what_adam_keeps_by_reference() -> None:
    """By the path of the weight, or the key of one that has none."""
    numbers = {name: f"Adam/{name}" for name in ("iter", "beta_1", "beta_2", "decay")}
    numbers["learning_rate"] = "Adam/learning_rate"
    assert read(numbers, SLOTS, w="_head/kernel") == Optimizer(
        scalars={name: f"key of {full}" for name, full in numbers.items()},
        referred={
            ("_head/kernel", "m"): "key of w/m",
            ("_head/kernel", "v"): "key of w/v",
            ("key of x", "m"): "key of x/m",
            ("key of x", "v"): "key of x/v",
        },
        kind="Adam",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_by_reference_is_told_by_its_numbers(kind: str) -> None:
    root = {"iter": f"{kind}/iter"}
    assert read(root, SLOTS).kind == kind
    converted = kind in ("Adam", "AdamW")
    more = [*SLOTS, ("w", "momentum", "w/momentum")]
    assert read(root, more).kind == ("an optimiser with m, momentum, v" if converted else kind)
    assert read(root, SLOTS[:1]).kind == ("an optimiser with m" if converted else kind)


def test_a_kind_by_reference_that_is_not_told() -> None:
    assert read({"iter": "mine/iter"}, SLOTS).kind == ""
    assert read({"iter": "iter", "hyper": {}}, [("w", "rms", "w/rms")]).kind == ""


def test_amsgrad_by_reference() -> None:
    hats = [("w", "vhat", "w/vhat"), ("x", "vhat", "x/vhat")]
    made = read({"iter": "Adam/iter"}, [*SLOTS, *hats])
    assert (made.kind, made.notes) == ("Adam", ("amsgrad",))
    assert optimizers.amsgrad(made)
    assert made.referred["key of w", "vhat"] == "key of w/vhat"
    assert not optimizers.amsgrad(read({"iter": "Adam/iter"}, SLOTS))


@pytest.mark.parametrize("new", [True, False])
def test_slots_by_reference_come_before_lists(new: bool) -> None:
    root = adam() if new else {}
    assert read(root, SLOTS).referred.keys() == {
        ("key of w", "m"),
        ("key of w", "v"),
        ("key of x", "m"),
        ("key of x", "v"),
    }


def test_a_slot_of_what_is_no_variable_is_left_out() -> None:
    made = Objects({"iter": "Adam/iter", "other": {}}, SLOTS).graph
    other = dict(made.nodes[0].children)["other"]
    odd = tuple(
        SlotReference(*each)
        for slot in made.nodes[0].slots[:1]
        for each in ((other, "v", slot.slot), (slot.original, "v", other))
    )
    root = Node(made.nodes[0].children, (), (*odd, *made.nodes[0].slots[:1]))
    found = optimizers.read(ObjectGraph((root, *made.nodes[1:]), 100), 0, {})
    assert found.referred == {("key of w", "m"): "key of w/m"}


# Which objects are optimisers


@pytest.mark.parametrize(
    ("edges", "is_one"),
    [
        (["_iterations"], True),
        (["iter", "learning_rate"], True),
        (["iter"], False),
        (["learning_rate"], False),
        (["loss_scale", "_optimizer"], True),
        (["loss_scale", "base_optimizer"], True),
        (["loss_scale"], False),
        (["_optimizer", "base_optimizer"], False),
        ([], False),
    ],
)
def test_what_is_an_optimiser(edges: list[str], is_one: bool) -> None:
    graph = Objects({"opt": {edge: edge for edge in edges}}).graph
    assert optimizers.nodes(graph) == (frozenset({1}) if is_one else frozenset())


def test_what_has_slots_is_an_optimiser() -> None:
    assert optimizers.nodes(Objects({}, SLOTS).graph) == frozenset({0})


@pytest.mark.parametrize(
    ("notes", "hats", "slot", "whole"),
    [
        (("amsgrad",), ["a"], "m", True),
        (("amsgrad",), [], "vhat", True),
        (("amsgrad",), [], "m", False),
        ((), ["a"], "vhat", False),
        (("clipnorm 1.0", "amsgrad"), ["a"], "vhat", True),
    ],
)
def test_amsgrad_needs_its_slots(
    notes: tuple[str, ...], hats: list[str], slot: str, whole: bool
) -> None:
    made = Optimizer(hats=hats, referred={("w", slot): "w"}, notes=notes)
    assert optimizers.amsgrad(made) is whole
