r"""The figure of stitched networks: accuracy and error by the number of common inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from equiv.figures.drawing import BLUE, GREY
from equiv.figures.panels import blank_figure, style
from lightning_modules.figures.functions import heading

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["stitching_figure"]

_INKS = (BLUE, GREY, "#d55e00", "#009e73", "#cc79a7", "#e69f00")


def stitching_figure(
    accuracy: Mapping[str, Mapping[int, float]], error: Mapping[str, Mapping[int, float]], own: float
) -> Figure:
    r"""Accuracy of the stitched network, and error of the activations at its cut, against the number of common inputs.

    Arguments:
        accuracy: By method, ours first, and by number of common inputs.
        error: RMS error over the spread, likewise; NaN for a method that gives no activations.
        own: Accuracy of the networks as they were trained.
    """
    with style():
        figure = blank_figure(9.0, 3.6)
        left, right = figure.subplots(1, 2)

        for (method, values), ink in zip(accuracy.items(), _INKS, strict=True):
            first = method == next(iter(accuracy))
            drawn = {
                "color": ink,
                "ms": 4,
                "lw": 2.0 if first else 1.0,
                "zorder": 3 if first else 2,
                "label": method,
            }
            left.plot(list(values), [100 * each for each in values.values()], "-o", **drawn)
            right.plot(list(error[method]), list(error[method].values()), "-o", **drawn)

        left.axhline(100 * own, color="black", lw=0.8, ls="--", label="as trained")
        counts = list(next(iter(accuracy.values())))

        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xticks(counts, [str(count) for count in counts])
            axes.minorticks_off()
            axes.set_xlabel("common inputs")

        left.set(ylabel="accuracy on fresh digits, %", ylim=(84, 98))
        right.set(ylabel="error, share of the spread", yscale="log")
        left.legend(loc="lower right")
        heading(left, "One's body, the other's head")
        heading(right, "Activations at the cut")
        said = "; ".join(
            f"{method} {', '.join(f'{count}: {100 * value:.1f} %' for count, value in values.items())}"
            for method, values in accuracy.items()
        )
        figure.set_label(
            f"Accuracy by number of common inputs, of networks as trained {100 * own:.1f} %; {said}."
        )

    return figure
