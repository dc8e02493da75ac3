r"""One side: its samples, their neighbours, and the ways to these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from equiv.flattening.cloud import Cloud
from equiv.isometry.local_charts import LocalCharts
from equiv.isometry.local_metric import LocalMetric
from equiv.metric.neighbors import NeighborGraph, neighbor_graph
from equiv.metric.neuron_scale import spread_weights
from equiv.observe.observations import Observations

__all__ = ["CurvedSide"]

# Where a frame is singular its smallest singular value is taken for this share of the usual one.
# [dimensionless; chosen: far above rounding, next to zero beside what is seen]
SMALLEST_SCALE = 1e-6

# Largest sine between tangent spaces of neighbours: of curved spaces few samples may be had, far apart.
# [dimensionless; measured: on SO(3) of 2,000 samples; with 1.05 errors are half again as large]
MAX_TANGENT_SINE = 0.9

# Largest sine between the difference of neighbours and the tangent space at either.
# [dimensionless; measured: with the above]
MAX_DIFFERENCE_SINE = 0.75


@dataclass(frozen=True)
class CurvedSide:
    r"""Samples of one network, the neurons weighted by one over their spread.

    Attributes:
        weights: Of the neurons, `(d,)`; 0 where constant.
        values: Weighted values less their mean, `(n, d)`, float64.
        frames: Weighted frames of orthogonal columns, orthonormal in the metric, `(n, d, m)`.
        mean: Of the neurons before they were weighted, `(d,)`.
        graph: Which samples are neighbours.
    """

    weights: Tensor
    values: Tensor
    frames: Tensor
    mean: Tensor
    graph: NeighborGraph

    @classmethod
    def of_observations(cls, obs: Observations) -> CurvedSide:
        r"""Of samples with frames, whose usual rank is the dimension m > 0 of the space."""
        assert obs.frames is not None and obs.rank is not None
        m = int(obs.rank.mode().values)
        observed, given = obs.values.detach().double().cpu(), obs.frames.detach().double().cpu()
        weights = spread_weights(observed)
        basis, scale, _ = torch.linalg.svd(given * weights[:, None], full_matrices=False)
        basis, scale = basis[:, :, :m], scale[:, :m]
        scale = scale.clamp_min(SMALLEST_SCALE * float(scale[:, -1].median()))
        mean = observed.mean(dim=0)
        cloud = Cloud((observed - mean) * weights, basis, scale, 0.0)
        graph = neighbor_graph(
            cloud.values,
            cloud.basis,
            cloud.scale,
            min(cloud.neighbors, len(cloud) - 1),
            max_tangent_sine=MAX_TANGENT_SINE,
            max_difference_sine=MAX_DIFFERENCE_SINE,
            jumping=True,
        )

        return cls(weights, cloud.values, basis * scale[:, None], mean, graph)

    @property
    def m(self) -> int:
        return self.frames.shape[2]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def i(self) -> Tensor:
        r"""One end of each pair of neighbours, seen from it, then the other, seen from that, `(2 E,)`."""
        return torch.cat([self.graph.i, self.graph.j])

    @property
    def j(self) -> Tensor:
        r"""The opposite ends, `(2 E,)`."""
        return torch.cat([self.graph.j, self.graph.i])

    @cached_property
    def metric(self) -> LocalMetric:
        return LocalMetric.of_neighbours(self.values, self.frames, self.i, self.j)

    @cached_property
    def ways(self) -> Tensor:
        r"""The vector at i whose geodesic ends at j, in the frame at i, `(2 E, m)`."""
        return self.metric.logarithms()

    @cached_property
    def transports(self) -> Tensor:
        r"""From the frame at j to that at i, `(2 E, m, m)`."""
        return self.metric.transports(self.ways)

    @cached_property
    def spacing(self) -> Tensor:
        r"""Usual distance of a sample from its neighbours, `(n,)`, in input units."""
        sums = torch.zeros(len(self), dtype=torch.float64).index_add_(0, self.i, self.ways.norm(dim=1))

        return sums / self.i.bincount(minlength=len(self))

    @cached_property
    def noise(self) -> float:
        r"""How far the ways there and back of a usual pair differ in length, relatively: how well ways are known."""
        there, back = self.ways.norm(dim=1).reshape(2, -1)

        return float((there / back).log().abs().median())

    @cached_property
    def charts(self) -> LocalCharts:
        return LocalCharts.of_neighbours(self.values, self.frames, self.metric, self.j)

    def observed(self, values: Tensor) -> Tensor:
        r"""Weighted values `(q, d)` in the units in which they were observed."""
        return self.mean + values * self._units

    def observed_frames(self, frames: Tensor) -> Tensor:
        r"""Weighted frames `(q, d, m)` likewise."""
        return frames * self._units[:, None]

    @property
    def _units(self) -> Tensor:
        return torch.where(self.weights > 0, 1 / self.weights, 0.0)

    def reversed_ways(self) -> Tensor:
        r"""The way back from j to i, in the frame at j, `(2 E, m)`."""
        half = len(self.graph.i)

        return torch.cat([self.ways[half:], self.ways[:half]])
