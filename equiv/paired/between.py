r"""What frames say of the error between the samples, where no value was seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred
from equiv.observe.frames import invert_frames, sensitivity_cut
from equiv.probing.pushforward import derivatives_along
from equiv.transformation import Map

__all__ = ["between_samples"]

# Samples at which the derivative of a map is looked at.
# [samples; chosen: their root mean square is known to a few percent]
COMPARED_SAMPLES = 300
# Directions along which, random ones where the inputs have more.
# [directions; chosen: likewise]
COMPARED_DIRECTIONS = 8
# Neighbours among which the nearest in the inputs is looked for.
# [samples; chosen: the nearest in the activations are seldom all far in the inputs]
NEAR = 6


def between_samples(
    map_: Map, source: Tensor, target: Tensor, source_frames: Tensor, target_frames: Tensor
) -> float:
    r"""Root mean square error halfway to the nearest sample, as derivatives tell it, over the target's spread.

    A map that fits values at samples a distance h apart, and whose derivative misses :math:`J_B` by
    :math:`\Delta = DT\, J_A - J_B`, is off by about :math:`|\Delta| h / 2` in between: what aliases on a grid has
    values that fit and slopes that do not.

    Arguments:
        map_: T.
        source: A's activations, `(n, d_a)`.
        target: B's at the same inputs, `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`.
        target_frames: B's frames along the same directions, `(n, d_b, m)`.
    """
    n, _, m = source_frames.shape
    rows = torch.arange(0, n, -(-n // COMPARED_SAMPLES), device=source.device)
    # An alias blows up the steps that its own side sees, and not those of the other.
    step = torch.maximum(_spacing(source, source_frames, rows), _spacing(target, target_frames, rows))
    generator = torch.Generator().manual_seed(0)
    count = min(m, COMPARED_DIRECTIONS)
    turn = torch.linalg.qr(torch.randn(m, count, generator=generator, dtype=torch.float64))[0].to(
        source.device
    )
    along, goal = source_frames[rows].double() @ turn, target_frames[rows].double() @ turn
    values = source[rows].double()
    missed = (derivatives_along(map_, values, along) - goal).square().sum(dim=(1, 2))
    spread = centred(target.double()).square().sum(dim=1).mean()

    return math.sqrt(((missed * m / count) * (step / 2).square()).mean() / spread)


def _spacing(values: Tensor, frames: Tensor, rows: Tensor) -> Tensor:
    r"""Distance to the nearest sample in input units, as one side's frames see it, of some samples."""
    values = values.double()
    apart = torch.cdist(values[rows], values)
    apart[torch.arange(len(rows), device=rows.device), rows] = torch.inf
    near = apart.topk(min(NEAR, len(values) - 1), largest=False).indices
    steps = values[near] - values[rows][:, None]
    inverse = invert_frames(frames[rows], sensitivity_cut(frames))

    return (steps @ inverse.mT).norm(dim=2).amin(dim=1)
