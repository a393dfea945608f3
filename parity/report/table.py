"""The table: every layer and frontend, forward and gradient, worst difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from leaf_port.errors import LeafError
from parity.checks import confidence, monte_carlo
from parity.checks.case_checks import Result
from parity.checks.compare import DOUBLE, SLOPE
from parity.oracles import recorded
from parity.port import backends
from parity.port.backends import CPU
from parity.report import graphs, programs, steps
from parity.report import rows as gathered
from parity.report.rows import Row
from parity.spec import EXPLAINED_BY_ROUNDING, Budget, LayerSpec
from parity.spec.without_derivative import KINDS

LONGEST_NAME = 32  # no name of a layer is cut
WIDTH = 187  # of the table where the output is no terminal


def console() -> Console:
    """Where the table goes; wide enough for it in a file or a pipe."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=max(WIDTH, terminal.width))


def figures(row: Row, gradient: bool) -> list[str]:
    """Relative difference, both sides' distance to float64, units."""
    patterns = {
        "relative": ".1e",
        "port_to_exact": ".1e",
        "official_to_exact": ".1e",
        "units": ".1f",
    }
    worst = {figure: row.worst(gradient, figure) for figure in patterns}
    return [
        "–" if (value := worst[figure]) is None else format(value, pattern)
        for figure, pattern in patterns.items()
    ]


def table(rows: Sequence[Row], backend: str = CPU.name) -> Table:
    """The rich table of all rows."""
    made = Table(title=f"Port ({backend}) against the official implementation: worst differences")
    made.add_column("layer", no_wrap=True, min_width=LONGEST_NAME)
    made.add_column("cases", justify="right")
    for kind in ("forward", "gradient"):
        for head in (f"{kind}\nrelative", "port to\nfloat64", "official\nto float64", "units"):
            made.add_column(head, justify="right")
    made.add_column("above limit,\nby rounding", justify="right")
    made.add_column("errors\nrefused", justify="right")
    made.add_column("laws\nheld", justify="right")
    made.add_column("deri-\nvatives", justify="right")
    made.add_column("verdict")
    for row in rows:
        made.add_row(
            row.spec.name,
            str(len(row.results)),
            *figures(row, gradient=False),
            *figures(row, gradient=True),
            str(row.explained or "–"),
            f"{row.refused}/{len(row.spec.errors)}",
            f"{row.held}/{len(row.laws)}" if row.laws else "–",
            f"{row.derived}/{len(row.derivable)}" if row.derivable else "–",
            f"[red]{len(row.failures)} off[/red]" if row.failures else "[green]ok[/green]",
        )
    return made


def run(
    specs: Sequence[LayerSpec],
    case: str | None,
    console: Console,
    where: Sequence[str] = (CPU.name,),
    tight: bool = False,
    first: int | None = None,
    told: Callable[[Sequence[Row], Sequence[str]], None] = lambda *_: None,
) -> bool:
    """Runs everything declared and prints a table for each backend; True if nothing is off.

    Args:
        specs: the layers.
        case: only the case of this name.
        console: for progress, failures and tables.
        where: names of the backends; none for all that run here.
        tight: whether a bound that is far wider than the run on the CPU needed is a failure.
        first: only so many cases of each layer, in the order of the declaration.
        told: is given the rows, and everything that is wrong.

    Raises:
        LeafError: a backend is unknown, or none of those asked for can run here. Where some can,
            they run, and the others are failures.
    """
    asked = {name: backends.named(name).missing() for name in where}
    for name, reason in asked.items():
        if reason and all(asked.values()):
            raise LeafError("parity", "--backend", "one that runs here", name, reason)
    left = asked or backends.default()
    here = [name for name, reason in left.items() if not reason]
    if tight and CPU.name not in here:
        raise LeafError(
            "parity",
            "--tight",
            "a run on the CPU, which bounds are measured on",
            ", ".join(here),
            f"Add --backend {CPU.name}, or leave --tight out.",
        )
    with steps.bars(console) as progress:
        rows = gathered.gather(specs, case, progress, here, first)
    missing = f"no layer among {len(specs)} has a case named {case!r}"
    found = any(row.results for row in rows) or case is None
    more = [] if found or gathered.failures(rows) else [missing]
    loose = gathered.loose(rows) if tight else []
    lacking = [f"backend {name} was asked for: {why}" for name, why in asked.items() if why]
    more += [*loose, *lacking]
    ok = show(rows, console, more)
    told(rows, [*gathered.failures(rows), *more])
    for name, reason in () if asked else left.items():
        if reason:
            line = f"backend {name} not run: {reason}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    return ok


def show(rows: Sequence[Row], console: Console, more: Sequence[str] = ()) -> bool:
    """Prints failures (and ``more`` of them), tables and summary; True if nothing is off."""
    failures = [*gathered.failures(rows), *more]
    for failure in failures:
        console.print(failure, markup=False, highlight=False, soft_wrap=True)
    seen = dict.fromkeys(result.backend for row in rows for result in row.results)
    for backend in seen or (CPU.name,):
        console.print(table([row.on(backend) for row in rows], backend))
    for line in notes(rows):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    checked = gathered.passed(rows)
    console.print(f"{checked} passed, {len(failures)} failed", highlight=False)
    return not failures


def notes(rows: Sequence[Row]) -> list[str]:
    """What stands below the table."""
    return [
        "units: one unit is the rounding error of that very element in float32 "
        f"(parity/checks/monte_carlo.py). The official answers are recorded: {_versions(rows)}.",
        f"How well a unit is known: {monte_carlo.RUNS} runs tell it to "
        f"{confidence.of(monte_carlo.RUNS)}. What exceeds its bound is judged again by "
        f"{monte_carlo.STURDY_RUNS} runs, which tell it to "
        f"{confidence.of(monte_carlo.STURDY_RUNS)}.",
        "above limit, by rounding: so many arrays are left out of the relative columns. Their "
        "relative difference is above the limit (1e-6, gradients 1e-5, unless declared) because "
        "they are ill-conditioned: its norm is at most "
        f"{EXPLAINED_BY_ROUNDING:g} times that of the units (or as many as are declared, with "
        "their reason).",
        *_exactness([result for row in rows for result in row.results]),
        *_without(rows),
        _divergences(rows),
        *programs.notes(rows),
        *graphs.notes(rows),
        _counted(rows),
    ]


def _divergences(rows: Sequence[Row]) -> str:
    """Which known divergences explained a result."""
    met = Counter(name for row in rows for result in row.results for name in result.needed)
    told = ", ".join(f"{name} in {_number(count, 'result')}" for name, count in sorted(met.items()))
    return f"known divergences (parity/checks/expected_divergences.py): {told or 'none was met'}."


def _counted(rows: Sequence[Row]) -> str:
    """What was checked, by kind."""
    results = [result for row in rows for result in row.results if not result.left_out]
    cases = len({(result.layer, result.case) for result in results})
    laws = sum(len(row.laws) for row in rows)
    derivatives = sum(len(row.derivable) for row in rows)
    refusals = sum(len(row.refusals) for row in rows)
    return (
        f"Checked were {_number(len(results), 'result')} of {_number(cases, 'recorded case')} "
        "(one for each backend, arithmetic and way to compute it), "
        f"{_number(refusals, 'error case')}, {_number(laws, 'law')} that must hold bit by bit, "
        f"and {_number(derivatives, 'kind')} of derivatives, over {_number(len(rows), 'layer')}."
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _without(rows: Sequence[Row]) -> list[str]:
    """The derivatives that are asked, and who has none."""
    if not any(row.derivatives for row in rows):
        return []
    reasons = {
        row.spec.name: entry.reason
        for row in rows
        if row.derivatives
        for entry in row.spec.exceptions.without
    }
    told = "; ".join(f"{layer} ({reason})" for layer, reason in reasons.items())
    return [
        f"derivatives (parity/checks/derivatives): {', '.join(KINDS)} are checked in float64. "
        f"Layers that lack one of them, as declared: {told or 'none'}."
    ]


def _exactness(results: Sequence[Result]) -> list[str]:
    """What was compared with the exact oracle, and what was not."""
    differences = [each for result in results for each in result.differences]
    doubles = [each.units for each in differences if each.check == DOUBLE]
    slopes = sum(each.check == SLOPE for each in differences)
    single = sum(bool(result.single) for result in results)
    return [
        "float64: the exact oracle, written from the formulas without the port. The port in "
        f"float64 is at most {max(doubles, default=0.0):.1f} units of float64 away from it "
        f"(allowed are {Budget.double.allowed:g}, unless a layer declares another bound). "
        f"{_number(single, 'result')} had no such comparison: the port has float32 alone there.",
        f"gradients: {_number(slopes, 'gradient')} of the float64 port agreed with difference "
        f"quotients of the exact oracle. {_skipped(results)}",
    ]


def _skipped(results: Sequence[Result]) -> str:
    """How many gradients differences did not confirm wholly, and why."""
    reasons = Counter(skip.reason for result in results for skip in result.skips)
    if not reasons:
        return "No gradient was left out."
    told = "; ".join(f"{count} because {why}" for why, count in reasons.most_common())
    were = "was" if reasons.total() == 1 else "were"
    return f"{reasons.total()} {were} compared in part or not at all: {told}."


def official_versions(rows: Sequence[Row]) -> list[dict[str, str]]:
    """What answered the recordings of these layers; more than one where they differ."""
    told: list[dict[str, str]] = []
    for row in rows:
        try:
            versions = dict(recorded.load(row.spec).versions)
        except LeafError:
            continue
        if versions not in told:
            told.append(versions)
    return told


def _versions(rows: Sequence[Row]) -> str:
    told = {
        f"TensorFlow {versions['tensorflow']}, leaf_audio {versions['leaf_audio']}"
        for versions in official_versions(rows)
    }
    return "; ".join(sorted(told)) or "none"
