"""Checkpoints that are not there, not whole or damaged: the error names file, key and cause."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from _bad_checkpoints import (
    DATA,
    INDEX,
    read_all,
    refused,
    shards,
    small,
    spoiled,
)
from _bundle_writer import (
    Bundle,
    strings,
    varint,
    write_files,
)

from leaf_port.errors import LeafError
from weight_conversion.formats.tensorflow.checkpoint import Checkpoint
from weight_conversion.formats.tensorflow.crc32c import crc32c, masked

# Files.


def test_nothing_there(tmp_path: Path) -> None:
    refused(lambda: Checkpoint(tmp_path / "no" / "c"), str(tmp_path / "no" / "c"), "nothing there")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no checkpoint")
    refused(lambda: Checkpoint(tmp_path), str(tmp_path), "a folder without any", ".index")


def test_a_folder_of_several_checkpoints_and_no_word_which(tmp_path: Path) -> None:
    for name in ("b", "a"):
        small().write(tmp_path / name)
    refused(lambda: Checkpoint(tmp_path), "2 .index files", "a.index, b.index")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"no checkpoint")
    refused(lambda: Checkpoint(path), str(path), "a file of another kind")


def test_a_saved_model_without_variables(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"")
    refused(lambda: Checkpoint(tmp_path), "variables.index")


@pytest.mark.parametrize("name", ["c.index", DATA])
def test_a_folder_or_a_pipe_where_a_file_should_be(tmp_path: Path, name: str) -> None:
    for make in (Path.mkdir, os.mkfifo):
        small().write(tmp_path / "c")
        (tmp_path / name).unlink()
        make(tmp_path / name)
        refused(lambda: read_all(tmp_path / "c"), str(tmp_path / "c"))
        (tmp_path / name).rmdir() if make is Path.mkdir else (tmp_path / name).unlink()


def test_a_shard_missing(tmp_path: Path) -> None:
    shards().write(tmp_path / "c")
    (tmp_path / "c.data-00001-of-00002").unlink()
    refused(lambda: Checkpoint(tmp_path / "c"), "c.data-00001-of-00002", "nothing there", "copy")


@pytest.mark.parametrize("text", [b"", b"model_checkpoint_path: 3", b'model_checkpoint_path: "'])
def test_a_state_file_that_names_nothing(tmp_path: Path, text: bytes) -> None:
    small().write(tmp_path / "c")
    (tmp_path / "checkpoint").write_bytes(text)
    refused(lambda: Checkpoint(tmp_path), str(tmp_path / "checkpoint"), "model_checkpoint_path")


@pytest.mark.parametrize("name", ["gone", "..", "", "a/", "\\000", "\\377", "sub\\\\..", "x" * 999])
def test_a_state_file_that_names_what_is_not_there(tmp_path: Path, name: str) -> None:
    small().write(tmp_path / "c")
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{name}"\n')
    refused(lambda: Checkpoint(tmp_path), str(tmp_path / "checkpoint"))


def test_a_state_file_that_is_huge(tmp_path: Path) -> None:
    with (tmp_path / "checkpoint").open("wb") as file:
        file.truncate(1 << 40)  # sparse
    refused(lambda: Checkpoint(tmp_path), str(tmp_path / "checkpoint"), str(1 << 40))


def test_a_huge_index_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / INDEX).open("wb") as file:
        file.truncate(1 << 40)
    refused(lambda: Checkpoint(tmp_path / "c"), INDEX, str(1 << 40))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", [INDEX, DATA])
def test_a_file_that_may_not_be_read(tmp_path: Path, name: str) -> None:
    small().write(tmp_path / "c")
    (tmp_path / name).chmod(0)
    refused(lambda: read_all(tmp_path / "c"), name, "Permission denied")


def test_a_path_that_the_system_refuses(tmp_path: Path) -> None:
    refused(lambda: Checkpoint(tmp_path / ("x" * 5000)), "File name too long")
    refused(lambda: Checkpoint(f"{tmp_path}/a\x00b"), "nothing there")


# Damage.


def test_each_truncation_is_noticed(tmp_path: Path) -> None:
    whole = small().files()
    for name, data in whole.items():
        for size in range(len(data)):
            write_files(tmp_path / "c", {**whole, name: data[:size]})
            refused(lambda: read_all(tmp_path / "c"), f"c{name}")


def test_each_flipped_bit_is_noticed(tmp_path: Path) -> None:
    """But for the index's padding, and what its footer says of the empty meta index."""
    unused, whole = 0, small().files()
    for name, data in whole.items():
        for at in range(len(data)):
            for bit in range(8):
                write_files(tmp_path / "c", {**whole, name: spoiled(data, at, 1 << bit)})
                try:
                    read_all(tmp_path / "c")
                except LeafError:
                    continue
                assert name == ".index"
                assert len(data) - 48 <= at < len(data) - 8
                unused += 1
    assert unused <= 8 * 40


def test_a_flipped_byte_of_a_tensor_names_its_file_and_key(tmp_path: Path) -> None:
    files = small().files()
    files[".data-00000-of-00001"] = spoiled(files[".data-00000-of-00001"], 5)
    found = Checkpoint(write_files(tmp_path / "c", files))
    refused(lambda: found.tensor("bias"), DATA, "bias", "CRC-32C")
    found.tensor("kernel")


def test_a_flipped_byte_of_a_string_names_its_file_and_key(tmp_path: Path) -> None:
    files = small().files()
    files[".data-00000-of-00001"] = spoiled(files[".data-00000-of-00001"], -1)
    refused(lambda: read_all(write_files(tmp_path / "c", files)), DATA, "names", "of the strings")


def test_wrong_lengths_of_strings(tmp_path: Path) -> None:
    for data in (varint(1) + b"\x00" * 5, varint(2**63), b"\xff" * 14, strings([b"ab"])[0] + b"!"):
        made = Bundle().add("names", np.array([b"ab", b""], object))
        made.shards[0][:] = data
        made.change("names", size=len(data), crc=masked(crc32c(data)))
        refused(lambda: read_all(made.write(tmp_path / "c")), "names")  # noqa: B023


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path) -> None:
    found = Checkpoint(small().write(tmp_path / "c"))
    (tmp_path / DATA).write_bytes(b"short")
    refused(lambda: found.tensor("kernel"), DATA, "kernel", "0 bytes")
    (tmp_path / DATA).unlink()
    refused(lambda: found.tensor("kernel"), DATA, "No such file")
