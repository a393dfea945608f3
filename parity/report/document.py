"""The report as JSON, schema version 1.

A version counts up where a field is dropped or changes its meaning; new fields may come without.
Null stands for infinity and NaN. No path and no host name is in it.

======================  ==========================================================================
``schema``              ``{"name": "leaf_port parity report", "version": 1}``
``ok``                  the verdict; ``passed`` and ``failed`` count results, refusals, laws,
                        derivatives
``failures``            everything that is wrong, a text each
``time``, ``machine``   when (UTC); system and architecture
``versions``            of what ran here; ``official_versions``: of what answered the recordings
``closeness``           each frontend and run, forward and gradient: median distance of ``port`` and
                        ``official`` from float64, cases in which the port is ``closer`` or
                        ``farther``, ``verdict``; ``closeness_summary`` in a line
``units``               of rounding: ``runs`` that measure one, ``known_to`` (ends of the interval
                        that holds the true one, as multiples of it) at ``confidence``; ``sturdy``:
                        the same of what is judged again
``histogram_edges``     distances, in units, between the bins of every ``histogram``
``layers``              by name: ``mirrors`` (reference lines), ``ok``, ``results``, ``refusals``,
                        ``laws``, ``derivatives``
``edits``               what the last campaign of edits found (the fields of
                        ``parity/report/edits.py``); null where none is kept
``clip``                what went through both sides, and what came out: worst units, relative
``not_run``             ``what``, ``why``, ``how`` to run it
======================  ==========================================================================

A result has ``case``, ``backend``, ``arithmetic`` (null: no choice), ``ok``, ``error``, ``single``
(why there is no float64 answer), ``again`` (the command), ``program`` (null: nothing was compiled;
else the fields of ``parity/port/xla_program.py``), ``skips`` (``array``, ``reason``) and
``differences``: ``check``, ``array``, ``aspect``, ``ok``, ``relative`` and ``allowed_relative``,
``units`` and ``allowed``, ``budget_used`` (the greater part), ``explained`` (above the relative
limit, by rounding), ``port_to_exact``, ``official_to_exact``, ``histogram``, ``message``. A limit
of null is none. A refusal has ``argument``, ``official`` (what the official implementation does)
and ``problem`` (null: refused as declared); a law ``layer``, ``law`` (its name) and ``problem``
(empty: it holds); a kind of derivatives ``layer``, ``kind``, ``problem`` (empty: they are right)
and ``without`` (why the layer can't have it; empty where it has). ``lacking`` of a result are the
features that the CPU was told to lack.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from parity.checks import confidence, histogram, monte_carlo
from parity.checks.case_checks import Result
from parity.checks.compare import Difference
from parity.report import closeness
from parity.report.clip import Clip
from parity.report.content import Report
from parity.report.json_safe import plain
from parity.report.rows import Row

SCHEMA = {"name": "leaf_port parity report", "version": 1}


def _difference(difference: Difference) -> dict[str, Any]:
    return {**dataclasses.asdict(difference), "budget_used": difference.budget_used}


def _result(result: Result) -> dict[str, Any]:
    return {
        "case": result.case,
        "backend": result.backend,
        "arithmetic": result.arithmetic,
        "lacking": list(result.lacking),
        "ok": not result.failures,
        "error": result.error,
        "single": result.single,
        "again": result.again,
        "program": None if result.program is None else dataclasses.asdict(result.program),
        "skips": [dataclasses.asdict(skip) for skip in result.skips],
        "differences": [_difference(difference) for difference in result.differences],
    }


def _layer(row: Row) -> dict[str, Any]:
    return {
        "mirrors": row.spec.mirrors,
        "ok": not row.failures,
        "results": [_result(result) for result in row.results],
        "refusals": [dataclasses.asdict(refusal) for refusal in row.refusals],
        "laws": [dataclasses.asdict(law) for law in row.laws],
        "derivatives": [dataclasses.asdict(each) for each in row.derivatives],
    }


def _clip(clip: Clip | None) -> dict[str, Any] | None:
    if clip is None:
        return None
    answers = {
        answer.frontend: {
            "units": answer.worst_units,
            "allowed": answer.allowed,
            "relative": answer.relative,
        }
        for answer in clip.answers
    }
    told = {"name": clip.name, "why": clip.why, "official": "live" if clip.live else "recorded"}
    return {**told, "official_versions": clip.versions, "answers": answers}


def _known(runs: int) -> dict[str, Any]:
    """How well a unit is known that so many runs have measured."""
    known = confidence.of(runs)
    return {"runs": runs, "known_to": [known.low, known.high], "confidence": known.level}


def document(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    made = {
        "schema": SCHEMA,
        "ok": report.ok,
        "passed": report.passed,
        "failed": len(report.failures),
        "failures": report.failures,
        "time": report.time,
        "machine": report.machine,
        "versions": report.versions,
        "official_versions": list(report.official),
        "closeness_summary": closeness.summary(report.closeness),
        "edits": None if report.edits is None else dataclasses.asdict(report.edits),
        "closeness": [
            {**dataclasses.asdict(each), "run": each.run.text, "verdict": each.verdict}
            for each in report.closeness
        ],
        "units": {**_known(monte_carlo.RUNS), "sturdy": _known(monte_carlo.STURDY_RUNS)},
        "histogram_edges": histogram.edges().tolist(),
        "clip": _clip(report.clip),
        "not_run": [dataclasses.asdict(each) for each in report.not_run],
        "layers": {row.spec.name: _layer(row) for row in report.rows},
    }
    return dict(plain(made))


def text(report: Report) -> str:
    """The report as JSON."""
    return json.dumps(document(report), ensure_ascii=False, allow_nan=False) + "\n"
