r"""Points of one cloud in places where another, of the same support, would have samples: holes and cut edges.

Around a sample c with local distance s of samples, within which one neighbour is expected, the distance r of a point to
its nearest sample has

.. math:: P\left( (r / s)^m > t \right) = e^{-t}

wherever both distributions have a density. Sampling explains few points with a large t, however uneven it is.
"""

import numpy as np
from torch import Tensor

from equiv.lattice import wrap
from equiv.smooth_fit import lattice_images

__all__ = ["stranded"]

NEIGHBORS = 6
# Points with a probability below exp(-8) are counted.
RARE = 8.0


def stranded(points: Tensor, cloud: Tensor, periods: Tensor | None = None) -> int:
    r"""How many points lie farther from a cloud than sampling explains; one in some hundred do by chance.

    Arguments:
        points: Shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
        periods: Lattice of both, shape `(p, m)`, or None.
    """
    from scipy.spatial import cKDTree

    m = cloud.shape[1]
    cells = (wrap(cloud, periods)[None] + lattice_images(periods, m)[:, None]).reshape(-1, m)
    tree = cKDTree(cells.numpy())
    distance, nearest = tree.query(wrap(points, periods).numpy())
    near = tree.query(cells.numpy()[nearest], NEIGHBORS + 1)[1]
    # Of single samples the distance to the sixth neighbour scatters by a fifth.
    reach = tree.query(cells.numpy()[near.reshape(-1)], NEIGHBORS + 1)[0][:, -1].reshape(near.shape)
    spacing = np.sqrt(np.square(reach).mean(axis=1)) / NEIGHBORS ** (1 / m)

    return int(((distance / spacing) ** m > RARE).sum())
