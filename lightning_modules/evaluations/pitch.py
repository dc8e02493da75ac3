r"""Two networks that hear a pitch, and never heard a common tone: one's pitch, heard by the other's neurons."""

from typing import Any

import torch
from torch import Tensor

import equiv
from lightning_modules.data.views import Views
from lightning_modules.evaluations.finding import (
    Finding,
    Matched,
    charts,
    fresh,
    mapped,
    point_errors,
    true_errors,
)
from lightning_modules.evaluations.usual import usual_measures
from lightning_modules.figures.pitch import pitch_figure
from lightning_modules.matcher import Match
from lightning_modules.pair import NetworkPair
from lightning_modules.pretrained.crepe import Crepe

__all__ = ["Pitch"]

CAPTIONS = {
    "pitch": "Tones in the neurons of both networks, A's carried to B through the map, and the pitch that B then hears",
    "charts": "The intrinsic coordinates of both networks, coloured by the pitch",
}


class Pitch:
    r"""Measures T at fresh tones, lets B's last layer hear the pitch of A's neurons, and compares with pairs given."""

    @torch.no_grad()
    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison at the held-out tones of `views`."""
        match = matching.last
        values_a, values_b = fresh(pair, views, match)
        predicted = mapped(match.result.transformation, values_a)
        heard_a, heard_b = _heard(pair.network_a, values_a), _heard(pair.network_b, values_b)
        carried = None if predicted is None else _heard(pair.network_b, predicted)
        errors = None if carried is None or heard_b is None else (carried - heard_b).abs()
        apart = None if heard_a is None or heard_b is None else (heard_a - heard_b).abs()
        metrics = {
            **true_errors(match, values_a, values_b),
            **_spread("pitch_error_cents", errors),
            **_spread("own_pitches_differ_cents", apart),
            **_paired(match, values_a, values_b),
            **usual_measures(values_a, values_b),
        }
        figure = pitch_figure(
            views.hidden.held_out[:, 0],
            values_a,
            values_b,
            predicted,
            errors,
            point_errors(predicted, values_b),
        )

        return Finding(metrics, {"pitch": figure} | charts(match, views), CAPTIONS)


def _heard(network: Any, neurons: Tensor) -> Tensor | None:
    r"""The pitch in cents that a network hears in its logits, or in what these read; None of anything else."""
    assert isinstance(network, Crepe)
    read = neurons.float()

    if neurons.shape[1] == network.logits.in_features:
        read = network.logits(read)

    return network.heard(read) if read.shape[1] == network.logits.out_features else None


def _spread(name: str, errors: Tensor | None) -> dict[str, float]:
    r"""Median and 95th percentile; NaN where there is nothing to measure."""
    quantiles = (0.5, 0.95)
    found = [float("nan")] * 2 if errors is None else [errors.quantile(share).item() for share in quantiles]

    return {name: found[0], f"{name}_p95": found[1]}


def _paired(match: Match, values_a: Tensor, values_b: Tensor) -> dict[str, Any]:
    r"""What a comparison finds that is given the held-out tones as pairs."""
    result = equiv.compare(equiv.Observations(values_a), equiv.Observations(values_b), paired=True)

    return {"verdict_paired": str(result.verdict), "error_paired": result.a_to_b.error.estimate}
