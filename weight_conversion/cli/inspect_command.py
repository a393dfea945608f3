"""The command ``python -m weight_conversion inspect``."""

from __future__ import annotations

import json as json_format
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from leaf_port._cli import tables
from leaf_port._cli.text import printable
from leaf_port.errors import LeafError
from weight_conversion.formats.boundary import reading
from weight_conversion.formats.reader import Reader, open_reader
from weight_conversion.formats.torch_file import TorchFile
from weight_conversion.official import asked as asking
from weight_conversion.official.asked import Asked

Rows = list[tuple[str, str, tuple[int, ...]]]

# Arguments of the model that the command calls otherwise.
_ASKED_AS = {
    "floor": "pcen_floor",
    "trainable": "learn_compression",
    "compression_fn": "compression",
}


@dataclass(frozen=True)
class Model:
    """Which model a file is of, as far as it tells.

    Attributes:
        tree: its description, in which defaults stand for what is asked; None where there is none.
        asked: what convert asks for.
        assumed: what acts in training only, and has the official default.
        other: why there is no model, or which other port's there is.
    """

    tree: dict[str, Any] | None = None
    asked: list[Asked] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    other: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON: no model where something is asked that has no official default."""
        whole = all(each.default is not None for each in self.asked)
        why = None if whole else str(asking.not_given("convert", self.asked, ""))
        return {
            "model": self.tree if whole else None,
            "asked": [each.option for each in self.asked],
            "no_model": self.other or why,
        }


def inspect(
    source: Annotated[
        Path,
        typer.Argument(help="A checkpoint, SavedModel folder, .h5, .keras or file of PyTorch."),
    ],
    keys: Annotated[bool, typer.Option("--keys", help="List the tensors too.")] = False,
    json: Annotated[bool, typer.Option(help="As JSON, for other programs.")] = False,
) -> None:
    """Tell which model a checkpoint is of, and what it lacks, with all checksums verified."""
    rows, model = look(source)
    if json:
        listed = {key: {"dtype": dtype, "shape": shape} for key, dtype, shape in rows}
        print(json_format.dumps({"tensors": listed, **model.as_dict()}, indent=1))
        return
    for line in _in_words(model):
        print(printable(line))
    if keys:
        _show(rows, Console())
    numbers = sum(math.prod(shape) for _, _, shape in rows)
    more = "" if keys else "; --keys lists them"
    print(f"{len(rows)} tensors, {numbers} numbers, all of them read{more}")


def look(path: Path) -> tuple[Rows, Model]:
    """Name, type and shape of each tensor, all of them read; and which model it is."""
    with reading("inspect", path):
        found = open_reader(path)
        rows = [(key, found.dtype(key), found.shape(key)) for key in found.keys()]  # noqa: SIM118
        for key, _, _ in rows:
            found.tensor(key)
        return rows, _model(path, found)


def _model(path: Path, found: Reader) -> Model:
    if isinstance(found, TorchFile):
        return Model(other=_port(found))
    from weight_conversion.official import adam
    from weight_conversion.official.detect import describe
    from weight_conversion.official.opening import open_source
    from weight_conversion.official.settings import Settings

    settings = Settings()
    try:
        source = open_source(path)
        tree = describe(source, settings, adam.trained(source))
    except LeafError as error:
        return Model(other=str(error))
    return Model(tree, list(settings.lacking.values()), settings.assumed)


def _in_words(model: Model) -> Iterator[str]:
    if model.tree is None:
        yield f"model: {model.other}"
        return
    from weight_conversion.official.convert import title

    lacking = {each.name for each in model.asked}
    frontend = model.tree["arguments"].get("frontend")
    either = ", or without a frontend" if "frontend" in lacking and frontend else ""
    yield f"model: {title(model.tree)}{either}"
    yield "known from the file:"
    known = known_arguments(model.tree, {*lacking, *model.assumed})
    yield from (f"  {name}: {value}" for name, value in known)
    if model.asked:
        yield "not in the file, asked for by convert:"
        yield from (f"  {row}" for row in asking.table(model.asked))
    if model.assumed:
        yield f"not in the file, of training only: {', '.join(dict.fromkeys(model.assumed))}"


def known_arguments(
    tree: dict[str, Any], unknown: set[str], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    """The arguments of a model and its parts that the file tells: ``frontend.n_filters``, ``8``."""
    for name, value in tree["arguments"].items():
        if _ASKED_AS.get(name, name) in unknown:
            continue
        if isinstance(value, dict):
            yield f"{prefix}{name}", value["kind"]
            yield from known_arguments(value, unknown, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None else str(value)


def _port(file: TorchFile) -> str:
    """Which models of other ports a file of PyTorch holds."""
    from weight_conversion.foreign.import_port import frontends

    found = [f"Leaf of {each.port.name}: {each}" for each in frontends(file.held)]
    if not found:
        return "none of leaf-pytorch or SpeechBrain"
    return f"{'; '.join(found)}; see python -m weight_conversion import"


def _show(rows: Rows, console: Console) -> None:
    header = ("tensor", "type", "shape", "numbers")
    cells = [(key, dtype, str(shape), str(math.prod(shape))) for key, dtype, shape in rows]
    drawn = tables.folding(header, cells)
    drawn.columns[3].justify = "right"
    tables.show(header, cells, drawn, console)
