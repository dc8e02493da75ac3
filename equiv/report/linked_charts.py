r"""Two charts side by side, of which one lights up where the other is touched."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from equiv.figures.drawing import Array, as_array, chart_colours
from equiv.report.angles import Reading
from equiv.report.correspondence import DrawnChart, DrawnPair, Links, distances, evenly
from equiv.report.markup import json_script, table
from equiv.report.sections import PictureStrip, moments_of, strip_html
from equiv.report.svg import Window, chart_svg

__all__ = ["chart_window", "chart_windows", "linked_charts_html"]


# Rows of the table behind the charts.
# [points; chosen: a screen]
TABLE_ROWS = 24


def chart_windows(pair: DrawnPair) -> tuple[Window, Window]:
    r"""The windows through which A's and B's charts are seen, one and the same where they are aligned."""
    if pair.aligned:
        shared = chart_window(pair.a, np.concatenate([pair.a.positions, pair.b.positions]))
        return shared, shared

    return chart_window(pair.a), chart_window(pair.b)


def linked_charts_html(
    pair: DrawnPair, strip: PictureStrip | None = None, reading: Reading | None = None
) -> str:
    r"""Both charts as HTML with the data that the report's script links them by.

    Arguments:
        pair: The charts.
        strip: Pictures with places in the charts, which are shown where a chart is touched; or None.
        reading: How coordinates of the places are read as those of the charts; None as they are.
    """
    a, b = pair.a, pair.b
    first = chart_colours(a.coordinates, a.periods)

    if pair.aligned:
        second = chart_colours(b.coordinates, b.periods, a.coordinates)
    else:
        second = first if pair.paired else chart_colours(b.coordinates, b.periods)

    figures: list[str] = []
    windows = chart_windows(pair)
    data: dict[str, Any] = {
        "paired": pair.paired,
        "kind": windows[0].kind,
        "middle": windows[0].top + windows[0].height / 2,
    }

    for side, window, shade, link, anchors in zip(
        (a, b), windows, (first, second), pair.links, pair.marked, strict=True
    ):
        low = side.name.lower()
        label = (
            f"Chart of network {side.name}: {len(side.index)} points, dimension {side.dimension}. "
            "Arrow keys go from point to point."
        )
        drawn = chart_svg(
            window, side.positions, shade, label, side=low, names=side.names[:3], anchors=anchors
        )
        figures.append(
            f'<figure><figcaption class="name {low}">Network {side.name}</figcaption>{drawn}</figure>'
        )
        data[low] = _data(side, window, link, pair)

    pictures, small = "", ""

    if strip is not None and strip.places is not None:
        data["held"] = _held(pair, windows, strip, reading)
        pictures, small = strip_html(strip), " small"

    embedded = f'<script type="application/json">{json_script(data)}</script>'
    advice = "Point at a chart, touch it, or go through it with the arrow keys; drag to mark a region."
    output = f'<output aria-live="polite">{advice}</output>'
    axes = _choice_of_axes(min(a.dimension, b.dimension))
    anchored = (
        '<p class="note">Diamonds are anchors: samples known to show the same input, equal numbers in both charts.</p>'
        if pair.marked[0]
        else ""
    )

    return (
        f'<div class="linked">{pictures}{axes}'
        f'<div class="charts two{small}">{"".join(figures)}{embedded}</div>{output}</div>'
        f"{anchored}{_explanation(pair, bool(pictures))}"
        f"<details><summary>The numbers behind the charts</summary>{_numbers(pair)}</details>"
    )


def _held(
    pair: DrawnPair, windows: tuple[Window, Window], strip: PictureStrip, reading: Reading | None
) -> dict[str, Any]:
    r"""Where the moments of the pictures lie in both charts, and what is said of each."""
    assert strip.places is not None
    places = [as_array(each, "places", 2) for each in strip.places]
    there, own = places if reading is None else [reading(each) for each in places]
    sides = (dataclasses.replace(pair.a, coordinates=there), dataclasses.replace(pair.b, coordinates=own))
    gaps = distances(there, own, pair.a.periods)
    said = [
        f"Pictures at {moment}. A puts this input at {pair.a.told(one)} and B at {pair.b.told(other)}, "
        f"{pair.distance(float(gap))} apart{'' if pair.a.degrees else pair.unit}."
        for moment, one, other, gap in zip(moments_of(strip), there, own, gaps, strict=True)
    ]
    drawn = {side.name.lower(): _places(side, window)[0] for side, window in zip(sides, windows, strict=True)}

    return drawn | {"said": said}


def _places(side: DrawnChart, window: Window) -> tuple[list[list[float]], float]:
    r"""Where points are drawn: at x = at[x axis], y = base - at[y axis]; and the base."""
    positions = side.positions
    k = positions.shape[1]
    base = round(window.top + window.height / 2 + window.left + window.inner / 2, 1)
    at = np.stack([window.at(positions, (axis, k - 1))[:, 0] for axis in range(k)], axis=1)

    if k == 2:
        at[:, 1] = base - window.at(positions)[:, 1]

    return at.round(1).tolist(), base


def _data(side: DrawnChart, window: Window, link: Links | None, pair: DrawnPair) -> dict[str, Any]:
    r"""What the script needs of one side."""
    at, base = _places(side, window)

    return {
        "at": at,
        "y": base,
        "u": [side.told(row) for row in side.coordinates],
        "index": side.index.tolist(),
        "order": np.lexsort(side.coordinates.T[::-1]).tolist(),
        "link": None if link is None else link.index.tolist(),
        "gap": None if link is None or link.gap is None else [pair.distance(float(x)) for x in link.gap],
        "place": pair.aligned,
    }


def _choice_of_axes(dimension: int) -> str:
    k = min(dimension, 3)

    if k < 3:
        return ""

    planes = [(x, y) for x in range(k) for y in range(x + 1, k)]
    options = "".join(f'<option value="{x},{y}">u{x + 1} and u{y + 1}</option>' for x, y in planes)

    return f'<p class="controls"><label>Axes <select>{options}</select></label></p>'


def _explanation(pair: DrawnPair, pictured: bool) -> str:
    m, closed = pair.a.dimension, 0 if pair.a.periods is None else len(pair.a.periods)

    if m != pair.b.dimension:
        known = "points of the same input are linked" if pair.paired else "no point has a known image"

        return (
            f"<p>A's chart has dimension {m}, B's has {pair.b.dimension}; each is drawn in its own "
            f"coordinates{pair.unit}, and {known}.</p>"
        )

    text = (
        f"Intrinsic coordinates of the inputs{pair.unit}, as each network alone gives them. "
        if pair.charted
        else "Leading coordinates of what is observed of each network. "
    )
    text += (
        "Both are moved into one frame of reference; equal colours mark equal places. "
        if pair.aligned
        else "No registration between them was found, so each is drawn in its own frame of reference. "
    )

    if m == 1:
        text += "A closed line is drawn as a ring. " if closed else "The height of the band means nothing. "
    elif closed:
        text += f"{closed} of the {m} directions are closed and drawn unrolled. "

    if m > 3:
        text += f"The first three of {m} coordinates are drawn. "

    if pair.a.degrees:
        text += "The curve is read by the angles of the pictures, which nothing but this drawing was told. "

    if pictured:
        text += (
            "A place touched in one chart shows the pictures taken nearest to it: the circles are where each network "
            "puts that input, the cross is the place to which the map carries it."
        )
    elif pair.paired:
        text += "A point touched in one chart lights the same input in the other."
    elif pair.aligned:
        text += "A point touched in one chart lights its image in the other: the place to which the map carries it."

    return f"<p>{text}</p>"


def _numbers(pair: DrawnPair) -> str:
    a, b, link = pair.a, pair.b, pair.links[0]
    header = ["Point of A", *(f"A: {name}" for name in a.names)]
    rows: list[list[object]] = []

    if link is not None:
        header += ["Same input in B" if pair.paired else "Nearest in B", *(f"B: {name}" for name in b.names)]
        header += [] if link.gap is None else ["Distance"]

    for k in evenly(len(a.index), TABLE_ROWS):
        row: list[object] = [int(a.index[k]), *(float(x) for x in a.coordinates[k])]

        if link is not None:
            row += [int(b.index[link.index[k]]), *(float(x) for x in b.coordinates[link.index[k]])]
            row += [] if link.gap is None else [float(link.gap[k])]

        rows.append(row)

    caption = f"{len(rows)} of A's points, evenly chosen, and what answers to them in B{pair.unit}"

    return table(caption, header, rows)


def chart_window(side: DrawnChart, positions: Array | None = None) -> Window:
    r"""The window through which a chart is seen: around its own positions, or around those given."""
    positions = side.positions if positions is None else positions

    if side.dimension > 1:
        return Window(positions, "plane")

    if side.periods is None:
        return Window(positions, "line")

    period = float(np.abs(side.periods[0, 0]))
    corners = np.array([[-1.0, -1.0], [1.0, 1.0]])

    return Window(
        corners, "ring", [side.told(share * np.array([period])) for share in (0.0, 0.25, 0.5, 0.75)]
    )
