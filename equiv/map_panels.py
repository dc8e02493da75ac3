r"""Panels for maps of the plane, each drawn into the axes that it is given: deformed grids and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.drawing import GREY, Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_error_field", "draw_grid"]


def draw_grid(axes: Axes, lines: Array, colours: Array | None, **look: Any) -> None:
    r"""The lines `(l, s, 2)` of a deformed grid; `colours` `(l, s, 3)` mark places, None is grey."""
    from matplotlib.collections import LineCollection

    segments = np.stack([lines[:, :-1], lines[:, 1:]], axis=2).reshape(-1, 2, 2)
    shade = GREY if colours is None else (colours[:, :-1] + colours[:, 1:]).reshape(-1, 3) / 2
    axes.add_collection(
        LineCollection(list(segments), colors=shade, capstyle="round", **({"lw": 1.3} | look))
    )
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")


def draw_error_field(
    figure: Any, axes: Axes, states: Array, errors: Array, scale: tuple[float, float]
) -> None:
    r"""Sizes of errors `(q,)` at points of the plane `(q, 2)`, on a common logarithmic scale."""
    from matplotlib.colors import LogNorm

    order = np.argsort(errors)
    shown = np.clip(errors[order], *scale)
    x, y = states[order].T
    drawn = axes.scatter(x, y, c=shown, s=13, lw=0, cmap="cividis", norm=LogNorm(*scale))
    figure.colorbar(drawn, ax=axes, shrink=0.82, label="error of T / spread of the target")
    axes.set_aspect("equal")
    axes.set(xlabel="x₁", ylabel="x₂")
