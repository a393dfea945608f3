"""What the official code says of itself: signatures, weights; and the port beside it."""

from __future__ import annotations

import dataclasses
import inspect
import json
from pathlib import Path

import pytest

import leaf_port
from leaf_port.errors import LeafError
from parity import spec
from parity.checks.invariants import made_of, signatures
from parity.layers import all_specs
from parity.oracles import descriptions

# Public names that the official code has not.
_NOT_OFFICIAL = {
    "ChannelsFirst",
    "FilterWarning",
    "LeafError",
    "SampleRateWarning",
    "ScaleInit",
    "StablePCEN",
    "apply_constraints",
    "constrain_after_step",
    "regularization_loss",
}
_AN_ENUM = {"WindowType"}


def _declared() -> list[spec.Signature]:
    return [signature for each in all_specs().values() for signature in each.signatures]


def test_every_public_name_has_a_signature() -> None:
    known = {signature.port for signature in _declared()}
    public = {
        name: value
        for name, value in vars(leaf_port).items()
        if inspect.isclass(value) or inspect.isfunction(value)
    }
    without = {name for name, value in public.items() if value not in known}
    assert without - _AN_ENUM == _NOT_OFFICIAL


def _conv(filters: int, kernel_size: int = 3) -> None:
    """A function whose arguments are wrong in each way."""


def _problems(**changed: object) -> list[str]:
    whole = spec.Signature(_conv, "leaf_audio.utils.window")
    return list(signatures.problems(dataclasses.replace(whole, **changed)))  # type: ignore[arg-type]


def test_each_difference_is_told() -> None:
    found = _problems()
    assert len(found) == 4
    assert any("takes filters, and the official code does not" in each for each in found)
    assert any("lacks tmax" in each for each in found)


def test_what_is_declared_must_apply() -> None:
    own = {"filters": spec.Own(7, "why"), "other": spec.Own(None, "why")}
    found = _problems(own=own, lacks={"nothing": "why"})
    assert any("filters: required by default, declared is 7" in each for each in found)
    assert any("other is declared, and it does not take it" in each for each in found)
    assert any("lacking nothing, which does not apply" in each for each in found)


def test_names_are_the_same_but_for_capitals() -> None:
    assert signatures.same([{"named": "Conv1d"}], [{"named": "Conv1D"}])
    assert not signatures.same([{"named": "Conv1d"}], [{"named": "Conv2D"}])
    assert not signatures.same([True], [1])
    assert not signatures.same([], [None])
    assert signatures.same([40], [40.0])


def test_own_defaults_need_a_reason() -> None:
    with pytest.raises(ValueError, match="needs its reason"):
        spec.Own(None, "")


def test_numbered_layers_are_torchs_keys() -> None:
    assert made_of.key("_encoder/layer-0/layer-3/kernel") == "encoder.0.3.weight"
    assert made_of.key("layer-1/moving_mean") == "1.moving_mean"


@pytest.mark.parametrize(
    ("damage", "got"),
    [
        (lambda text: text.replace('"depth": [6]', '"depth": [5]'), "another hash"),
        (lambda text: text[:-9], "JSONDecodeError"),
        (lambda _: "[]", "AttributeError|TypeError"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: object, got: str) -> None:
    path = tmp_path / "descriptions.json"
    path.write_text(damage(descriptions.FILE.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with pytest.raises(LeafError, match=got):
        descriptions.load(path)


def test_what_is_not_recorded_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeafError, match="a file"):
        descriptions.load(tmp_path / "none.json")
    with pytest.raises(LeafError, match="a recorded signature"):
        descriptions.signature("leaf_audio.none")
    with pytest.raises(LeafError, match="a recorded description"):
        descriptions.made_of("pann", "none")


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "descriptions.json"
    tree = {"versions": {"a": "1"}, "signatures": {"f": {"x": [1]}}, "layers": {}}
    descriptions.save(tree, path)
    assert descriptions.load(path) == tree
    assert json.loads(path.read_text(encoding="utf-8"))["seal"]
    both = descriptions.grouped({"one": {"weights": {}}, "two": {"weights": {}}})
    assert both == [{"cases": ["one", "two"], "weights": {}}]
