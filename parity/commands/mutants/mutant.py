"""What a planted bug is: an edit of one place in ``leaf_port``, a declaration or a recording."""

from __future__ import annotations

import dataclasses
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "leaf_port"
ROOT = SOURCE.parent
RECORDINGS = "parity/recordings"
WITHOUT_KERNEL = "_ops/energies/by_torch.py"
"""What nothing calls where the kernel computes."""


class DoesNotApplyError(Exception):
    """The text that a mutant replaces is not there exactly once."""


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A bug, as an edit.

    Attributes:
        name: of the bug.
        origin: the public port that has it, the trap of the reference it falls into, or "slip".
        layer: the declaration where it sits, whose own checks must catch it.
        file: which module of the package, with its suffix.
        old: exact text there, found once.
        new: what stands there instead.
        package: ``leaf_port``; ``parity/layers`` for a bug in what is declared,
            ``parity/recordings`` for a recording that is damaged.
    """

    name: str
    origin: str
    layer: str
    file: str
    old: str
    new: str
    package: str = "leaf_port"

    @property
    def path(self) -> Path:
        """The file that is edited."""
        return ROOT / self.package / self.file

    @property
    def environment(self) -> dict[str, str]:
        """Variables under which the port has the bug."""
        return {"LEAF_PORT_KERNEL": "off"} if self.file == WITHOUT_KERNEL else {}

    @property
    def damages(self) -> bool:
        """Whether a recording is edited, which is no source."""
        return self.package == RECORDINGS

    @property
    def module(self) -> str:
        """The module's dotted name."""
        return f"{self.package}/{self.file.removesuffix('.py')}".replace("/", ".")

    def applied(self, source: str) -> str:
        """The source with the bug in it.

        Raises:
            DoesNotApplyError: ``old`` is not there, or more than once.
        """
        found = source.count(self.old)
        if found != 1:
            where = f"{self.package}/{self.file}"
            raise DoesNotApplyError(f"{self.name}: its text stands {found} times in {where}")
        return source.replace(self.old, self.new)


def healthy(layer: str) -> Mutant:
    """The control: an edit that changes nothing, run like every other."""
    opening = (SOURCE / "__init__.py").read_text().splitlines()[0]
    return Mutant("healthy control", "control", layer, "__init__.py", opening, opening)
