"""What the study found, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from parity.commands.accuracy.table import Difference, paired, welch
from parity.commands.study import centers, keywords, movement
from parity.commands.study.cells import EXACT, FROZEN, INITIAL, KEYWORDS, MEL, VARIANTS

Result = Mapping[str, Any]


def markdown(settings: Mapping[str, Any], results: Sequence[Result], pictures: list[str]) -> str:
    """Tables of everything that is finished."""
    parts = ["# Figures of the study", _about(settings, results)]
    for data, of in by_data(results).items():
        parts += [f"## On {data}", *_sections(data, trained(of))]
        if diverged := "\n".join(f"- {line}" for line in _diverged(of)):
            parts.append(f"Trainings that a loss of NaN or infinity ended:\n\n{diverged}")
    parts += [f"![{name.partition('.')[0]}]({name})" for name in pictures]
    return "\n\n".join(parts) + "\n"


def by_data(results: Sequence[Result]) -> dict[str, list[Result]]:
    """The results of each data set, by name; the keywords come last."""
    names = sorted({each["data"] for each in results}, key=lambda name: (name == KEYWORDS, name))
    return {name: [each for each in results if each["data"] == name] for name in names}


def trained(results: Sequence[Result]) -> list[Result]:
    """Those with an epoch that ended."""
    return [each for each in results if "best" in each]


def _diverged(results: Sequence[Result]) -> Iterator[str]:
    for each in results:
        if "diverged" in each:
            counted = "the best epoch before it counts" if "best" in each else "it counts nowhere"
            where = f"`{each['variant']}` from {each['initial']}, seed {each['seed']}"
            yield f"{where}: {each['diverged']}; {counted}."


def _about(settings: Mapping[str, Any], results: Sequence[Result]) -> str:
    lines = [
        f"{settings['epochs']} epochs, batches of {settings['batch_size']}, Keras' Adam at "
        f"{settings['learning_rate']:g}, examples of {settings['seconds']:g} s, ConvNet "
        f"{settings['encoder']}. Figures are means over the seeds ± standard deviation, of the "
        "first epoch of the best validation accuracy."
    ]
    there = {each["variant"] for each in results}
    lines += ["", *(f"- `{name}`: {words}." for name, words in VARIANTS.items() if name in there)]
    made_by = {
        f"leaf_port {each['versions']['leaf_port']}, torch {each['versions']['torch']}, "
        f"{each['processor']}"
        for each in results
    }
    dates = sorted(each["date"][:10] for each in results)
    return "\n".join([*lines, "", f"{dates[0]} to {dates[-1]}. " + "; ".join(sorted(made_by))])


def _sections(data: str, results: Sequence[Result]) -> Iterator[str]:
    yield "Test accuracy in per cent:\n\n" + _table(results, _accuracy, 1)
    gains = [f"- {line}" for line in [*_over_all(results), *_gains(results)]]
    if gains:
        gains.append(f"\nOf {len(gains)} intervals of 95 %, {len(gains) / 20:.1f} miss by chance.")
    yield "\n".join(gains) or "No variant has two seeds yet."
    yield "Mean movement of a centre, in Hz:\n\n" + _table(results, _moved("center_frequencies"), 0)
    if agreements := _agreements(results):
        yield (
            "Correlation, between two seeds, of how far each centre moved (mean over the pairs; 1: "
            "all seeds move the filters alike, 0: what one does tells nothing of another):\n\n"
            + agreements
        )
    yield "Mean movement of a bandwidth, in Hz:\n\n" + _table(results, _moved("bandwidths"), 2)
    yield "Mean Jensen-Shannon distance of the filters' responses before and after:\n\n" + _table(
        results, _moved("distance"), 3
    )
    if data == KEYWORDS:
        low, high = keywords.BAND
        yield (
            f"Share of the filters whose centre lies from {low:g} to {high:g} Hz, the band of the "
            f"information, in per cent after training (before: {_before(results)}):\n\n"
            + _table(results, _in_band, 1)
        )
    yield "PCEN's parameters, mean over filters:\n\n" + _pcen(results)


def _accuracy(result: Result) -> float | None:
    return float(100.0 * result["best"]["test"]["accuracy"])


def _moved(name: str) -> Callable[[Result], float | None]:
    def value(result: Result) -> float | None:
        moved = result["best"].get("moved")
        return None if moved is None else float(moved[name])

    return value


def _in_band(result: Result) -> float | None:
    found = result["best"].get("parameters")
    if found is None:
        return None
    return 100.0 * movement.share_within(found["center_frequencies"], keywords.BAND)


def _before(results: Sequence[Result]) -> str:
    """Of the frozen filters, which are the initial ones."""
    found = {each["initial"]: _in_band(each) for each in results if each["variant"] == FROZEN}
    return ", ".join(f"{name} {value:.1f}" for name, value in found.items()) or "not known yet"


def values(
    results: Sequence[Result],
    variant: str,
    initial: str,
    value: Callable[[Result], float | None],
) -> list[float]:
    """Of all seeds."""
    found = [
        value(each) for each in results if each["variant"] == variant and each["initial"] == initial
    ]
    return [each for each in found if each is not None]


def _table(results: Sequence[Result], value: Callable[[Result], float | None], digits: int) -> str:
    def told(variant: str, initial: str) -> str:
        return _mean(values(results, variant, initial, value), digits)

    return _by_scale(told)


def _agreements(results: Sequence[Result]) -> str:
    """Empty where no variant has two seeds whose filters moved."""

    def told(variant: str, initial: str) -> str:
        of = [each for each in results if (each["variant"], each["initial"]) == (variant, initial)]
        found = centers.agreement(of) if variant != MEL else None
        return "" if found is None else f"{found:+.2f}"

    found = _by_scale(told)
    return found if found.count("\n") > 1 else ""


def _by_scale(cell: Callable[[str, str], str]) -> str:
    """A line a variant, a column an initial scale; without variants that have nothing."""
    lines = [f"| variant | {' | '.join(INITIAL)} |", f"|---|{'---|' * len(INITIAL)}"]
    for variant in VARIANTS:
        cells = [cell(variant, initial) for initial in INITIAL]
        if any(cells):
            lines.append(f"| `{variant}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(found: Sequence[float], digits: int) -> str:
    if not found:
        return ""
    spread = f" ± {statistics.stdev(found):.{digits}f}" if len(found) > 1 else ""
    return f"{statistics.fmean(found):.{digits}f}{spread}"


def _over_all(results: Sequence[Result]) -> Iterator[str]:
    """The exact Leaf against each other one, over all scales: pairs of one scale and one seed."""
    found = {
        (each["variant"], each["initial"], each["seed"]): value
        for each in results
        if (value := _accuracy(each)) is not None
    }
    for variant in VARIANTS:
        pairs = [
            (value, found[variant, initial, seed])
            for (name, initial, seed), value in found.items()
            if name == EXACT and (variant, initial, seed) in found
        ]
        if variant != EXACT and len(pairs) > 1:
            told = _verdict(paired(*zip(*pairs, strict=True)), f"{len(pairs)} pairs, Student's t")
            scales = [each for each in INITIAL if each in {i for v, i, _ in found if v == variant}]
            yield f"over {', '.join(scales)}: `{EXACT}` minus `{variant}`: {told}"


def _gains(results: Sequence[Result]) -> Iterator[str]:
    """Each variant against the exact Leaf, from each scale; mel filterbanks have the mel scale."""
    for initial in INITIAL:
        exact = values(results, EXACT, initial, _accuracy)
        for variant in VARIANTS:
            other = values(results, variant, "mel" if variant == MEL else initial, _accuracy)
            if variant != EXACT and min(len(exact), len(other)) > 1:
                told = _verdict(welch(exact, other), "Welch")
                yield f"{initial}: `{EXACT}` minus `{variant}`: {told}"


def _verdict(found: Difference, by: str) -> str:
    shown = "no difference shown" if found.within else "they differ"
    return f"{found.mean:+.1f} points ({found.low:+.1f} to {found.high:+.1f}, {by}, 95 %): {shown}."


def _pcen(results: Sequence[Result]) -> str:
    names = ("alpha", "delta", "root", "smooth", "pooling", "pooling_bias")
    lines = [f"| variant | initial | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for variant in VARIANTS:
        for initial in INITIAL:
            cells = [
                _mean(values(results, variant, initial, _parameter(name)), 3) for name in names
            ]
            if any(cells):
                lines.append(f"| `{variant}` | {initial} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _parameter(name: str) -> Callable[[Result], float | None]:
    def value(result: Result) -> float | None:
        found = result["best"].get("parameters", {}).get(name)
        return None if found is None else statistics.fmean(found)

    return value
