r"""The figure of a zoo: errors of all pairs of networks beside their similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from equiv.figures.drawing import as_array
from equiv.figures.panels import blank_figure, style
from lightning_modules.figures.functions import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["zoo_figure"]


def zoo_figure(
    errors: object, similarity: object, names: Sequence[str], labels: Sequence[int], tolerance: float
) -> Figure:
    r"""Errors from each network to each other, and a similarity of the same pairs, ordered by class.

    Arguments:
        errors: Error of network j told from network i, `(N, N)`; NaN where the two were not compared.
        similarity: Between 0 and 1, `(N, N)`.
        names: Of the networks.
        labels: Class that each was found in.
        tolerance: Errors below it are drawn in the darker half of the colours.
    """
    order = sorted(range(len(names)), key=lambda k: (labels[k], k))
    error, like = (
        as_array(each, name, 2)[np.ix_(order, order)]
        for each, name in ((errors, "errors"), (similarity, "similarity"))
    )
    ends = [k for k in range(1, len(order)) if labels[order[k]] != labels[order[k - 1]]]

    with style():
        from matplotlib.colors import LogNorm

        figure = blank_figure(11.0, 4.6)
        left, right = figure.subplots(1, 2)
        error = np.where(np.eye(len(order), dtype=bool), np.nan, error)
        norm = LogNorm(tolerance**2, 1.0, clip=True)
        drawn = left.imshow(error, cmap="viridis", norm=norm, interpolation="nearest")
        bar = figure.colorbar(drawn, ax=left, shrink=0.8, label="error, share of the spread")
        bar.ax.axhline(tolerance, color="white", lw=1.5)
        left.set_facecolor("#e6e6e6")
        heading(left, "Error of the column told from the row")
        drawn = right.imshow(like, cmap="viridis_r", vmin=0, vmax=1, interpolation="nearest")
        figure.colorbar(drawn, ax=right, shrink=0.8, label="linear CKA")
        heading(right, "Linear CKA of the same networks")

        for axes in (left, right):
            _classes(axes, ends, len(order))

        left.set_yticks(range(len(order)), [names[k] for k in order], fontsize=6)
        right.set_yticks([])
        figure.set_label(
            f"Errors between {len(order)} networks in {len(ends) + 1} classes, in the order "
            f"{', '.join(names[k] for k in order)}; beside them linear CKA."
        )

    return figure


def _classes(axes: Axes, ends: Sequence[int], count: int) -> None:
    r"""A frame around each class."""
    axes.set_xticks([])

    for low, high in zip([0, *ends], [*ends, count], strict=True):
        axes.plot(
            np.array([low, high, high, low, low]) - 0.5,
            np.array([low, low, high, high, low]) - 0.5,
            color="#d55e00",
            lw=1.2,
        )
