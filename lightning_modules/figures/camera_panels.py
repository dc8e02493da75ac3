r"""Panels of two cameras on one turning object, each drawn into the axes that it is given, and what they show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE, Array, as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = [
    "ROWS",
    "draw_angle_errors",
    "draw_angles",
    "draw_cross_view",
    "said_of_angles",
    "said_of_pictures",
]

# Name of each row of pictures, what it shows, and its colour.
ROWS = (
    ("Camera A", "what network A sees", BLUE),
    ("Camera B, predicted", "from A's activations alone", ORANGE),
    ("Camera B, true", "never shown to A", ORANGE),
)

# Ticks of an axis of angles.
# [degrees; chosen: quarters of a turn]
_TURN = [0, 90, 180, 270, 360]


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
    axes.set(xlabel="true angle, degrees", ylabel="recovered through the map, degrees")

    if recovered_euclidean is not None:
        axes.legend(loc="upper left", borderpad=0, handletextpad=0.1, markerscale=1.8)


def in_degrees(angle: float) -> str:
    r"""An angle in words, two digits of it or whole degrees."""
    return f"{angle:.0f}°" if angle >= 10 else f"{angle:.2g}°"


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
            text = f"{label}\nmedian {in_degrees(middle)}\n95 % below {in_degrees(upper)}"
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


def said_of_pictures(rows: list[Array]) -> str:
    r"""What `cross_view_figure` shows of its three rows of pictures."""
    predicted, true = rows[1:]
    accuracy = ""

    if predicted.shape == true.shape and (error := np.square(predicted - true).mean()) > 0:
        accuracy = f", with a peak signal-to-noise ratio of {-10 * math.log10(error):.1f} dB"

    return (
        f"{len(true)} moments: above, camera A's picture; in the middle, camera B's picture predicted from "
        f"A's activations alone{accuracy}; below, camera B's true picture."
    )


def said_of_angles(mahalanobis: object, euclidean: object) -> str:
    r"""What the panel of angle errors, in radians, shows of both kernels."""
    words = []

    for name, value in (("errors_mahalanobis", mahalanobis), ("errors_euclidean", euclidean)):
        error = np.abs(np.degrees(as_array(value, name, 1)))
        known = error[np.isfinite(error)]
        middle, upper = np.percentile(known, [50, 95]) if len(known) else (math.nan, math.nan)
        words.append(f"median {in_degrees(middle)}, 95 % below {in_degrees(upper)}")

    return (
        f"Error of the angle recovered through the map at {len(error)} held-out angles: {words[0]} in the "
        f"Mahalanobis metric; {words[1]} with the Euclidean kernel."
    )
