r"""Distances between samples, and what they tell: the dimension of the samples, and whether rows are in order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from equiv.metric.neuron_scale import squared_lengths

__all__ = ["distances", "log_ratios", "row_order"]

# Rows on either side of one whose nearness tells whether rows are in order.
# [samples; chosen: a path visits its next samples before and after]
ROWS_NEAR = 3
# Squared distances below this share of the samples' own squares are taken from differences, not from products.
# [dimensionless; chosen: products leave a hundred millionth of larger ones open]
NEAR_COPIES = 1e-7
# Pairs whose differences are formed at once.
# [pairs; chosen: 32 MiB in float64 of 1,000 neurons]
MAX_PAIRS = 4096


def distances(values: Tensor) -> Tensor:
    r"""Distances between samples, `(n, n)`, those between near-copies no less exact than others."""
    squares = squared_lengths(values)
    both = squares[:, None] + squares
    squared = torch.addmm(both, values, values.mT, alpha=-2)

    for rows in (
        (squared < NEAR_COPIES * both).triu(1).nonzero().split(MAX_PAIRS)
    ):  # of which rounding is a part
        i, j = rows.T
        squared[i, j] = squared[j, i] = (values[i] - values[j]).square().sum(dim=1)

    return squared.fill_diagonal_(0.0).clamp_min_(0.0).sqrt_()


def log_ratios(apart: Tensor, *counts: int) -> list[Tensor]:
    r"""log of the distance to the 2k-th neighbour over that to the k-th, `(n,)` for each of the counts k."""
    near = apart.topk(2 * max(counts) + 1, largest=False).values.clamp_min(1e-150)

    return [(near[:, 2 * k] / near[:, k]).log() for k in counts]


def row_order(apart: Tensor) -> float:
    r"""How much nearer rows are to the next ones than rows in any order, in standard deviations of all orders.

    From the distances between them, `(n, n)`.

    Near is :math:`r_{ij}^{-1/2} + r_{ji}^{-1/2}`, j the :math:`r_{ij}`-th neighbour of i: what is near by some
    neurons alone shows in the first ranks, what drifts slowly in all of them, and outliers have ranks as any other.
    Mean and deviation over all orders of the rows are exact.

    References:
        | The detection of disease clustering and a generalized regression approach (Mantel, 1967)
        | https://aacrjournals.org/cancerres/article/27/2_Part_1/209
    """
    n = len(apart)
    first = apart.cpu().numpy().copy()
    np.fill_diagonal(first, -1.0)  # a row is its own nearest, before its copies
    order = torch.from_numpy(first.argsort(axis=1)).to(apart.device)  # several times as fast as torch's
    weight = torch.arange(n, dtype=apart.dtype, device=apart.device).clamp_min(1).rsqrt()
    near = torch.empty_like(apart).scatter_(1, order, weight.expand(n, n))
    near = (near + near.mT).fill_diagonal_(0.0)
    rows = torch.arange(n, device=apart.device)
    beside = ((rows[:, None] - rows).abs() <= ROWS_NEAR).to(apart.dtype).fill_diagonal_(0.0)
    of_near, of_beside = _pair_sums(near), _pair_sums(beside)
    mean = of_near[0] * of_beside[0] / (n * (n - 1))
    ways = (n * (n - 1) / 2, n * (n - 1) * (n - 2) / 4, n * (n - 1) * (n - 2) * (n - 3))
    square = sum(a * b / way for a, b, way in zip(of_near[1:], of_beside[1:], ways, strict=True))

    return ((near * beside).sum().item() - mean) / max(square - mean**2, 1e-300) ** 0.5


def _pair_sums(matrix: Tensor) -> tuple[float, float, float, float]:
    r"""Sums over pairs of rows: of entries, their squares, products of two that share one row, and that share none.

    The matrix `(n, n)` is symmetric and has a zero diagonal.
    """
    rows = matrix.sum(dim=1)
    total, same = rows.sum().item(), matrix.square().sum().item()
    common = rows.square().sum().item() - same

    return total, same, common, total**2 - 4 * common - 2 * same
