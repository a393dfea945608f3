"""Reads a page as a browser would, strictly."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "br", "img", "input", "hr", "wbr"}
_LOADS = ("src", "href", "xlink:href", "srcset", "action", "data", "poster")


class Page(HTMLParser):
    """A parsed page.

    Attributes:
        problems: tags that are not closed in their order.
        ids: of all elements, in order.
        links: every value that could load something.
        cells: class and text of the table cells, by the text of their row's first cell.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.problems: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.cells: dict[str, list[tuple[str, str]]] = {}
        self._open: list[str] = []
        self._row: list[list[str]] = []
        self.feed(text)
        self.close()
        self.problems += [f"{tag} is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes ids and links, and that the element is open."""
        given = {key: value or "" for key, value in attrs}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in _LOADS if key in given]
        if tag == "tr":
            self._row = []
        if tag in ("td", "th"):
            self._row.append([given.get("class", ""), ""])
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element of an SVG that closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """It must close what was opened last."""
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> at line {self.getpos()[0]} after {self._open[-3:]}")
        else:
            self._open.pop()
        if tag == "tr" and self._row:
            head, *cells = ((kind, text.strip()) for kind, text in self._row)
            self.cells.setdefault(head[1], []).extend(cells)

    def handle_data(self, data: str) -> None:
        """Text of a table cell, or of none."""
        if self._row and {"td", "th"} & set(self._open):
            self._row[-1][1] += data
