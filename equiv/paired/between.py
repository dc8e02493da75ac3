r"""What frames say of two networks between their common samples, where no value was seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred
from equiv.observe.frames import invert_frames, sensitivity_cut
from equiv.regression.few_parameters import NeuronMap
from equiv.transformation import Map

__all__ = ["between_samples"]

# Samples whose neighbours are looked at.
# [samples; chosen: root mean squares are then known to a few percent]
COMPARED_SAMPLES = 300
# Neighbours up to this rank have steps that the spacing of the samples rules.
# [neighbours; chosen: on a square lattice two steps along an axis are among them]
NEAR = 16
# Of steps to fewer neighbours the share that frames explain may be that of one direction.
# [neighbours; chosen: as many as a sample of a square lattice has next to it]
LEAST_RANK = 4
# Frames that explain less of every step, long or short, contradict the values.
# [share of the root mean square; chosen: 0.04 to 0.3 of ordinary pairs is unexplained, 0.7 to 1 of aliases]
MAX_UNEXPLAINED = 0.5


def between_samples(
    a: Tensor, b: Tensor, frames_a: Tensor, frames_b: Tensor, found: Map | None = None
) -> float:
    r"""Root mean square distance that the networks may take from what their samples show, each over its spread.

    Where neighbours are a step :math:`\delta` apart in the inputs, smooth networks have differences
    :math:`\Delta = y_j - y_i` with :math:`\rho = \Delta - (J_i + J_j) \delta / 2` of third order. A wave of slope c
    that is invisible at samples at least h apart, at best half a period, has :math:`|\rho| = c\,|\delta|` and a height
    of at most :math:`c\,h / \pi`. No map is judged: one that was fitted to the slopes would follow any wave. But one
    that takes each neuron from one other has nothing to follow it with: there :math:`\rho_B - T \rho_A` alone counts,
    which is nothing for copies, whatever both do between the samples.

    The step explains the differences of both networks at once. Where it explains hardly any, whatever the distance,
    the inputs are as far apart as nobody knows, and nothing bounds what is between.

    Arguments:
        a: A's activations, `(n, d_a)`.
        b: B's at the same inputs, `(n, d_b)`.
        frames_a: A's frames, `(n, d_a, m)`.
        frames_b: B's frames along the same directions, `(n, d_b, m)`.
        found: The map from A to B.

    Returns:
        :math:`(\rho_A^2 + \rho_B^2)^{1/2} / \pi`, :math:`\rho` at the distance h; infinite where nothing bounds it.
    """
    n, neurons = a.shape
    # Frames of either network count alike, whatever its units; an alias makes those of its own network large.
    speeds = [
        each.double().square().sum(dim=(1, 2)).mean().sqrt().clamp_min(1e-300)
        for each in (frames_a, frames_b)
    ]
    values = torch.cat([a.double() / speeds[0], b.double() / speeds[1]], dim=1)
    frames = torch.cat([frames_a.double() / speeds[0], frames_b.double() / speeds[1]], dim=1)
    cut = sensitivity_cut(frames)
    rows = torch.arange(0, n, -(-n // COMPARED_SAMPLES), device=a.device)
    ranks, neighbours = _neighbours(a, b, rows)
    squares = []

    for near in neighbours.unbind(dim=1):
        middle = (frames[rows] + frames[near]) / 2
        moved = (values[near] - values[rows])[:, :, None]
        step = invert_frames(middle, cut) @ moved
        left = moved - middle @ step
        missed_a, missed_b = left[:, :neurons], left[:, neurons:]

        if isinstance(found, NeuronMap):
            told = found.weight[:, None] * missed_a[:, found.chosen] * (speeds[0] / speeds[1])
            missed_a, missed_b = torch.zeros_like(missed_a), missed_b - told

        parts = step, moved, missed_a, missed_b
        squares.append(torch.stack([part.square().sum(dim=(1, 2)) for part in parts]))

    length, change, *missed = torch.stack(squares, dim=2)  # (rows, ranks) each
    total = [
        squared.sum(dim=0).cumsum(dim=0).clamp_min(1e-300) for squared in (missed[0] + missed[1], change)
    ]

    if (total[0] / total[1])[ranks >= min(LEAST_RANK, int(ranks[-1]))].amin() > MAX_UNEXPLAINED**2:
        return math.inf

    length = length[:, ranks <= NEAR]
    nearness = length.amin(dim=1, keepdim=True) / torch.where(length > 0, length, 1.0)
    heights = [
        (part[:, ranks <= NEAR] * nearness).mean().item() * (speed / _spread(side)).item() ** 2
        for part, speed, side in zip(missed, speeds, (a, b), strict=True)
    ]

    return math.sqrt(sum(heights)) / math.pi


def _neighbours(a: Tensor, b: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    r"""Ranks in half octaves up to a quarter of the samples, `(k,)`, and for some samples the neighbours of these."""
    n = len(a)
    most = max(n // 4, min(LEAST_RANK, n - 1))
    octaves = torch.arange(2 * math.log2(n) + 1, dtype=torch.float64, device=a.device) / 2
    ranks = (2**octaves).round().long().unique()
    ranks = ranks[ranks <= most]
    seen = torch.cat([side.double() / _spread(side) for side in (a, b)], dim=1)
    apart = torch.cdist(seen[rows], seen)
    apart[torch.arange(len(rows), device=rows.device), rows] = torch.inf

    return ranks, apart.topk(most, largest=False).indices[:, ranks - 1]


def _spread(values: Tensor) -> Tensor:
    r"""RMS distance of activations from their mean, `()`."""
    return centred(values.double()).square().sum(dim=1).mean().sqrt().clamp_min(1e-300)
