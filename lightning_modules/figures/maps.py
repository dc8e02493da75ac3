r"""Figures of two networks of two inputs, and of the transformation between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE, Array, as_array, chart_colours
from equiv.figures.panels import blank_figure, in_percent, style
from equiv.verdict import percent
from lightning_modules.figures.functions import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_error_field", "draw_grid", "map_figure"]


def map_figure(
    grid: object,
    output_a: object,
    output_b: object,
    predicted_a: object,
    predicted_b: object,
    recovered: object,
    states: object,
    error_a_to_b: object,
    error_b_to_a: object,
) -> Figure:
    r"""A grid of hidden states as each network shows it, as T carries it from one to the other, and T's error.

    Arguments:
        grid: Lines of the grid, shape `(l, s, 2)`: l lines of s points each.
        output_a: A's two outputs along them, shape `(l, s, 2)`.
        output_b: B's, likewise.
        predicted_a: A's as T's inverse predicts them from B's activations; None without a map.
        predicted_b: B's as T predicts them from A's.
        recovered: Intrinsic coordinates of these points, read off B's activations, `(l, s, 2)`, or None.
        states: Fresh hidden states, shape `(q, 2)`.
        error_a_to_b: Size of T's error at these over the target's RMS spread, `(q,)`; None without a map.
        error_b_to_a: The same of the inverse.
    """
    lines, at = as_array(grid, "grid", 3), as_array(states, "states", 2)
    colours = chart_colours(lines.reshape(-1, 2)).reshape(*lines.shape[:2], 3)
    errors = {"A to B": _optional(error_a_to_b, 1), "B to A": _optional(error_b_to_a, 1)}
    known = [each for each in errors.values() if each is not None]
    top = max((float(each.max()) for each in known), default=1.0)
    scale = (top / 1000, top)

    with style():
        figure = blank_figure(15.2, 7.0)
        rows = figure.subplots(2, 4)
        draw_grid(rows[0, 0], lines, colours)
        rows[0, 0].set(xlabel="x₁", ylabel="x₂")
        heading(rows[0, 0], "The hidden square")

        if (flat := _optional(recovered, 3)) is not None:
            draw_grid(rows[1, 0], flat, colours)

        rows[1, 0].set(xlabel="u₁", ylabel="u₂")
        heading(rows[1, 0], "The square, recovered from B's activations")

        for row, (source, target, ink) in zip(rows, (("A", "B", BLUE), ("B", "A", ORANGE)), strict=True):
            shown, goal = (output_a, output_b) if source == "A" else (output_b, output_a)
            carried = _optional(predicted_b if source == "A" else predicted_a, 3)
            draw_grid(row[1], as_array(shown, "output", 3), colours)
            draw_grid(row[2], as_array(goal, "output", 3), None, lw=4.0, alpha=0.35)

            if carried is not None:
                draw_grid(row[2], carried, colours)

            error = errors[f"{source} to {target}"]

            if error is not None:
                draw_error_field(figure, row[3], at, error, scale)

            for axes, owner in ((row[1], source), (row[2], target)):
                axes.set(xlabel=f"output 1 of {owner}", ylabel=f"output 2 of {owner}")

            heading(row[1], f"as {source} puts it")
            row[1].title.set_color(ink)
            heading(row[2], f"carried from {source} to {target} (grey: the truth)")
            heading(row[3], f"Error {source} to {target}: {_percent(error)}")

        figure.set_label(
            "A grid of hidden states in the outputs of both networks, carried from each to the other, over the true "
            f"one in grey; RMS error on fresh inputs {_percent(errors['A to B'])} from A to B and "
            f"{_percent(errors['B to A'])} from B to A."
        )

    return figure


def _optional(value: object, ndim: int) -> Array | None:
    return None if value is None else as_array(value, "value", ndim)


def _percent(error: Array | None) -> str:
    return "no map" if error is None else f"{percent(np.sqrt(np.square(error).mean()))} % (RMS)"


def draw_grid(axes: Axes, lines: Array, colours: Array | None, **look: Any) -> None:
    r"""The lines `(l, s, 2)` of a deformed grid; `colours` `(l, s, 3)` mark places, None is grey."""
    from matplotlib.collections import LineCollection

    segments = np.stack([lines[:, :-1], lines[:, 1:]], axis=2).reshape(-1, 2, 2)
    shade = GREY if colours is None else (colours[:, :-1] + colours[:, 1:]).reshape(-1, 3) / 2
    axes.add_collection(
        LineCollection(list(segments), colors=shade, capstyle="round", **({"lw": 1.3} | look))
    )
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")


def draw_error_field(
    figure: Any, axes: Axes, states: Array, errors: Array, scale: tuple[float, float]
) -> None:
    r"""Sizes of errors `(q,)` at points of the plane `(q, 2)`, on a common logarithmic scale."""
    from matplotlib.colors import LogNorm

    order = np.argsort(errors)
    shown = np.clip(errors[order], *scale)
    x, y = states[order].T
    drawn = axes.scatter(x, y, c=shown, s=13, lw=0, cmap="cividis", norm=LogNorm(*scale))
    bar = figure.colorbar(drawn, ax=axes, shrink=0.82, label="error, of the target's spread")
    in_percent(bar.ax.yaxis)
    axes.set_aspect("equal")
    axes.set(xlabel="x₁", ylabel="x₂")
