r"""Orders of neurons, each next one that which tells most that the earlier ones do not."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.observe.draws import Draws
from equiv.observe.observations import Observations

__all__ = ["rank_neurons", "standardised"]


# Neurons among which the order by nearest neighbours chooses.
# [neurons; chosen: its time grows with them, and those that condition the frames worst are never first]
CANDIDATE_NEURONS = 48

# Samples that the order by nearest neighbours looks at.
# [samples; chosen: its time grows with their square, and folds of the inputs show at a few hundred]
RANKING_SAMPLES = 500

# A neuron whose deviation is no more than this is dead.
# [share of its largest value; derived: some thousand times the rounding of a mean in float64]
DEAD_DEVIATION = 1e-12

# What each direction is taken to be seen by before any neuron is chosen, eta.
# [share of the frames' mean square; chosen: small, so that directions not seen at all come first]
UNSEEN_ENERGY = 1e-6


def rank_neurons(obs: Observations, count: int, draws: Draws | None = None) -> Tensor:
    r"""The first neurons of an order in which the others follow from as few as possible.

    Each neuron is the one that, added to the set S of those before it, makes nearest neighbours in S nearest in
    all neurons,

    .. math:: \arg\min_k \sum_i \lvert y_i - y_{\nu(i)} \rvert^2, \qquad
        \nu(i) = \arg\min_{j \ne i} \sum_{l \in S \cup \{k\}} (y_{il} - y_{jl})^2,

    with neurons over their standard deviations and j of another draw than i. It falls with the conditioning of S, and
    where S folds the inputs over each other it stays large. With more than `CANDIDATE_NEURONS` neurons those are
    considered that condition the frames best.

    Arguments:
        obs: Observations; frames are made use of.
        count: How many.
        draws: Which samples are one independent draw; None: each is one.

    Returns:
        Their indices, shape `(count,)`, int64.
    """
    values, frames = standardised(obs)
    d = values.shape[1]
    pool = torch.arange(d, device=values.device)

    if d > CANDIDATE_NEURONS:
        most = max(CANDIDATE_NEURONS, count)
        pool = _pivoted(values, most) if frames is None else _by_conditioning(frames, most)

    draws = draws or Draws.single(len(values), values.device)
    # In an even choice inputs that recur in some order could be missed.
    rows = draws.order(torch.Generator().manual_seed(0))[:RANKING_SAMPLES].sort().values
    values, units = values[rows], draws.units[rows]
    everything = torch.cdist(values, values).square()
    together = (units[:, None] - units).abs() <= draws.reach
    distances = torch.zeros_like(everything).masked_fill_(together, math.inf)
    rest, chosen = pool.tolist(), []

    for _ in range(count):
        scores = []

        for neuron in rest:
            nearest = (distances + _differences(values[:, neuron])).argmin(dim=1, keepdim=True)
            scores.append(everything.gather(1, nearest).sum().item())

        best = rest.pop(min(range(len(rest)), key=scores.__getitem__))
        chosen.append(best)
        distances = distances + _differences(values[:, best])

    return torch.tensor(chosen, device=values.device)


def _differences(neuron: Tensor) -> Tensor:
    r"""Squared differences of one neuron between all samples, `(n, n)`."""
    return (neuron[:, None] - neuron).square()


def standardised(obs: Observations) -> tuple[Tensor, Tensor | None]:
    r"""Values and frames over each neuron's standard deviation; dead neurons are zero."""
    values = obs.values.double()
    size = values.abs().amax(dim=0)
    values = values - values.mean(dim=0)
    deviation = values.square().mean(dim=0).sqrt()
    alive = deviation > DEAD_DEVIATION * size
    weight = torch.where(alive, 1 / torch.where(alive, deviation, 1.0), 0.0)

    return values * weight, None if obs.frames is None else obs.frames.double() * weight[:, None]


def _by_conditioning(frames: Tensor, count: int) -> Tensor:
    r"""Neurons by the conditioning of the frames chosen,

    .. math:: \arg\max_k \sum_i \log \det \Big( \eta I + \sum_{l \in S \cup \{k\}} j_{il} j_{il}^\top \Big),

    with :math:`j_{il} \in R^m` the l-th row of frame i: the logarithm makes the worst conditioned samples count most.
    """
    n, _, m = frames.shape
    scale = frames.square().sum(dim=2).mean().clamp_min(1e-300)
    # The small eta ranks directions not seen at all first, in any order of magnitude.
    inverse = torch.eye(m, dtype=frames.dtype, device=frames.device).repeat(n, 1, 1) / (UNSEEN_ENERGY * scale)
    chosen: list[int] = []

    for _ in range(count):
        moved = frames @ inverse  # (n, d, m)
        gain = torch.log1p((moved * frames).sum(dim=2)).sum(dim=0)
        gain[chosen] = -math.inf
        best = int(gain.argmax())
        chosen.append(best)
        column = moved[:, best]
        bend = 1 + (column * frames[:, best]).sum(dim=1)
        inverse = inverse - column[:, :, None] * column[:, None] / bend[:, None, None]

    return torch.tensor(chosen, device=frames.device)


def _pivoted(values: Tensor, count: int) -> Tensor:
    r"""Columns by pivoted QR: each the farthest from the span of those before it."""
    rest = values.clone()
    chosen: list[int] = []

    for _ in range(count):
        size = rest.square().sum(dim=0)
        size[chosen] = -math.inf
        best = int(size.argmax())
        chosen.append(best)
        axis = rest[:, best] / rest[:, best].norm().clamp_min(1e-300)
        rest = rest - axis[:, None] * (axis @ rest)

    return torch.tensor(chosen, device=values.device)
