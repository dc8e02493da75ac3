r"""Where to start: positions that functions common to both sides tell, as distances to anchors.

An isometry carries the geodesic distance from an anchor on the one side to that on the other. A point is where its
distances from :math:`m + 1` anchors and more are those of its image, and their gradients tell how frames are turned.
Eigenfunctions, once registered, serve as well.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from equiv.isometry.local_metric import orthogonal, pseudo_inverse
from equiv.isometry.side import CurvedSide

__all__ = ["Start", "start_by_anchors", "start_by_functions"]

# Directions along which common functions change less than this are left as they are.
# [share of the steepest; chosen: distances told along flat directions are noise]
FLAT_SLOPE = 0.2


class Start(NamedTuple):
    r"""Images of A's samples in B's weighted values, `(n, d)`, and of their frames, `(n, d, m)`."""

    images: Tensor
    frames: Tensor


def start_by_anchors(a: CurvedSide, b: CurvedSide, anchors: Tensor) -> Start:
    r"""From the distances to anchors, pairs of sample indices `(k, 2)`, along paths of neighbours."""
    functions = [_distances(side, anchors[:, column]) for column, side in enumerate((a, b))]
    slopes = [_slopes(side, each) for side, each in zip((a, b), functions, strict=True)]

    return start_by_functions(b, functions[0], slopes[0], functions[1], slopes[1])


def start_by_functions(
    b: CurvedSide, functions_a: Tensor, slopes_a: Tensor, functions_b: Tensor, slopes_b: Tensor
) -> Start:
    r"""From functions that agree where samples of A and of B correspond.

    Arguments:
        b: Side B.
        functions_a: At A's samples, `(n_a, k)`.
        slopes_a: Along A's frames, `(n_a, k, m)`.
        functions_b: At B's samples, `(n_b, k)`.
        slopes_b: Along B's frames, `(n_b, k, m)`.
    """
    from scipy.spatial import KDTree

    nearest = torch.from_numpy(KDTree(functions_b.numpy()).query(functions_a.numpy())[1])
    slopes = slopes_b[nearest]
    missed = (functions_a - functions_b[nearest])[:, :, None]
    move = (torch.linalg.pinv(slopes, rtol=FLAT_SLOPE) @ missed)[:, :, 0]
    share = b.spacing[nearest] / move.norm(dim=1).clamp_min(1e-300)
    frames = b.frames[nearest]
    near = b.values[nearest] + (frames @ (move * share.clamp_max(1)[:, None])[:, :, None])[:, :, 0]
    images, there = b.charts.at(near)
    turned = frames @ orthogonal(slopes.mT @ slopes_a)

    return Start(images, there @ orthogonal(pseudo_inverse(there) @ turned))


def _distances(side: CurvedSide, roots: Tensor) -> Tensor:
    r"""Lengths of shortest paths of neighbours from some samples to all, `(n, k)`; infinite where there is none."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    lengths = side.ways.norm(dim=1).reshape(2, -1).mean(dim=0)
    graph = side.graph
    matrix = coo_matrix((lengths.numpy(), (graph.i.numpy(), graph.j.numpy())), shape=(graph.n, graph.n))

    return torch.from_numpy(dijkstra(matrix.tocsr(), directed=False, indices=roots.numpy()).T.copy())


def _slopes(side: CurvedSide, functions: Tensor) -> Tensor:
    r"""Least-squares gradients of functions `(n, k)` of the samples along the frames, `(n, k, m)`."""
    i, ways = side.i, side.ways
    n, m = len(side), side.m
    rise = functions[side.j] - functions[i]
    gram = torch.zeros(n, m, m, dtype=ways.dtype).index_add_(0, i, ways[:, :, None] * ways[:, None])
    moment = torch.zeros(n, m, rise.shape[1], dtype=ways.dtype).index_add_(
        0, i, ways[:, :, None] * rise[:, None]
    )

    return (torch.linalg.pinv(gram, hermitian=True) @ moment).mT
