"""Pages of a report as a reader and a script get them, and figures drawn."""

import html.parser
import json
from pathlib import Path
from typing import Any

import matplotlib.figure

__all__ = ["Reader", "drawn", "read"]


class Reader(html.parser.HTMLParser):
    """Checks that elements nest, and collects what a reader and a script would get."""

    EMPTY = frozenset({"meta", "img", "input", "br", "rect", "circle", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.json: list[Any] = []
        self.addresses: list[str] = []
        self.identifiers: list[str] = []
        self.unnamed: list[str] = []
        self.headings: list[str] = []
        self.data = False
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.addresses += [
            value or "" for name, value in attributes if name in ("src", "href", "action", "data")
        ]
        self.identifiers += [given["id"] or ""] if "id" in given else []
        self.data = tag == "script" and given.get("type") == "application/json"
        if tag in ("img", "svg") and not (given.get("alt") or given.get("aria-label")):
            self.unnamed.append(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag
        self.data = False

    def handle_data(self, data: str) -> None:
        if self.data:
            self.json.append(json.loads(data))
        elif self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)
            self.headings += [data] if self.open[-1] in ("h1", "h2") else []


def read(path: Path) -> Reader:
    """Reads a page and checks that it needs nothing from outside, names its pictures and shows no NaN."""
    page = path.read_text(encoding="utf-8")
    reader = Reader(page)
    inside = set(reader.identifiers)
    for address in reader.addresses:
        assert address.startswith(("data:image/", "https://doi.org/")) or address.removeprefix("#") in inside
    assert len(inside) == len(reader.identifiers)
    assert not reader.unnamed
    assert "NaN" not in page.split("<script>")[0] and "nan" not in " ".join(reader.text)
    return reader


def drawn(figure: matplotlib.figure.Figure) -> matplotlib.figure.Figure:
    """The figure, after it has been drawn once."""
    figure.canvas.draw()  # a layout that does not fit warns, and warnings are errors
    return figure
