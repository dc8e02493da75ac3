r"""Figures as HTML: those of matplotlib as drawings that take ink and colours from the page, files as pictures."""

from __future__ import annotations

import hashlib
import io
import re
from typing import Any

from equiv.figures.drawing import BLUE, GREY, ORANGE
from equiv.report.markup import data_uri, escape

__all__ = ["figure_html"]

# What the colours of the common style, and those of verdicts, are on the page, in light, in dark and on paper.
INKS = {
    "#000000": "var(--ink)",
    "#222222": "var(--ink)",
    "#444444": "var(--soft)",
    GREY: "var(--soft)",
    BLUE: "var(--a)",
    ORANGE: "var(--b)",
    "#00694f": "var(--yes)",
    "#0068a3": "var(--part)",
    "#a8350b": "var(--no)",
    "#6a5200": "var(--open)",
}

# How files of pictures begin.
KINDS = {b"\x89PNG": "image/png", b"GIF8": "image/gif", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def figure_html(figure: Any, alt: str) -> str:
    r"""A figure of matplotlib, or the bytes of a PNG, GIF, JPEG or WebP file, as one element.

    Raises:
        TypeError: If it is neither.
    """
    if isinstance(figure, bytes):
        for start, kind in KINDS.items():
            if figure.startswith(start):
                return f'<img src="{data_uri(figure, kind)}" alt="{escape(alt)}">'

        raise TypeError(
            "'figure' should be a PNG, GIF, JPEG or WebP file where it is bytes, got another kind; "
            "convert the picture."
        )

    if not hasattr(figure, "savefig"):
        raise TypeError(
            "'figure' should be a matplotlib figure or the bytes of a picture file, "
            f"got {type(figure).__name__}; pass what functions of equiv.figures.charts return."
        )

    return _inline(_drawing(figure), alt)


def _drawing(figure: Any) -> str:
    r"""A figure as SVG without a ground, its letters as outlines, so that every machine shows the same."""
    import matplotlib

    buffer = io.StringIO()

    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "equiv"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})

    return buffer.getvalue()


def _inline(drawing: str, alt: str) -> str:
    r"""SVG as a part of a page: with identifiers of its own, without a style that others would take, in its inks."""
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(
        r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->|\n\s*",
        lambda cut: " " if cut[0].isspace() else "",
        drawing,
        flags=re.DOTALL,
    )
    own = f"f{hashlib.sha256(drawing.encode()).hexdigest()[:8]}-"
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', drawing))
    drawing = re.sub(
        r' id="([^"]*)"', lambda found: f' id="{own}{found[1]}"' if found[1] in used else "", drawing
    )
    drawing = re.sub(r'((?:href="|url\()#)', rf"\g<1>{own}", drawing)
    drawing = re.sub(r"#[0-9a-f]{6}\b", lambda found: INKS.get(found[0], found[0]), drawing)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', drawing).groups()  # type: ignore[union-attr]
    opening = (
        f'<svg class="drawn" role="img" aria-label="{escape(alt)}" viewBox="0 0 {width} {height}" '
        f'style="--natural:{float(width) * 96 / 72:.0f}px">'
    )

    return opening + drawing[drawing.index(">") + 1 :].strip()
