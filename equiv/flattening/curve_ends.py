r"""Ends of a curve: those that a corner cut apart, which are joined, and whether the others look like ends."""

from typing import NamedTuple

import torch
from torch import Tensor

from equiv.metric.neighbors import NeighborGraph

__all__ = ["MEETING_MISS", "NEAR_ENDS", "Ends", "along_both", "join_corners", "loose_ends", "nearest_ends"]


# Longest way to a corner on either side.
# [usual lengths of edges there; chosen: random samples leave no gaps as wide, and other pieces should not be reached]
LONGEST_WAY = 10.0

# Most of a difference that may be on no way around one corner: more than one corner in so short a gap leave some.
# [share of the difference; chosen: two ends that go past each other miss more]
LARGEST_MISS = 0.5

# Largest cosine of the angle at which two ends go on: a hairpin might as well be two ends side by side.
# [dimensionless; chosen: corners of 60 degrees and more between their sides are joined]
LARGEST_COSINE = 0.5

# Lines that miss each other by less than this meet: at one corner, whatever its angle.
# [share of the difference; chosen: frames are exact there, and lines in three dimensions and more seldom pass so near]
MEETING_MISS = 0.03

# Longest way to a corner on either side where such lines meet at any angle.
# [usual lengths of edges there; chosen: a gap of usual length, so that lines do not meet by chance]
SHORT_WAY = 2.0

# Values of fewer dimensions than three lie on a plane, where all lines meet: smaller singular values count as none.
# [share of the largest singular value; chosen: rounding in float32 is a tenth of it]
PLANE_TOLERANCE = 1e-6

# Ends nearer to each other than this may be none.
# [usual lengths of edges there; chosen: a bend too sharp for the samples leaves a gap of one or two]
NEAR_ENDS = 4.0

# Vectors whose squared sine is below this are parallel, and which of them goes how far is open.
# [dimensionless; derived: angles of a millionth, where float64 leaves four digits of their products]
SMALLEST_SQUARED_SINE = 1e-12


class Ends(NamedTuple):
    r"""Samples with neighbours on one side alone; one with none on either counts twice.

    Attributes:
        at: Indices of the samples, `(k,)`.
        outward: Whether the curve would go on along (1) or against (-1) the tangent, `(k,)`.
        usual: Usual length of the edges there, `(k,)`, in activation units.
    """

    at: Tensor
    outward: Tensor
    usual: Tensor


def loose_ends(values: Tensor, tangents: Tensor, graph: NeighborGraph) -> Ends:
    r"""The ends of the pieces of a curve.

    Arguments:
        values: `(n, d)`.
        tangents: `(n, d)`, of any length.
        graph: The neighbours.
    """
    i, j = graph.i, graph.j
    edge = values[j] - values[i]
    length = edge.norm(dim=1)
    ahead, behind, count, total = (torch.zeros(graph.n, dtype=values.dtype) for _ in range(4))

    for here, towards in ((i, edge), (j, -edge)):
        along = (tangents[here] * towards).sum(dim=1)
        ahead.index_add_(0, here, (along > 0).to(values.dtype))
        behind.index_add_(0, here, (along < 0).to(values.dtype))
        count.index_add_(0, here, torch.ones_like(length))
        total.index_add_(0, here, length)

    usual = total / count.clamp_min(1)
    usual = torch.where(count > 0, usual, usual[count > 0].median() if bool((count > 0).any()) else 0.0)
    front, back = (ahead == 0).nonzero().flatten(), (behind == 0).nonzero().flatten()
    index = torch.cat([front, back])
    outward = torch.cat([torch.ones(len(front)), -torch.ones(len(back))]).to(values.dtype)

    return Ends(index, outward, usual[index])


def join_corners(values: Tensor, tangents: Tensor, graph: NeighborGraph) -> NeighborGraph:
    r"""The graph with an edge around every corner: between two ends that are each other's nearest around one.

    Arguments:
        values: `(n, d)`.
        tangents: Frames of the curve, `(n, d)`, in activation units per input unit.
        graph: The neighbours.

    Returns:
        The graph itself where nothing is joined.
    """
    ends = loose_ends(values, tangents, graph)

    if len(ends.at) < 2:
        return graph

    out = ends.outward[:, None] * tangents[ends.at]  # (k, d)
    gap = values[ends.at] - values[ends.at][:, None]  # from row to column, (k, k, d)
    # Least squares of gap = s out_a - r out_b.
    square, product = out.square().sum(dim=1), out @ out.T
    first, second = (gap @ out[:, :, None])[:, :, 0], (gap * out).sum(dim=2)
    s, r = along_both(square[:, None], square, -product, first, -second)
    missed = gap - s[:, :, None] * out[:, None] + r[:, :, None] * out
    whole = gap.norm(dim=2)
    speed = square.sqrt()
    usual, missed = ends.usual / speed, missed.norm(dim=2)

    def within(times: float) -> Tensor:
        return (s >= 0) & (r >= 0) & (s <= times * usual[:, None]) & (r <= times * usual)

    # Seen from either end the other is ahead.
    fits = within(LONGEST_WAY) & (first > 0) & (second < 0) & (missed <= LARGEST_MISS * whole)
    fits &= product <= LARGEST_COSINE * speed[:, None] * speed
    if torch.linalg.matrix_rank(values - values.mean(dim=0), rtol=PLANE_TOLERANCE) > 2:
        fits |= within(SHORT_WAY) & (missed <= MEETING_MISS * whole)
    fits &= ends.at[:, None] != ends.at
    away = torch.where(fits, s + r, torch.inf)
    nearest = away.min(dim=1)
    a = nearest.values.isfinite().nonzero().flatten()
    a = a[nearest.indices[nearest.indices[a]] == a]
    b = nearest.indices[a]
    a, b = a[a < b], b[a < b]
    i, j = torch.minimum(ends.at[a], ends.at[b]), torch.maximum(ends.at[a], ends.at[b])
    known = graph.i * graph.n + graph.j
    new = ~torch.isin(i * graph.n + j, known)

    if not bool(new.any()):
        return graph

    i, j = torch.cat([graph.i, i[new]]), torch.cat([graph.j, j[new]])
    squared = torch.cat([graph.squared, away[a, b][new].square()])
    order = (i * graph.n + j).argsort()

    return NeighborGraph(i[order], j[order], squared[order], graph.n)


def along_both(aa: Tensor, bb: Tensor, ab: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    r"""Least squares of :math:`y = s\,a + r\,b`: s and r from products of vectors, tensors of any common shape.

    Arguments:
        aa: :math:`|a|^2`.
        bb: :math:`|b|^2`.
        ab: :math:`a^\top b`.
        first: :math:`a^\top y`.
        second: :math:`b^\top y`.
    """
    size = (aa * bb - ab.square()).clamp_min(SMALLEST_SQUARED_SINE * aa * bb)

    return (first * bb - second * ab) / size, (second * aa - first * ab) / size


def nearest_ends(values: Tensor, tangents: Tensor, graph: NeighborGraph) -> float:
    r"""How near two ends of a curve come to each other, over the usual length of edges there.

    An end is a sample with neighbours on one side alone. Ends of an interval are usually far apart. Where they
    are not, the curve may go on: in a bend too sharp for the samples, whose tangents differ too much.

    Arguments:
        values: `(n, d)`.
        tangents: Unit tangents, `(n, d)`.
        graph: The neighbours.

    Returns:
        Dimensionless; infinity where there are fewer than two ends.
    """
    index, _, usual = loose_ends(values, tangents, graph)
    apart = torch.cdist(values[index], values[index]) / torch.maximum(usual[:, None], usual).clamp_min(1e-300)

    return float(apart.masked_fill_(index[:, None] == index, torch.inf).min()) if len(index) else torch.inf
