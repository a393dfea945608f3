"""The audit: readings, findings, and whether the findings together make the foreign output."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch

from parity.checks.compare import relative_difference
from parity.commands.audit import rules as r
from parity.commands.audit.causes import Cause, Finding, find, merged
from parity.commands.audit.foreign import Foreign
from parity.commands.audit.probes import Probe
from parity.commands.audit.stages import OUTPUT, STAGES, Reading, Reference, agrees, judge, read
from parity.commands.audit.units import expected


@dataclasses.dataclass(frozen=True)
class Together:
    """Our port with all confirmed causes, beside the foreign one, end to end.

    Attributes:
        probe: on which clip, with initial weights.
        before: relative difference between theirs and the recorded official output.
        after: relative difference between theirs and our port's with the causes.
        units: greatest difference after, in units of rounding.
        ok: whether rounding explains what is left.
    """

    probe: str
    before: float
    after: float
    units: float
    ok: bool


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        foreign: what was audited.
        readings: by stage.
        findings: one for each stage that diverges, in their order.
        together: see :class:`Together`; None where nothing diverges.
    """

    foreign: Foreign
    readings: Mapping[str, Sequence[Reading]]
    findings: Sequence[Finding]
    together: Together | None

    @property
    def agrees(self) -> bool:
        """Whether every stage and the output are the official ones, to rounding."""
        return agrees(self.readings)

    @property
    def first(self) -> str | None:
        """The first stage that diverges."""
        return next((finding.stage for finding in self.findings), None)


def _starts(rules: r.Rules, probe: Probe) -> Probe:
    """The probe with the initial weights of ``rules``, rounded to float32."""
    weights = r.initial(rules, torch.float32)
    return Probe(probe.name, True, probe.wave, weights, probe.official)


def _share(causes: Sequence[Cause], probe: Probe) -> float:
    """What some causes alone do to the output of our port."""
    rules = r.OFFICIAL.but(merged(causes))
    ours = _starts(rules, probe).stage(OUTPUT, rules).numpy()
    if ours.shape != probe.official.shape:
        return float("inf")
    return relative_difference(ours, probe.official)


def _with_shares(finding: Finding, probe: Probe) -> Finding:
    if not finding.confirmed:
        return finding
    shares = [_share([cause], probe) for cause in finding.causes]
    whole = shares[0] if len(shares) == 1 else _share(finding.causes, probe)
    return dataclasses.replace(finding, at_output=whole, shares=shares)


def _together(findings: Sequence[Finding], reading: Reading, probe: Probe) -> Together:
    causes = [cause for finding in findings if finding.confirmed for cause in finding.causes]
    rules = r.OFFICIAL.but(merged(causes))
    found = judge(probe.name, reading.theirs, expected(_starts(rules, probe), OUTPUT, rules))
    return Together(probe.name, reading.relative, found.relative, found.units, found.ok)


def audit(foreign: Foreign, reference: Reference) -> Audit:
    """Audits a foreign port.

    Raises:
        LeafError: the port fails, or its stages cannot be told apart.
    """
    readings = read(foreign, reference)
    probe = reference.probes[-1]
    findings = []
    for stage in STAGES:
        if not all(reading.ok for reading in readings[stage]):
            finding = find(stage, readings[stage], reference.probes)
            findings.append(_with_shares(finding, probe))
    together = None
    if findings or not agrees(readings):
        together = _together(findings, readings[OUTPUT][-1], probe)
    return Audit(foreign, readings, findings, together)
