r"""Two networks of two hidden variables: what one shows, carried over to the other."""

from typing import Any

import torch
from torch import Tensor

from equiv.charts.chart import Chart
from lightning_modules.data.checks import check_counts
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
from lightning_modules.figures import maps as maps_figures
from lightning_modules.match import Match
from lightning_modules.pair import NetworkPair

__all__ = ["PlaneFunctions", "grid_of", "map_picture"]

CAPTIONS = {
    "maps": "A grid of hidden states in both networks, carried from each to the other, and the error of that",
    "charts": "The intrinsic coordinates of both networks, coloured by the first hidden variable",
}


class PlaneFunctions:
    r"""Measures T at fresh states, draws it, and compares it with what the outputs alone could do.

    Arguments:
        lines: Lines of the grid in each direction.
        points: Points on each line.
    """

    measures = (*TRUE_ERRORS, "neurons_used_a", "neurons_used_b")

    def __init__(self, lines: int = 11, points: int = 81) -> None:
        check_counts(("lines", lines, 2), ("points", points, 2))
        self.lines, self.points = lines, points

    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison at the held-out states of `views`."""
        match = matching.last
        values_a, values_b = fresh(pair, views, match)
        metrics = {
            **true_errors(match, values_a, values_b),
            **OutputsOnly.of(pair, views, matching).metrics,
            "neurons_used_a": values_a.shape[1],
            "neurons_used_b": values_b.shape[1],
        }
        figure = map_picture(pair, views, match, self.lines, self.points)

        return Finding(metrics, {"maps": figure} | charts(match, views), CAPTIONS)


def map_picture(pair: NetworkPair, views: Views, match: Match, lines: int, points: int) -> Any:
    r"""The figure of one comparison: a grid of hidden states carried from each network to the other."""
    assert views.inputs_at is not None
    hidden = views.hidden.held_out
    grid = grid_of(hidden, lines, points)
    inputs_a, inputs_b = views.inputs_at(grid)
    along_a, along_b = match.probed_a(pair, inputs_a).values, match.probed_b(pair, inputs_b).values
    values_a, values_b = fresh(pair, views, match)
    there, back = match.result.transformation, match.result.transformation.inverse
    chart = match.result.chart_b

    def drawn(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[:, -2:].unflatten(0, (-1, points))

    return maps_figures.map_figure(
        grid=drawn(grid),
        output_a=drawn(along_a),
        output_b=drawn(along_b),
        predicted_a=drawn(mapped(back, along_b)),
        predicted_b=drawn(mapped(there, along_a)),
        recovered=drawn(chart.restrict(along_b))
        if isinstance(chart, Chart) and chart.dimension == 2
        else None,
        states=hidden,
        error_a_to_b=point_errors(mapped(there, values_a), values_b),
        error_b_to_a=point_errors(mapped(back, values_b), values_a),
    )


def grid_of(states: Tensor, lines: int, points: int) -> Tensor:
    r"""Points along the lines of a grid on the rectangle that holds the states, `(2 lines points, 2)`."""
    low, high = states.amin(dim=0), states.amax(dim=0)
    upright = torch.cartesian_prod(torch.linspace(0, 1, lines), torch.linspace(0, 1, points))

    return low + (high - low) * torch.cat([upright, upright.flip(1)])
