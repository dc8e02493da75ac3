r"""The Mahalanobis-like metric: squared distances of the inputs, read from activations and frames.

With :math:`C_i^+ = L_i L_i^\top` (`equiv.observe.frames.whitening`),

.. math:: d_{ij}^2 = \tfrac12 \left( |L_i^\top (y_i - y_j)|^2 + |L_j^\top (y_i - y_j)|^2 \right)
          = |x_i - x_j|^2 + O(|x_i - x_j|^4)

whatever the smooth map :math:`\varphi` from inputs to activations was.

References:
    | Non-linear independent component analysis with diffusion maps, section 3
    | (Singer and Coifman, 2008), https://doi.org/10.1016/j.acha.2007.11.001

    | Transformations between deep neural networks (Bertalan et al., 2020)
    | https://arxiv.org/abs/2007.05646
"""

from collections.abc import Callable

import torch
from torch import Tensor

from equiv.metric.binary_scale import BinaryScale, binary_scale
from equiv.metric.points import MetricPoints, metric_points
from equiv.observe.memory import check_memory
from equiv.observe.observations import Observations
from equiv.observe.progress import further

__all__ = [
    "MAX_NORMAL_SHARE",
    "ROUNDING_SHARE",
    "all_distances",
    "mahalanobis",
    "pair_distances",
    "tiles",
]


# Pairs are worked off in square tiles of this side.
# [samples; derived: four buffers of 340 x 340 numbers of 8 bytes are 3.7 MB and stay in a core's cache]
TILE_SIDE = 340

# Largest share of a squared difference that may be normal to the tangent space at either end of a trusted pair: the
# metric sees the tangent part alone, and sheets that lie over each other would look near.
# [share of the squared difference; measured: on the horse's two latent spaces it leaves the coordinates off by 1.3
# degrees, a penalty alone by 2.7, no test at all by 50 to 110]
MAX_NORMAL_SHARE = 0.5

# Differences whose square is below this share of the squared activations are rounding, and have no direction.
# [share of the squared activations; derived: some 50 times the rounding of a sum in float64, 2e-16]
ROUNDING_SHARE = 1e-14

# What a squared distance takes.
# [bytes; derived: float64]
DISTANCE_BYTES = 8

# What a tile needs memory for, and the function that gives some of a name and shape.
BUFFERS = ("total", "part", "tangent", "other tangent")
Buffer = Callable[[str, int, int], Tensor | None]


class _Buffers:
    r"""Memory that one tile of pairs after another is worked off in: fresh memory costs more than the sums.

    Arguments:
        like: A tensor of the device and dtype wanted.
        size: Entries of the largest tile.
    """

    def __init__(self, like: Tensor, size: int) -> None:
        self._memory = like.new_empty(len(BUFFERS), size)

    def __call__(self, name: str, n: int, q: int) -> Tensor:
        return self._memory[BUFFERS.index(name), : n * q].view(n, q)


def _fresh(name: str, n: int, q: int) -> None:
    r"""No buffer: the result gets memory of its own, and gradients may flow."""


def pair_distances(a: MetricPoints, b: MetricPoints, max_normal_share: float | None = None) -> Tensor:
    r"""Squared distances of all pairs, in one piece, differentiable in the values.

    Arguments:
        a: Samples, `n` of them.
        b: Samples about the same centre, `q` of them.
        max_normal_share: Largest share of a squared difference that may be normal to the tangent space at either
            end; pairs beyond it get an infinite distance. Dimensionless; None: no test.

    Returns:
        Squared distances, shape `(n, q)`, in squared input units (Euclidean: squared activation units).
    """
    return _tile(a, b, max_normal_share, _fresh)


def _tile(a: MetricPoints, b: MetricPoints, max_normal_share: float | None, buffer: Buffer) -> Tensor:
    if a.frames is None or b.frames is None:
        return _euclidean(a, b)

    shape = len(a), len(b)
    total, tangent = None, None

    for points, others, turned in ((a, b, False), (b, a, True)):
        assert points.frames is not None
        own = None

        for k, scale in enumerate(points.frames.scale):
            part = _square(points, others, k, turned, buffer("total" if total is None else "part", *shape))

            if max_normal_share is not None:
                weight = scale.square() if turned else scale.square()[:, None]
                if own is None:
                    out = buffer("tangent" if tangent is None else "other tangent", *shape)
                    own = torch.mul(part.detach(), weight, out=out)
                else:
                    own.addcmul_(part.detach(), weight)

            total = part if total is None else total.add_(part)

        if own is not None:
            if not bool(points.frames.tested.all()):
                own.masked_fill_(~_tested(points, turned), torch.inf)
            tangent = own if tangent is None else torch.minimum(tangent, own, out=own)

    assert total is not None

    if max_normal_share is not None and tangent is not None:
        bound = _normal_bound(a, b, 1 - max_normal_share, buffer("part", *shape))
        beyond = torch.lt(tangent, bound, out=bound)  # 1 or 0: several times faster than a mask
        # Twice the largest number is infinite, twice nothing is nothing; 0 times infinity would be NaN.
        largest = torch.finfo(beyond.dtype).max
        total.add_(beyond, alpha=largest).add_(beyond, alpha=largest)

    return total.mul_(0.5)


def _normal_bound(a: MetricPoints, b: MetricPoints, share: float, out: Tensor | None) -> Tensor:
    r"""`share` of the squared differences, less the samples' own rounding: below it they have no direction."""
    y, z = a.values.detach(), b.values.detach()
    square_y, square_z = share * y.square().sum(dim=1), share * z.square().sum(dim=1)
    rounding = ROUNDING_SHARE / share * (square_y.amax() + square_z.amax())

    return torch.addmm(square_z - rounding, y, z.T, alpha=-2 * share, out=out).add_(square_y[:, None])


def _tested(points: MetricPoints, turned: bool) -> Tensor:
    assert points.frames is not None
    return points.frames.tested if turned else points.frames.tested[:, None]


def _euclidean(a: MetricPoints, b: MetricPoints) -> Tensor:
    r"""Squared Euclidean distances of the activations, shape `(n, q)`, never negative."""
    square_a, square_b = a.values.square().sum(dim=1), b.values.square().sum(dim=1)

    return torch.addmm(square_b, a.values, b.values.T, alpha=-2).add_(square_a[:, None]).clamp_(min=0)


def _square(points: MetricPoints, others: MetricPoints, k: int, turned: bool, out: Tensor | None) -> Tensor:
    r"""The squared coordinates :math:`(L_i^\top (y_j - y_i))_k^2` at the ends i = `points`.

    Of shape `(points, others)`, or its transpose if `turned`. Times the squared singular values they become
    those of the orthonormal basis.
    """
    assert points.frames is not None
    whitening, offset = points.frames.whitening[k], points.frames.offset[k]

    # The difference is taken before the square: no digits are lost where samples are close.
    if turned:
        return torch.addmm(offset, others.values, whitening.T, beta=-1, out=out).square_()

    return torch.addmm(offset[:, None], whitening, others.values.T, beta=-1, out=out).square_()


def tiles(n: int, side: int = TILE_SIDE) -> list[slice]:
    r"""Consecutive slices that cover `range(n)`, of nearly equal length, at most `side`."""
    count = -(-n // side)

    return [slice(k * n // count, (k + 1) * n // count) for k in range(count)]


def all_distances(points: MetricPoints, max_normal_share: float | None = None) -> Tensor:
    r"""Squared distances among one set of samples, shape `(n, n)`: exactly symmetric, diagonal exactly zero.

    Beside the result it needs a few buffers of `TILE_SIDE` x `TILE_SIDE`.
    """
    out = points.values.new_empty(len(points), len(points))
    blocks = [(rows, points.subset(rows)) for rows in tiles(len(points))]
    buffer = _Buffers(points.values, max(len(some) for _, some in blocks) ** 2)

    for k, (rows, some) in enumerate(blocks):
        for columns, others in blocks[k:]:
            tile = _tile(some, others, max_normal_share, buffer)
            further()

            if rows == columns:  # the order of the sums must not show
                tile = tile.triu_(1)
                torch.add(tile, tile.T, out=out[rows, columns])
            else:
                out[rows, columns] = tile
                out[columns, rows] = tile.T

    return out


def _checked(obs: Observations, name: str) -> Observations:
    if not isinstance(obs, Observations):
        raise TypeError(
            f"'{name}' should be equiv.Observations, got {type(obs).__name__}; wrap the arrays in it."
        )

    if obs.frames is None:
        raise ValueError(f"'{name}' should have frames, got frames=None; probe with frames, or pass them.")

    return obs


def _points(obs: Observations, scale: BinaryScale, centre: Tensor | None = None) -> MetricPoints:
    scaled = scale.observations(obs)

    return metric_points(scaled.values, scaled.frames, centre)


def mahalanobis(obs: Observations, other: Observations | None = None) -> Tensor:
    r"""Mahalanobis-like squared distances, unfiltered; they are those of the inputs at short range only.

    Costs O(n^2 m d) operations as matrix products, and little memory beside the result.

    Arguments:
        obs: Observations with frames, `n` samples.
        other: Observations of the same neurons with frames, `q` samples, for a cross block; None: `obs`
            itself.

    Returns:
        Squared distances, shape `(n, n)` or `(n, q)`, float64, in squared *input* units. Never negative;
        among `obs` itself symmetric with an exactly zero diagonal. Where both frames have rank 0 the distance
        is 0.

    Raises:
        TypeError: If an argument is not `Observations`.
        ValueError: If frames are missing, the two have different numbers of neurons, or it would take more memory
            than it may.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64)
        >>> A = torch.tensor([[2.0, 0.0], [0.0, 5.0], [1.0, 1.0]], dtype=torch.float64)
        >>> mahalanobis(Observations(x @ A.T, A.expand(2, 3, 2))).round(decimals=6)
        tensor([[ 0., 25.],
                [25.,  0.]], dtype=torch.float64)
    """
    most = len(obs) if isinstance(obs, Observations) else 0
    others_count = len(other) if isinstance(other, Observations) else most
    check_memory(
        DISTANCE_BYTES * most * others_count,
        "'obs'",
        f"squared distances {most} x {others_count}",
        "take fewer samples, or blocks of 'other'",
    )
    checked = _checked(obs, "obs")
    scale = binary_scale(checked.values, checked.frames)
    points = _points(checked, scale)

    if other is None:
        return all_distances(points).div_(scale.lengths).div_(scale.lengths)

    if isinstance(other, Observations) and other.values.shape[1] != obs.values.shape[1]:
        raise ValueError(
            f"'other' should observe the {obs.values.shape[1]} neurons of 'obs', "
            f"got {other.values.shape[1]}; probe the same layers and neurons."
        )

    others = _points(_checked(other, "other"), scale, points.centre)
    out = points.values.new_empty(len(points), len(others))
    buffer = _Buffers(out, TILE_SIDE**2)

    for rows in tiles(len(points)):
        for columns in tiles(len(others)):
            out[rows, columns] = _tile(points.subset(rows), others.subset(columns), None, buffer)

    return out.div_(scale.lengths).div_(scale.lengths)
