r"""The metric about every sample, and the geodesics to its neighbours that follow from it.

About sample i the tangential part of the values, :math:`x = J_i^+ (y - y_i)`, serves as coordinates. In them a
neighbour has the frame :math:`J_i^+ J_j`, and so the inverse metric :math:`G_j = J_i^+ J_j J_j^\top J_i^{+\top}`,
whatever its rotation; a quadratic polynomial through these is the metric around i, and
:math:`\Gamma` its Christoffel symbols. The vector at i whose geodesic ends at x is

.. math:: \log_i x = x + \tfrac12 \Gamma_{x/3}(x, x + \tfrac13 \Gamma_{x/3}(x, x)) + O(|x|^4)

with the symbols taken at a third of the way, by which their first derivative enters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.isometry.local_polynomials import Terms, gradients, local_fit, monomials, terms

__all__ = ["LocalMetric", "orthogonal", "pseudo_inverse"]

# Eigenvalues of a fitted inverse metric are no smaller.
# [over those at the sample itself; chosen: lengths that differ by more than four times between neighbours are not
# resolved, and the fit then says nothing]
SMALLEST_METRIC = 0.05


def pseudo_inverse(frames: Tensor) -> Tensor:
    r""":math:`J^+`, `(n, m, d)`, of frames of full rank."""
    return torch.linalg.solve(frames.mT @ frames, frames.mT)


def orthogonal(matrices: Tensor) -> Tensor:
    r"""The orthogonal matrices nearest to given ones, `(n, m, m)`."""
    left, _, right = torch.linalg.svd(matrices.nan_to_num())

    return left @ right


@dataclass(frozen=True)
class LocalMetric:
    r"""Inverse metrics about all samples.

    Attributes:
        i: The sample about which each neighbour is seen, `(e,)`.
        inverse: :math:`J_i^+`, `(n, m, d)`.
        offsets: Coordinates of the neighbours, :math:`x_{ij}`, `(e, m)`.
        frames: Their frames in these, `(e, m, m)`.
        reach: Usual size of the offsets about each sample, `(n,)`.
        terms: Monomials of the polynomials, over the reach.
        coefficients: Of G less the identity, `(n, p, m m)`.
    """

    i: Tensor
    inverse: Tensor
    offsets: Tensor
    frames: Tensor
    reach: Tensor
    terms: Terms
    coefficients: Tensor

    @classmethod
    def of_neighbours(cls, values: Tensor, frames: Tensor, i: Tensor, j: Tensor) -> LocalMetric:
        r"""From values `(n, d)` and frames `(n, d, m)` at samples j that are neighbours of samples i."""
        n, m = len(values), frames.shape[2]
        inverse = pseudo_inverse(frames)
        offsets = (inverse[i] @ (values[j] - values[i])[:, :, None])[:, :, 0]
        turned = inverse[i] @ frames[j]
        sizes = torch.zeros(n, dtype=values.dtype).index_add_(0, i, offsets.norm(dim=1))
        reach = (sizes / i.bincount(minlength=n)).clamp_min(1e-300)
        some = terms(m, 1, 2)
        scaled = offsets / reach[i][:, None]
        goal = (turned @ turned.mT - torch.eye(m, dtype=values.dtype)).flatten(1)
        coefficients = local_fit(i, n, scaled, monomials(scaled, some)[:, None], goal[:, None])

        return cls(i, inverse, offsets, turned, reach, some, coefficients)

    @property
    def m(self) -> int:
        return self.offsets.shape[1]

    def spectrum(self, nodes: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        r"""Eigenvalues `(q, m)` and eigenvectors `(q, m, m)` of G at coordinates x about samples, `(q, m)`."""
        moved = monomials(x / self.reach[nodes][:, None], self.terms)[:, None] @ self.coefficients[nodes]
        matrices = moved.reshape(-1, self.m, self.m) + torch.eye(self.m, dtype=x.dtype)
        values, vectors = torch.linalg.eigh(matrices.nan_to_num())

        return values.clamp_min(SMALLEST_METRIC), vectors

    def slope(self, nodes: Tensor, x: Tensor) -> Tensor:
        r""":math:`\partial_c G_{ab}` there, `(q, m, m, m)`, c first."""
        reach = self.reach[nodes][:, None]
        along = gradients(x / reach, self.terms) / reach[:, :, None]

        return (along.mT @ self.coefficients[nodes]).reshape(-1, self.m, self.m, self.m)

    def logarithms(self) -> Tensor:
        r"""The vectors whose geodesics end at the neighbours, in orthonormal frames at the samples, `(e, m)`."""
        x = self.offsets
        values, vectors = self.spectrum(self.i, x / 3)
        metric, lowered = ((vectors * each[:, None]) @ vectors.mT for each in (values, 1 / values))
        slope = self.slope(self.i, x / 3)
        bent = _christoffel(metric, lowered, slope, x, x)

        return x + _christoffel(metric, lowered, slope, x, x + bent / 3) / 2

    def transports(self, logarithms: Tensor) -> Tensor:
        r"""Parallel transport of vectors at the neighbours to the samples, in the frames of both, `(e, m, m)`."""
        x = torch.zeros_like(self.offsets)
        slope = self.slope(self.i, x)
        identity = torch.eye(self.m, dtype=x.dtype)
        metric = identity.expand(len(x), -1, -1)
        columns = [
            _christoffel(metric, metric, slope, logarithms, axis.expand_as(logarithms)) for axis in identity
        ]

        return orthogonal((identity + torch.stack(columns, dim=2)) @ self.frames)


def _christoffel(metric: Tensor, lowered: Tensor, slope: Tensor, first: Tensor, second: Tensor) -> Tensor:
    r""":math:`\Gamma(v, w)`, `(e, m)`, from G, its inverse and its slope.

    .. math:: 2 \Gamma(v, w) = G (v^\flat \partial G\, w^\flat) - (\partial_v G) w^\flat - (\partial_w G) v^\flat
    """
    v, w = ((lowered @ each[:, :, None])[:, :, 0] for each in (first, second))
    rise = torch.einsum("ecab,ea,eb->ec", slope, v, w)
    along = [
        torch.einsum("ecab,ec,eb->ea", slope, direction, other)
        for direction, other in ((first, w), (second, v))
    ]

    return ((metric @ rise[:, :, None])[:, :, 0] - along[0] - along[1]) / 2
