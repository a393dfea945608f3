"""Which files are edited, and which of their edits are tried."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from leaf_port.errors import LeafError
from parity.commands.mutants.automatic import statements
from parity.commands.mutants.automatic.edit import ROOT, Edit
from parity.commands.mutants.draw import draw

PORT, CONVERSION = "leaf_port", "weight_conversion"
PACKAGES = (PORT, CONVERSION)
EDITED = (f"{PORT}/", f"{CONVERSION}/official/")
LEFT_OUT = ("leaf_port/_cli/", "leaf_port/__main__.py")
_HUNK = re.compile(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def files() -> list[str]:
    """The port's modules but for the command line, and those that know official checkpoints."""
    found = [path for folder in EDITED for path in sorted((ROOT / folder).rglob("*.py"))]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return [name for name in names if not name.startswith(LEFT_OUT)]


def source(file: str) -> str:
    """A file's text."""
    return (ROOT / file).read_text(encoding="utf-8")


def test_files(paths: Sequence[str]) -> list[str]:
    """The test files at some paths below the project's folder.

    Raises:
        LeafError: there are none at a path.
    """
    names = set[str]()
    for path in paths:
        whole = ROOT / path
        inside = [whole] if whole.is_file() else whole.rglob("test_*.py")
        found = {each.relative_to(ROOT).as_posix() for each in inside}
        if not found:
            expected, fix = "a test file or a folder of them", "name one of this checkout"
            raise LeafError("parity", "--tests", expected, path, fix)
        names |= found
    return sorted(names)


def digest(*folders: str) -> str:
    """A hash of all modules of some folders."""
    total = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            total.update(f"{path.relative_to(ROOT)}:".encode() + path.read_bytes())
    return total.hexdigest()


def all_edits(advance: Callable[[int], None] = lambda _: None) -> list[Edit]:
    """Every edit of every file; ``advance`` is told after each how many files there are."""
    names, found = files(), list[Edit]()
    for name in names:
        found += statements.edits(name, source(name))
        advance(len(names))
    return found


def sample(edits: Sequence[Edit], count: int | None, seed: int) -> list[Edit]:
    """So many edits drawn by a seed, in a drawn order; all of them without ``count``."""

    def name(edit: Edit) -> str:
        return f"{edit.file}|{edit.begin}|{edit.end}|{edit.new}"

    return draw(edits, name, count, seed)


def since(edits: Sequence[Edit], revision: str) -> list[Edit]:
    """The edits of lines that differ from a revision's.

    Raises:
        LeafError: git knows no such revision, or this is no checkout.
    """
    asked = ["git", "diff", "--unified=0", "--no-color", revision, "--", *PACKAGES]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        fix = "name a commit of this checkout"
        got = f"{revision} ({told.stderr.strip().splitlines()[0]})"
        raise LeafError("parity", "--since", "a revision that git knows", got, fix)
    changed = _changed(told.stdout)
    return [
        each
        for each in edits
        if not changed.get(each.file, set()).isdisjoint(range(each.first, each.last + 1))
    ]


def commit() -> str:
    """The checkout's; empty where git does not tell."""
    return _told("rev-parse", "HEAD")


def is_commit(revision: str) -> bool:
    """Whether the checkout's history has a commit: one that was rewritten is not in a clone."""
    return bool(_told("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"))


def last_change(path: Path) -> str:
    """The last commit that changed a file of the checkout; empty where git knows none."""
    return _told("log", "-1", "--format=%H", "--", str(path))


def _told(*asked: str) -> str:
    """What git says, in one line; empty where it fails, and where there is no git."""
    command = ["git", *asked]
    try:
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""


def _changed(diff: str) -> dict[str, set[int]]:
    """The new lines of each file in a diff without context."""
    found: dict[str, set[int]] = {}
    lines = set[int]()
    for line in diff.splitlines():
        if line.startswith("+++ "):
            lines = found.setdefault(line.removeprefix("+++ b/"), set())
        elif hunk := _HUNK.match(line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            lines |= set(range(first, first + count))
    return found
