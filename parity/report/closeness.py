"""Who is closer to the exact answer in the median case: the port or the official implementation."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

from parity.checks.case_checks import Result
from parity.checks.compare import DIRECT
from parity.report.columns import Column, of_port
from parity.report.rows import Row

FRONTENDS = (
    "leaf",
    "time_domain_filterbanks",
    "sincnet",
    "sincnet_plus",
    "mel_filterbanks",
)
KINDS = {"forward": "output/", "gradient": "gradients/"}
LEVEL = 0.05  # of the sign test


@dataclasses.dataclass(frozen=True)
class Closeness:
    """Both sides' distances from the exact answer, over the cases of a frontend.

    The distance of a case is the relative one (Frobenius norm) of its output, or the greatest of
    its gradients'. As in the table, arrays are left out whose port and official answers differ by
    more than the limit because they are ill-conditioned.

    Attributes:
        frontend: name of the declaration.
        run: where the port ran.
        kind: ``forward`` or ``gradient``.
        cases: how many there are.
        port: median distance of the port.
        official: median distance of the official implementation.
        closer: cases in which the port is closer.
        farther: cases in which the official implementation is.
    """

    frontend: str
    run: Column
    kind: str
    cases: int
    port: float
    official: float
    closer: int
    farther: int

    @property
    def verdict(self) -> str:
        """``closer``, ``as close`` or ``farther``: the port, in the median case.

        As close unless the two-sided sign test tells the sides apart at the level of 5 %.
        """
        if sign_test(self.closer, self.farther) >= LEVEL:
            return "as close"
        return "closer" if self.closer > self.farther else "farther"

    @property
    def text(self) -> str:
        """All of it in a line."""
        return (
            f"{self.frontend}, {self.kind} ({self.run.text}): port {self.port:.1e}, official "
            f"{self.official:.1e} from float64 in the median; port closer in {self.closer}, "
            f"farther in {self.farther} of {self.cases} cases: {self.verdict}"
        )


def sign_test(closer: int, farther: int) -> float:
    """How likely a split as uneven as this is, were either side closer with probability 1/2."""
    tries = closer + farther
    tail = sum(math.comb(tries, wins) for wins in range(min(closer, farther) + 1))
    return min(1.0, 2.0 * tail / 2.0**tries)


def _distances(result: Result, prefix: str) -> tuple[float, float] | None:
    """Greatest distance of the port and of the official answer; None where there is none."""
    found = [
        difference
        for difference in result.differences
        if difference.check == DIRECT
        and difference.aspect == "values"
        and not difference.explained
        and difference.array.startswith(prefix)
    ]
    if not found:
        return None
    return max(d.port_to_exact for d in found), max(d.official_to_exact for d in found)


def _closeness(
    frontend: str, run: Column, kind: str, results: Iterable[Result]
) -> Closeness | None:
    distances = [_distances(result, KINDS[kind]) for result in results]
    pairs = [pair for pair in distances if pair is not None]
    if not pairs:
        return None
    return Closeness(
        frontend,
        run,
        kind,
        len(pairs),
        statistics.median(port for port, _ in pairs),
        statistics.median(official for _, official in pairs),
        sum(port < official for port, official in pairs),
        sum(port > official for port, official in pairs),
    )


def closeness(rows: Sequence[Row]) -> list[Closeness]:
    """For each frontend among the rows, each run of the port, forward and gradient."""
    found = []
    named = {row.spec.name: row for row in rows}
    for row in (named[name] for name in FRONTENDS if name in named):
        runs = dict.fromkeys(of_port(result) for result in row.results)
        for run in runs:
            # The other ways of the same arithmetic would count a case twice.
            usual = (result for result in row.results if not result.lacking)
            mine = [result for result in usual if of_port(result) == run]
            found += [_closeness(row.spec.name, run, kind, mine) for kind in KINDS]
    return [each for each in found if each is not None]


def summary(found: Sequence[Closeness]) -> str:
    """One line: everywhere closer or as close, or where not."""
    if not found:
        return "closeness to float64: no frontend was run"
    farther = [each for each in found if each.verdict == "farther"]
    named = ", ".join(f"{each.frontend} ({each.kind}, {each.run.text})" for each in farther)
    head = "in the median case the port is closer to float64 than the official, or as close"
    return f"{head}, but for {named}" if farther else f"{head}, for every frontend"
