r"""Functions of few coordinates fitted to values and frames, and how far off they are between the samples."""

from typing import NamedTuple

import torch
from torch import Tensor

from equiv.coordinates.smooth_fit import SmoothBasis, SmoothFit, ridge_shares

__all__ = ["HermiteFit", "fit_hermite"]

MOST_FUNCTIONS = 600
RIDGES = [10.0**-power for power in range(11)]


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
    apart = KDTree(coordinates.numpy()).query(coordinates.numpy(), k=min(5, n))[0][:, -1]
    weight = float(torch.from_numpy(apart).median()) / 2
    basis = SmoothBasis.at_farthest_points(
        coordinates, min(MOST_FUNCTIONS, n // 2), periods, width, densest=2
    )
    functions = basis.evaluate(coordinates)
    slopes = basis.combine(coordinates, torch.eye(functions.shape[1], dtype=functions.dtype))[1]  # (n, b, m)
    design = torch.cat([functions[:, None], weight * slopes.mT], dim=1)  # (n, 1 + m, b)
    target = torch.cat([values[:, None], weight * frames.mT], dim=1)  # (n, 1 + m, d)
    rows, goal = design.flatten(0, 1), target.flatten(0, 1)
    orthogonal, triangular = torch.linalg.qr(rows)
    left, singular, right = torch.linalg.svd(triangular, full_matrices=False)
    seen = orthogonal.mT @ goal
    unseen = float((goal - orthogonal @ seen).square().sum())
    seen = left.mT @ seen
    share, score = ridge_shares(singular, seen, unseen, len(rows), RIDGES)
    coefficients = right.mT @ ((share / singular.clamp_min(1e-300))[:, None] * seen)
    hat = (orthogonal @ left).reshape(n, 1 + m, -1)
    kept = torch.eye(1 + m, dtype=values.dtype) - (hat * share) @ hat.mT
    missed = (goal - rows @ coefficients).reshape(n, 1 + m, -1)

    return HermiteFit(SmoothFit(basis, coefficients), score, torch.linalg.solve(kept, missed)[:, 0])
