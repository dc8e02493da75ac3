r"""The figure of a read-out that is carried from one network to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from equiv.figures.drawing import BLUE, GREY, as_array
from equiv.figures.panels import blank_figure, style
from lightning_modules.figures.functions import heading

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["transfer_figure"]

_CLASSES = ("#0072b2", "#e8c547", "#8c2d04", "#56b4e9", "#009e73", "#cc79a7")


def transfer_figure(
    by_anchors: Mapping[int, float],
    by_labels: Mapping[int, Sequence[float]],
    own: float,
    classes: Mapping[str, object],
    corners: tuple[object, object],
) -> Figure:
    r"""Accuracy against the number of anchors or of labels, and the classes over the square of hidden states.

    Arguments:
        by_anchors: Accuracy of the read-out carried over, by number of anchors; NaN where there is no map.
        by_labels: Accuracies of read-outs trained on labels, one for each draw, by number of labels.
        own: Accuracy of the network that the read-out comes from.
        classes: The class at each point of a grid, shape `(s, s)`, the first direction first, by name; -1 for none.
        corners: Lower and upper corner of the square, two numbers each.
    """
    low, high = (as_array(each, "corners", 1) for each in corners)

    with style():
        from matplotlib.colors import ListedColormap

        figure = blank_figure(4.6 + 2.9 * len(classes), 3.6)
        panels = figure.subplots(1, 1 + len(classes), width_ratios=[1.5, *[1.0] * len(classes)])
        accuracy = panels[0]
        draws = np.array([list(each) for each in by_labels.values()])
        accuracy.fill_between(
            list(by_labels), 100 * draws.min(axis=1), 100 * draws.max(axis=1), color=GREY, alpha=0.2, lw=0
        )
        accuracy.plot(
            list(by_labels),
            100 * draws.mean(axis=1),
            "-s",
            color=GREY,
            ms=4,
            label="trained on labels (mean, range)",
        )
        accuracy.plot(
            list(by_anchors),
            [100 * each for each in by_anchors.values()],
            "-o",
            color=BLUE,
            ms=5,
            label="A's, through the map by anchors",
        )
        accuracy.axhline(100 * own, color=BLUE, lw=0.8, ls="--", label="A itself")
        accuracy.set_xscale("symlog", linthresh=1)
        ticks = sorted({*by_anchors, *by_labels})
        accuracy.set_xticks(ticks, [str(k) if k in (0, 1, 2, 4, 8, 32, 128, 512) else "" for k in ticks])
        accuracy.minorticks_off()
        accuracy.set_xlim(-0.2, 1.2 * max(ticks))
        accuracy.set(
            xlabel="number of labels, or of anchors", ylabel="accuracy on fresh inputs, %", ylim=(0, 104)
        )
        accuracy.legend(loc="lower right")
        heading(accuracy, "B's read-out")
        colours = ListedColormap(["white", *_CLASSES])

        for axes, (name, values) in zip(panels[1:], classes.items(), strict=True):
            axes.imshow(
                as_array(values, "classes", 2).T,
                origin="lower",
                extent=(low[0], high[0], low[1], high[1]),
                cmap=colours,
                vmin=-1.5,
                vmax=len(_CLASSES) - 0.5,
                interpolation="nearest",
            )
            axes.set(xlabel="x₁", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
            heading(axes, name)

        panels[1].set_ylabel("x₂")
        said = ", ".join(f"{k}: {100 * value:.1f} %" for k, value in by_anchors.items())
        figure.set_label(
            f"Accuracy of A's read-out on B's activations by number of anchors: {said}; of A itself {100 * own:.1f} %; "
            "beside it the classes over the square of hidden states."
        )

    return figure
