r"""Functions of few coordinates fitted to values and frames, and how far off they are between the samples."""

from typing import NamedTuple

import torch
from torch import Tensor

from equiv.coordinates.ridge import fit_ridge
from equiv.coordinates.smooth_fit import SmoothBasis, SmoothFit

__all__ = ["HermiteFit", "fit_hermite"]


# Functions at most; fewer where there are fewer than twice as many samples.
# [functions; chosen: frames tell of few samples more than so many can show, and the cost grows with their cube]
MAX_FUNCTIONS = 600

# Shares of the largest singular value, of which cross-validation chooses the ridge.
# [share of the largest singular value; chosen: cross-validation finds the best; below 1e-10 rounding rules]
RIDGES = [10.0**-power for power in range(11)]

# Which neighbour, the sample itself counted, tells the distance of samples.
# [neighbours; chosen: on a grid of the plane it is the last of the four nearest]
SPACING_NEIGHBOR = 5


class HermiteFit(NamedTuple):
    r"""A fit to values and frames.

    Attributes:
        fit: F.
        score: Of generalised cross-validation; lower is better.
        missed: What F would miss of each value if that sample were left out, `(n, d)`.
    """

    fit: SmoothFit
    score: float
    missed: Tensor


def fit_hermite(
    coordinates: Tensor, values: Tensor, frames: Tensor, periods: Tensor | None, width: float
) -> HermiteFit:
    r"""Least squares of :math:`|F(u_i) - y_i|^2 + s^2 |DF(u_i) - J_i|^2` with s half the distance of samples.

    The frames say most where F is rough: between samples an error of the slope costs s times it.

    Arguments:
        coordinates: u, `(n, m)`.
        values: y, `(n, d)`.
        frames: J, `(n, d, m)`, turned so that they belong to the coordinates.
        periods: Lattice vectors, `(p, m)`, or None.
        width: Of the Gaussians, over their spacing.

    Returns:
        The fit; what it misses of samples left out follows from the residuals r and the blocks H of the hat matrix,
        :math:`(1 - H_i)^{-1} r_i`.
    """
    from scipy.spatial import KDTree

    n, m = coordinates.shape
    apart = KDTree(coordinates.numpy()).query(coordinates.numpy(), k=min(SPACING_NEIGHBOR, n))[0][:, -1]
    weight = float(torch.from_numpy(apart).median()) / 2
    basis = SmoothBasis.at_farthest_points(coordinates, min(MAX_FUNCTIONS, n // 2), periods, width, densest=2)
    functions = basis.evaluate(coordinates)
    slopes = basis.combine(coordinates, torch.eye(functions.shape[1], dtype=functions.dtype))[1]  # (n, b, m)
    design = torch.cat([functions[:, None], weight * slopes.mT], dim=1)  # (n, 1 + m, b)
    target = torch.cat([values[:, None], weight * frames.mT], dim=1)  # (n, 1 + m, d)
    rows, goal = design.flatten(0, 1), target.flatten(0, 1)
    found = fit_ridge(rows, goal, RIDGES)
    hat = (found.orthogonal @ found.left).reshape(n, 1 + m, -1)
    kept = torch.eye(1 + m, dtype=values.dtype) - (hat * found.share) @ hat.mT
    missed = (goal - rows @ found.coefficients).reshape(n, 1 + m, -1)

    return HermiteFit(
        SmoothFit(basis, found.coefficients), found.score, torch.linalg.solve(kept, missed)[:, 0]
    )
