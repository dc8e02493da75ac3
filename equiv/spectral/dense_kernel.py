r"""The kernel of a few thousand samples, as a matrix."""

import torch
from torch import Tensor

from equiv.metric.mahalanobis import MAX_NORMAL_SHARE, all_distances
from equiv.metric.points import MetricPoints
from equiv.spectral.eigenpairs import Operator
from equiv.spectral.epsilon import DENSITY_NEIGHBOUR, neighbour_epsilon
from equiv.spectral.kernel import heat_kernel_

__all__ = ["DenseKernel", "nearest_others"]


# Kernel entries up to this join nothing: a random walk would cross them once in 10^10 steps.
# [dimensionless; chosen: within a cloud weights are near 1, and across a gap they fall by many powers of ten]
JOINING_WEIGHT = 1e-10

# Shift of the operator that makes its single-precision factorisation definite.
# [dimensionless; chosen: some 500 times rounding in float32, small beside 1 minus the wanted eigenvalues]
FACTOR_SHIFT = 3e-5

# What the shift is multiplied by where rounding made the matrix indefinite all the same.
# [dimensionless; chosen: a further try costs a factorisation, a larger shift a few steps of the iteration]
SHIFT_GROWTH = 30


class DenseKernel:
    r"""K among the samples, one `(n, n)` float64 buffer that held their distances before.

    Arguments:
        points: The samples.
        epsilon: In squared input units; None: by `equiv.spectral.epsilon`.

    Attributes:
        epsilon: As given, or chosen.
        reach: Pairs at a larger squared distance have no weight: infinite.
    """

    reach = torch.inf

    def __init__(self, points: MetricPoints, epsilon: float | None) -> None:
        distances = all_distances(points, MAX_NORMAL_SHARE)
        self.epsilon = (
            neighbour_epsilon(nearest_others(distances), points.rank) if epsilon is None else epsilon
        )
        self.matrix = heat_kernel_(distances, self.epsilon)

    def product(self, rows: Tensor) -> Tensor:
        r"""Rows times K, `(b, n) -> (b, n)`."""
        return rows @ self.matrix.T  # symmetric; read along its rows

    def components(self) -> Tensor:
        r"""Labels of the connected components, shape `(n,)`, int64."""
        return components(self.matrix, JOINING_WEIGHT)

    def preconditioner(self, conjugate: Tensor, trivial: Tensor) -> Operator:
        r"""Roughly the inverse of 1 - S, for :math:`S = \mathrm{diag}(w) K \mathrm{diag}(w)`."""
        return dense_preconditioner(self.matrix, conjugate)


def nearest_others(distances: Tensor) -> Tensor:
    r"""Squared distances to the k = `DENSITY_NEIGHBOUR` nearest others, `(q, k)`; among c copies of each, every c-th.

    Arguments:
        distances: Squared distances of some samples to all, shape `(q, n)`, their own zeros included.
    """
    q, n = distances.shape
    width = DENSITY_NEIGHBOUR + 1

    while True:
        near = distances.topk(min(width, n), dim=1, largest=False).values
        copies = max(round((near == 0).sum().item() / q), 1)

        if width >= min(copies * (DENSITY_NEIGHBOUR + 1), n):
            near = near[:, copies::copies][:, :DENSITY_NEIGHBOUR]

            return torch.nn.functional.pad(near, (0, DENSITY_NEIGHBOUR - near.shape[1]), value=torch.inf)

        width = min(4 * width, n)


def components(kernel: Tensor, threshold: float) -> Tensor:
    r"""Labels of the connected components of a dense kernel's graph, shape `(n,)`, int64.

    Two samples are joined where the kernel is above `threshold`. Rows are read only while samples are missing,
    those found last first: a few hundred where the cloud is connected.
    """
    labels = torch.full((len(kernel),), -1, device=kernel.device)
    label = 0

    while True:
        found = (labels < 0).nonzero()[:1, 0]

        if len(found) == 0:
            return labels

        labels[found] = label

        while len(found):
            rows, found = found[-64:], found[:-64]
            near = kernel[rows].amax(dim=0) > threshold
            fresh = (near & (labels < 0)).nonzero().flatten()
            labels[fresh] = label
            # Nobody is left to find.
            found = torch.cat([found, fresh]) if bool((labels < 0).any()) else found[:0]

        label += 1


def dense_preconditioner(kernel: Tensor, conjugate: Tensor) -> Operator:
    r""":math:`(1 + \delta - S)^{-1}` for :math:`S = \mathrm{diag}(w) K \mathrm{diag}(w)`, in float32.

    Single precision halves the memory and the time; the iteration around it makes up for its rounding.

    Arguments:
        kernel: K, shape `(n, n)`, float64; left as it is.
        conjugate: w, shape `(n,)`.
    """
    w = conjugate.float()
    info = torch.empty((), dtype=torch.int32, device=w.device)
    shift = FACTOR_SHIFT

    while True:
        factor = kernel.float().mul_(-w).mul_(w[:, None])
        factor.diagonal().add_(1 + shift)
        factor = factor.T  # the order of LAPACK: it is factorised in place
        torch.linalg.cholesky_ex(factor, out=(factor, info))

        if info.item() == 0:
            break

        shift *= SHIFT_GROWTH  # rounding made it indefinite

    def solve(vectors: Tensor) -> Tensor:
        half = torch.linalg.solve_triangular(factor, vectors.T.float(), upper=False)

        return torch.linalg.solve_triangular(factor.T, half, upper=True).T.to(vectors)

    return solve
