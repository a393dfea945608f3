"""The official code's answers for a converted model: built there by its description, live."""

from __future__ import annotations

from leaf_port.errors import LeafError
from parity.spec import Array
from weight_conversion.reference import export
from weight_conversion.reference.session import Official
from weight_conversion.verification.verify import OFFICIAL, Clips, NotRunError, Subject


class OfficialCode:
    """The live official implementation, in an interpreter of its own.

    Attributes:
        versions: of what answered; empty before.
    """

    name, kind = "official", OFFICIAL

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}

    def answers(self, subject: Subject, clips: Clips) -> dict[str, dict[str, Array]]:
        """Features and logits, by the clip's name.

        Raises:
            NotRunError: no live implementation, or none that builds this model.
        """
        try:
            job = export.job(subject.config, subject.weights, clips.values())
            with Official() as live:
                made = export.answers(live.do("fill", **job))
                self.versions = live.versions
        except LeafError as error:
            raise NotRunError(_reason(error)) from error
        return dict(zip(clips, made, strict=True))


def _reason(error: LeafError) -> str:
    """In one line: a traceback's last one is what was raised there."""
    got = str(error.got).strip().splitlines() or [""]
    return f"{error.argument}: expected {error.expected}, got {got[-1]}"
