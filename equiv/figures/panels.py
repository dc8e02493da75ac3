r"""The panels that figures are composed of, each drawn into the axes that it is given, and what they show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE, Array, as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "blank_figure",
    "chart_axes",
    "draw_spectrum",
    "in_percent",
    "pictures",
    "said_of_spectra",
    "scatter",
    "style",
]

# Type, colours and widths of lines.
# [points, and pixels an inch for the resolution; chosen: by eye]
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # shipped with matplotlib, so that every machine draws the same figure
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.7,
    "axes.labelcolor": "#222222",
    "text.color": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "figure.dpi": 200,
}


def style() -> Any:
    r"""A context with the common type, colours and line widths; matplotlib's own settings return after it."""
    import matplotlib

    return matplotlib.rc_context(_STYLE)


def blank_figure(width: float, height: float) -> Figure:
    r"""An empty figure of that size in inches, whose layout leaves no overlap, bound to no window."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.04))


def pictures(value: object, name: str) -> Array:
    r"""Pictures as an array `(k, 3, h, w)`; one grey channel is repeated.

    Raises:
        ValueError: If the shape is another.
    """
    array = as_array(value, name, 4)

    if array.shape[1] not in (1, 3) or len(array) == 0:
        raise ValueError(
            f"'{name}' should have shape (k, 3, h, w) with k at least 1, got {array.shape}; "
            "put the channels second."
        )

    return np.repeat(array, 3, axis=1) if array.shape[1] == 1 else array


def draw_spectrum(axes: Axes, eigenvalues_a: object, eigenvalues_b: object, exact: object) -> None:
    r"""Eigenvalues `(k,)` of A and B beside the exact ones, or None; a leading 0 is left out of each."""
    a, b = _without_zero(eigenvalues_a, "eigenvalues_a"), _without_zero(eigenvalues_b, "eigenvalues_b")
    shown = max(len(a), len(b))

    if exact is not None:
        known = _without_zero(exact, "exact")
        shown = len(known)
        number = np.arange(1, shown + 1)
        axes.hlines(known, number - 0.36, number + 0.36, "black", lw=1, label="exact")
        axes.set_yticks(np.unique(known))

    for values, shift, ink, marker, name in ((a, -0.14, BLUE, "o", "A"), (b, 0.14, ORANGE, "s", "B")):
        values = values[:shown]
        axes.plot(
            np.arange(1, len(values) + 1) + shift, values, marker, color=ink, ms=5, ls="none", label=name
        )

    axes.set(xlim=(0.4, shown + 0.6), xticks=np.arange(1, shown + 1))
    axes.set_ylim(bottom=0)
    axes.set(xlabel="number of the eigenvalue", ylabel="eigenvalue, 1 / (input unit)²")
    axes.legend(loc="upper left", handletextpad=0.4)


def said_of_spectra(eigenvalues_a: object, eigenvalues_b: object, exact: object) -> str:
    r"""The eigenvalues that `spectrum_figure` draws."""
    given = {"A": eigenvalues_a, "B": eigenvalues_b} | ({} if exact is None else {"exact": exact})
    words = [
        f"{name} {', '.join(f'{value:.3g}' for value in _without_zero(values, name))}"
        for name, values in given.items()
    ]

    return f"Eigenvalues: {'; '.join(words)}."


def chart_axes(figure: Figure, place: tuple[int, int, int], dimension: int, periods: Array | None) -> Any:
    r"""Axes for a chart of that dimension: none for a ring, a line, a plane with its cell, or a space."""
    closed = 0 if periods is None else len(periods)

    if dimension > 2:
        axes: Any = figure.add_subplot(*place, projection="3d")
        axes.set_box_aspect(None, zoom=0.88)
        axes.set(xlabel="u₁", ylabel="u₂", zlabel="u₃" if dimension == 3 else f"u₃ (of {dimension})")
        return axes

    axes = figure.add_subplot(*place)

    if dimension > 1 or closed:
        axes.set_aspect("equal")

    if dimension == 1 and closed:
        axes.set_axis_off()
    elif dimension == 1:
        axes.spines["left"].set_visible(False)
        axes.set(yticks=[], xlabel="u")
        axes.margins(y=0.6)
    else:
        axes.set(xlabel="u₁", ylabel="u₂")

    if dimension == 2 and closed == 2:
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) @ periods
        axes.plot(*corners.T, color=GREY, lw=0.8, ls="--")

    return axes


def scatter(axes: Any, at: Array, shade: Array, **scale: Any) -> Any:
    r"""Points `(n, 2 or 3)` in the colours `shade` `(n, 3)`, or by the numbers `(n,)` on a scale."""
    size = float(np.clip(15000 / max(len(at), 1), 4, 22))

    if shade.ndim == 1:
        scale = {"cmap": "cividis"} | scale

    return axes.scatter(*at.T, s=size, lw=0, c=shade, **scale)


def in_percent(axis: Axis) -> None:
    r"""Numbers along an axis of errors, shares of a spread, told in percent and without exponents."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.9f}".rstrip("0").rstrip(".") + " %")


def _without_zero(value: object, name: str) -> Array:
    r"""Eigenvalues `(k,)` without the trivial one, the 0 that a leading constant has."""
    values = as_array(value, name, 1)
    trivial = len(values) > 1 and abs(values[0]) <= 1e-6 * np.nanmax(np.abs(values))

    return values[1:] if trivial else values
