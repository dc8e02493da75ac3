r"""Points of one cloud in places where another, of the same support, would have samples: holes and cut edges.

Around a sample c with local distance s of samples, within which one neighbour is expected, the distance r of a point to
its nearest sample has

.. math:: P\left( (r / s)^m > t \right) = e^{-t}

wherever both distributions have a density. Sampling explains few points with a large t, however uneven it is, and
fewer that lie together: the t of points in one void add up.
"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from equiv.lattice import wrap
from equiv.smooth_fit import lattice_images

__all__ = ["largest_void", "stranded"]

NEIGHBORS = 6
# Points with a probability below exp(-8) are counted.
RARE = 8.0
# Points with a probability below exp(-3) make up voids.
UNUSUAL = 3.0


def stranded(points: Tensor, cloud: Tensor, periods: Tensor | None = None) -> int:
    r"""How many points lie farther from a cloud than sampling explains; one in some hundred do by chance.

    Arguments:
        points: Shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
        periods: Lattice of both, shape `(p, m)`, or None.
    """
    return int((_rarity(points, cloud, periods)[0] > RARE).sum())


def largest_void(points: Tensor, cloud: Tensor) -> float:
    r"""The sum of t over the points in the largest void of a cloud in R^m.

    Two points are in one void when one is in the ball around the other that holds no sample.

    Arguments:
        points: Shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
    """
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial.distance import cdist

    rarity, empty = _rarity(points, cloud, None)
    far = rarity > UNUSUAL

    if not far.any():
        return 0.0

    apart = cdist(points.numpy()[far], points.numpy()[far])
    labels = connected_components(apart < np.maximum(empty[far][:, None], empty[far]), directed=False)[1]

    return float(np.bincount(labels, weights=rarity[far]).max())


def _rarity(
    points: Tensor, cloud: Tensor, periods: Tensor | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""t of all points, and the distances to their nearest samples, `(q,)` each."""
    from scipy.spatial import cKDTree

    m = cloud.shape[1]
    cells = (wrap(cloud, periods)[None] + lattice_images(periods, m)[:, None]).reshape(-1, m)
    tree = cKDTree(cells.numpy())
    distance, nearest = tree.query(wrap(points, periods).numpy())
    near = tree.query(cells.numpy()[nearest], NEIGHBORS + 1)[1]
    # Of single samples the distance to the sixth neighbour scatters by a fifth.
    reach = tree.query(cells.numpy()[near.reshape(-1)], NEIGHBORS + 1)[0][:, -1].reshape(near.shape)
    spacing = np.sqrt(np.square(reach).mean(axis=1)) / NEIGHBORS ** (1 / m)

    return (distance / spacing) ** m, distance
