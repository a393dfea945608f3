"""Keras' HDF5 weights: what is read, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from leaf_port.errors import LeafError
from weight_conversion.formats import child_process, keras_h5_child
from weight_conversion.formats.keras_h5 import KerasWeights
from weight_conversion.formats.malformed import MalformedError

WHOLE = np.arange(12, dtype=np.float32).reshape(4, 3)


def by_layer(path: Path, names: object = ("kernel:0",), **datasets: object) -> Path:
    """A file with one layer ``dense``."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"dense"])
        layer = file.create_group("dense")
        layer.attrs["weight_names"] = names
        for name, value in {"kernel:0": WHOLE, **datasets}.items():
            layer[name] = value
    return path


def by_attribute(path: Path, value: object = WHOLE) -> Path:
    with h5py.File(path, "w") as file:
        file["_head/vars/0"] = value
    return path


def changed(path: Path, change: Callable[[h5py.File], object]) -> Path:
    with h5py.File(path, "a") as file:
        change(file)
    return path


def refused(attempt: Callable[[], object], *named: str) -> None:
    with pytest.raises(LeafError) as caught:
        attempt()
    for each in named:
        assert each in str(caught.value)


def test_layers_in_their_order(tmp_path: Path) -> None:
    found = KerasWeights(by_layer(tmp_path / "w.h5", ["z:0", "kernel:0"], **{"z:0": np.ones(2)}))
    assert found.keys() == ["dense/z:0", "dense/kernel:0"]
    assert (found.shape("dense/kernel:0"), found.dtype("dense/kernel:0")) == ((4, 3), "float32")
    np.testing.assert_array_equal(found.tensor("dense/kernel:0"), WHOLE, strict=True)


def test_long_lists_of_names_are_in_parts(tmp_path: Path) -> None:
    path = by_layer(tmp_path / "w.h5", **{"b": np.ones(1)})

    def split(file: h5py.File) -> None:
        del file["dense"].attrs["weight_names"]
        file["dense"].attrs["weight_names0"] = ["kernel:0"]
        file["dense"].attrs["weight_names1"] = ["b"]

    assert KerasWeights(changed(path, split)).keys() == ["dense/kernel:0", "dense/b"]


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", "<i8", "|u1", "|b1", "<c8"])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_types_and_shapes(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    value = np.ones(shape, kind)
    found = KerasWeights(by_attribute(tmp_path / "w.weights.h5", value))
    assert found.keys() == ["_head/vars/0"]
    read = found.tensor("_head/vars/0")
    np.testing.assert_array_equal(read, value.astype(value.dtype.newbyteorder("=")), strict=True)
    assert read.dtype.isnative


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    found = KerasWeights(by_attribute(tmp_path / "w.h5"))
    for attempt in (found.tensor, found.shape, found.dtype):
        refused(lambda: attempt("gone"), "w.h5: gone", "one of 1 keys")  # noqa: B023


def test_no_file_or_another(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    refused(lambda: KerasWeights(path), "w.h5", "nothing there")
    path.mkdir()
    refused(lambda: KerasWeights(path), "w.h5", "something else")
    other = tmp_path / "v.h5"
    other.write_bytes(b"no weights")
    refused(lambda: KerasWeights(other), "v.h5", "an HDF5 file")


def test_each_truncation_is_refused(tmp_path: Path) -> None:
    data = by_layer(tmp_path / "w.h5").read_bytes()
    for size in range(0, len(data), 16):
        (tmp_path / "w.h5").write_bytes(data[:size])
        with pytest.raises(MalformedError):
            list(keras_h5_child.read(tmp_path / "w.h5")[1])


@pytest.mark.parametrize("at", [*range(8, 400, 60), *range(2040, 2070, 6)])
def test_a_flipped_bit_gives_arrays_or_an_error_of_ours(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 keeps no checksums, so not each is noticed; some make its library hang."""
    monkeypatch.setattr(child_process, "SECONDS", 20.0)
    data = bytearray(by_layer(tmp_path / "w.h5").read_bytes())
    data[at] ^= 1 << (at % 8)
    (tmp_path / "w.h5").write_bytes(data)
    try:
        assert KerasWeights(tmp_path / "w.h5").keys() == ["dense/kernel:0"]
    except LeafError as error:
        told = str(error)
        assert str(tmp_path / "w.h5") in told


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(999)", "import os; os.abort()", "", "1 / 0"]
)
def test_a_child_that_hangs_or_crashes(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "interpreter", lambda: [sys.executable, "-c", code])
    monkeypatch.setattr(child_process, "SECONDS", 5.0)
    path = by_layer(tmp_path / "w.h5")
    refused(lambda: KerasWeights(path), str(path), "HDF5's library")


@pytest.mark.parametrize(
    ("link", "named"),
    [
        (h5py.SoftLink("/_head/vars/0"), "SoftLink"),
        (h5py.ExternalLink("other.h5", "/_head/vars/0"), "ExternalLink"),
    ],
)
def test_links_are_not_followed(tmp_path: Path, link: object, named: str) -> None:
    by_attribute(tmp_path / "other.h5")
    path = by_attribute(tmp_path / "w.h5")
    refused(lambda: KerasWeights(changed(path, lambda f: f.update({"l": link}))), "w.h5", named)


def test_what_is_met_twice(tmp_path: Path) -> None:
    def loop(file: h5py.File) -> None:
        file["_head/again"] = file["_head"]

    def twice(file: h5py.File) -> None:
        file["other"] = file["_head/vars/0"]

    for change in (loop, twice):
        path = changed(by_attribute(tmp_path / "w.h5"), change)
        refused(lambda: KerasWeights(path), "a tree")  # noqa: B023


def external(file: h5py.File) -> None:
    file.create_dataset("x", (4,), "f4", external=[("raw.bin", 0, 16)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (external, "contiguous"),
        (virtual, "contiguous"),
        (lambda f: f.create_dataset("x", data=np.zeros(9999), compression="gzip"), "contiguous"),
        (lambda f: f.create_dataset("x", (2**40,), "f4", chunks=(4,)), "contiguous"),
        (lambda f: f.create_dataset("x", (2**40,), "f4"), "bytes"),
        (lambda f: f.create_dataset("x", data=["text"]), "numbers"),
        (lambda f: f.create_dataset("x", data=np.zeros(2, "S3")), "numbers"),
        (lambda f: f.create_dataset("x", data=np.zeros(2, [("a", "f4")])), "numbers"),
        (lambda f: f.create_dataset("x", data=h5py.Empty("f4")), "numbers"),
        (lambda f: f.create_dataset("x", data=np.array([f.ref])), "numbers"),
        (lambda f: f.__setitem__("x", np.dtype("f4")), "a group or a dataset"),
        (lambda f: f.create_group("/".join("g" * 70)), "deep"),
    ],
)
def test_what_is_no_plain_array(
    tmp_path: Path, make: Callable[[h5py.File], object], named: str
) -> None:
    path = changed(by_attribute(tmp_path / "w.h5"), make)
    refused(lambda: KerasWeights(path), str(path), named)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["kernel:0", "kernel:0"], "once"),
        (["gone"], "gone"),
        ([], "kernel:0"),
        ([1.0], "names"),
        (np.array([["kernel:0"]], "S8"), "names"),
        (3, "names"),
    ],
)
def test_wrong_names_of_weights(tmp_path: Path, names: object, named: str) -> None:
    refused(lambda: KerasWeights(by_layer(tmp_path / "w.h5", names)), "w.h5", named)


def test_names_of_layers_that_are_not_there(tmp_path: Path) -> None:
    path = changed(by_layer(tmp_path / "w.h5"), lambda f: f.attrs.update(layer_names=[b"conv"]))
    refused(lambda: KerasWeights(path), "conv")
    path = by_layer(tmp_path / "v.h5")
    changed(path, lambda f: f["dense"].attrs.__delitem__("weight_names"))
    refused(lambda: KerasWeights(path), "weight_names")
