r"""Where a cloud of samples lives: membership in its support, whatever its sampling density."""

import torch
from torch import Tensor

from equiv.lattice import wrap
from equiv.smooth_fit import lattice_images

__all__ = ["inside"]

NEIGHBORS = 6


def inside(
    points: Tensor, cloud: Tensor, periods: Tensor | None = None, neighbors: int = NEIGHBORS
) -> Tensor:
    r"""Whether points lie within the support that a cloud of samples shows.

    A point x is inside when its nearest sample c is not farther than c's own `neighbors`-th nearest sample.
    For a point of the support the chance to be missed is about :math:`e^{-k}` with k = `neighbors`, in every
    dimension and at every density, since the ball around c then holds k samples and that around x none.

    Arguments:
        points: Points, shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
        periods: Lattice of both, shape `(p, m)`, or None.
        neighbors: k, below n.

    Returns:
        Bool, shape `(q,)`.
    """
    import numpy as np
    from scipy.spatial import cKDTree

    m = cloud.shape[1]
    cells = (wrap(cloud, periods)[None] + lattice_images(periods, m)[:, None]).reshape(-1, m)
    tree = cKDTree(cells.numpy())
    k = min(neighbors, len(cloud) - 1)
    distance, nearest = tree.query(wrap(points, periods).numpy())
    radius = tree.query(cells.numpy()[nearest], k + 1)[0][:, -1]

    return torch.from_numpy(np.asarray(distance <= radius))
