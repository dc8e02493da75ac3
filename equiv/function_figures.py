r"""Figures of two networks that learned functions of one hidden variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from equiv.drawing import Array, as_array
from equiv.function_panels import draw_curve, draw_errors, draw_functions, draw_prediction, heading
from equiv.panels import blank_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["folded_figure", "function_figure"]

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
        heading(errors, "Error of T on fresh inputs")
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
        heading(errors, "Error of T on fresh inputs")
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
        f"{name} {'no map' if error is None else f'{100 * np.sqrt(np.square(error).mean()):.2g} %'}"
        for name, error in _errors(a_to_b, b_to_a).items()
    ]

    return f"RMS error of T on fresh inputs {' and '.join(words)} of the target's spread"
