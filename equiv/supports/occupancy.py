r"""Points of one cloud in places where another, of the same support, would have samples: holes and cut edges.

Around a sample c with local distance s of samples, within which one neighbour is expected, the distance r of a point to
its nearest sample has

.. math:: P\left( (r / s)^m > t \right) = e^{-t}

wherever both distributions have a density. Where that vanishes at an edge, s grows beyond the outline as the distance
of the edge from it: points that are far from any sample there lie in no hole. Sampling explains few points with a large
t, however uneven it is, and fewer that lie together: the t of points in one gap add up.
"""

import numpy as np
from torch import Tensor

from equiv.supports.limits import NEIGHBORS
from equiv.supports.support import outline

__all__ = ["Occupancy"]

# Points with a larger t are counted as unoccupied.
# [dimensionless; derived: exp(-8), one in 3,000, is chance where densities are even]
UNOCCUPIED_RARITY = 8.0

# Points with a larger t make up gaps.
# [dimensionless; chosen: exp(-3), one in twenty, so that the rim of a hole counts, and chance joins few]
GAP_RARITY = 3.0


class Occupancy:
    r"""Which points lie in places that a cloud in R^m does not occupy.

    Arguments:
        points: Shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
    """

    def __init__(self, points: Tensor, cloud: Tensor) -> None:
        from scipy.spatial import cKDTree

        m, cells = cloud.shape[1], cloud.numpy()
        tree = cKDTree(cells)
        self.points = points.numpy()
        self.empty, nearest = tree.query(self.points)
        near = tree.query(cells[nearest], NEIGHBORS + 1)[1]
        # Of single samples the distance to the sixth neighbour scatters by a fifth.
        reach = tree.query(cells[near.reshape(-1)], NEIGHBORS + 1)[0][:, -1].reshape(near.shape)
        spacing = np.sqrt(np.square(reach).mean(axis=1)) / NEIGHBORS ** (1 / m)
        edge = outline(cloud)
        closest = edge.tree.query(self.points)[1]
        beyond = ((points - edge.points[closest]) * edge.normals[closest]).sum(dim=1) > 0
        spacing = spacing * np.where(beyond, edge.vanishing[closest], 1.0)
        self.rarity = (self.empty / spacing) ** m

    @property
    def unoccupied(self) -> int:
        r"""How many points lie farther from the cloud than sampling explains; one in some hundred do by chance."""
        return int((self.rarity > UNOCCUPIED_RARITY).sum())

    @property
    def largest_gap(self) -> float:
        r"""The sum of t over the points in the largest gap of the cloud.

        Two points are in one gap when one is in the ball around the other that holds no sample.
        """
        from scipy.sparse.csgraph import connected_components
        from scipy.spatial.distance import cdist

        far = self.rarity > GAP_RARITY

        if not far.any():
            return 0.0

        points, empty = self.points[far], self.empty[far]
        joined = cdist(points, points) < np.maximum(empty[:, None], empty)
        labels = connected_components(joined, directed=False)[1]

        return float(np.bincount(labels, weights=self.rarity[far]).max())
