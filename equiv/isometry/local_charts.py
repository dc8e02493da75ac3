r"""Values and orthonormal frames between the samples, from the chart about the nearest one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.isometry.local_metric import LocalMetric
from equiv.isometry.local_polynomials import Terms, gradients, local_fit, monomials, terms

__all__ = ["LocalCharts"]

# Nearest samples in the values among which that of the nearest chart is.
# [samples; chosen: enough to pass over those of another sheet]
CANDIDATES = 8

# How much the squared sine of the angle between a way and the tangent space adds to its squared length.
# [dimensionless; chosen: as among neighbours, where it orders those of like distance]
NORMAL_PENALTY = 100.0


@dataclass(frozen=True)
class LocalCharts:
    r"""Cubic polynomials about all samples, through the values and frames of their neighbours.

    Attributes:
        values: Weighted values of the samples, `(n, d)`.
        frames: Their weighted frames, `(n, d, m)`.
        metric: The metric about them.
        terms: Monomials of the polynomials, over the reach.
        coefficients: Of values less their tangent, `(n, p, d)`.
    """

    values: Tensor
    frames: Tensor
    metric: LocalMetric
    terms: Terms
    coefficients: Tensor

    @classmethod
    def of_neighbours(cls, values: Tensor, frames: Tensor, metric: LocalMetric, j: Tensor) -> LocalCharts:
        r"""From values `(n, d)` and frames `(n, d, m)` of the samples, and which are neighbours."""
        i, x, reach = metric.i, metric.offsets, metric.reach[metric.i][:, None]
        some = terms(metric.m, 2, 3)
        scaled = x / reach
        beyond = values[j] - values[i] - (frames[i] @ x[:, :, None])[:, :, 0]
        # Dy(x) F = J, with F the neighbour's frame in the coordinates.
        bent = frames[j] - frames[i] @ metric.frames
        along = gradients(scaled, some).mT / reach[:, :, None]  # (e, m, p)
        design = torch.cat(
            [monomials(scaled, some)[:, None], reach[:, :, None] * metric.frames.mT @ along], dim=1
        )
        goal = torch.cat([beyond[:, None], reach[:, :, None] * bent.mT], dim=1)

        return cls(values, frames, metric, some, local_fit(i, len(values), scaled, design, goal))

    def nearest(self, points: Tensor) -> tuple[Tensor, Tensor]:
        r"""The sample whose chart points `(q, d)` are nearest to, `(q,)`, and their coordinates in it, `(q, m)`."""
        from scipy.spatial import KDTree

        count = min(CANDIDATES, len(self.values))
        near = torch.from_numpy(KDTree(self.values.numpy()).query(points.numpy(), range(1, count + 1))[1])
        way = points[:, None] - self.values[near]
        x = (self.metric.inverse[near] @ way[:, :, :, None])[:, :, :, 0]
        normal = (way - (self.frames[near] @ x[:, :, :, None])[:, :, :, 0]).square().sum(dim=2)
        sine = normal / way.square().sum(dim=2).clamp_min(1e-300)
        best = (x.square().sum(dim=2) * (1 + NORMAL_PENALTY * sine)).argmin(dim=1)
        row = torch.arange(len(points))
        nodes, x = near[row, best], x[row, best]
        share = self.metric.reach[nodes] / x.norm(dim=1).clamp_min(1e-300)

        return nodes, x * share.clamp_max(1)[:, None]

    def at(self, points: Tensor) -> tuple[Tensor, Tensor]:
        r"""The points of the space near given ones, `(q, d)`, and orthonormal frames there, `(q, d, m)`."""
        nodes, x = self.nearest(points)
        reach = self.metric.reach[nodes][:, None]
        coefficients = self.coefficients[nodes]
        beyond = (monomials(x / reach, self.terms)[:, None] @ coefficients)[:, 0]
        slopes = (gradients(x / reach, self.terms).mT @ coefficients).mT / reach[:, :, None]
        frames = self.frames[nodes]
        values, vectors = self.metric.spectrum(nodes, x)
        root = (vectors * values.sqrt()[:, None]) @ vectors.mT
        values = self.values[nodes] + (frames @ x[:, :, None])[:, :, 0] + beyond

        return values, (frames + slopes) @ root
