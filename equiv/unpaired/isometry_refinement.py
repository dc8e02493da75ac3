r"""Refinement of registered eigenfunctions until they carry the metric of one side to that of the other.

Eigenfunctions computed from samples are off by their noise. The metric is not: an isometry S of the two clouds of
eigenfunctions has :math:`DS\, G_A\, DS^\top = G_B \circ S`, with G the inverse metric in the eigenfunctions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.coordinates.smooth_fit import SmoothBasis, SmoothFit, fit_smooth
from equiv.unpaired.eigenfunctions import EigenSide, nearest_in

__all__ = ["Refined", "refine"]


# By dimension of the space: Gaussians of S, in more than three as many as in three.
# [functions; chosen: a trade of time, the equations are solved for all of them at once]
FUNCTIONS = {1: 120, 2: 300, 3: 250}

# One of these functions for so many samples at most.
# [samples; chosen: with fewer the noise of eigenfunctions is fitted]
SAMPLES_PER_FUNCTION = 3

# Gauss-Newton steps at most.
# [steps; chosen: a trade of time, registrations that are right settle in fewer]
STEPS = 8

# Mean square of the last step.
# [mean square of an eigenfunction; chosen: a move by 3e-4, less than the noise that is left]
SETTLED_STEP = 1e-7

# Mean square of the third and later steps where there is no isometry to be found.
# [mean square of an eigenfunction; chosen: moves by a tenth, when those towards an isometry have become small]
DIVERGED_STEP = 1e-2

# Most coefficients of S.
# [numbers; chosen: a trade of time, the matrix of their equations is solved in every step]
MAX_COEFFICIENTS = 1200

# Equations for each function, over the dimension of the space, from so many samples as it takes.
# [equations; chosen: a trade of time, with more the noise averages further]
EQUATIONS_PER_FUNCTION = 12

# Entries of the equations that are held at a time.
# [numbers; chosen: 48 megabytes]
ENTRIES_AT_ONCE = 6_000_000

# Width of the Gaussians over their spacing.
# [dimensionless; chosen: narrower ones leave ripples, wider ones are so alike that noise is amplified]
WIDTH = 2.0

# What is added to the diagonal of the equations, over its mean.
# [dimensionless; chosen: keeps alike functions apart, far below what the samples determine]
RIDGE = 1e-9

# Weight of the anchors, were they as many as the samples.
# [dimensionless; chosen: anchors correspond, so that S goes through them]
ANCHOR_WEIGHT = 10.0

# Weight of the distance from the cloud: without it a space could shrink into a smaller one.
# [dimensionless; chosen: S lands on the cloud before lengths fit]
LANDING_WEIGHT = 10.0

# The quantile of the errors of lengths that counts as the worst.
# [share of the samples; chosen: single samples at the edge of a cloud show nothing]
WORST_QUANTILE = 0.99


@dataclass(frozen=True)
class Refined:
    r"""A map S from A's eigenfunctions to B's.

    Attributes:
        matrix: Q, shape `(k, k)`.
        fit: S - Q.
        strain: RMS relative error of lengths that S leaves at the samples; dimensionless.
        worst: Its 99th percentile.
        dilation: Mean relative error of lengths, by which the one space is larger; dimensionless.
    """

    matrix: Tensor
    fit: SmoothFit
    strain: float
    worst: float
    dilation: float

    def __call__(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        r"""S at eigenfunctions `(q, k)`, and its Jacobians, `(q, k, k)`."""
        values, slopes = self.fit.basis.combine(coordinates, self.fit.coefficients)

        return coordinates @ self.matrix.T + values, self.matrix + slopes


def refine(a: EigenSide, b: EigenSide, matrix: Tensor, anchors: tuple[Tensor, Tensor] | None) -> Refined:
    r"""Gauss-Newton on the equation of an isometry and on the distance from B's cloud.

    .. math:: \sum_i \frac{|DS\, G_A(p_i)\, DS^\top - G_B(S(p_i))|^2}{g^2} + w^2 |N(S(p_i))(S(p_i) - q_i)|^2

    over :math:`S = Q + \Phi c`, with :math:`\Phi` Gaussians, :math:`q_i` the sample of B nearest to
    :math:`S(p_i)`, N the mean of the projections normal to the cloud at both, by which its curvature cancels, and
    g the mean square slope of B's eigenfunctions.

    Arguments:
        a: Side A.
        b: Side B.
        matrix: Q, shape `(k, k)`.
        anchors: Eigenfunctions of A and of B at the anchors, `(c, k)` each; None for none.
    """
    k, m = a.coordinates.shape[1], a.frames.shape[2]
    count = min(
        FUNCTIONS.get(m, FUNCTIONS[3]), MAX_COEFFICIENTS // k, len(a.coordinates) // SAMPLES_PER_FUNCTION
    )
    enough = max(SAMPLES_PER_FUNCTION * count, EQUATIONS_PER_FUNCTION * count // m)
    some = slice(None, None, max(1, len(a.coordinates) // enough))
    points, frames = a.coordinates[some], a.frames[some]
    scale = b.metric.diagonal(dim1=1, dim2=2).sum(dim=1).mean() / m
    upper = torch.triu_indices(k, k)
    field = fit_smooth(b.coordinates, b.metric[:, upper[0], upper[1]] / scale, wide=True)
    basis = SmoothBasis.at_farthest_points(points, count, None, WIDTH)
    identity = torch.eye(1 + k + len(basis.centers), dtype=torch.float64)
    values, slopes = basis.combine(points, identity)  # (n, b), (n, b, k)
    along = slopes @ frames  # (n, b, m)
    coefficients = torch.zeros(values.shape[1], k, dtype=torch.float64)
    known = None if anchors is None else basis.evaluate(anchors[0])

    size = values.shape[1] * k
    block = max(1, ENTRIES_AT_ONCE // (size * (k * (k + 1) // 2 + k)))

    for step in range(STEPS):
        gram, goal = torch.zeros(size, size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)

        for rows in torch.arange(len(points)).split(block):
            image = points[rows] @ matrix.T + values[rows] @ coefficients
            tangent = matrix @ frames[rows] + torch.einsum("nbm,bk->nkm", along[rows], coefficients)
            design, defect = _equations(image, tangent, values[rows], along[rows], field, scale, b, upper)
            gram += design.T @ design
            goal += design.T @ defect

        if anchors is not None and known is not None:
            weight = ANCHOR_WEIGHT**2 * len(points) / len(known)
            missed = anchors[1] - anchors[0] @ matrix.T - known @ coefficients
            gram += weight * torch.kron(known.T @ known, torch.eye(k, dtype=torch.float64))
            goal += weight * (known.T @ missed).reshape(-1)

        ridge = RIDGE * gram.diagonal().mean() * torch.eye(size, dtype=torch.float64)
        change = torch.linalg.solve(gram + ridge, goal).reshape(coefficients.shape)
        coefficients = coefficients + change

        moved = (values @ change).square().mean().item()

        if moved < SETTLED_STEP or (step > 1 and not moved < DIVERGED_STEP):
            break

    found = Refined(matrix, SmoothFit(basis, coefficients), 0.0, 0.0, 0.0)
    defect = _defect(found, a, b, field, scale, upper)
    strain = (defect.square().sum(dim=(1, 2)) / m).sqrt()

    return replace(
        found,
        strain=strain.square().mean().sqrt().item(),
        worst=strain.quantile(WORST_QUANTILE).item(),
        dilation=defect.diagonal(dim1=1, dim2=2).mean().item(),
    )


def _full(entries: Tensor, upper: Tensor, k: int) -> Tensor:
    r"""Symmetric matrices `(n, k, k)` from their upper triangles `(n, k (k + 1) / 2)`."""
    full = torch.zeros(len(entries), k, k, dtype=entries.dtype)
    full[:, upper[0], upper[1]] = entries
    full[:, upper[1], upper[0]] = entries

    return full


def _field(image: Tensor, nearest: Tensor, field: SmoothFit, b: EigenSide, m: int) -> tuple[Tensor, Tensor]:
    r"""G_B where images lie over the cloud, `(n, s)`, and its gradient along it, `(n, s, k)`.

    Off the cloud nothing is known of it: it is taken at the foot on the tangent plane of the nearest sample.
    """
    tangential = torch.eye(image.shape[1], dtype=image.dtype) - _normal(b.metric[nearest], m)
    foot = b.coordinates[nearest]
    foot = foot + (tangential @ (image - foot)[:, :, None])[:, :, 0]
    there, gradient = field.basis.combine(foot, field.coefficients)

    return there, gradient @ tangential


def _normal(metric: Tensor, m: int) -> Tensor:
    r"""Projections normal to the cloud, from its inverse metric of rank m, `(n, k, k)`."""
    vectors = torch.linalg.eigh(metric)[1][:, :, -m:]

    return torch.eye(metric.shape[1], dtype=metric.dtype) - vectors @ vectors.mT


def _equations(
    image: Tensor,
    tangent: Tensor,
    values: Tensor,
    along: Tensor,
    field: SmoothFit,
    scale: Tensor,
    b: EigenSide,
    upper: Tensor,
) -> tuple[Tensor, Tensor]:
    r"""Linearised equations of S at the images of samples: rows over the coefficients `(b k,)`, and defects."""
    _, k, m = tangent.shape
    nearest = nearest_in(b.coordinates, image)[1][:, 0]
    there, gradient = _field(image, nearest, field, b, m)  # (n, s), (n, s, k)
    metric = tangent @ tangent.mT / scale
    defect = there - metric[:, upper[0], upper[1]]
    # d(X X^T)_{pq} by c_{bl} is delta_{pl} (along_b . X_q) + delta_{ql} (along_b . X_p), X = tangent.
    inner = torch.einsum("nbm,nqm->nbq", along, tangent) / scale  # (n, b, k)
    rows = -torch.einsum("nb,nsl->nsbl", values, gradient)
    index = torch.arange(upper.shape[1])
    first, second = upper
    weight = torch.where(first == second, 1.0, 2**0.5).double()

    for column in range(k):
        for one, other in ((first, second), (second, first)):
            here = index[one == column]
            rows[:, here, :, column] += inner[:, :, other[here]].mT

    rows, defect = rows * weight[:, None, None], defect * weight
    normal = (_normal(_full(there, upper, k), m) + _normal(b.metric[nearest] / scale, m)) / 2
    landing = LANDING_WEIGHT * torch.einsum("nkl,nb->nkbl", normal, values)
    off = LANDING_WEIGHT * (normal @ (b.coordinates[nearest] - image)[:, :, None])[:, :, 0]

    return (
        torch.cat([rows.flatten(2).flatten(0, 1), landing.flatten(2).flatten(0, 1)]),
        torch.cat([defect.reshape(-1), off.reshape(-1)]),
    )


def _defect(
    found: Refined, a: EigenSide, b: EigenSide, field: SmoothFit, scale: Tensor, upper: Tensor
) -> Tensor:
    r"""Relative errors of lengths at every sample, `(n, m, m)`."""
    image, slope = found(a.coordinates)
    tangent = slope @ a.frames
    k, m = tangent.shape[1:]
    nearest = nearest_in(b.coordinates, image)[1][:, 0]
    metric = _full(_field(image, nearest, field, b, m)[0], upper, k)
    pulled = torch.linalg.pinv(tangent / scale.sqrt()) @ metric @ torch.linalg.pinv(tangent / scale.sqrt()).mT

    return (pulled - torch.eye(m, dtype=torch.float64)) / 2
