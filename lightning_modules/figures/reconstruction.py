r"""Figures of everything that follows from few neurons: errors against their number, and what is reconstructed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, as_array, chart_colours
from equiv.figures.panels import blank_figure, pictures, style
from lightning_modules.figures.functions import heading
from lightning_modules.figures.maps import draw_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["reconstructed_grids", "reconstructed_pictures", "reconstruction_errors"]


def reconstruction_errors(
    counts: Sequence[int],
    chosen: Mapping[str, object],
    drawn: Mapping[str, object],
    dimension: int,
) -> Figure:
    r"""Errors of what is reconstructed from few neurons against their number, a panel for each target.

    Arguments:
        counts: Numbers of neurons, c of them.
        chosen: For each target, by name, the error with the neurons that were chosen, shape `(c,)`, a share of
            the target's spread.
        drawn: The same with neurons drawn at random, shape `(c, r)`; NaN where there are fewer choices.
        dimension: m, that of the space of inputs; 2 m + 1 neurons are marked, which Whitney's theorem asks for.
    """
    with style():
        figure = blank_figure(4.1 * len(chosen), 3.6)
        panels = figure.subplots(1, len(chosen), sharey=True, squeeze=False)[0]

        for axes, (name, errors) in zip(panels, chosen.items(), strict=True):
            random = 100 * as_array(drawn[name], "drawn", 2)
            best = 100 * as_array(errors, "chosen", 1)
            spread = np.linspace(-0.16, 0.16, random.shape[1])
            at = np.asarray(counts, dtype=float)[:, None] + spread
            axes.set_yscale("log")
            axes.plot(
                at.ravel(), random.ravel(), "o", color=GREY, ms=3.4, alpha=0.55, mew=0, label="at random"
            )
            axes.plot(counts, best, "-o", color=BLUE, ms=5, lw=1.5, label="chosen by their frames")
            axes.axhline(1, color="black", lw=0.7, ls=":")
            axes.axvline(2 * dimension + 1, color="black", lw=0.7, ls="--")
            axes.set(xticks=list(counts), xlabel="number of neurons observed")
            heading(axes, name)

        panels[0].set_ylabel("error on fresh inputs, % of the spread")
        panels[0].annotate(
            f" 2m + 1 = {2 * dimension + 1}",
            (2 * dimension + 1, 1),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=8,
        )
        panels[-1].legend(loc="upper right")
        figure.set_label(
            "Error on fresh inputs of what is reconstructed from few neurons, against their number: chosen neurons, "
            "and many random choices. Dotted: 1 %; dashed: the 2m + 1 neurons of Whitney's theorem."
        )

    return figure


def reconstructed_grids(grid: object, rebuilt: Mapping[int, object], errors: Mapping[int, float]) -> Figure:
    r"""A grid of inputs as it is reconstructed from few neurons, over the true one.

    Arguments:
        grid: The true lines, shape `(l, s, 2)`.
        rebuilt: The same lines reconstructed, by number of neurons.
        errors: The error of each on fresh inputs, a share of the spread.
    """
    lines = as_array(grid, "grid", 3)
    colours = chart_colours(lines.reshape(-1, 2)).reshape(*lines.shape[:2], 3)

    with style():
        figure = blank_figure(3.3 * len(rebuilt), 3.7)

        for axes, (count, found) in zip(
            figure.subplots(1, len(rebuilt), squeeze=False)[0], rebuilt.items(), strict=True
        ):
            draw_grid(axes, lines, None, lw=3.5, alpha=0.3)
            draw_grid(axes, as_array(found, "rebuilt", 3), colours)
            axes.set(xlabel="input 1")
            heading(axes, f"{_neurons(count)}: {100 * errors[count]:.2g} %")

        figure.axes[0].set_ylabel("input 2")
        figure.set_label(
            "The grid of inputs reconstructed from the chosen neurons, over the true one in grey; errors on fresh "
            "inputs, shares of the spread."
        )

    return figure


def reconstructed_pictures(
    true: object, rebuilt: Mapping[int, object], errors: Mapping[int, float]
) -> Figure:
    r"""Pictures, and the same as they are reconstructed from few neurons.

    Arguments:
        true: The pictures, shape `(k, 3, h, w)`.
        rebuilt: The same reconstructed, by number of neurons.
        errors: The error of each on fresh pictures, a share of the spread.
    """
    rows = [("the picture", pictures(true, "true"))]
    rows += [
        (f"from {_neurons(count)}\n{100 * errors[count]:.2g} %", pictures(found, "rebuilt"))
        for count, found in rebuilt.items()
    ]
    k = len(rows[0][1])

    with style():
        figure = blank_figure(1.6 + 1.2 * k, 1.22 * len(rows))
        grid = figure.subplots(len(rows), k, squeeze=False, gridspec_kw={"wspace": 0.0, "hspace": 0.0})
        place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right"}

        for axes_of_row, (name, shown) in zip(grid, rows, strict=True):
            for axes, picture in zip(axes_of_row, shown, strict=True):
                axes.imshow(np.clip(picture.transpose(1, 2, 0), 0, 1), interpolation="bicubic")
                axes.set_axis_off()

            axes_of_row[0].annotate(name, (0, 0.5), xytext=(-6, 0), va="center", **place)

        figure.set_label(
            "Fresh pictures, and the same reconstructed from the chosen neurons; errors are shares of the spread."
        )

    return figure


def _neurons(count: int) -> str:
    return f"{count} neuron{'' if count == 1 else 's'}"
