r"""The panels that figures are composed of, each drawn into the axes or sub-figure that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE, Array, as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = [
    "ROWS",
    "blank_figure",
    "chart_axes",
    "draw_angle_errors",
    "draw_angles",
    "draw_cross_view",
    "draw_spectrum",
    "pictures",
    "scatter",
    "style",
    "without_zero",
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

# Name of each row of pictures, what it shows, and its colour.
ROWS = (
    ("Camera A", "what network A sees", BLUE),
    ("Camera B, predicted", "from A's activations alone", ORANGE),
    ("Camera B, true", "never shown to A", ORANGE),
)

# Ticks of an axis of angles.
# [degrees; chosen: quarters of a turn]
_TURN = [0, 90, 180, 270, 360]


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


def draw_cross_view(figure: Figure | SubFigure, rows: list[Array], angles: object, size: float = 9) -> None:
    r"""Three labelled rows of pictures: A's, B's predicted, B's true; `angles` `(k,)` in radians or None."""
    k = len(rows[0])

    if any(len(row) != k for row in rows):
        raise ValueError(
            "'picture_a', 'predicted_b' and 'true_b' should hold equally many pictures, "
            f"got {[len(row) for row in rows]}; pass the same moments to each."
        )

    grid = figure.subplots(3, k, squeeze=False, gridspec_kw={"wspace": 0.0, "hspace": 0.0})
    turns = None if angles is None else np.degrees(as_array(angles, "angles", 1)) % 360

    for row, (shown, (name, explanation, ink)) in enumerate(zip(rows, ROWS, strict=True)):
        for column, picture in enumerate(shown):
            axes = grid[row, column]
            axes.imshow(np.clip(picture.transpose(1, 2, 0), 0, 1), interpolation="bicubic")
            axes.set(xticks=[], yticks=[])

            for spine in axes.spines.values():
                spine.set(visible=row == 1, color=ink, linewidth=1.4)

            if row == 0 and turns is not None:
                axes.set_title(f"{turns[column]:.0f}°", loc="center", fontsize=size)

        place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right"}
        grid[row, 0].annotate(
            name, (0, 0.5), xytext=(-8, 3), color=ink, fontweight="bold", fontsize=size, **place
        )
        grid[row, 0].annotate(
            explanation, (0, 0.5), xytext=(-8, -10), color="#444444", fontsize=0.85 * size, **place
        )


def draw_angles(axes: Axes, true_angle: object, recovered: object, recovered_euclidean: object) -> None:
    r"""Recovered against true angle, all `(q,)` in radians; the Euclidean one behind it, or None."""
    true = np.degrees(as_array(true_angle, "true_angle", 1)) % 360
    axes.plot([0, 360], [0, 360], color="black", lw=0.6, zorder=1)

    for name, value, ink, label in (
        ("recovered_euclidean", recovered_euclidean, GREY, "Euclidean kernel"),
        ("recovered_angle", recovered, BLUE, "Mahalanobis metric"),
    ):
        if value is None:
            continue

        # Written near the true angle, so that nothing jumps from one corner to the other at a full turn.
        off = (np.degrees(as_array(value, name, 1)) - true + 180) % 360 - 180
        axes.scatter(true, true + off, s=7, color=ink, lw=0, alpha=0.8, zorder=2, label=label)

    axes.set(xlim=(-8, 368), ylim=(-8, 368), xticks=_TURN, yticks=_TURN, aspect="equal")
    axes.set(xlabel="true angle, degrees", ylabel="recovered through T, degrees")

    if recovered_euclidean is not None:
        axes.legend(loc="upper left", borderpad=0, handletextpad=0.1, markerscale=1.8)


def draw_angle_errors(axes: Axes, true_angle: object, mahalanobis: object, euclidean: object) -> None:
    r"""Errors of both kernels at each true angle, all `(q,)` in radians, with their medians named."""
    true = np.degrees(as_array(true_angle, "true_angle", 1)) % 360
    given = {"errors_euclidean": euclidean, "errors_mahalanobis": mahalanobis}
    errors = {name: np.abs(np.degrees(as_array(value, name, 1))) for name, value in given.items()}
    medians = [np.median(each[np.isfinite(each)]) for each in errors.values() if np.isfinite(each).any()]
    # Lucky hits far below both medians are drawn at the lower edge, or they would take most of the scale.
    lowest = max(1e-6, min(medians, default=1.0) / 30)
    axes.set_yscale("log")
    sides = []

    for (name, error), ink in zip(errors.items(), (GREY, BLUE), strict=True):
        axes.scatter(true, np.maximum(error, lowest), s=7, color=ink, lw=0, alpha=0.55)

        if np.isfinite(error).any():
            middle, upper = np.percentile(error[np.isfinite(error)], [50, 95])
            axes.axhline(max(middle, lowest), color=ink, lw=1.4)
            label = "Euclidean kernel" if name == "errors_euclidean" else "Mahalanobis metric"
            text = f"{label}\nmedian {middle:.2g}°\n95 % below {upper:.2g}°"
            sides.append((max(middle, lowest), text, ink))

    low, high = axes.get_ylim()
    heights = [np.log(middle / low) / np.log(high / low) for middle, _, _ in sides]

    if len(heights) == 2 and abs(heights[0] - heights[1]) < 0.18:  # three lines of text need about that much
        centre, sign = sum(heights) / 2, 1 if heights[0] >= heights[1] else -1
        heights = [centre + 0.09 * sign, centre - 0.09 * sign]

    for height, (_, text, ink) in zip(heights, sides, strict=True):
        axes.annotate(
            text,
            (1, height),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            color=ink,
            va="center",
            fontsize=8,
        )

    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlim=(-8, 368), ylim=(low, high), xticks=_TURN)
    axes.set(xlabel="true angle, degrees", ylabel="error, degrees")


def draw_spectrum(axes: Axes, eigenvalues_a: object, eigenvalues_b: object, exact: object) -> None:
    r"""Eigenvalues `(k,)` of A and B beside the exact ones, or None; a leading 0 is left out of each."""
    a, b = without_zero(eigenvalues_a, "eigenvalues_a"), without_zero(eigenvalues_b, "eigenvalues_b")
    shown = max(len(a), len(b))

    if exact is not None:
        known = without_zero(exact, "exact")
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


def without_zero(value: object, name: str) -> Array:
    r"""Eigenvalues `(k,)` without the trivial one, the 0 that a leading constant has."""
    values = as_array(value, name, 1)
    trivial = len(values) > 1 and abs(values[0]) <= 1e-6 * np.nanmax(np.abs(values))

    return values[1:] if trivial else values
