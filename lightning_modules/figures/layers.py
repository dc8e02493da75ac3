r"""Matrices of layers side by side, as they form during training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import equiv
from equiv.figures.layers import error_scale
from equiv.figures.panels import blank_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["forming_figure"]

# Matrices that stand side by side.
# [matrices; chosen: the width of a page]
MAX_SHOWN = 6


def forming_figure(matrices: Mapping[int, equiv.LayerMatrix]) -> Figure:
    r"""Errors from A's layers (rows) to B's (columns) above, back below, at up to six of the epochs, evenly chosen."""
    places = np.linspace(0, len(matrices) - 1, min(len(matrices), MAX_SHOWN)).round().astype(int)
    epochs = [sorted(matrices)[k] for k in places]
    last = matrices[epochs[-1]]
    rows, columns = len(last.layers_a), len(last.layers_b)
    norm, ticks = error_scale(last.tolerance)

    with style():
        figure = blank_figure(1.8 + len(epochs) * max(0.9, 0.17 * columns), 1.2 + 2 * max(0.8, 0.17 * rows))
        panels: Any = figure.subplots(2, len(epochs), sharex=True, sharey=True, squeeze=False)

        for place, epoch in enumerate(epochs):
            both = matrices[epoch].a_to_b, matrices[epoch].b_to_a

            for axes, errors in zip(panels[:, place], both, strict=True):
                shades = np.log(np.maximum(errors.numpy(), 1e-12))
                image = axes.imshow(shades, aspect="auto", norm=norm, cmap="RdBu_r")

            panels[0, place].set_title(f"epoch {epoch}")
            panels[1, place].set_xticks(range(columns), last.layers_b, rotation=60, ha="right")

        panels[0, 0].set_yticks(range(rows), last.layers_a)

        for axes, title in zip(panels[:, 0], ("A to B", "B to A"), strict=True):
            axes.set_ylabel(f"{title}\nlayer of A")

        bar = figure.colorbar(image, ax=panels, shrink=0.8)
        bar.set_ticks([math.log(tick) for tick in ticks], labels=[f"{100 * tick:.3g} %" for tick in ticks])
        figure.set_label(
            f"Errors between layers of A (rows) and of B (columns) after so many epochs; blue is within the tolerance "
            f"of {100 * last.tolerance:g} %."
        )

    return figure
