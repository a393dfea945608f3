"""The layers of an object graph: which edges are some, their order, how many there may be."""

from __future__ import annotations

from typing import Any

import pytest
from _objects import Named, Objects

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import Node, ObjectGraph
from weight_conversion.official import layers
from weight_conversion.official.layers import GraphLayers, Layer


def layer(root: Named, *apart: int, **kinds: str) -> Layer:
    graph = Objects(root).graph
    numbers = {graph.at(path) or 0: kind for path, kind in kinds.items()}
    return GraphLayers(graph, numbers, frozenset(apart)).layer(0)


def test_layers_and_their_weights() -> None:
    made = layer({"a": {"kernel": "x/kernel", "bias": "x/bias"}, "free": "y"}, a="dense")
    dense = {"kernel": "key of x/kernel", "bias": "key of x/bias"}
    assert made == Layer(
        members={"a": Layer("dense", {}, dense, ordered=True, scope="x/kernel")},
        arrays={"free": "key of y"},
        ordered=True,
        scope="y",
    )
    assert [*made.weights()] == [
        *(("free", "key of y"), ("a/kernel", "key of x/kernel"), ("a/bias", "key of x/bias"))
    ]
    assert made.has_weights


def test_a_layer_without_weights() -> None:
    made = layer({"a": {"b": {}}})
    assert made == Layer(
        "", {"a": Layer("", {"b": Layer(ordered=True)}, ordered=True)}, ordered=True
    )
    assert not made.has_weights


KERAS = ["variables", "trainable_variables", "non_trainable_variables", "regularization_losses"]
KERAS += ["keras_api", "signatures", "layers", "layer_metrics", "metrics", "train_function"]
KERAS += ["test_function", "predict_function", "call_and_return_conditional_losses"]
KERAS += ["train_tf_function", "test_tf_function", "predict_tf_function", "__call__"]
KERAS += ["call_and_return_all_conditional_losses", "_default_save_signature", "serving_fn"]
KERAS += ["_jit_compiled_convolution_op", "_keep_axis", "_reduce_axis", "_reduce_axis_mask"]
KERAS += ["_broadcast_shape", "save_counter", "axis", "state_spec", "_updates", "loss_tracker"]


@pytest.mark.parametrize("name", KERAS)
def test_what_keras_adds_for_itself_is_no_layer(name: str) -> None:
    assert layer({name: {}, "a": {}}) == layer({"a": {}})
    assert layer({name: "variable"}) == layer({})


def test_what_is_apart_is_no_layer() -> None:
    assert list(layer({"a": {}, "optimizer": {}, "b": {}}, 2).members) == ["a", "b"]


def test_private_names_stand_last() -> None:
    """Keras names the attributes of its own so; a variable is met once, by its first name."""
    made = layer({"_b": {}, "a": {}, "_a": {}, "z": {}, "_x": "v", "y": "v", "_z": "w"})
    assert list(made.members) == ["a", "z", "_b", "_a"]
    assert made.arrays == {"y": "key of v", "_z": "key of w"}
    assert made.scope == "v"


def sequential(*edges: tuple[str, int], nodes: int = 3) -> Layer:
    graph = ObjectGraph((Node(edges, (), ()), *[Node((), (), ())] * nodes), 100)
    kinds = {number: f"kind {number}" for number in range(1, nodes + 1)}
    return GraphLayers(graph, kinds, frozenset()).layer(0)


def test_a_member_of_a_sequential_stands_once_in_its_place() -> None:
    made = sequential(
        *(("layer_with_weights-0", 2), ("layer_with_weights-1", 3)),
        *(("layer-0", 1), ("layer-1", 2), ("layer-2", 3)),
    )
    kinds = [(name, each.kind) for name, each in made.members.items()]
    assert kinds == [
        *(("layer-0", "kind 1"), ("layer_with_weights-0", "kind 2")),
        ("layer_with_weights-1", "kind 3"),
    ]


def test_a_member_that_is_numbered_alone_stands_last() -> None:
    made = sequential(("layer_with_weights-0", 2), ("layer-0", 1), ("other", 2), ("more", 3))
    assert list(made.members) == ["layer-0", "other", "more"]
    made = sequential(("layer_with_weights-0", 2), ("layer-0", 1))
    assert list(made.members) == ["layer-0", "layer_with_weights-0"]


def chain(depth: int) -> dict[str, Any]:
    return {"inner": chain(depth - 1)} if depth else {}


def depth_of(made: Layer) -> int:
    return 1 + depth_of(made.members["inner"]) if made.members else 0


def test_layers_lie_eight_deep_at_most() -> None:
    for depth in (7, 8):
        assert depth_of(layer(chain(depth))) == depth
    assert depth_of(layer(chain(12))) == 8


def test_what_is_in_itself_is_left_out() -> None:
    graph = ObjectGraph((Node((("a", 1),), (), ()), Node((("up", 0), ("own", 1)), (), ())), 100)
    made = GraphLayers(graph, {}, frozenset()).layer(0)
    assert made == Layer(members={"a": Layer(ordered=True)}, ordered=True)


def test_layers_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that one graph is asked for together."""
    assert layers.MOST == 20_000
    monkeypatch.setattr(layers, "MOST", 4)
    graph = Objects({"a": {}, "b": {"c": {}}}).graph
    made = GraphLayers(graph, {}, frozenset())
    assert list(made.layer(0).members) == ["a", "b"]
    with pytest.raises(MalformedError) as caught:
        made.layer(1)
    assert (caught.value.expected, caught.value.got) == ("at most 4 layers", "more")
