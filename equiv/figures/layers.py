r"""Figure of all pairs of layers of two networks: errors both ways, and CKA beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import Array, as_array
from equiv.figures.panels import blank_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["error_scale", "layer_figure"]

# The darkest blue is an error of the tolerance over this.
# [dimensionless; chosen: a decade of errors that count as determined]
FINEST = 10.0

# Cells whose colour is this far from white have white letters.
# [share of the scale; chosen: by eye]
DARK = 0.33


def layer_figure(
    a_to_b: tuple[object, object, object],
    b_to_a: tuple[object, object, object],
    cka: object,
    layers_a: Sequence[str],
    layers_b: Sequence[str],
    tolerance: float,
) -> Figure:
    r"""Errors from A's layers (rows) to B's (columns), back, and CKA, in three panels with the same places.

    Colours are logarithmic and white at the tolerance. A frame marks what is surely within it, a question mark what
    the bounds leave open.

    Arguments:
        a_to_b: Errors, lower and upper bounds, `(L_a, L_b)` each.
        b_to_a: The same of the maps back, of the same pairs.
        cka: Linear CKA, `(L_a, L_b)`.
        layers_a: Names of the rows.
        layers_b: Names of the columns.
        tolerance: Largest error that still counts as determined.
    """
    norm, ticks = error_scale(tolerance)
    titles = ("A's layers determine B's", "B's layers determine A's")

    with style():
        figure = blank_figure(3.2 + 0.95 * len(layers_b), 1.6 + 0.3 * len(layers_a))
        panels: Any = figure.subplots(1, 3)

        for axes, matrices, title in zip(panels, (a_to_b, b_to_a), titles, strict=False):
            errors, low, high = (as_array(each, "errors", 2) for each in matrices)
            image = _cells(
                axes, np.log(np.maximum(errors, 1e-12)), layers_a, layers_b, norm=norm, cmap="RdBu_r"
            )
            axes.set_title(f"{title}: error, %")
            _written(axes, errors, low, high, tolerance, norm)

        bar = figure.colorbar(image, ax=list(panels[:2]), shrink=0.8)
        bar.set_ticks([math.log(tick) for tick in ticks], labels=[f"{100 * tick:.3g} %" for tick in ticks])
        similarity = as_array(cka, "cka", 2)
        _cells(panels[2], similarity, layers_a, layers_b, vmin=0.0, vmax=1.0, cmap="Greys")
        panels[2].set_title("linear CKA, debiased, %")

        for (i, j), value in np.ndenumerate(similarity):
            if math.isfinite(value):
                colour = "white" if value > 0.5 else "black"
                panels[2].text(j, i, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=6)

        within = int((as_array(a_to_b[2], "errors", 2) < tolerance).sum())
        back = int((as_array(b_to_a[2], "errors", 2) < tolerance).sum())
        figure.set_label(
            f"{len(layers_a)} layers of A (rows) against {len(layers_b)} of B (columns). Framed, and surely within "
            f"{100 * tolerance:g} %: {within} from A to B, {back} from B to A; a question mark is undecided."
        )

    return figure


def error_scale(tolerance: float) -> tuple[Any, list[float]]:
    r"""Colours of the logarithms of errors, white at the tolerance, and the errors that a bar of them names."""
    from matplotlib.colors import TwoSlopeNorm

    norm = TwoSlopeNorm(math.log(tolerance), math.log(tolerance / FINEST), max(0.0, math.log(2 * tolerance)))

    return norm, sorted({tolerance / FINEST, tolerance / 3, tolerance, min(4 * tolerance, 1.0), 1.0})


def _cells(axes: Axes, values: Array, rows: Sequence[str], columns: Sequence[str], **options: Any) -> Any:
    image = axes.imshow(values, aspect="auto", **options)
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("layer of B")
    axes.set_ylabel("layer of A")

    return image


def _written(axes: Axes, errors: Array, low: Array, high: Array, tolerance: float, norm: Any) -> None:
    from matplotlib.patches import Rectangle

    for (i, j), error in np.ndenumerate(errors):
        if not math.isfinite(error):
            continue

        mark = "?" if low[i, j] <= tolerance <= high[i, j] else ""
        dark = abs(float(norm(math.log(max(error, 1e-12)))) - 0.5) > DARK
        digits = 0 if error >= 0.1 else 1
        axes.text(
            j,
            i,
            f"{100 * error:.{digits}f}{mark}",
            ha="center",
            va="center",
            color="white" if dark else "black",
            fontsize=6,
        )

        if high[i, j] < tolerance:
            axes.add_patch(
                Rectangle((j - 0.45, i - 0.45), 0.9, 0.9, fill=False, linewidth=0.8, edgecolor="black")
            )
