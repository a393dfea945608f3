"""``python -m leaf_port export``: a model as a file that other programs run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from leaf_port import export as exporter
from leaf_port import shipped
from leaf_port._cli import frontends, tables
from leaf_port._cli.failures import filter_warnings
from leaf_port._cli.frontends import Asked, Name
from leaf_port._cli.text import printable
from leaf_port._export.capture import OWNER
from leaf_port._export.compare import ALLOWED, Comparison
from leaf_port.errors import LeafError

_RATE = 16000
_SUFFIXES = (".onnx", ".pt2")
HEADER = ("batch", "samples", "output", "relative", "units", "ok")


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A folder of config.json and model.safetensors, or a frontend with its initial "
            f"weights: {', '.join(n.value for n in Name)}.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="FILE.onnx or FILE.pt2.")],
    check: Annotated[
        bool, typer.Option(help="Run the file and compare it with the model before it appears.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    opset: Annotated[
        int | None, typer.Option(metavar="N", help="Of ONNX. Default: 18.", show_default=False)
    ] = None,
    samples: Annotated[
        list[int] | None,
        typer.Option(min=1, metavar="N", help="Compare at this length too; may be repeated."),
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option(metavar="HZ", help="Of a named frontend. Default: 16000.")
    ] = None,
    n_filters: Annotated[
        int | None, typer.Option(metavar="N", help="Of a named frontend. Default: 40.")
    ] = None,
    window_len: Annotated[
        float | None, typer.Option(metavar="MS", help="Of a named frontend. Default: 25.")
    ] = None,
    window_stride: Annotated[
        float | None, typer.Option(metavar="MS", help="Of a named frontend. Default: 10.")
    ] = None,
) -> None:
    """Writes a frontend or a classifier as an ONNX file or a program of torch.export.

    Its input is `waveforms`, (batch, samples), of any batch and length; its output `features` or
    `logits`. There is no complex number in it. The file is run on drawn batches and lengths, and
    appears only if it computes what the model does: exit code 1 if it does not.
    """
    asked = Asked(None, n_filters, window_len, window_stride)
    try:
        with filter_warnings():
            _refuse_suffix(out, opset)
            options: dict[str, Any] = {"check": check, "samples": samples or (), "overwrite": force}
            made, options["metadata"] = _model(model, asked, sample_rate)
            with _steps() as options["tell"]:
                done = _written(made, out, opset, options)
    except exporter.ExportError as error:
        _show(error.comparisons, Console())
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(1) from error
    except LeafError as error:
        print(f"error: {printable(error)}", file=sys.stderr)
        raise typer.Exit(2) from error
    if check:
        _show(done.comparisons, Console())
    _tell(done)


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """Shows what is being done: on a terminal beside a spinner, else a line a step on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda step: print(f"export: {step}", file=sys.stderr, flush=True)
        return
    with console.status("exporting") as status:
        yield status.update


def _refuse_suffix(out: Path, opset: int | None) -> None:
    suffix = out.suffix.lower()
    if suffix not in _SUFFIXES:
        got = repr(out.suffix) if out.suffix else "no suffix"
        fix = "give one of the two"
        if suffix == ".pte":
            fix = (
                "ExecuTorch needs a longest clip, which these graphs have not: give one of the two"
            )
        raise _refusal(str(out), "a name that ends in .onnx or .pt2", got, fix)
    if opset is not None and suffix != ".onnx":
        raise _refusal("--opset", "an .onnx file beside it", str(out), "leave the option out")


def _model(given: str, asked: Asked, rate: int | None) -> tuple[nn.Module, dict[str, str]]:
    """The model, and what its folder tells beside it."""
    named = {name.value: name for name in Name}
    if given in named and not Path(given).is_dir():
        settings = Asked(named[given], asked.n_filters, asked.window_len, asked.window_stride)
        return frontends.build(settings.settings(), rate or _RATE), {}
    from leaf_port._cli import weights  # needs safetensors

    folder = shipped.located(given) or Path(given)
    if not folder.is_dir():
        got = "a file" if folder.exists() else "nothing of that name"
        expected = f"a folder, or one of {', '.join([*named, *shipped.names()])}"
        raise _refusal(given, expected, got, "check the name")
    told: dict[str, float | None] = {"--sample-rate": rate, "--n-filters": asked.n_filters}
    told |= {"--window-len": asked.window_len, "--window-stride": asked.window_stride}
    for option, value in told.items():
        if value is not None:
            got, fix = f"{option} beside a folder", "leave it out: config.json tells it"
            raise _refusal(option, "a named frontend", got, fix)
    return weights.read_model(folder)


def _written(
    model: nn.Module, out: Path, opset: int | None, options: dict[str, Any]
) -> exporter.Exported:
    if out.suffix.lower() == ".onnx":
        return exporter.to_onnx(model, out, opset=opset, **options)
    return exporter.to_pt2(model, out, **options)


def _show(rows: Sequence[Comparison], console: Console) -> None:
    """A table on a terminal, else :data:`HEADER` and a line a batch, tab-separated."""
    cells = [_cells(each) for each in rows]
    table = Table(*HEADER, title=f"compared with the model; {ALLOWED:g} units allowed")
    for row in cells:
        table.add_row(*row)
    tables.show(HEADER, cells, table, console)


def _cells(one: Comparison) -> tuple[str, ...]:
    shape = "x".join(map(str, one.shape))
    ok = "ok" if one.ok else one.message
    return str(one.batch), str(one.samples), shape, f"{one.relative:.1e}", f"{one.units:.2f}", ok


def _tell(done: exporter.Exported) -> None:
    told = done.metadata
    kind = told["kind"] + (f", opset {told['opset']}" if "opset" in told else "")
    if "sample_rate" in told:
        kind += f", {told['sample_rate']} Hz"
    checked = "" if done.comparisons else "; not compared with the model"
    line = f"{done.path}: {kind}, any batch, any length from {done.shortest}{checked}"
    print(printable(line))


def _refusal(argument: str, expected: str, got: object, fix: str) -> LeafError:
    return LeafError(OWNER, argument, expected, got, fix)
