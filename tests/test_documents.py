"""README and documentation: links, anchors and paths exist, and the code in them runs."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from parity.report import edits

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "tests" / "README.md",
    *ROOT.glob("docs/*.md"),
]
IDS = [path.name for path in DOCUMENTS]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FOLDERS = "leaf_port|parity|weight_conversion|tests|docs|examples"
PATH = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*")


def prose(path: Path) -> str:
    """A document without its blocks of code."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


def broken_links(path: Path) -> list[str]:
    """The relative links of a document whose file or anchor does not exist."""
    broken = []
    for link in LINK.findall(prose(path)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def missing_paths(path: Path) -> list[str]:
    """The paths of this repository that a document names and that do not exist."""
    named = {each.rstrip(".") for each in PATH.findall(path.read_text(encoding="utf-8"))}
    return sorted(each for each in named if "NAME" not in each and not (ROOT / each).exists())


def blocks(path: Path) -> list[str]:
    """The blocks of Python code of a document."""
    found = FENCE.findall(path.read_text(encoding="utf-8"))
    return [code for language, code in found if language == "python"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_relative_links_lead_somewhere(path: Path) -> None:
    assert broken_links(path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_paths_exist(path: Path) -> None:
    assert missing_paths(path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_python_compiles(path: Path) -> None:
    for code in blocks(path):
        compile(code, path.name, "exec")


def test_broken_links_and_paths_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[a](page.md#a-page) [b](none.md) [c](#none) parity/none.py\n")
    assert broken_links(page) == ["none.md", "#none"]
    assert missing_paths(page) == ["parity/none.py"]


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in ROOT.glob("docs/*.md") if page.name not in navigation] == []


def test_every_command_is_documented() -> None:
    import typer.main

    from parity.commands.app import app

    names = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    page = anchors(ROOT / "docs" / "commands.md")
    assert {name for name in names if name not in page} == set()


def test_the_quick_start_trains() -> None:
    (code,) = blocks(README)
    assert "range(15)" in code
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code.replace("range(15)", "range(2)"), "README.md", "exec"), {})
    losses = [float(line.split()[-1]) for line in printed.getvalue().splitlines()]
    assert len(losses) == 2
    assert all(0 < loss < 10 for loss in losses)


def test_figures_of_edits_are_the_record() -> None:
    record = edits.load()
    assert record is not None
    page = (ROOT / "docs" / "edits.md").read_text(encoding="utf-8")
    assert edits.markdown(record).strip() in page
