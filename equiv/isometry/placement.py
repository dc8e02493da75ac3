r"""Images set down where their neighbours see them: single ones, and whole regions outward from a piece."""

import torch
from torch import Tensor

from equiv.isometry.local_metric import orthogonal, pseudo_inverse
from equiv.isometry.side import CurvedSide
from equiv.isometry.starts import Start

__all__ = ["grown", "settled"]

# Rounds in which every image is set where most of its neighbours see it.
# [rounds; chosen: the first leaves single images in wrong places, the third hardly any]
ROUNDS_OF_SETTLING = 3


def settled(a: CurvedSide, b: CurvedSide, found: Start) -> Start:
    r"""Images set where most of their neighbours see them, and frames turned as these lie."""
    i, j, n = a.i, a.j, len(a)
    weights = 1 / a.ways.square().sum(dim=1).clamp_min(1e-300)

    for _ in range(ROUNDS_OF_SETTLING):
        images, there = b.charts.at(_medians(a, found, torch.ones(n, dtype=torch.bool)))
        way = (pseudo_inverse(there)[i] @ (images[j] - images[i])[:, :, None])[:, :, 0]
        share = 2 * a.ways.norm(dim=1) / way.norm(dim=1).clamp_min(1e-300)
        products = (weights * share.clamp_max(1))[:, None, None] * way[:, :, None] * a.ways[:, None]
        moment = torch.zeros(n, a.m, a.m, dtype=way.dtype).index_add_(0, i, products)
        found = Start(images, there @ orthogonal(moment))

    return found


def grown(a: CurvedSide, b: CurvedSide, found: Start, placed: Tensor) -> Start:
    r"""The images of a piece of the samples, `(n,)` bool, continued to all, ring by ring.

    A ring are the neighbours of what is placed: set where most of these see them, with frames in parallel to theirs.
    """
    i, j, n = a.i, a.j, len(a)
    images, frames, placed = found.images.clone(), found.frames.clone(), placed.clone()

    while True:
        ring = ~placed & (i.bincount(placed[j].double(), minlength=n) > 0)

        if not bool(ring.any()):
            return Start(images, frames)

        edges = ring[i] & placed[j]
        parallel = torch.zeros_like(frames)
        parallel.index_add_(0, i[edges], frames[j[edges]] @ a.transports[edges].mT)
        near = _medians(a, Start(images, frames), placed)[ring]
        images[ring], there = b.charts.at(near)
        frames[ring] = there @ orthogonal(pseudo_inverse(there) @ parallel[ring])
        placed = placed | ring


def _medians(a: CurvedSide, found: Start, placed: Tensor) -> Tensor:
    r"""Where placed neighbours see every sample's image, the median of each coordinate, `(n, d)`; NaN without any."""
    i, j, n = a.i, a.j, len(a)
    seen = found.images[j] + (found.frames[j] @ a.reversed_ways()[:, :, None])[:, :, 0]
    seen[~placed[j]] = torch.nan
    order = i.argsort(stable=True)
    degree = i.bincount(minlength=n)
    column = torch.arange(len(i)) - (degree.cumsum(0) - degree)[i[order]]
    table = torch.full((n, int(degree.max()), seen.shape[1]), torch.nan, dtype=seen.dtype)
    table[i[order], column] = seen[order]

    return table.nanmedian(dim=1).values
