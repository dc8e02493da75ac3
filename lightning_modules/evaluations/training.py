r"""When two networks become equivalent: the comparison followed through training."""

import copy
import math
from typing import Any

import torch
from torch import nn

import equiv
from lightning_modules.data.views import Side, Views
from lightning_modules.evaluations.finding import TRUE_ERRORS, Finding, Matched, charts, fresh, true_errors
from lightning_modules.figures import training as training_figures
from lightning_modules.match import Match
from lightning_modules.pair import NetworkPair, loss

__all__ = ["ThroughTraining", "first_equivalent"]

CAPTIONS = {
    "training": "Losses, errors of the map, dimension, eigenvalues and verdict at checkpoints of the training",
    "charts": "The intrinsic coordinates of both networks at the end, coloured by the first hidden variable",
}

#: What is written down of every checkpoint, beside the figure.
FOLLOWED = (
    "verdict",
    "loss_a",
    "loss_b",
    "true_error_a_to_b",
    "true_error_b_to_a",
    "dimension_a",
    "dimension_b",
)


class ThroughTraining:
    r"""Evaluates every comparison with the networks as they were at its checkpoint."""

    measures = (*TRUE_ERRORS, "first_equivalent_epoch")

    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates all comparisons at the held-out states of `views`."""
        then, rows = copy.deepcopy(pair), {}

        for epoch, match in sorted(matching.matches.items()):
            then.load_state_dict(match.weights)
            rows[epoch] = _row(then.eval(), views, match)

        last = rows[max(rows)]
        metrics = {
            "true_error_a_to_b": last["true_error_a_to_b"],
            "true_error_b_to_a": last["true_error_b_to_a"],
            "first_equivalent_epoch": first_equivalent(
                {epoch: row["verdict"] for epoch, row in rows.items()}
            ),
            **{
                f"{name}_by_epoch": {str(epoch): row[name] for epoch, row in rows.items()}
                for name in FOLLOWED
            },
        }
        figures = {"training": training_figures.training_figure(rows)} | charts(matching.last, views)

        return Finding(metrics, figures, CAPTIONS)


def first_equivalent(verdicts: dict[int, str]) -> int | None:
    r"""The first epoch from which on every verdict is "equivalent"; None if the last one is not."""
    first = None

    for epoch in sorted(verdicts, reverse=True):
        if verdicts[epoch] != equiv.Verdict.EQUIVALENT:
            break

        first = epoch

    return first


def _row(pair: NetworkPair, views: Views, match: Match) -> dict[str, Any]:
    r"""What is followed through training, at one checkpoint."""
    result, found = match.result, match.result.diagnostics
    row: dict[str, Any] = {"verdict": str(result.verdict)}

    for name, side, network in (("a", views.a, pair.network_a), ("b", views.b, pair.network_b)):
        inputs, targets = side.samples
        spread = 1.0 if not targets.is_floating_point() else float(targets.var(dim=0, correction=0).mean())
        row[f"loss_{name}"] = float(loss(network(inputs), targets).detach()) / spread
        row[f"eigenvalues_{name}"] = found.get(f"eigenvalues_{name}", [])
        row[f"folded_{name}"] = _folded(network, side)
        row[f"dimension_{name}"] = found.get(f"intrinsic_dimension_{name}", math.nan)

    row |= {"error_a_to_b": result.a_to_b.error, "error_b_to_a": result.b_to_a.error}

    return row | true_errors(match, *fresh(pair, views, match))


def _folded(network: nn.Module, side: Side) -> float:
    r"""The share of the probe inputs at which the output has the rarer of two orientations.

    Half of one per cent may be a fold that just begins. NaN where the output has more entries than the input space.
    """
    frames = equiv.probe(network, side.probe, **side.frames).frames

    if frames is None or frames.shape[1] != frames.shape[2]:
        return math.nan

    share = float((torch.linalg.det(frames) > 0).double().mean())

    return min(share, 1 - share)
