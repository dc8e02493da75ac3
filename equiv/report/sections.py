r"""What a program adds to a report: text with a figure and its numbers, or pictures with a slider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equiv.figures.drawing import as_array
from equiv.figures.panels import pictures
from equiv.report.correspondence import evenly
from equiv.report.figures import figure_html
from equiv.report.markup import data_uri, escape, json_script, paragraphs, png, table

__all__ = ["HeldOut", "PictureStrip", "Section", "moments_of", "section_html", "strip_html"]


# Moments of a picture strip that are printed on paper.
# [pictures; chosen: the width of a page]
PRINTED_MOMENTS = 8

# Rows of a table that stand below a figure without being asked for.
# [rows; chosen: a quarter of a screen]
OPEN_ROWS = 8


@dataclass(frozen=True)
class Section:
    r"""Text, a figure and the numbers behind it.

    Attributes:
        title: Its heading.
        text: Plain text; blank lines separate paragraphs.
        figure: A matplotlib figure, or the bytes of a PNG, GIF, JPEG or WebP file; or None.
        alt: What the figure shows, for those who do not see it; empty is the title. The label that
            `equiv.figures` gives a figure is written below it.
        table: The numbers behind the figure, as rows that map each column to its value; or None.
    """

    title: str
    text: str = ""
    figure: Any = None
    alt: str = ""
    table: Sequence[Mapping[str, object]] | None = None


@dataclass(frozen=True)
class PictureStrip:
    r"""Rows of pictures of which a slider shows one moment at a time.

    Attributes:
        title: Its heading.
        labels: A name for each row.
        rows: Pictures of each row, shape `(k, 3, h, w)`, in `[0, 1]`, the same k for all.
        angles: The slider's position at each moment, shape `(k,)`, in radians.
        text: Plain text; blank lines separate paragraphs.
        places: Where each moment lies in the common coordinates: as A's activations are carried over, and as B's own
            chart has it, shape `(k, m)` each. A chart that is touched then shows the pictures of that place.
    """

    title: str
    labels: Sequence[str]
    rows: Sequence[Any]
    angles: Any
    text: str = ""
    places: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class HeldOut:
    r"""Fresh inputs that the comparison never saw and both networks did, so that its errors are known there.

    Attributes:
        coordinates: Their places in the common coordinates, shape `(q, m)`.
        a_to_b: Size of the error of the transformation at each, over the RMS spread of the target, shape `(q,)`.
        b_to_a: The same of its inverse.
    """

    coordinates: Any
    a_to_b: Any
    b_to_a: Any


def section_html(section: Section) -> str:
    r"""A section without its heading, as HTML.

    Raises:
        TypeError: If the figure is neither a matplotlib figure nor the bytes of a picture file.
    """
    parts = [paragraphs(section.text)]

    if section.figure is not None:
        label = getattr(section.figure, "get_label", str)()
        caption = f"<figcaption>{escape(label)}</figcaption>" if label else ""
        parts.append(
            f'<figure><div class="pan" tabindex="0" role="region" aria-label="{escape(section.title)}">'
            f"{figure_html(section.figure, section.alt or section.title)}</div>{caption}</figure>"
        )

    if section.table:
        header = list(section.table[0])
        rows = [[row.get(column) for column in header] for row in section.table]
        block = table(section.title, header, rows, named=False)

        if section.figure is not None and len(rows) > OPEN_ROWS:
            block = f"<details><summary>The numbers behind the figure</summary>{block}</details>"

        parts.append(block)

    return "".join(parts)


def moments_of(strip: PictureStrip) -> list[str]:
    r"""The angle of each moment in words."""
    degrees = np.degrees(as_array(strip.angles, "angles", 1))

    return [f"{angle:.1f}°".replace("-", "−") for angle in degrees]


def strip_html(strip: PictureStrip) -> str:
    r"""A picture strip without its heading, as HTML: each row is one picture of which CSS shows a part.

    Raises:
        ValueError: If rows, labels and angles do not fit together.
    """
    rows = [pictures(row, "rows") for row in strip.rows]
    k = len(as_array(strip.angles, "angles", 1))

    if len(rows) != len(strip.labels) or any(len(row) != k for row in rows) or not rows or k == 0:
        raise ValueError(
            f"'rows' should hold {k} pictures, one for each of 'angles', for each of the {len(strip.labels)} "
            f"'labels', got rows of {[len(row) for row in rows]}; pass the same moments everywhere."
        )

    moments = moments_of(strip)
    shown = evenly(k, PRINTED_MOMENTS)
    style, frames, printed = [], [], []

    for index, (label, row) in enumerate(zip(strip.labels, rows, strict=True)):
        h, w = row.shape[2:]
        sheet = row.transpose(0, 2, 3, 1).reshape(k * h, w, 3)
        style.append(f"--p{index}:url({data_uri(png(sheet))})")
        look = f"background-image:var(--p{index});background-size:100% {100 * k}%;aspect-ratio:{w}/{h}"
        frames.append(
            f'<div><div class="sprite" role="img" aria-label="{escape(label)}" style="{look}"></div>'
            f"<p>{escape(label)}</p></div>"
        )
        cells = "".join(
            f'<div class="sprite" style="{look};background-position:0 {100 * j / max(k - 1, 1):.4f}%"></div>'
            for j in shown
        )
        printed.append(f"<p>{escape(label)}</p><div>{cells}</div>")

    spoken = ", ".join(moments[j] for j in shown)
    slider = f'<input type="range" min="0" max="{k - 1}" value="0" step="1">'

    return (
        f"{paragraphs(strip.text)}"
        f'<div class="pictures" style="{";".join(style)};--rows:{len(rows)};--shown:{len(shown)}">'
        f'<div class="controls"><button type="button">Play</button><label class="grow">Angle {slider}</label>'
        f'<output>{moments[0]}</output></div><div class="frames">{"".join(frames)}</div>'
        f'<div class="strip" aria-hidden="true"><p>Angles {spoken}</p>{"".join(printed)}</div>'
        f'<script type="application/json">{json_script(moments)}</script></div>'
    )
