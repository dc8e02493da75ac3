r"""Kriging: functions of few coordinates between samples at which their values and slopes are known.

The function is taken for a Gaussian process with Matern's covariance of smoothness 5/2, and predicted by its mean given
values and slopes at the nearest samples. Rough functions, such as networks of smoothed kinks, are so known from near
samples alone, where sums of Gaussians would ring.
"""

import torch
from torch import Tensor

from equiv.coordinates.lattice import into_cell, lattice_images

__all__ = ["ROWS", "correlation_length", "krige", "krige_along", "nearest_nodes", "slopes_of_values"]


# Correlation length of the process.
# [distances to a sample's sixth neighbour; chosen: predictions hardly change between half of it and twice as much]
CORRELATION_LENGTH = 6.0

# Which neighbour, the sample itself counted, tells the distance of samples.
# [neighbours; chosen: on a grid of the plane about as many are nearest, in more dimensions the nearest of these]
SPACING_NEIGHBOR = 7

# Variance of what is known, so that nearly coinciding samples leave systems solvable.
# [share of the variance of the process; chosen: predictions at a sample are off by a ten thousandth of the misfit]
NUGGET = 1e-8

# Samples that are predicted at a time.
# [samples; chosen: a trade of memory alone]
ROWS = 256

# Samples around a point that its value is predicted from, for each value and slope that one of them tells.
# [samples; measured: with twice as many, lifts of ANI-1x on water, ammonia and peroxide are no better by a twentieth]
NODES_A_UNKNOWN = 4


def correlation_length(coordinates: Tensor) -> Tensor:
    r"""The length for samples at `(n, m)` coordinates, `()`, in their units."""
    from scipy.spatial import KDTree

    points = coordinates.numpy()
    distance = KDTree(points).query(points, k=min(SPACING_NEIGHBOR, len(points)))[0][:, -1]

    return CORRELATION_LENGTH * torch.from_numpy(distance).median()


def nearest_nodes(points: Tensor, nodes: Tensor, periods: Tensor, more: int = 0) -> tuple[Tensor, Tensor]:
    r"""The nodes that a function is kriged from, the nearest to each point, modulo periods.

    Arguments:
        points: `(q, m)`.
        nodes: `(n, m)`.
        periods: Lattice vectors, `(p, m)`; p = 0 for none.
        more: How many beyond those that kriging takes.

    Returns:
        Their indices, `(q, k)`, nearest first, and where they lie from the points, `(q, k, m)`.
    """
    count = NODES_A_UNKNOWN * (1 + points.shape[1]) + more
    inside, nodes = into_cell(points, periods), into_cell(nodes, periods)
    images = lattice_images(periods, points.shape[1])
    every = (nodes[:, None] + images.to(nodes)).flatten(0, 1)
    near = torch.cdist(inside.detach(), every).topk(min(count, len(every)), largest=False).indices

    return near // len(images), every[near] - inside[:, None]


def krige(offsets: Tensor, values: Tensor, slopes: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
    r"""Predicts a function and its slopes at points from values and slopes at samples around each.

    The process is what the tangent of the first sample leaves.

    Arguments:
        offsets: Where the samples lie from the points, `(q, k, m)`, nearest first.
        values: `(q, k, d)`.
        slopes: `(q, k, d, m)`.
        length: Of correlations, `()`, in coordinate units.

    Returns:
        Values `(q, d)` and slopes `(q, d, m)`; differentiable in the offsets.

    References:
        | Interpolation of Spatial Data: Some Theory for Kriging (Stein, 1999)
    """
    places = offsets / length
    q, k, m = places.shape
    system = _covariances(places[:, :, None] - places[:, None])  # (q, k, 1 + m, k, 1 + m)
    system = system.reshape(q, k * (1 + m), k * (1 + m))
    system = system + NUGGET * torch.eye(k * (1 + m), dtype=system.dtype, device=system.device)
    wanted = _covariances(places[:, :, None])  # with the point itself, (q, k, 1 + m, 1, 1 + m)
    weights = torch.linalg.solve(system, wanted.reshape(q, k * (1 + m), 1 + m))
    first, slope = values[:, 0], slopes[:, 0]
    rest = values - first[:, None] - (offsets - offsets[:, :1]) @ slope.mT
    known = torch.cat([rest[:, :, None], length * (slopes - slope[:, None]).mT], dim=2).flatten(1, 2)
    found = weights.mT @ known  # (q, 1 + m, d)

    return found[:, 0] + first - (offsets[:, :1] @ slope.mT)[:, 0], found[:, 1:].mT / length + slope


def _covariances(apart: Tensor) -> Tensor:
    r"""Covariances of values and slopes at x with those at z: `(q, k, 1 + m, l, 1 + m)` of x - z, `(q, k, l, m)`."""
    radius = (5 * apart.square().sum(dim=-1)).clamp_min(1e-24).sqrt()
    decay = torch.exp(-radius)
    value = (1 + radius + radius.square() / 3) * decay
    # Derivatives by half the squared distance.
    first = (-5 / 3 * (1 + radius) * decay)[..., None]
    second = (25 / 3 * decay)[..., None, None]
    eye = torch.eye(apart.shape[-1], dtype=apart.dtype, device=apart.device)
    across = -first[..., None] * eye - second * apart[..., :, None] * apart[..., None, :]
    top = torch.cat([value[..., None], -first * apart], dim=-1)
    below = torch.cat([(first * apart)[..., None], across], dim=-1)

    return torch.cat([top[..., None, :], below], dim=-2).transpose(2, 3)


def slopes_of_values(coordinates: Tensor, values: Tensor, periods: Tensor) -> Tensor:
    r"""Slopes at samples by kriging of the values around each alone, whose mean is affine.

    Arguments:
        coordinates: `(n, m)`.
        values: `(n, d)`.
        periods: `(p, m)`, p = 0 for none.

    Returns:
        `(n, d, m)`.
    """
    n, m = coordinates.shape
    length, found = correlation_length(coordinates), []

    for rows in torch.arange(n).split(ROWS):
        near, offsets = nearest_nodes(coordinates[rows], coordinates, periods)
        places = offsets / length
        q, k, _ = places.shape
        system = torch.zeros(q, k + 1 + m, k + 1 + m, dtype=values.dtype)
        system[:, :k, :k] = _covariances(places[:, :, None] - places[:, None])[:, :, 0, :, 0]
        system[:, :k, :k] += NUGGET * torch.eye(k, dtype=values.dtype)
        system[:, :k, k], system[:, :k, k + 1 :] = 1.0, places
        system[:, k:, :k] = system[:, :k, k:].mT
        wanted = torch.zeros(q, k + 1 + m, m, dtype=values.dtype)
        wanted[:, :k] = _covariances(places[:, :, None])[:, :, 0, 0, 1:]
        wanted[:, k + 1 :] = torch.eye(m, dtype=values.dtype)
        weights = torch.linalg.solve(system, wanted)[:, :k]
        found.append((weights.mT @ values[near]).mT / length)

    return torch.cat(found)


def krige_along(starts: Tensor, ends: Tensor, offsets: Tensor, slopes: Tensor, length: Tensor) -> Tensor:
    r"""Predicts differences of a function between two points from slopes alone at samples around.

    Arguments:
        starts: One point of each pair, `(q, m)`.
        ends: The other, likewise.
        offsets: Where the samples lie, `(q, k, m)`.
        slopes: `(q, k, d, m)`.
        length: Of correlations, `()`, in coordinate units.

    Returns:
        `(q, d)`.
    """
    places = offsets / length
    q, k, m = places.shape
    system = _covariances(places[:, :, None] - places[:, None])[:, :, 1:, :, 1:].reshape(q, k * m, k * m)
    system = system + NUGGET * torch.eye(k * m, dtype=system.dtype, device=system.device)
    wanted = [
        _covariances((places - (point / length)[:, None])[:, :, None])[:, :, 1:, 0, 0]
        for point in (ends, starts)
    ]
    weights = torch.linalg.solve(system, (wanted[0] - wanted[1]).reshape(q, k * m))

    return length * torch.einsum("qkm,qkdm->qd", weights.reshape(q, k, m), slopes)
