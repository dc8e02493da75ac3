r"""Ends of a curve, and whether they look like ends."""

import torch
from torch import Tensor

from equiv.neighbors import NeighborGraph

__all__ = ["NEAR_ENDS", "nearest_ends"]

# Ends nearer to each other than this may be none.
NEAR_ENDS = 4.0


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

    ends = ((ahead == 0) | (behind == 0)).nonzero().flatten()
    usual = (total / count.clamp_min(1))[ends]
    apart = torch.cdist(values[ends], values[ends]) / torch.maximum(usual[:, None], usual).clamp_min(1e-300)

    return float(apart.fill_diagonal_(torch.inf).min()) if len(ends) else torch.inf
