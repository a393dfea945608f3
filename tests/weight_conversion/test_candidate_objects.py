"""Which objects look like a model, which is meant, and what stands beside: each part, and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from _bundle_writer import node, part
from _refusals import refusal

from weight_conversion.formats.malformed import MalformedError
from weight_conversion.formats.tensorflow.object_graph import LISTS, ObjectGraph, parse
from weight_conversion.official import candidates
from weight_conversion.official.candidates import Candidate, Surroundings, choose
from weight_conversion.official.layers import MAX_DEPTH, Layer

PATH = Path("c")
INSPECT = "see what is in it: python -m weight_conversion inspect"
ONE = "one official AudioClassifier or frontend, each of its layers in its place"
CLASSIFIER, FRONTEND = "AudioClassifier", "frontend"


def found(each: Candidate) -> tuple[str, str, bool, bool]:
    return each.path, each.title, each.official, each.inside


def arrays(path: str, *names: str) -> Layer:
    return Layer(arrays={name: f"{path}/{name}" for name in names})


def frontend(path: str = "_frontend", **more: Layer) -> Layer:
    members = {
        "_complex_conv": arrays(f"{path}/conv", "kernel"),
        "_pooling": arrays(f"{path}/pooling", "kernel"),
    }
    return Layer(members={**members, **more})


def pool() -> Layer:
    kinds = ("global_max_pooling2d", "flatten")
    return Layer(members={kind: Layer(kind) for kind in kinds})


def classifier(path: str = "", **more: Layer) -> Layer:
    own = {"_frontend": frontend(f"{path}_frontend"), "_pool": pool()}
    return Layer(members={**own, "_head": arrays(f"{path}_head", "kernel", "bias"), **more})


def test_a_candidate_of_which_no_more_is_told() -> None:
    made = Candidate("", FRONTEND, Layer())
    assert (made.name, made.official, made.node, made.inside) == (".", True, -1, False)


# Of Keras' files.


def test_a_file_by_attributes() -> None:
    made = candidates.in_keras_file(classifier())
    assert [found(each) for each in made] == [
        ("", CLASSIFIER, True, False),
        ("_frontend", FRONTEND, True, True),
    ]
    assert [each.name for each in made] == [".", "_frontend"]
    assert {each.node for each in made} == {-1}  # there is no object graph
    assert {each.own_class for each in made} == {None}


def test_a_part_of_somebodys_classifier_is_no_part_of_an_official_one() -> None:
    made = candidates.in_keras_file(classifier(_dropout=Layer("dropout")))
    assert [found(each) for each in made] == [
        ("", CLASSIFIER, False, False),
        ("_frontend", FRONTEND, True, False),
    ]
    assert made[0].problems == ("_dropout (a dropout) has no place",)


def test_a_frontend_without_weights_is_none_that_could_be_chosen() -> None:
    made = candidates.in_keras_file(classifier(_frontend=Layer("mel_filterbanks")))
    assert [found(each) for each in made] == [("", CLASSIFIER, True, False)]


def test_models_below_other_groups() -> None:
    root = Layer(members={"a": Layer(members={"b": classifier("ab")}), "c": frontend("c")})
    assert [found(each) for each in candidates.in_keras_file(root)] == [
        ("a/b", CLASSIFIER, True, False),
        ("a/b/_frontend", FRONTEND, True, True),
        ("c", FRONTEND, True, False),
    ]


def test_a_frontend_that_keras_names_after_its_class() -> None:
    """It is told once, by the file's name; another one beside it too."""
    root = Layer(
        members={
            "leaf": Layer("leaf", frontend("leaf").members),
            "dense": Layer("dense", {}, {"kernel": "d/0", "bias": "d/1"}),
            "sequential": Layer("sequential", pool().members),
            "leaf_1": frontend("other"),
        }
    )
    made = candidates.in_keras_file(root)
    assert [each.path for each in made] == ["", "leaf", "leaf_1"]
    assert [each.inside for each in made] == [False, False, False]
    del root.members["leaf_1"]
    made = candidates.in_keras_file(root)
    assert [found(each)[:3] for each in made] == [
        ("", CLASSIFIER, True),
        ("leaf", FRONTEND, True),
    ]
    assert [each.inside for each in made] == [False, True]


def test_nothing_is_looked_for_in_a_frontend() -> None:
    root = Layer(members={"a": frontend("a", _mine=frontend("b"))})
    assert [each.path for each in candidates.in_keras_file(root)] == ["a"]


@pytest.mark.parametrize(("depth", "count"), [(MAX_DEPTH, 1), (MAX_DEPTH + 1, 0)])
def test_groups_are_looked_into_down_to_a_depth(depth: int, count: int) -> None:
    layer = frontend("f")
    for _ in range(depth):
        layer = Layer(members={"g": layer})
    made = candidates.in_keras_file(layer)
    assert [each.path for each in made] == ["/".join(["g"] * depth)] * count


SHAPES = {
    **{"leaf/kernel:0": (8, 2), "leaf/pooling/kernel:0": (1, 1, 8, 1)},
    **{"dense/kernel:0": (5, 3), "dense/bias:0": (3,)},
}


def by_layer(*names: str) -> Layer:
    members = {}
    for name in names:
        kind = name.removesuffix("_1")
        keys = [key for key in SHAPES if key.startswith(f"{kind}/")]
        members[name] = Layer(kind, {}, {key.partition("/")[2]: key for key in keys})
    return Layer(members=members, ordered=True)


def in_layer_file(root: Layer) -> list[tuple[str, str, bool, bool]]:
    made = candidates.in_layer_file(root, SHAPES)
    assert {each.node for each in made} <= {-1}
    return [found(each) for each in made]


def test_a_file_by_layers() -> None:
    """Its frontend is a part of it where all of it is official."""
    assert in_layer_file(by_layer("leaf", "sequential", "dense")) == [
        ("", CLASSIFIER, True, False),
        ("leaf", FRONTEND, True, True),
    ]
    other = by_layer("leaf", "sequential", "dense")
    other.members["dense"].arrays["extra"] = "dense/kernel:0"
    assert in_layer_file(other) == [
        ("", CLASSIFIER, False, False),
        ("leaf", FRONTEND, True, False),
    ]


def test_frontends_of_somebodys_file_by_layers() -> None:
    assert in_layer_file(by_layer("leaf", "lambda", "dense", "leaf_1")) == [
        ("leaf", FRONTEND, True, False),
        ("leaf_1", FRONTEND, True, False),
    ]
    assert in_layer_file(by_layer("lambda", "dense")) == []


def test_a_layer_with_weights_that_no_frontend_has_is_none() -> None:
    root = by_layer("leaf", "lambda")
    root.members["leaf"].arrays["mine"] = "dense/bias:0"
    assert in_layer_file(root) == []
    assert in_layer_file(by_layer("lambda")) == []


def test_a_frontend_saved_by_itself_by_layers() -> None:
    conv = Layer("", {}, {"kernel:0": "leaf/kernel:0"})
    root = Layer(members={"tfbanks_complex_conv": conv}, ordered=True)
    assert in_layer_file(root) == [("", FRONTEND, True, False)]


# Of object graphs.

# A value of an object that is no variable's, and so no weight.
ITERATOR = part(2, part(1, "ITERATOR") + part(3, "iterator"))


class Graph:
    """Objects in the making, by path."""

    def __init__(self) -> None:
        self.children: list[dict[str, int]] = [{}]
        self.variables: dict[int, str] = {}
        self.iterators: set[int] = set()

    def add(self, path: str, variable: str = "") -> int:
        at = 0
        for name in path.split("/"):
            if name not in self.children[at]:
                self.children.append({})
                self.children[at][name] = len(self.children) - 1
            at = self.children[at][name]
        if variable:
            self.variables[at] = variable
        return at

    def frontend(self, path: str) -> Graph:
        for name in ("_complex_conv", "_pooling"):
            self.add(f"{path}/{name}/kernel".lstrip("/"), f"leaf/{name}/kernel")
        return self

    def classifier(self, path: str = "", name: str = "audio_classifier") -> Graph:
        """As TensorFlow numbers it: the model's variables are of its class' scope."""
        self.frontend(f"{path}/_frontend")
        for each in ("layer-0", "layer-1"):
            self.add(f"{path}/_pool/{each}".lstrip("/"))
        for each in ("kernel", "bias"):
            self.add(f"{path}/_head/{each}".lstrip("/"), f"{name}/dense/{each}")
        return self

    def parsed(self) -> ObjectGraph:
        nodes = [
            node(each, (self.variables[i], f"key/{i}") if i in self.variables else None)
            + (ITERATOR if i in self.iterators else b"")
            for i, each in enumerate(self.children)
        ]
        return parse(b"".join(part(1, each) for each in nodes))


def in_graph(
    graph: Graph, kinds: Mapping[int, str] | None = None, *apart: int
) -> tuple[list[Candidate], list[str]]:
    return candidates.in_graph(graph.parsed(), kinds or {}, frozenset(apart))


def test_a_classifier_and_its_frontend_in_a_graph() -> None:
    graph = Graph().classifier()
    made, beside = in_graph(graph)
    assert [found(each) for each in made] == [
        ("", CLASSIFIER, True, False),
        ("_frontend", FRONTEND, True, True),
    ]
    assert [each.node for each in made] == [0, graph.add("_frontend")]
    assert beside == []


def test_the_frontend_of_another_classifier_is_no_part_of_an_official_one() -> None:
    made, _ = in_graph(Graph().classifier(name="mine"))
    assert [found(each) for each in made] == [
        ("", CLASSIFIER, False, False),
        ("_frontend", FRONTEND, True, False),
    ]
    assert (made[0].own_class, made[0].problems) == ("mine", ())


def test_classes_that_are_told_are_looked_at() -> None:
    made, _ = in_graph(Graph().classifier(), {0: "my_classifier"})
    assert made[0].problems == ("its class is my_classifier",)


def test_what_is_apart_is_no_model() -> None:
    graph = Graph().classifier("model").frontend("front")
    assert [each.path for each in in_graph(graph)[0]] == ["model", "front", "model/_frontend"]
    apart = in_graph(graph, {}, graph.add("model"))[0]
    assert [each.path for each in apart] == ["front", "model/_frontend"]


def test_a_frontend_that_is_met_before_its_classifier_is_a_part_of_it_too() -> None:
    graph = Graph()
    front = graph.frontend("front").add("front")
    graph.classifier("deep/model")
    graph.children[graph.add("deep/model")]["_frontend"] = front
    made, _ = in_graph(graph)
    assert [found(each) for each in made] == [
        ("front", FRONTEND, True, True),
        ("deep/model", CLASSIFIER, True, False),
    ]
    assert [each.node for each in made] == [front, graph.add("deep/model")]


@pytest.mark.parametrize("saved", [True, False])
def test_variables_that_a_checkpoint_hangs_at_the_model_are_taken_out(saved: bool) -> None:
    """Where it counts saves; a layer more stays and has no place."""
    graph = Graph().classifier()
    graph.add("step", "Variable")
    graph.add("_dropout")
    if saved:
        graph.add("save_counter", "save_counter")
    made, beside = in_graph(graph)
    assert beside == (["step"] if saved else [])
    own = () if saved else ("weights of its own: step",)
    assert made[0].problems == (*own, "_dropout (a layer without weights) has no place")


@pytest.mark.parametrize("saved", [True, False])
def test_an_iterator_that_a_checkpoint_hangs_at_the_model_is_taken_out_too(saved: bool) -> None:
    graph = Graph().classifier()
    graph.iterators.add(graph.add("data"))
    if saved:
        graph.add("save_counter", "save_counter")
    made, beside = in_graph(graph)
    assert beside == (["data"] if saved else [])
    assert made[0].official is saved
    assert ("data" in made[0].layer.members) is not saved


def test_a_head_alone_is_no_model() -> None:
    graph = Graph()
    graph.add("net/_head/kernel", "net/dense/kernel")
    assert in_graph(graph) == ([], [])


@pytest.mark.parametrize("count", [64, 65])
def test_at_most_64_models(count: int) -> None:
    graph = Graph()
    for i in range(count):
        graph.frontend(f"f{i}")
    if count == 64:
        assert len(in_graph(graph)[0]) == 64
        return
    with pytest.raises(MalformedError) as caught:
        in_graph(graph)
    assert (caught.value.expected, caught.value.got) == ("at most 64 models", "more")


# The one that is meant.


def candidate(
    path: str = "",
    title: str = FRONTEND,
    problems: Sequence[str] = (),
    own_class: str | None = None,
    inside: bool = False,
) -> Candidate:
    return Candidate(path, title, Layer(), tuple(problems), own_class, inside=inside)


WHOLE = candidate("", CLASSIFIER)
ODD = candidate("", CLASSIFIER, ["a", "b"])
OWN = candidate("", CLASSIFIER, (), "mine")


def test_the_whole_file_is_meant_where_it_is_official() -> None:
    parts = [candidate("a"), candidate("b", CLASSIFIER)]
    for made in ([WHOLE], [WHOLE, *parts], [*parts, WHOLE]):
        assert choose(PATH, made, None) is WHOLE


def test_one_that_is_alone_is_meant() -> None:
    one, others = candidate("a"), [candidate("b", inside=True), candidate("c", problems=["x"])]
    assert choose(PATH, [one], None, lambda each: each is one) is one
    assert choose(PATH, [*others, one], None, lambda each: each is one) is one


@pytest.mark.parametrize("made", [WHOLE, ODD, OWN, candidate("a", inside=True)])
def test_one_is_chosen_by_its_name(made: Candidate) -> None:
    others = [candidate("x"), candidate("y", CLASSIFIER)]
    if made.problems:
        assert refusal(lambda: choose(PATH, [*others, made], made.name)) == (
            "convert",
            "c: .",
            "an official AudioClassifier, each of its layers in its place",
            "a, b",
            INSPECT,
        )
    else:
        assert choose(PATH, [*others, made], made.name) is made


@pytest.mark.parametrize(
    ("made", "names"),
    [([], "no models"), ([WHOLE], "."), ([candidate("a/b"), OWN, candidate("c")], "a/b, ., c")],
)
def test_a_name_of_none_of_them(made: Sequence[Candidate], names: str) -> None:
    told = ("convert", "c: --object", f"one of {names}", "gone", "give one of them")
    assert refusal(lambda: choose(PATH, made, "gone")) == told


def test_no_model_at_all() -> None:
    expected = "the weights of an official AudioClassifier or frontend"
    told = ("convert", "c", expected, "neither", INSPECT)
    assert refusal(lambda: choose(PATH, [], None)) == told


MANY = [candidate(str(i)) for i in range(7)]
TOLD = "built as an AudioClassifier is, but of a class that is called mine"
PROBLEMS = candidate("m", CLASSIFIER, [str(i) for i in range(7)])


@pytest.mark.parametrize(
    ("made", "got", "fix"),
    [
        (
            [candidate("a"), candidate("b", CLASSIFIER)],
            "several: a (frontend), b (AudioClassifier)",
            "choose: --object a for its frontend; --object b for its AudioClassifier",
        ),
        (
            [candidate("a")],
            "a (frontend) in something else",
            "choose: --object a for its frontend",
        ),
        (
            MANY,
            f"several: {', '.join(f'{i} (frontend)' for i in range(5))}",
            f"choose: {'; '.join(f'--object {i} for its frontend' for i in range(5))}",
        ),
        (
            [ODD, candidate("a"), candidate("b", inside=True)],
            ".: a, b",
            "choose: --object a for its frontend",
        ),
        ([ODD], ".: a, b", INSPECT),
        (
            [OWN],
            f".: {TOLD}",
            "choose: --object . if your class computes what AudioClassifier does",
        ),
        (
            [candidate("x", CLASSIFIER, (), "mine"), candidate("x/_frontend")],
            f"x: {TOLD}",
            "choose: --object x/_frontend for its frontend; "
            "--object x if your class computes what AudioClassifier does",
        ),
        (
            [candidate("x", CLASSIFIER, ["a"]), candidate("y", CLASSIFIER, (), "mine")],
            f"x: a; y: {TOLD}",
            INSPECT,
        ),
        (
            [ODD, candidate("_frontend", FRONTEND, ["c"])],
            ".: a, b",
            INSPECT,
        ),
        (
            [candidate("x", CLASSIFIER, ["a"]), candidate("x/y/_frontend", FRONTEND, ["c"])],
            "x: a",
            INSPECT,
        ),
        (
            [candidate("x", CLASSIFIER, ["a"]), candidate("xy", FRONTEND, ["c"])],
            "x: a; xy: c",
            INSPECT,
        ),
        ([PROBLEMS], "m: 0, 1, 2, 3, 4", INSPECT),
        (
            [candidate(str(i), FRONTEND, ["a"]) for i in range(7)],
            "; ".join(f"{i}: a" for i in range(5)),
            INSPECT,
        ),
        ([candidate("x", CLASSIFIER, ["a\x1b"], "mine")], r"x: 'a\x1b'", INSPECT),
        (
            [candidate("", CLASSIFIER, (), "mi\nne")],
            r".: built as an AudioClassifier is, but of a class that is called 'mi\nne'",
            "choose: --object . if your class computes what AudioClassifier does",
        ),
    ],
)
def test_what_can_be_chosen_is_offered(made: Sequence[Candidate], got: str, fix: str) -> None:
    assert refusal(lambda: choose(PATH, made, None)) == ("convert", "c", ONE, got, fix)


def test_one_beside_a_root_that_is_not_official_is_offered_even_if_it_is_alone() -> None:
    fix = "choose: --object a for its frontend"
    told = ("convert", "c", ONE, ".: a, b", fix)
    assert refusal(lambda: choose(PATH, [ODD, candidate("a")], None, lambda _: True)) == told


# What stands beside.


def beside(graph: Graph, path: str, numbers: Sequence[str] = ()) -> tuple[list[str], bool]:
    """Of the object at a path; numbers are those at the other paths, and ``opt`` an optimiser."""
    optimizers = {at for name, at in graph.children[0].items() if name == "opt"}
    own = frozenset(graph.add(each) for each in numbers)
    around = Surroundings(graph.parsed(), frozenset(optimizers), own)
    chosen = Candidate(path, FRONTEND, Layer(), node=graph.add(path) if path else 0)
    return around.beside(chosen)


def test_nothing_is_beside_the_whole_file() -> None:
    assert beside(Graph().classifier(), "") == ([], True)


def test_what_is_beside_is_told_by_name() -> None:
    """Its own parts, and what Keras adds for itself, are not; nor anything twice."""
    graph = Graph().frontend("train/model")
    step = graph.add("step", "step")
    graph.children[0]["epoch"] = step
    graph.add("train/rate", "rate")
    for name in ("keras_api", "save_counter", "axis"):
        graph.add(name)
    graph.children[0]["kernels"] = graph.add("train/model/_complex_conv")
    graph.children[0]["itself"] = 0
    graph.children[graph.add("train")]["itself"] = graph.add("train")
    numbers = ["step", "train/rate"]
    assert beside(graph, "train/model", numbers) == (["step", "train/rate"], True)


@pytest.mark.parametrize(
    ("path", "variable", "harmless"),
    [
        ("opt", "", True),
        ("number", "n", True),
        ("array", "a", False),
        ("empty", "", False),
        ("list/0", "n", True),
        ("deep/list/0", "n", True),
        ("list/0", "", False),
        ("deep/list/0", "a", False),
        ("listed/metrics", "a", False),
    ],
)
def test_numbers_and_optimisers_are_harmless(path: str, variable: str, harmless: bool) -> None:
    """And lists of them; arrays, layers and what holds nothing are not."""
    graph = Graph().frontend("model")
    graph.add(path, variable)
    numbers = [path] if variable == "n" else []
    assert beside(graph, "model", numbers) == ([path.partition("/")[0]], harmless)


def test_all_that_is_beside_has_to_be_harmless() -> None:
    for names in (("a", "b"), ("b", "a")):
        graph = Graph().frontend("model")
        for name in names:
            graph.add(name, "v")
        assert beside(graph, "model", ["a"]) == ([*names], False)
        graph = Graph().frontend("model")
        for name in names:
            graph.add(f"list/{name}", "v")
        assert beside(graph, "model", ["list/a"]) == (["list"], False)


def test_lists_of_keras_own_are_no_part_of_a_list() -> None:
    graph = Graph().frontend("model")
    graph.add("list/0", "n")
    graph.add("list/keras_api", "a")
    assert "keras_api" in LISTS
    assert beside(graph, "model", ["list/0"]) == (["list"], True)


@pytest.mark.parametrize(("depth", "harmless"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
def test_lists_are_looked_into_down_to_a_depth(depth: int, harmless: bool) -> None:
    graph = Graph().frontend("model")
    path = "/".join(["list"] * depth) + "/0"
    graph.add(path, "n")
    assert beside(graph, "model", [path]) == (["list"], harmless)


def test_an_object_with_another_value_than_a_variables_is_harmless() -> None:
    """An iterator's state."""
    graph = Graph().frontend("model")
    graph.iterators.add(graph.add("data"))
    assert beside(graph, "model") == (["data"], True)


@pytest.mark.parametrize("name", ["save_counter", "saves"])
def test_a_checkpoint_counts_saves(name: str) -> None:
    graph = Graph()
    graph.add(name, "v")
    graph.add("other/save_counter", "v")
    around = Surroundings(graph.parsed(), frozenset(), frozenset())
    assert around.counts_saves is (name == "save_counter")
