r"""Nearest samples, among all of them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["all_nearest", "nearest_samples"]

# Distances from so many samples to all are held at a time.
# [samples; chosen: bounds memory alone]
ROWS_PER_BLOCK = 512


def nearest_samples(values: Tensor, rows: Tensor, count: int) -> Tensor:
    r"""Indices of the nearest other samples of some, nearest first.

    Arguments:
        values: Activations, shape `(n, d)`.
        rows: Samples whose neighbours are asked for, indices `(l,)`.
        count: How many; fewer where there are not as many others.

    Returns:
        Indices, shape `(l, min(count, n - 1))`.
    """
    distance = torch.cdist(values[rows], values)
    distance[torch.arange(len(rows), device=rows.device), rows] = torch.inf

    return distance.topk(min(count, len(values) - 1), largest=False).indices


def all_nearest(values: Tensor, count: int) -> Tensor:
    r"""`nearest_samples` of every sample, shape `(n, min(count, n - 1))`, without the n x n matrix."""
    every = torch.arange(len(values), device=values.device)

    return torch.cat([nearest_samples(values, rows, count) for rows in every.split(ROWS_PER_BLOCK)])
