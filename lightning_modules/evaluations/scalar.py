r"""Two functions of one hidden variable: each output predicted from the other network."""

from torch import Tensor

from lightning_modules.data.views import Views
from lightning_modules.evaluations.finding import (
    TRUE_ERRORS,
    Finding,
    Matched,
    charts,
    fresh,
    mapped,
    point_errors,
    true_errors,
)
from lightning_modules.evaluations.outputs_only import OutputsOnly
from lightning_modules.figures import functions as functions_figures
from lightning_modules.pair import NetworkPair

__all__ = ["ScalarFunctions"]

CAPTIONS = {
    "functions": "The two functions, each predicted from the other network, and the error of that",
    "charts": "The intrinsic coordinate of both networks, coloured by the hidden variable",
}


class ScalarFunctions:
    r"""Measures T at fresh states, and compares it with what the outputs alone could do."""

    measures = (*TRUE_ERRORS, "neurons_used_a", "neurons_used_b")

    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison at the held-out states of `views`."""
        match = matching.last
        alone = OutputsOnly.of(pair, views, matching)
        values_a, values_b = fresh(pair, views, match)
        predicted_a = mapped(match.result.transformation.inverse, values_b)
        predicted_b = mapped(match.result.transformation, values_a)
        shown = {
            "x": views.hidden.held_out[:, 0],
            "output_a": values_a[:, -1],
            "output_b": values_b[:, -1],
            "predicted_b": _last(predicted_b),
            "error_a_to_b": point_errors(predicted_b, values_b),
            "error_b_to_a": point_errors(predicted_a, values_a),
        }

        if values_a.shape[1] > 1:
            guessed = _last(mapped(alone.paired.transformation, alone.outputs_a))
            figure = functions_figures.folded_figure(**shown, alone_b=guessed, observed_a=values_a)
        else:
            figure = functions_figures.function_figure(**shown, predicted_a=_last(predicted_a))

        metrics = {
            **true_errors(match, values_a, values_b),
            **alone.metrics,
            "neurons_used_a": values_a.shape[1],
            "neurons_used_b": values_b.shape[1],
        }

        return Finding(metrics, {"functions": figure} | charts(match, views), CAPTIONS)


def _last(values: Tensor | None) -> Tensor | None:
    r"""The output among the observed neurons, which comes last."""
    return None if values is None else values[:, -1]
