"""``mutants``."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from leaf_port.errors import LeafError
from parity import report
from parity.commands.cli.options import Layers, chosen_layers
from parity.commands.mutants import report as mutants_report
from parity.commands.mutants.bugs import all_mutants
from parity.commands.mutants.draw import draw
from parity.commands.mutants.mutant import Mutant


def mutants(
    only: Annotated[
        list[str] | None, typer.Option(help="Only the bug of this name; may be given several times")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything to this file too.")] = None,
    automatic: Annotated[
        bool,
        typer.Option("--automatic", help="Small edits of all of the port instead of known bugs."),
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Draw so many bugs, or with --automatic edits.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    since: Annotated[
        str | None,
        typer.Option(
            help="With --automatic: only edits of lines that differ from this revision; `kept`: "
            "from the last campaign whose figures are the record."
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            help="With --automatic: only files that begin so, as leaf_port/_ops/. Those of "
            "weight_conversion/official/ are tried if they are named."
        ),
    ] = None,
    tests: Annotated[
        list[str] | None,
        typer.Option(
            help="With --automatic: files or folders of tests, as tests/leaf_port, for what the "
            "checks do not catch."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --automatic: a folder for what is found; a rerun goes on there."),
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="With --automatic: an earlier campaign, whose catches come first for each edit.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Make what caught each bug, or the figures of --automatic, the record (for "
            "maintainers).",
        ),
    ] = False,
    layer: Layers = None,
) -> None:
    """Plant known bugs in the port, one at a time; exit code 1 if the checks miss any of them.

    With --automatic it tries edits that nobody thought of: another operator, a dropped argument,
    a default that is another one. --layer is of the checks that are run then.
    """
    if automatic:
        if out is None:
            fix = "name one; it may be new"
            raise LeafError("parity", "--out", "a folder for what is found", out, fix)
        from parity.commands.mutants.automatic import report as automatic_report

        layers = [spec.name for spec in chosen_layers(layer)] if layer else []
        chosen_edits = automatic_report.Chosen(
            sample, seed, since, file or (), layers, tests or (), after
        )
        ok = automatic_report.run(out, chosen_edits, report.console(), keep)
        raise typer.Exit(0 if ok else 1)
    if any((since, file, tests, layer, out, after)):
        got = "--since, --file, --tests, --layer, --out or --after"
        fix = "give --automatic too"
        raise LeafError("parity", "mutants", "--automatic beside it", got, fix)
    if keep and (only or sample):
        got, fix = "--only or --sample", "leave them out"
        raise LeafError("parity", "--keep", "all planted bugs", got, fix)
    named = _named(only or ())
    chosen = named if sample is None else draw(named, lambda bug: bug.name, sample, seed)
    raise typer.Exit(0 if mutants_report.run(chosen, report.console(), json, keep) else 1)


def _named(only: Sequence[str]) -> list[Mutant]:
    """The planted bugs of these names, or all.

    Raises:
        LeafError: there is none of a name.
    """
    table = {each.name: each for each in all_mutants()}
    for name in only:
        if name not in table:
            near = difflib.get_close_matches(name, table, 1, 0.3)
            fix = (
                "".join(f"did you mean {close!r}?" for close in near)
                or "see parity/commands/mutants/bugs"
            )
            raise LeafError("parity", "--only", "the name of a planted bug", name, fix)
    return [each for name, each in table.items() if not only or name in only]
