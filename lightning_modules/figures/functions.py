r"""Figures of two networks that learned functions of one hidden variable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE, Array, as_array, chart_colours
from equiv.figures.panels import blank_figure, in_percent, style
from equiv.verdict import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "draw_curve",
    "draw_errors",
    "draw_functions",
    "draw_prediction",
    "folded_figure",
    "function_figure",
    "heading",
]

_OUTPUTS = ("output of A", "output of B")


def function_figure(
    x: object,
    output_a: object,
    output_b: object,
    predicted_a: object,
    predicted_b: object,
    error_a_to_b: object,
    error_b_to_a: object,
) -> Figure:
    r"""Two functions of one variable, each as a function of the other, and the error of that in both directions.

    Arguments:
        x: The hidden variable at fresh samples, shape `(q,)`.
        output_a: A's output there, shape `(q,)`.
        output_b: B's.
        predicted_a: A's output as T's inverse predicts it from B's activations, `(q,)`; None without a map.
        predicted_b: B's output as T predicts it from A's.
        error_a_to_b: Size of T's error at each sample over the target's RMS spread, `(q,)`; None likewise.
        error_b_to_a: The same of the inverse.
    """
    at, a, b = (as_array(each, "x", 1) for each in (x, output_a, output_b))

    with style():
        figure = blank_figure(13.6, 3.4)
        functions, against, prediction, errors = figure.subplots(1, 4)
        draw_functions(functions, at, a, b)
        draw_curve(against, a, b, at, _OUTPUTS)
        draw_prediction(prediction, at, b, _optional(predicted_b, "predicted_b"), ("A", "B"))
        draw_errors(errors, at, _errors(error_a_to_b, error_b_to_a))
        heading(functions, "What the two networks learned")
        heading(against, "Each output is a function of the other")
        heading(prediction, "B's output from A's, no pairs given")
        heading(errors, "Error through the map, fresh inputs")
        figure.set_label(
            f"Two functions of one hidden variable; {_said(error_a_to_b, error_b_to_a)}, without pairs."
        )

    return figure


def folded_figure(
    x: object,
    output_a: object,
    output_b: object,
    alone_b: object,
    observed_a: object,
    predicted_b: object,
    error_a_to_b: object,
    error_b_to_a: object,
) -> Figure:
    r"""Two functions that rise and fall: what fails with outputs alone, and what succeeds with neurons besides.

    Arguments:
        x: The hidden variable at fresh samples, shape `(q,)`.
        output_a: A's output there, shape `(q,)`.
        output_b: B's.
        alone_b: B's output predicted from A's output alone by a regression that was given pairs, `(q,)`.
        observed_a: What is observed of A, shape `(q, d)`, an inner neuron first and the output last.
        predicted_b: B's output as T predicts it from A's observed neurons; None without a map.
        error_a_to_b: Size of T's error at each sample over the target's RMS spread, `(q,)`; None likewise.
        error_b_to_a: The same of the inverse.
    """
    at, a, b = (as_array(each, "x", 1) for each in (x, output_a, output_b))
    observed = as_array(observed_a, "observed_a", 2)
    neurons = observed.shape[1] - 1

    with style():
        figure = blank_figure(12.4, 6.9)
        (functions, against, alone), (curve, prediction, errors) = figure.subplots(2, 3)
        draw_functions(functions, at, a, b)
        draw_curve(against, a, b, at, _OUTPUTS)
        draw_prediction(alone, at, b, _optional(alone_b, "alone_b"), ("A", "B"))
        draw_curve(curve, observed[:, -1], observed[:, 0], at, ("output of A", "an inner neuron of A"))
        draw_prediction(prediction, at, b, _optional(predicted_b, "predicted_b"), ("A", "B"))
        draw_errors(errors, at, _errors(error_a_to_b, error_b_to_a))
        besides = f"{neurons} inner neuron{'' if neurons == 1 else 's'}"
        heading(functions, "What the two networks learned")
        heading(against, "Neither output is a function of the other")
        heading(alone, "From A's output alone, pairs given")
        heading(curve, f"A's output and {besides} tell all x apart")
        heading(prediction, "From these neurons of A, no pairs given")
        heading(errors, "Error through the map, fresh inputs")
        figure.set_label(
            f"Above, outputs alone: neither is a function of the other. Below, outputs and {besides} of A: "
            f"{_said(error_a_to_b, error_b_to_a)}, without pairs."
        )

    return figure


def _errors(a_to_b: object, b_to_a: object) -> dict[str, Array | None]:
    return {"A to B": _optional(a_to_b, "error_a_to_b"), "B to A": _optional(b_to_a, "error_b_to_a")}


def _optional(value: object, name: str) -> Array | None:
    return None if value is None else as_array(value, name, 1)


def _said(a_to_b: object, b_to_a: object) -> str:
    words = [
        f"{name} {'no map' if error is None else f'{percent(np.sqrt(np.square(error).mean()))} %'}"
        for name, error in _errors(a_to_b, b_to_a).items()
    ]

    return f"RMS error through the map on fresh inputs {' and '.join(words)} of the target's spread"


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
        some = order[:: max(len(order) // 60, 1)]
        label = f"predicted from {names[0]}"
        axes.scatter(x[some], predicted[some], s=14, color=ink, lw=0, label=label, zorder=3)

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
            label = f"{name}: {percent(rms)} % (RMS)"
            axes.scatter(x, shown, s=5, lw=0, alpha=0.6, color=inks[name], label=label)

    axes.set(xlabel="hidden variable x", ylabel="error, of the target's spread")
    in_percent(axes.yaxis)

    if all(error is None for error in errors.values()):
        axes.text(0.5, 0.5, "no map", ha="center", transform=axes.transAxes)
        return

    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
    axes.legend(loc="upper center", handletextpad=0.1, markerscale=2)
