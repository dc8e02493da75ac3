r"""Figure of many networks: their equivalence classes, and which class determines which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from equiv.figures.drawing import BLUE, GREY, as_array
from equiv.figures.panels import blank_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["class_graph"]

# [names; chosen: so many fit the width of a class, the others are counted]
NAMES_IN_A_CLASS = 4


def class_graph(labels: object, determines: object, names: Sequence[str] | None = None) -> Figure:
    r"""The partial order of the classes as a Hasse diagram: whoever determines another stands above it.

    An arrow leads from a class to each class that it determines with none in between.

    Arguments:
        labels: Class of each network, shape `(N,)`, integers from 0.
        determines: Whether network i determines network j, shape `(N, N)`, bool.
        names: Of the networks; None: their indices.
    """
    label = as_array(labels, "labels", 1).astype(int)
    order = as_array(determines, "determines", 2).astype(bool)
    names = [str(i) for i in range(len(label))] if names is None else list(names)
    members = [[i for i, of in enumerate(label) if of == c] for c in range(label.max() + 1)]
    below = [
        {d for d in range(len(members)) if d != c and order[members[c][0], members[d][0]]}
        for c in range(len(members))
    ]
    heights = _heights(below)
    rows = [[c for c, height in enumerate(heights) if height == level] for level in range(max(heights) + 1)]
    widest = max(map(len, rows))

    with style():
        figure = blank_figure(1.0 + 1.9 * widest, 0.6 + 1.2 * len(rows))
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(-widest / 2, widest / 2)
        axes.set_ylim(-0.5, len(rows) - 0.5)
        place = {
            c: (column - (len(row) - 1) / 2, float(level))
            for level, row in enumerate(rows)
            for column, c in enumerate(row)
        }

        for c, lower in enumerate(below):
            for d in lower - set().union(*(below[k] for k in lower)):
                axes.annotate(
                    "",
                    place[d],
                    place[c],
                    arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 16, "shrinkB": 16},
                )

        for c, position in place.items():
            box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": BLUE}
            axes.text(*position, _written(members[c], names), ha="center", va="center", bbox=box)

        figure.set_label(_said(members, below, names))

    return figure


def _heights(below: list[set[int]]) -> list[int]:
    r"""Length of the longest chain under each class."""
    heights = [0] * len(below)

    # In a partial order of K classes no chain has more than K members.
    for _ in below:
        heights = [max((heights[d] + 1 for d in lower), default=0) for lower in below]

    return heights


def _written(members: list[int], names: list[str]) -> str:
    shown = ", ".join(names[i] for i in members[:NAMES_IN_A_CLASS])

    return (
        shown if len(members) <= NAMES_IN_A_CLASS else f"{shown}\nand {len(members) - NAMES_IN_A_CLASS} more"
    )


def _said(members: list[list[int]], below: list[set[int]], names: list[str]) -> str:
    classes = "; ".join(", ".join(names[i] for i in group) for group in members)
    arrows = [
        f"{names[members[c][0]]} determines {names[members[d][0]]}"
        for c, lower in enumerate(below)
        for d in sorted(lower)
    ]

    order = ". ".join(arrows) or "None determines another"

    return f"{len(members)} classes of equivalent networks: {classes}. {order}."
