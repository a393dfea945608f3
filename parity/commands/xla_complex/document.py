"""The findings as JSON, and several such files as one table in Markdown."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from leaf_port.errors import LeafError
from parity.commands.xla_complex.judge import LOWERED, Finding
from parity.commands.xla_complex.session import WHERE
from parity.commands.xla_complex.verdict import Verdict

FORMAT = "leaf_port xla-complex 1"
_NEEDED = {"no": "no", "for speed": "for speed", "yes": "**yes**"}


@dataclasses.dataclass(frozen=True)
class Document:
    """One run of the command.

    Attributes:
        date: of the run, in UTC.
        versions: of the worker: python, torch, torch_xla, device, matmul_precision.
        findings: of all probes.
        verdicts: of all uses.
    """

    date: str
    versions: dict[str, str]
    findings: list[Finding]
    verdicts: list[Verdict]

    @classmethod
    def now(
        cls, versions: dict[str, str], findings: list[Finding], verdicts: list[Verdict]
    ) -> Document:
        """With today's date."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        return cls(today, versions, findings, verdicts)

    def text(self) -> str:
        """As JSON; an infinite number of units is written as null."""
        record = {"format": FORMAT, **dataclasses.asdict(self)}
        for finding in record["findings"]:
            for name in ("units", "allowed"):
                value = finding[name]
                finding[name] = value if value is not None and math.isfinite(value) else None
        return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Document:
        """A file that the command wrote.

        Raises:
            LeafError: it cannot be read, or is something else.
        """
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
                raise ValueError(f"no {FORMAT!r}")
            return cls._from(record)
        except (OSError, ValueError, TypeError, KeyError) as error:
            fix = "give files that xla-complex --json wrote"
            said = f"{path}: {getattr(error, 'strerror', None) or error}"
            raise LeafError(WHERE, "--table", "findings as JSON", said, fix) from error

    @classmethod
    def _from(cls, record: dict[str, Any]) -> Document:
        findings = [
            Finding(**{**each, "fell_back": tuple(each["fell_back"])})
            for each in record.pop("findings")
        ]
        verdicts = [Verdict(**each) for each in record.pop("verdicts")]
        return cls(findings=findings, verdicts=verdicts, **record)

    @property
    def order(self) -> tuple[int, ...]:
        """By version of torch_xla."""
        return tuple(int(part) for part in re.findall(r"\d+", self.versions["torch_xla"])[:3])

    def cell(self, operation: str) -> str:
        """Forward and backward verdict of an operation."""
        of_it = [each.verdict for each in self.findings if each.operation == operation]
        sides = ["ok" if verdict == LOWERED else verdict for verdict in of_it]
        return " / ".join(sides if len(set(sides)) > 1 else sides[:1]) or "–"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table(documents: Sequence[Document]) -> str:
    """Operations by versions, in Markdown; below the operations what follows for the port.

    ``ok`` is right and lowered; where forward and backward differ, both are told.
    """
    columns = sorted(documents, key=lambda each: each.order)
    probed = dict.fromkeys(each.operation for doc in columns for each in doc.findings)
    uses = dict.fromkeys(each.use for doc in columns for each in doc.verdicts)
    operations = [name for name in probed if name not in uses]
    heads = ["operation", *(f"{each.versions['torch_xla']}" for each in columns)]
    lines = [_row(heads), _row(["---"] * len(heads))]
    lines += [_row([name, *(each.cell(name) for each in columns)]) for name in operations]
    lines += [_row([f"*{name}*", *(each.cell(name) for each in columns)]) for name in uses]
    for use in uses:
        needed = [_needed(each, use) for each in columns]
        lines.append(_row([f"**real arithmetic needed: {use}**", *needed]))
    return "\n".join([*lines, "", *_origins(columns)]) + "\n"


def _needed(document: Document, use: str) -> str:
    found = [each for each in document.verdicts if each.use == use]
    silently = "".join(f" (silently {each.silent})" for each in found if each.silent)
    return ", ".join(_NEEDED[each.needed] for each in found) + silently or "–"


def _origins(columns: Sequence[Document]) -> list[str]:
    """Date, device and versions of each column."""
    told = {
        f"torch_xla {each.versions['torch_xla']}: torch {each.versions['torch']}, Python "
        f"{each.versions['python']}, {each.versions['device']}, {each.date}"
        for each in columns
    }
    return ["; ".join(sorted(told)) + "."]
