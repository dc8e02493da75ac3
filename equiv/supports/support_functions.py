r"""Support functions of samples: how far they reach in given directions, and how well they show where the edge is."""

import math

import torch
from torch import Tensor

__all__ = ["even_directions", "outermost_samples", "support_function"]


# Directions in which samples are sought that are outermost in some direction.
# [directions; chosen: a degree apart in the plane, ten in space]
PROBED_DIRECTIONS = 400

# Samples between which the distance of the outermost one from the true edge is judged.
# [samples; chosen: of fewer the distance scatters more, more lie too far inside]
OUTERMOST_SAMPLES = 6


def even_directions(count: int) -> Tensor:
    r"""Evenly spaced directions of the plane, `(count, 2)`."""
    angle = 2 * math.pi * torch.arange(count, dtype=torch.float64) / count

    return torch.stack([angle.cos(), angle.sin()], dim=1)


def outermost_samples(cloud: Tensor) -> Tensor:
    r"""The samples `(s, m)` of a cloud `(n, m)` that are among the outermost in some direction."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(PROBED_DIRECTIONS, cloud.shape[1], generator=generator, dtype=torch.float64)

    return cloud[(cloud @ directions.T).topk(min(OUTERMOST_SAMPLES, len(cloud)), dim=0).indices.unique()]


def support_function(cloud: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    r"""The support function of samples, and how far the outermost is from the edge, as the next ones show.

    .. math:: h(n) = \max_i n \cdot x_i

    Arguments:
        cloud: Samples, shape `(n, m)`, in input units.
        directions: Unit vectors, shape `(q, m)`.

    Returns:
        Values of the support function and their errors, shape `(q,)` each, in input units.
    """
    k = min(OUTERMOST_SAMPLES, len(cloud))
    heights = (directions @ cloud.T).topk(k, dim=1).values

    return heights[:, 0], (heights[:, 0] - heights[:, -1]) / (k - 1) + 1e-9 * heights[:, 0].abs()
