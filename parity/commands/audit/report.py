"""What an audit says: a table of stages, verdict lines, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from leaf_port.errors import LeafError
from parity.commands.audit.causes import Cause, Finding
from parity.commands.audit.stages import OUTPUT, STAGES, Reading, worst
from parity.commands.audit.verdict import Audit
from parity.report.json_safe import plain


def _number(value: float) -> str:
    """A figure for people; beyond any sense of scale only its size."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞"
    if value >= 1e6:
        return f"{value:.0e}"
    return f"{value:.1f}" if value >= 0.1 else f"{value:.1e}" if value else "0"


def _relative(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else "∞"


def _why(finding: Finding | None) -> str:
    if finding is None:
        return ""
    told = " + ".join(cause.text for cause in finding.causes)
    if finding.confirmed:
        return f"confirmed: {told}"
    return f"unexplained; nearest: {told}" if told else "unexplained"


def table(audit: Audit) -> Table:
    """A line a stage."""
    made = Table(title=f"{escape(audit.foreign.source)} against the official Leaf")
    made.add_column("stage")
    for head in ("relative", "units"):
        made.add_column(head, justify="right")
    made.add_column("verdict")
    made.add_column("cause, applied to our port")
    made.add_column("after it", justify="right")
    made.add_column("alone, at\nthe output", justify="right")
    findings = {finding.stage: finding for finding in audit.findings}
    for stage in (*STAGES, OUTPUT):
        readings = audit.readings[stage]
        each, finding = worst(readings), findings.get(stage)
        ok = all(reading.ok for reading in readings)
        if stage == OUTPUT:
            made.add_section()
            each, finding = readings[-1], None
        after = audit.together.after if stage == OUTPUT and audit.together else None
        made.add_row(
            STAGES.get(stage, "output, end to end"),
            _relative(each.relative),
            _number(each.units),
            "[green]agrees[/green]" if ok else "[red]diverges[/red]",
            escape(_why(finding) if stage != OUTPUT else "all of them" if after else ""),
            _relative(finding.after) if finding else _relative(after) if after else "",
            _relative(finding.at_output) if finding and finding.confirmed else "",
        )
    return made


def _causes(causes: Sequence[Cause]) -> str:
    return " + ".join(f"{cause.stage}: {cause.text}" for cause in causes)


def verdict(audit: Audit) -> list[str]:
    """The verdict in words, a line each."""
    if audit.agrees:
        output = audit.readings[OUTPUT][-1]
        return [f"agrees at every stage; output {output.relative:.1e} from the official one"]
    lines = []
    if audit.first is not None:
        reading = worst(audit.readings[audit.first])
        lines.append(
            f"first divergence: {STAGES[audit.first]}: relative {_relative(reading.relative)}, "
            f"{_number(reading.units)} units of its rounding ({reading.what}: {reading.message})"
        )
    for finding in audit.findings:
        lines += _finding_lines(finding, audit.readings[finding.stage])
    together = audit.together
    if together is not None:
        confirmed = [cause for f in audit.findings if f.confirmed for cause in f.causes]
        with_ = f"with {_causes(confirmed)} our port" if confirmed else "our port"
        ends = "rounding" if together.ok else "not all of it is explained"
        lines.append(
            f"together: {with_} gives their output to {_relative(together.after)} "
            f"({_number(together.units)} units: {ends}); without to {_relative(together.before)}"
        )
    return lines


def _finding_lines(finding: Finding, readings: Sequence[Reading]) -> list[str]:
    stage = STAGES[finding.stage]
    where = [reading.what for reading in readings if not reading.ok]
    on = f"on {'; '.join(where)}" if len(where) < len(readings) else "everywhere"
    if not finding.confirmed:
        reading = worst(readings)
        near = _causes(finding.causes)
        nearest = f"; nearest known: {near}, leaves {_relative(finding.after)}" if near else ""
        return [f"{stage}: no known cause reproduces it{nearest} ({on}; {reading.message})"]
    before, after = _relative(finding.before), _relative(finding.after)
    told = " + ".join(cause.text for cause in finding.causes)
    lines = [
        f"{stage}: with {told} our port gives theirs to {after} "
        f"({_number(finding.units)} units), without to {before}; {on}"
    ]
    if finding.also:
        lines.append(f"  as well with {'; or '.join(each.text for each in finding.also)}")
    if len(finding.causes) > 1:
        each = zip(finding.causes, finding.shares, strict=True)
        alone = ", ".join(f"{cause.text} {_relative(share)}" for cause, share in each)
        lines.append(f"  at the output each alone: {alone}")
    return lines


def show(audit: Audit, console: Console) -> None:
    """Prints table and verdict."""
    console.print(table(audit))
    for line in (*(f"note: {note}" for note in audit.foreign.notes), *verdict(audit)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _cause(cause: Cause) -> dict[str, Any]:
    return {"text": cause.text, "rules": dict(cause.changes)}


def record(audit: Audit) -> dict[str, Any]:
    """The audit as plain data; null stands for what is not finite."""
    stages = {
        stage: [
            {
                "on": reading.what,
                "agrees": reading.ok,
                "relative": reading.relative,
                "units": reading.units,
                "message": reading.message,
            }
            for reading in readings
        ]
        for stage, readings in audit.readings.items()
    }
    findings = [
        {
            "stage": finding.stage,
            "confirmed": finding.confirmed,
            "causes": [_cause(cause) for cause in finding.causes],
            "as_well": [_cause(cause) for cause in finding.also],
            "before": finding.before,
            "after": finding.after,
            "units_after": finding.units,
            "alone_at_output": finding.at_output,
            "each_alone_at_output": finding.shares,
        }
        for finding in audit.findings
    ]
    together = audit.together
    made = {
        "target": audit.foreign.source,
        "adapter": audit.foreign.adapter,
        "torch": torch.__version__,
        "agrees": audit.agrees,
        "first_divergence": audit.first,
        "stages": stages,
        "findings": findings,
        "together": vars(together) if together is not None else None,
        "notes": list(audit.foreign.notes),
        "verdict": verdict(audit),
    }
    return dict(plain(made))


def write_json(audit: Audit, path: Path) -> None:
    """Writes the record.

    Raises:
        LeafError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(record(audit), indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        fix = "give a path in a folder that exists"
        raise LeafError("audit", "--json", "a file to write", str(error), fix) from error
