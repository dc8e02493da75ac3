r"""Ends of a curve, and whether they look like ends."""

import torch
from torch import Tensor

from equiv.corners import loose_ends
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
    index, _, usual = loose_ends(values, tangents, graph)
    apart = torch.cdist(values[index], values[index]) / torch.maximum(usual[:, None], usual).clamp_min(1e-300)

    return float(apart.masked_fill_(index[:, None] == index, torch.inf).min()) if len(index) else torch.inf
