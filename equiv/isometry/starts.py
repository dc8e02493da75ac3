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

__all__ = ["Start", "contradicting_anchors", "start_by_anchors", "start_by_functions", "tells_mirror_images"]

# Directions along which common functions change less than this are left as they are.
# [share of the steepest; chosen: distances told along flat directions are noise]
FLAT_SLOPE = 0.2


# Anchors whose distances to the others differ between the sides by more than so many of what is usual are wrong.
# [medians; chosen: paths of neighbours are longer than geodesics by a few percent, more or less]
OUTLIER_MEDIANS = 5.0

# No anchor is wrong whose distances differ by less.
# [spacings; chosen: paths go from sample to sample, and those of either side have other samples]
OUTLIER_SPACINGS = 2.0


# Directions from most anchors to the others span the space where their smallest singular value is above this.
# [share of the root of their number; measured: 0.36 and more for anchors drawn at random, 0.2 on a great circle]
SPANNING_DIRECTIONS = 0.25


class Start(NamedTuple):
    r"""Images of A's samples in B's weighted values, `(n, d)`, and of their frames, `(n, d, m)`."""

    images: Tensor
    frames: Tensor


def start_by_anchors(a: CurvedSide, b: CurvedSide, anchors: Tensor) -> Start:
    r"""From the distances to anchors, pairs of sample indices `(k, 2)`, along paths of neighbours."""
    functions = [_distances(side, anchors[:, column]) for column, side in enumerate((a, b))]
    slopes = [_slopes(side, each) for side, each in zip((a, b), functions, strict=True)]

    return start_by_functions(b, functions[0], slopes[0], functions[1], slopes[1])


def contradicting_anchors(a: CurvedSide, b: CurvedSide, anchors: Tensor) -> list[int]:
    r"""Rows of anchors `(k, 2)` that lie otherwise to most of the others on the one side than on the other.

    None where they are a third or more: nothing then tells which ones are right.
    """
    own, other = anchors.unbind(dim=1)
    differing = (_distances(a, own)[own] - _distances(b, other)[other]).abs()
    apart = ~torch.eye(len(anchors), dtype=torch.bool)
    off = torch.stack([row[kept].median() for row, kept in zip(differing, apart, strict=True)])
    least = OUTLIER_SPACINGS * max(float(side.spacing.median()) for side in (a, b))
    wrong = off > max(OUTLIER_MEDIANS * float(off.median()), least)

    return wrong.nonzero()[:, 0].tolist() if 3 * int(wrong.sum()) < len(anchors) else []


def tells_mirror_images(side: CurvedSide, anchors: Tensor) -> bool:
    r"""Whether no other isometry leaves the anchors, samples `(k,)`, where they are.

    One that leaves an anchor and the directions to the others, where these span all of them, is the identity.
    """
    slopes = _slopes(side, _distances(side, anchors))[anchors]  # (k, k, m)
    slopes = torch.nn.functional.normalize(slopes, dim=2)
    slopes[torch.arange(len(anchors)), torch.arange(len(anchors))] = 0
    smallest = torch.linalg.svdvals(slopes)[:, side.m - 1]

    return float(smallest.median()) > SPANNING_DIRECTIONS * (len(anchors) - 1) ** 0.5


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
