r"""Panels for networks that are functions of one hidden variable, each drawn into the axes that it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.drawing import BLUE, GREY, ORANGE, Array, chart_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve", "draw_errors", "draw_functions", "draw_prediction", "heading"]


def heading(axes: Axes, text: str) -> None:
    r"""A bold title, flush left."""
    axes.set_title(text, fontsize=9.5, fontweight="bold", pad=8)


def draw_functions(axes: Axes, x: Array, a: Array, b: Array) -> None:
    r"""The outputs of both networks `(q,)` over the hidden variable `(q,)`."""
    order = np.argsort(x)

    for values, ink, name in ((a, BLUE, "A"), (b, ORANGE, "B")):
        axes.plot(x[order], values[order], color=ink, lw=1.8, label=f"output of {name}")

    axes.set(xlabel="hidden variable x", ylabel="output")
    axes.legend(loc="best", handlelength=1.2)


def draw_curve(axes: Axes, first: Array, second: Array, x: Array, names: tuple[str, str]) -> None:
    r"""The curve that two observed quantities run through, coloured by the hidden variable, all `(q,)`."""
    order = np.argsort(x)
    axes.scatter(first[order], second[order], c=chart_colours(x[order, None]), s=9, lw=0)
    axes.set(xlabel=names[0], ylabel=names[1])
    ends: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": "#444444"}

    for row in (order[0], order[-1]):
        axes.annotate(f"x = {x[row]:.1f}", (first[row], second[row]), xytext=(5, 4), **ends)


def draw_prediction(
    axes: Axes, x: Array, true: Array, predicted: Array | None, names: tuple[str, str]
) -> None:
    r"""A quantity of the target network over the hidden variable, and what is predicted of it, all `(q,)`."""
    order = np.argsort(x)
    ink = BLUE if names[1] == "A" else ORANGE
    axes.plot(x[order], true[order], color=GREY, lw=3.2, alpha=0.55, label=f"true output of {names[1]}")

    if predicted is not None:
        few = order[:: max(len(order) // 60, 1)]
        label = f"predicted from {names[0]}"
        axes.scatter(x[few], predicted[few], s=14, color=ink, lw=0, label=label, zorder=3)

    axes.set(xlabel="hidden variable x", ylabel=f"output of {names[1]}")
    axes.legend(loc="best", handlelength=1.2)


def draw_errors(axes: Axes, x: Array, errors: dict[str, Array | None]) -> None:
    r"""Sizes of errors `(q,)` over the hidden variable on a logarithmic scale, and their RMS in the legend."""
    inks: dict[str, Any] = dict(zip(errors, (ORANGE, BLUE), strict=False))
    axes.set_yscale("log")

    for name, error in errors.items():
        if error is not None:
            rms = float(np.sqrt(np.square(error).mean()))
            shown = np.maximum(error, max(rms, 1e-300) / 100)  # lucky hits would take most of the scale
            label = f"{name}: {100 * rms:.2g} % (RMS)"
            axes.scatter(x, shown, s=5, lw=0, alpha=0.6, color=inks[name], label=label)

    axes.set(xlabel="hidden variable x", ylabel="error of T / spread of the target")

    if all(error is None for error in errors.values()):
        axes.text(0.5, 0.5, "no map", ha="center", transform=axes.transAxes)
        return

    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
    axes.legend(loc="upper center", handletextpad=0.1, markerscale=2)
