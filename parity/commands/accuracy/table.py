"""Results as Markdown: mean and deviation over seeds, differences with intervals, every run."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scipy import special

from parity.commands.accuracy.cells import FRONTENDS, OFFICIAL, PORT, Settings

RULES = {
    "final": "after the last epoch",
    "best": "after the first epoch of the best validation accuracy",
}

Result = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of two means, with a 95 % interval.

    Attributes:
        mean: first minus second.
        low, high: the interval; NaN where there are too few values.
    """

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    @property
    def within(self) -> bool:
        """Whether the interval contains 0."""
        return self.low <= 0.0 <= self.high


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """``m1 - m2 ± t(df) sqrt(s1^2/n1 + s2^2/n2)``, with Welch's and Satterthwaite's ``df``.

    ``df = (v1 + v2)^2 / (v1^2/(n1 - 1) + v2^2/(n2 - 1))`` with ``v = s^2/n``. If no value differs
    within a side, the interval is the difference itself.

    Source: B. L. Welch, Biometrika 34, 1947, 28-35.
    """
    mean = statistics.fmean(first) - statistics.fmean(second)
    if min(len(first), len(second)) < 2:
        return Difference(mean, math.nan, math.nan)
    parts = [statistics.variance(each) / len(each) for each in (first, second)]
    if sum(parts) == 0.0:
        return Difference(mean, mean, mean)
    weights = (len(first) - 1, len(second) - 1)
    freedom = sum(parts) ** 2 / sum(v * v / n for v, n in zip(parts, weights, strict=True))
    half = float(special.stdtrit(freedom, 0.975)) * math.sqrt(sum(parts))
    return Difference(mean, mean - half, mean + half)


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """``m ± t(n - 1) s / sqrt(n)``, mean and deviation of the ``n`` differences of pairs.

    If no difference differs from another, the interval is the difference itself.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean, n = statistics.fmean(differences), len(differences)
    if n < 2:
        return Difference(mean, math.nan, math.nan)
    half = float(special.stdtrit(n - 1, 0.975)) * statistics.stdev(differences) / math.sqrt(n)
    return Difference(mean, mean - half, mean + half)


def markdown(settings: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Everything, for a document."""
    parts = [_about(settings, results)]
    for rule, words in RULES.items():
        parts.append(f"Test accuracy {words}:\n\n{_summary(results, rule)}")
        parts.append("\n".join(f"- {line}" for line in _verdicts(results, rule)))
    parts.append(f"Every run:\n\n{_runs(results)}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _about(settings: Mapping[str, Any], results: Sequence[Result]) -> str:
    clips = ", ".join(f"{n} {split}" for split, n in settings["clips"].items())
    rate, made_for = settings["recordings_rate"], settings["filters_rate"]
    lines = [
        f"{len(settings['labels'])} labels; clips: {clips}. Official recipe"
        f"{_differs(settings)}: {settings['epochs']} "
        f"epochs, batches of {settings['batch_size']}, Adam at {settings['learning_rate']:g}, "
        f"examples of {settings['seq_len']} samples, ConvNet {settings['filters']}."
    ]
    if rate != made_for:
        lines.append(
            f"The recordings have {rate} Hz. Both sides take their samples as the official "
            f"configurations do, as samples of {made_for} Hz: filters, windows and hops have the "
            f"official numbers of samples, and each frequency is {rate / made_for:g} of the "
            "nominal one."
        )
    lines += [f"Note: {note}." for note in settings["notes"]]
    versions = sorted({_versions(each) for each in results})
    return "\n".join([*lines, *versions])


def _differs(settings: Mapping[str, Any]) -> str:
    """What the settings have otherwise than the official example."""
    found = []
    if settings["learning_rate"] != Settings.learning_rate:
        found.append("another learning rate")
    if tuple(settings["filters"]) != Settings.filters:
        found.append("another number of channels in ConvNet")
    return f", with {' and '.join(found)}" if found else ""


def _versions(result: Result) -> str:
    told = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    return f"{result['side']}: {told}; {result['processor']}, {result['threads']} thread(s)."


def _accuracies(results: Sequence[Result], side: str, frontend: str, rule: str) -> dict[int, float]:
    """By seed, in per cent."""
    return {
        each["seed"]: 100.0 * each[rule]["test"]["accuracy"]
        for each in results
        if each["side"] == side and each["frontend"] == frontend
    }


def _summary(results: Sequence[Result], rule: str) -> str:
    lines = [
        "| frontend | official | port | port minus official | 95 % interval (Welch) | seeds |",
        "|---|---|---|---|---|---|",
    ]
    for frontend in FRONTENDS:
        official, port = (
            list(_accuracies(results, side, frontend, rule).values()) for side in (OFFICIAL, PORT)
        )
        if not official and not port:
            continue
        difference, interval = "", ""
        if official and port:
            found = welch(port, official)
            difference = f"{found.mean:+.2f}"
            interval = f"{found.low:+.2f} to {found.high:+.2f}" if found.known else ""
        cells = [frontend, _mean(official), _mean(port), difference, interval]
        lines.append(f"| {' | '.join(cells)} | {len(official)} and {len(port)} |")
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread} %"


def _verdicts(results: Sequence[Result], rule: str) -> Iterator[str]:
    """A sentence a frontend that both sides have trained with two seeds or more."""
    for frontend in FRONTENDS:
        official, port = (
            list(_accuracies(results, side, frontend, rule).values()) for side in (OFFICIAL, PORT)
        )
        if min(len(official), len(port)) < 2:
            continue
        found = welch(port, official)
        least, most = min(official), max(official)
        within = sum(least <= each <= most for each in port)
        verdict = (
            "within the official code's spread: Welch's interval contains 0"
            if found.within
            else "**outside** the official code's spread: Welch's interval leaves out 0"
        )
        yield (
            f"{frontend}: the port is {verdict}, and leaves out differences beyond "
            f"{max(abs(found.low), abs(found.high)):.2f} points. {within} of {len(port)} runs lie "
            f"from the official code's least ({least:.2f} %) to its greatest ({most:.2f} %)."
        )


def _runs(results: Sequence[Result]) -> str:
    lines = [
        "| frontend | seed | side | final | 95 % (Wilson) | best | 95 % (Wilson) | epoch | "
        "processor s/epoch | date |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    order = {name: i for i, name in enumerate(FRONTENDS)}
    for each in sorted(results, key=lambda r: (order[r["frontend"]], r["seed"], r["side"])):
        cells = [each["frontend"], str(each["seed"]), each["side"]]
        for rule in RULES:
            score = each[rule]["test"]
            low, high = (100.0 * bound for bound in score["interval_95"])
            cells += [f"{100.0 * score['accuracy']:.2f} %", f"{low:.1f} to {high:.1f}"]
        seconds = statistics.median(epoch["processor_seconds"] for epoch in each["epochs"])
        cells += [str(each["best"]["epoch"]), f"{seconds:.1f}", each["date"][:10]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
