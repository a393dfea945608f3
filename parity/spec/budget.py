"""How far port and reference may differ."""

from __future__ import annotations

import dataclasses

# A unit is a root mean square. Of normally distributed roundings one in 1.7 million is beyond five,
# and a run over all recorded cases compares millions: a bound of five is never too wide.
NEVER_LOOSE = 5.0

NOT_RECORDED = "not recorded: "
ELSEWHERE = "on another machine: "  # than those whose runs were kept


@dataclasses.dataclass(frozen=True)
class Bound:
    """How far one side may be from the exact answer, in units of each element's rounding.

    Attributes:
        allowed: greatest distance; at most three times the worst observed, or five units. Less than
            five is for correctly rounded operations in one order
            (``parity/checks/invariants/exact_bounds.py``).
        worst: the worst observed on any of the machines in ``parity/recordings/machines.json``.
        why: what explains a worst value above 10 units, or that nothing is allowed.
        at: where it was observed: a recorded case, else it says so (``NOT_RECORDED``), on a machine
            of the record, else it names the machine (``ELSEWHERE``).
    """

    allowed: float
    worst: float
    why: str = ""
    at: str = ""

    def __post_init__(self) -> None:
        most = max(3.0 * self.worst, NEVER_LOOSE if self.worst else 0.0)
        if not self.worst <= self.allowed <= most:
            raise ValueError(f"allowed {self.allowed} is not 1 to 3 times the worst {self.worst}")
        if self.worst > 10.0 and not self.why:
            raise ValueError(f"{self.worst} units from the exact answer need their explanation")
        if not self.allowed and not self.why:
            raise ValueError("a bound of zero needs the reason why it holds on every machine")

    @property
    def absent(self) -> bool:
        """Whether there is nothing to bound."""
        return self.why == _NOTHING


_NOTHING = "there is no such array"
NO_GRADIENT = Bound(0.0, 0.0, _NOTHING)


EXPLAINED_BY_ROUNDING = NEVER_LOOSE  # norms of the units: an array may be of one element


@dataclasses.dataclass(frozen=True)
class Budget:
    """How far port and reference may differ.

    Attributes:
        port: of the port's float32 outputs from the exact ones.
        reference: of the official outputs from the exact ones.
        port_gradient: of the port's float32 gradients from the exact ones.
        reference_gradient: of the official gradients from the exact ones.
        double: of the port's float64 answers from the exact ones, in units of float64: both are
            rounded, the oracle by as much as the port.
        relative: greatest difference of a whole output, in relative terms (Frobenius norm).
        relative_gradient: the same for each gradient.
        norm: a relative difference above its limit passes where rounding makes one that large:
            where its norm is at most this many times that of the units.
        narrow: how far port and official outputs may differ, where both add up in the same order
            and so are nearer to each other than to exact; None for the sum of ``port`` and
            ``reference``.
        narrow_gradient: the same for gradients.
        measured: with which versions the worst values were observed.
        reason: what explains a ``relative`` above 1e-6, a ``relative_gradient`` above 1e-5 or a
            ``norm`` above 5.
    """

    port: Bound
    reference: Bound
    port_gradient: Bound = NO_GRADIENT
    reference_gradient: Bound = NO_GRADIENT
    double: Bound = Bound(20.0, 9.8)
    relative: float = 1e-6
    relative_gradient: float = 1e-5
    norm: float = EXPLAINED_BY_ROUNDING
    narrow: float | None = None
    narrow_gradient: float | None = None
    measured: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        beyond = self.relative > 1e-6 or self.relative_gradient > 1e-5
        if (beyond or self.norm > EXPLAINED_BY_ROUNDING) and not self.reason:
            raise ValueError("a budget beyond 1e-6 (gradients: 1e-5; norm: 5) needs its reason")

    def off_the_cpu(self) -> Budget:
        """The same where the port's sums are not added up in the order of torch's CPU kernels.

        Those add up in blocks, by which the port's bounds were measured. Other kernels add one term
        after the other, as the official code's do: where its bounds are wider, they hold.
        """
        return dataclasses.replace(
            self,
            port=_wider(self.port, self.reference),
            port_gradient=_wider(self.port_gradient, self.reference_gradient),
            narrow=None,
            narrow_gradient=None,
        )

    def bounds(self, array: str) -> tuple[float, float]:
        """What the port's and the official array may be off, by its name (``output/0``)."""
        gradient = array.startswith("gradients/")
        port = self.port_gradient if gradient else self.port
        reference = self.reference_gradient if gradient else self.reference
        return port.allowed, reference.allowed

    @property
    def forward(self) -> float:
        """How far port and official outputs may differ: at most by what both may be off."""
        return _at_most(self.narrow, self.port, self.reference)

    @property
    def gradient(self) -> float:
        """The same for gradients."""
        return _at_most(self.narrow_gradient, self.port_gradient, self.reference_gradient)


def _wider(one: Bound, other: Bound) -> Bound:
    return max(one, other, key=lambda bound: bound.allowed)


def _at_most(narrow: float | None, port: Bound, reference: Bound) -> float:
    both = port.allowed + reference.allowed
    return both if narrow is None else min(narrow, both)
