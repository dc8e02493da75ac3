r"""Figures: pure functions from tensors or arrays to `matplotlib.figure.Figure`.

No window is opened and no setting of matplotlib is changed; save a figure with `figure.savefig(path)`. Its
label, `figure.get_label()`, says in words and numbers what it shows. A is blue and B is orange everywhere, and
grey is what they are compared with. Angles come in radians.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import (
    BLUE,
    GREY,
    ORANGE,
    Array,
    as_array,
    chart_colours,
    chart_positions,
    common_periods,
)
from equiv.figures.panels import (
    blank_figure,
    chart_axes,
    draw_spectrum,
    in_percent,
    said_of_spectra,
    scatter,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["charts_figure", "error_map_figure", "registration_figure", "spectrum_figure"]


def spectrum_figure(eigenvalues_a: object, eigenvalues_b: object, exact: object = None) -> Figure:
    r"""Eigenvalues of minus the Laplacian of both input spaces, against the exact ones where they are known.

    Arguments:
        eigenvalues_a: A's eigenvalues, shape `(k,)`, ascending, in 1/(input unit)^2; a leading 0 is left out.
        eigenvalues_b: B's, shape `(l,)`.
        exact: The exact ones, such as `(1, 1, 4, 4, 9, 9)` for the circle; or None. No others are drawn.
    """
    with style():
        figure = blank_figure(4.6, 3.5)
        draw_spectrum(figure.subplots(), eigenvalues_a, eigenvalues_b, exact)
        figure.set_label(said_of_spectra(eigenvalues_a, eigenvalues_b, exact))

    return figure


def charts_figure(
    coordinates_a: object,
    coordinates_b: object,
    colour: object = None,
    colour_b: object = None,
    *,
    turn: float | None = None,
    periods_a: object = None,
    periods_b: object = None,
) -> Figure:
    r"""The two charts side by side; equal colours mark equal places.

    Arguments:
        coordinates_a: A's aligned coordinates, shape `(n, m)`.
        coordinates_b: B's, shape `(l, m)`; another `m` is allowed, and then the colours are each chart's own.
        colour: Numbers `(n,)` to colour A's points by, None for their place.
        colour_b: The same for B's points, shape `(l,)`; None is `colour`, for paired points.
        turn: The period of these numbers, where they are angles; None where they are not.
        periods_a: Lattice vectors of A's coordinates, shape `(p, m)`, or None. A closed line becomes a ring.
        periods_b: The same for B.
    """
    a, b = as_array(coordinates_a, "coordinates_a", 2), as_array(coordinates_b, "coordinates_b", 2)
    lattice_a, lattice_b = _periods(periods_a, "periods_a"), _periods(periods_b, "periods_b")
    scale: dict[str, Any] = {}

    if colour is None:
        alike = a.shape[1] == b.shape[1]
        common = common_periods(lattice_a, lattice_b) if alike else None
        shade_a = chart_colours(a, lattice_a if common is None else common)
        shade_b = chart_colours(b, lattice_b if common is None else common, a if alike else None)
    else:
        shade_a = as_array(colour, "colour", 1)
        shade_b = shade_a if colour_b is None else as_array(colour_b, "colour_b", 1)
        _one_each("colour", shade_a, a)
        _one_each("colour_b", shade_b, b)
        scale = {"vmin": min(shade_a.min(), shade_b.min()), "vmax": max(shade_a.max(), shade_b.max())}

        if turn is not None:
            whole, scale = np.array([[turn]]), {}
            shade_a, shade_b = (chart_colours(shade[:, None], whole) for shade in (shade_a, shade_b))

    lines = all(p.shape[1] == 1 and lattice is None for p, lattice in ((a, lattice_a), (b, lattice_b)))

    with style():
        figure = blank_figure(8.4, 1.8 if lines else 4.1)
        sides = ((a, lattice_a, shade_a, "A", BLUE), (b, lattice_b, shade_b, "B", ORANGE))

        for index, (points, lattice, shade, name, ink) in enumerate(sides):
            axes = chart_axes(figure, (1, 2, index + 1), points.shape[1], lattice)
            scatter(axes, chart_positions(points, lattice), shade, **scale)
            axes.set_title(f"Chart of {name} ({len(points):,} points)", color=ink, fontweight="bold")

        marked = "equal places" if colour is None else "equal values"
        figure.set_label(
            f"The charts of A, of dimension {a.shape[1]}, and of B, of dimension {b.shape[1]}, side by side; "
            f"equal colours mark {marked}."
        )

    return figure


def error_map_figure(
    coordinates: object,
    errors: object,
    *,
    periods: object = None,
    label: str = "error through the map, of the spread",
) -> Figure:
    r"""Where the transformation is good: the error at each point of a chart, and its distribution.

    Arguments:
        coordinates: Chart coordinates, shape `(n, m)`.
        errors: Error at each point, shape `(n,)`, at least 0, drawn on a logarithmic scale.
        periods: Lattice vectors of the coordinates, shape `(p, m)`, or None.
        label: What the errors are, and in which unit.
    """
    points, size = as_array(coordinates, "coordinates", 2), as_array(errors, "errors", 1)
    lattice = _periods(periods, "periods")
    _one_each("errors", size, points)
    good = size[np.isfinite(size) & (size > 0)]
    low, high = (float(good.min()), float(good.max())) if len(good) else (1e-3, 1.0)

    with style():
        from matplotlib.colors import LogNorm

        figure = blank_figure(8.8, 3.7)
        axes = chart_axes(figure, (1, 2, 1), points.shape[1], lattice)
        order = np.argsort(size)  # the largest errors on top
        at, shown = chart_positions(points, lattice)[order], np.maximum(size, low)[order]
        drawn = scatter(axes, at, shown, norm=LogNorm(low, max(high, 1.01 * low)))
        in_percent(figure.colorbar(drawn, ax=axes, label=label, shrink=0.9).ax.yaxis)
        below = figure.add_subplot(1, 2, 2)
        below.plot(shown, np.linspace(0, 100, len(shown)), color=GREY, lw=1.6)
        below.set(xscale="log", ylim=(0, 102), xlabel=label, ylabel="share of the points below, %")
        in_percent(below.xaxis)

        for share in (50, 95):
            value = float(np.nanpercentile(size, share)) if len(good) else math.nan
            below.plot([value], [share], "o", color="black", ms=4)
            below.annotate(
                f"{100 * value:.2g} %", (value, share), xytext=(-6, 2), textcoords="offset points", ha="right"
            )

        said = (
            f"median {np.nanmedian(size):.2g}, 95 % below {np.nanpercentile(size, 95):.2g}"
            if len(good)
            else "none"
        )
        figure.set_label(f"{label.capitalize()} at {len(size):,} points of the chart: {said}.")

    return figure


def registration_figure(
    coordinates_a: object,
    coordinates_b: object,
    anchors: object = None,
    *,
    periods_a: object = None,
    periods_b: object = None,
) -> Figure:
    r"""The registered charts laid over each other, and the anchors that hold them together.

    Arguments:
        coordinates_a: A's aligned coordinates, shape `(n, m)`.
        coordinates_b: B's, shape `(l, m)`.
        anchors: Index pairs `(k, 2)` known to correspond, or None; a line joins the two points of each.
        periods_a: Lattice vectors of A's coordinates, shape `(p, m)`, or None.
        periods_b: The same for B.
    """
    a, b = as_array(coordinates_a, "coordinates_a", 2), as_array(coordinates_b, "coordinates_b", 2)

    if a.shape[1] != b.shape[1]:
        raise ValueError(
            "'coordinates_b' should have as many columns as 'coordinates_a' to be laid over it, "
            f"got {b.shape[1]} and {a.shape[1]}; draw charts of different dimension with charts_figure()."
        )

    common = common_periods(_periods(periods_a, "periods_a"), _periods(periods_b, "periods_b"))
    at_a, at_b = chart_positions(a, common), chart_positions(b, common)

    if a.shape[1] == 1 and common is not None:  # two lanes, so that neither side hides the other
        at_a, at_b = 1.05 * at_a, 0.95 * at_b
    elif a.shape[1] == 1:
        lane = np.array([0.0, 0.08 * max(np.ptp(at_a[:, 0]), np.ptp(at_b[:, 0]))])
        at_a, at_b = at_a + lane, at_b - lane

    with style():
        figure = blank_figure(4.9, 2.6 if a.shape[1] == 1 and common is None else 4.9)
        axes = chart_axes(figure, (1, 1, 1), a.shape[1], common)
        axes.scatter(
            *at_a.T, s=13, lw=0.7, marker="o", facecolors="none", edgecolors=BLUE, label=f"A ({len(a):,})"
        )
        axes.scatter(*at_b.T, s=13, lw=0.7, marker="x", color=ORANGE, label=f"B ({len(b):,})")

        if anchors is not None:
            pairs = as_array(anchors, "anchors", 2).astype(int)
            label = f"anchors ({len(pairs)})"

            for i, j in pairs:
                axes.plot(*np.stack([at_a[i], at_b[j]], axis=1), "-D", color="black", ms=5, label=label)
                label = "_"  # the rest stay out of the legend

        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handletextpad=0.3)
        held = "" if anchors is None else f", held by {len(pairs)} anchors, whose two points a line joins"
        figure.set_label(f"A's {len(a):,} points and B's {len(b):,} in common coordinates{held}.")

    return figure


def _periods(value: object, name: str) -> Array | None:
    return None if value is None else as_array(value, name, 2)


def _one_each(name: str, numbers: Array, points: Array) -> None:
    if len(numbers) != len(points):
        raise ValueError(
            f"'{name}' should hold one number for each of the {len(points)} points, got {len(numbers)}; "
            "pass the numbers of these very points."
        )
