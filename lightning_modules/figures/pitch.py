r"""Figure of two networks that hear a pitch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from equiv.figures.drawing import ORANGE, as_array, chart_colours
from equiv.figures.panels import blank_figure, in_percent, style
from lightning_modules.figures.functions import heading
from lightning_modules.figures.potentials import draw_clouds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["pitch_figure"]


def pitch_figure(
    pitch: object, values_a: object, values_b: object, predicted_b: object, cents: object, error: object
) -> Figure:
    r"""Fresh tones in the neurons of two networks, what T makes of the one's, and how the pitch changes with it.

    Arguments:
        pitch: Of the tones, in octaves above the lowest, shape `(q,)`.
        values_a: A's neurons, shape `(q, d_a)`.
        values_b: B's, shape `(q, d_b)`.
        predicted_b: B's as T predicts them from A's, `(q, d_b)`; None without a map.
        cents: Difference between the pitches that B hears in `predicted_b` and `values_b`, `(q,)`, or None.
        error: Size of T's error at each tone over the target's RMS spread, `(q,)`; None without a map.
    """
    at = as_array(pitch, "pitch", 1)
    a, b = as_array(values_a, "values_a", 2), as_array(values_b, "values_b", 2)
    shade = chart_colours(at[:, None])

    with style():
        figure = blank_figure(15.0, 3.5)
        shown_a, shown_b, carried, differences, errors = figure.subplots(1, 5)
        draw_clouds((shown_a, shown_b, carried), a, b, predicted_b, shade)
        said = []

        for axes, values, label, unit, scale in (
            (differences, cents, "difference, cents", " cents", 1.0),
            (errors, error, "error, of the target's spread", " %", 100.0),
        ):
            axes.set(xlabel="pitch, octaves above the lowest", ylabel=label)

            if values is None:
                axes.text(0.5, 0.5, "no map", ha="center", transform=axes.transAxes)
                said.append("no map")
            else:
                sizes = as_array(values, "values", 1)
                axes.scatter(at, np.maximum(sizes, sizes.max() / 1e4), s=6, lw=0, color=ORANGE)
                axes.set_yscale("log")

                if axes is errors:
                    in_percent(axes.yaxis)

                said.append(f"{scale * np.median(sizes):.2g}{unit}")

        heading(shown_a, "Tones in A's neurons")
        heading(shown_b, "Tones in B's neurons")
        heading(carried, "A's, carried to B (grey: truth)")
        heading(differences, f"Pitch heard by B: median {said[0]}")
        heading(errors, f"Error through the map: median {said[1]}")
        figure.set_label(
            f"{len(at):,} fresh tones in the neurons of two networks, coloured by their pitch, and A's carried to B "
            f"through the map; medians: the pitch that B hears then differs by {said[0]}, its "
            f"neurons by {said[1]} of the spread."
        )

    return figure
