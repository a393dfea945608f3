"""Models as files that other programs run: ONNX and torch.export.

A graph takes ``waveforms``, ``(batch, samples)`` in float32, of any batch and any length from
``Exported.shortest`` on, and gives ``features``, ``(batch, frames, filters)``, or a classifier's
``logits``, ``(batch, classes)``. There is no complex number in it. The file is read again and
compared with the model before it appears.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata as packages
from pathlib import Path

import torch
from torch import Tensor, nn

import leaf_port
from leaf_port import _publish
from leaf_port._export import capture, compare, onnx_file, pt2_file
from leaf_port._export.capture import OWNER, Subject
from leaf_port._export.compare import Comparison as Comparison
from leaf_port.errors import LeafError

_Read = Callable[[Path, str], Callable[[Tensor], Tensor]]
Tell = Callable[[str], None]


class ExportError(LeafError):
    """What was exported is not the model; nothing was written.

    Attributes:
        comparisons: everything that was compared.
    """

    def __init__(self, path: Path, comparisons: Sequence[Comparison]) -> None:
        off = [each for each in comparisons if not each.ok]
        first = off[0]
        got = f"{len(off)} of {len(comparisons)} batches off, first {first.batch} of "
        got += f"{first.samples} samples: {first.message}"
        expected, fix = "a file that computes the model", "nothing was written; report it"
        super().__init__(OWNER, str(path), expected, got, fix)
        self.comparisons = comparisons


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        path: where it is.
        shortest: the fewest samples that its graph takes.
        metadata: what the file tells of itself.
        comparisons: with the model; empty where nothing was compared.
    """

    path: Path
    shortest: int
    metadata: Mapping[str, str]
    comparisons: Sequence[Comparison]


def to_onnx(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    opset: int | None = None,
    check: bool = True,
    samples: Sequence[int] = (),
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
    tell: Tell | None = None,
) -> Exported:
    """Writes a frontend or a classifier as one ONNX file, in evaluation mode.

    It needs ``pip install "leaf-port[onnx]"``.

    Args:
        model: a frontend or an :class:`~leaf_port.AudioClassifier`, float32. It stays as it is.
        path: the file.
        opset: version of the operators; 18 by default, the oldest that torch's exporter writes.
        check: whether the file is run in onnxruntime, on drawn batches and lengths, and compared
            with the model. Each element may be 5 units off the model in float64; a unit is what
            float32 may round it by.
        samples: further lengths to compare at.
        overwrite: whether an existing file is replaced.
        metadata: of the file, beside versions, kind, sample rate and the hash of the weights.
        tell: called with a few words when each step begins: a graph with PCEN takes a minute.

    Raises:
        ExportError: the file computes something else. Nothing is written.
        LeafError: a model that cannot be exported, a name that is taken, a missing package.

    Example:
        >>> from leaf_port import Leaf
        >>> from leaf_port.export import to_onnx
        >>> made = to_onnx(Leaf(), "leaf.onnx")  # doctest: +SKIP
    """
    final = _free(Path(path), ".onnx", overwrite)
    onnx_file.needed(check)
    version = onnx_file.OPSET if opset is None else opset
    onnx_file.check_opset(version)
    what = capture.subject(model)
    _check_lengths(samples, what.shortest)
    tell = tell or _nobody
    tell("capturing the graph")
    program = capture.capture(what)
    names = ("onnx", "onnxscript")
    about = _about(what, what.shortest, names) | {"opset": str(version)} | dict(metadata or {})

    def write(made: Path) -> None:
        onnx_file.write(program, made, what.output, version, about)

    read = onnx_file.read if check else None
    return _published(final, what, what.shortest, about, write, read, samples, tell)


def to_pt2(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    check: bool = True,
    samples: Sequence[int] = (),
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
    tell: Tell | None = None,
) -> Exported:
    """Writes a frontend or a classifier as a program of torch.export, in evaluation mode.

    ``torch.export.load(path).module()`` is called with the waveforms. It takes two frames or more.

    Args:
        model: as in :func:`to_onnx`.
        path: the file.
        check: whether the file is read again and compared, as in :func:`to_onnx`.
        samples: further lengths to compare at.
        overwrite: whether an existing file is replaced.
        metadata: as in :func:`to_onnx`; in the file it is ``leaf_port.json`` of ``extra_files``.
        tell: as in :func:`to_onnx`.

    Raises:
        ExportError: the file computes something else. Nothing is written.
        LeafError: a model that cannot be exported, or a name that is taken.
    """
    final = _free(Path(path), ".pt2", overwrite)
    what = capture.subject(model)
    _check_lengths(samples, what.shortest)
    tell = tell or _nobody
    tell("capturing the graph")
    program = capture.capture(what)
    shortest = capture.shortest_of(program, what.shortest)
    _check_lengths(samples, shortest)
    about = _about(what, shortest, ()) | dict(metadata or {})

    def write(made: Path) -> None:
        pt2_file.write(program, made, about)

    def read(made: Path, _output: str) -> Callable[[Tensor], Tensor]:
        return pt2_file.read(made)

    checked = read if check else None
    return _published(final, what, shortest, about, write, checked, samples, tell)


def _nobody(_step: str) -> None:
    """Hears of the steps where nobody asked."""


def _free(path: Path, suffix: str, overwrite: bool) -> Path:
    """The name of the file, if it may be written."""
    if path.suffix.lower() != suffix:
        got = repr(path.suffix) if path.suffix else "no suffix"
        raise LeafError(OWNER, str(path), f"a name that ends in {suffix}", got, f"add {suffix}")
    if not path.absolute().parent.is_dir():
        expected, fix = "a path in a folder that exists", "make the folder first"
        raise LeafError(OWNER, str(path), expected, f"no folder {path.parent}", fix)
    if path.is_dir():
        raise LeafError(OWNER, str(path), "a file", "a folder", "give another name")
    if os.path.lexists(path) and not overwrite:
        expected, fix = "a name that is free", "give another name, or --force (overwrite=True)"
        raise LeafError(OWNER, str(path), expected, "an existing file", fix)
    return path


def _check_lengths(samples: Sequence[int], shortest: int) -> None:
    for each in samples:
        if each < shortest:
            expected = f"lengths of at least {shortest} samples, which the graph needs"
            raise LeafError(OWNER, "samples", expected, each, "give longer ones")


def _about(what: Subject, shortest: int, names: Sequence[str]) -> dict[str, str]:
    """What the file tells of itself."""
    told = {"leaf_port": leaf_port.__version__, "torch": torch.__version__, "kind": what.kind}
    if what.sample_rate is not None:
        told["sample_rate"] = str(what.sample_rate)
    told |= {name: packages.version(name) for name in names}
    return told | {"shortest": str(shortest), "weights_sha256": weights_hash(what.model)}


def weights_hash(model: nn.Module) -> str:
    """SHA-256 of ``safetensors.torch.save(model.state_dict())``, in hexadecimal digits."""
    from safetensors.torch import save

    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    return hashlib.sha256(save(state)).hexdigest()


def _published(
    final: Path,
    what: Subject,
    shortest: int,
    about: Mapping[str, str],
    write: Callable[[Path], None],
    read: _Read | None,
    samples: Sequence[int],
    tell: Tell,
) -> Exported:
    """Writes, reads and compares under another name; the file appears if all is right."""
    found: list[Comparison] = []
    try:
        with _publish.new_file(final) as made:
            tell("writing the file")
            write(made)
            if read is not None:
                tell("reading it again")
                called, pairs = read(made, what.output), compare.drawn(what, shortest, samples)
                tell(f"comparing it with the model on {len(pairs)} batches")
                found = compare.compare(what, called, pairs)
            if not all(each.ok for each in found):
                raise ExportError(final, found)
    except OSError as error:
        fix = "check the folder's permissions and the free space"
        got = error.strerror or error
        raise LeafError(OWNER, str(final), "a place to write to", got, fix) from error
    return Exported(final, shortest, about, found)
