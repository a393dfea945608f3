"""Joins the comparison of a conversion with the parity suite: oracles, bounds, XLA.

``parity`` is imported only when a conversion is verified. If its packages are missing, the table
lists what did not run. The other import of ``parity`` in this package is that of the live official
code, in ``weight_conversion/reference/session.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from leaf_port import pretrained
from leaf_port.errors import LeafError
from weight_conversion.official.convert import VERIFICATION
from weight_conversion.official.folder import sample_rate
from weight_conversion.official.opening import open_source
from weight_conversion.verification import clips as verify_clips
from weight_conversion.verification import verify
from weight_conversion.verification.backends import Backend
from weight_conversion.verification.verify import Judge, Oracle, Verification

MOST_SECONDS = 3.0
"""How much of a recording is taken: the exact oracle holds every window of it in memory."""

_PARITY = {"scipy", "mpmath", "execnet", "rich", "hypothesis"}
_PACKAGES = ("leaf-port", "torch", "torch-xla", "numpy", "safetensors")


class NotVerifiedError(Exception):
    """A conversion that is off; holds what was found."""

    def __init__(self, found: Verification) -> None:
        super().__init__("the conversion is off")
        self.found = found


@dataclass
class Joined:
    """What the parity suite gives here.

    Attributes:
        oracles: further answers.
        judge: bounds; None where there are none.
        backends: beside the CPU.
        not_run: what it does not give, with the reason.
    """

    oracles: list[Oracle] = field(default_factory=list)
    judge: Judge | None = None
    backends: list[Backend] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)


def _exact() -> Oracle:
    from parity.commands.conversion.exact import Exact

    return Exact()


def _bounds() -> Judge:
    from parity.commands.conversion.judge import DeclaredBudgets

    return DeclaredBudgets()


def _official() -> Oracle:
    from parity.commands.conversion.official import OfficialCode

    return OfficialCode()


def _xla() -> Backend:
    from parity.commands.conversion import xla

    return xla.BACKEND


def joined() -> Joined:
    """The exact oracle, the declared budgets, XLA and the official code, where they are here."""
    joined = Joined()

    def attempt(name: str, add: Callable[[], None]) -> None:
        try:
            add()
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in _PARITY:
                raise
            # Not the checkout's folder: it is written to verification.json.
            joined.not_run[name] = f'{missing} is not installed: pip install "leaf-port[parity]"'

    attempt("exact", lambda: joined.oracles.append(_exact()))
    attempt("bounds", lambda: setattr(joined, "judge", _bounds()))
    attempt("XLA", lambda: joined.backends.append(_xla()))
    attempt("official", lambda: joined.oracles.append(_official()))
    return joined


def verify_folder(
    folder: Path,
    source: Path | None = None,
    audio: Path | None = None,
    seed: int = verify_clips.SEED,
) -> Verification:
    """Verifies a folder and writes ``verification.json`` into it.

    Args:
        folder: that ``convert`` made.
        source: the checkpoint that it was converted from.
        audio: a recording at the model's sample rate.
        seed: of the clips.

    Raises:
        LeafError: bad input, or a folder that cannot be written to.
    """
    opened = None if source is None else open_source(source, _object(folder))
    checked = verify.subject(folder, opened)
    subject = checked[0]
    recording = {} if audio is None else _recording(audio, sample_rate(subject.config))
    clips = verify_clips.for_model(subject.config, subject.model, seed) | recording
    parts = joined()
    found = verify.verify(checked, clips, parts.oracles, parts.judge, parts.backends)
    found.not_run |= parts.not_run
    found.about = verify.about(folder, clips, seed, _versions(parts))
    verify.write(folder, found, VERIFICATION)
    return found


def _object(folder: Path) -> str | None:
    """The part of the source that was converted."""
    found = pretrained.read_config(folder).get("object")
    return found if isinstance(found, str) else None


def check(folder: Path, source: Path) -> Verification:
    """Verifies a folder that is being made.

    Raises:
        NotVerifiedError: it is off.
        LeafError: as :func:`run`.
    """
    found = verify_folder(folder, source)
    if not found.ok:
        raise NotVerifiedError(found)
    return found


def _recording(path: Path, rate: int | None) -> dict[str, Any]:
    """The first seconds of a mono clip, ``(1, samples)``; 16-bit samples divided by 32767.

    Raises:
        LeafError: it cannot be read, or is at another rate than the model's.
    """
    from leaf_port._cli import audio

    try:
        clip = audio.read_clip(path)
    except LeafError as error:
        option = f"--audio {error.argument}"
        raise LeafError("verify", option, error.expected, error.got, error.fix) from error
    if rate is not None and clip.sample_rate != rate:
        fix = "resample it: that is not done here"
        expected, got = f"{rate} Hz, as the model has", f"{clip.sample_rate} Hz"
        raise LeafError("verify", f"--audio {path}", expected, got, fix)
    return {path.name: clip.samples[None, : int(MOST_SECONDS * clip.sample_rate)]}


def _versions(parts: Joined) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # not there, or run from a checkout
            continue
    for oracle in parts.oracles:
        if told := getattr(oracle, "versions", {}):
            found[oracle.name] = told
    return found
