r"""Isometric coordinates: the frames of an observed manifold integrated to a flat chart."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiv.charts.build import build_chart
from equiv.charts.chart import Chart
from equiv.charts.diagnosis import Diagnosis, diagnose, objections
from equiv.charts.limits import Limits
from equiv.charts.placement import placement
from equiv.checks import as_floating, check_finite, check_integer
from equiv.flattening.cloud import Cloud
from equiv.flattening.integrate import integrate, integrate_from
from equiv.metric.binary_scale import binary_scale
from equiv.metric.neuron_scale import spread_weights
from equiv.observe.draws import distinct_samples
from equiv.observe.frames import split_frames
from equiv.observe.observations import Observations

__all__ = ["IsometricMaps"]


# By dimension, four for more: larger clouds are solved for on a part first, which then gives the start for all.
# [samples; chosen: a trade of time, the more neighbours a sample has the longer sparse systems take]
LARGEST_AT_ONCE = {1: 50_000, 2: 10_000, 3: 8_000, 4: 6_000}

# Neurons whose values range over more are silent nearly everywhere, and count less.
# [spreads; derived: what Gaussian values range over]
USUAL_RANGE = 6.0

# Where a frame is singular its smallest singular value is taken for this share of the usual one.
# [dimensionless; chosen: far above rounding, next to zero beside what is seen]
SMALLEST_SCALE = 1e-6

# Noise of frames estimated from bursts, over one over the root of the number of samples in a burst.
# [share of the lengths; chosen: about what a regression on so many samples leaves]
BURST_NOISE = 0.8

# No frames count as noisier.
# [share of the lengths; chosen: limits that allow for more would exclude nothing]
LARGEST_NOISE = 0.25


class IsometricMaps:
    r"""Coordinates :math:`u_i \in R^m` in which every frame is orthonormal.

    The metric of a network's input space is flat: :math:`y = F(u)` with :math:`DF(u_i) = J_i R_i` for unknown
    rotations. Coordinates and rotations are found from pairs of neighbours (`equiv.flattening.synchronization`), then
    corrected for the error of the trapezoid rule through a smooth fit F. Only :math:`C = J J^\top` is used.

    Every neuron is weighted by one over its spread, and copies of one share its weight, so that rescaled,
    repeated and dead neurons change nothing; samples that are copies of others neither.

    Arguments:
        dimension: m; None: the rank of most frames, which is less than their number of columns where the
            network sees fewer directions than the inputs have.
        seed: Of the choice of samples that a large cloud is solved for first.

    Attributes:
        coordinates_: `(n, m)`, in input units, centred.
        residual_: Root mean square misfit of the pairs of neighbours over their lengths. Dimensionless.
        periods_: Lattice vectors `(p, m)`, modulo which the coordinates live; None where there are none.
        accepted_: Whether the diagnosis found nothing wrong.
        diagnosis_: What the chart misses, as `equiv.charts.diagnosis.Diagnosis`.
        placement_: How far off each sample, and those of like values, are put, over the spread, `(n, 2)`, by
            `equiv.charts.placement`.
        diagnostics_: The same by name, and `"reasons"`, sentences, empty when accepted.
        chart_: The `equiv.charts.chart.Chart` for points out of sample.

    Example:
        >>> x = torch.rand(400, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        >>> obs = Observations(torch.cat([x.exp(), x.sin()], dim=1), torch.stack([x.exp(), x.cos()], dim=1))
        >>> flat = IsometricMaps().fit(obs)
        >>> flat.accepted_, round(float(flat.coordinates_.std() / x.std()), 4)
        (True, 1.0)
    """

    coordinates_: Tensor
    residual_: float
    periods_: Tensor | None
    accepted_: bool
    diagnosis_: Diagnosis
    placement_: Tensor
    diagnostics_: dict[str, Any]
    chart_: Chart

    def __init__(self, dimension: int | None = None, *, seed: int = 0) -> None:
        self.dimension = None if dimension is None else check_integer(dimension, "dimension", 1)
        self.seed = check_integer(seed, "seed", 0)

    def fit(self, obs: Observations) -> "IsometricMaps":
        r"""Fits the observations, which need frames; returns self.

        Raises:
            TypeError: If `obs` is none.
            ValueError: Without frames, with too few samples, with constant values, where the frames have a
                lower rank than `dimension`, or where the samples fall into clouds that no neighbours join.
        """
        if not isinstance(obs, Observations):
            raise TypeError(
                f"'obs' should be equiv.Observations, got {type(obs).__name__}; wrap arrays in it."
            )

        if obs.frames is None:
            raise ValueError(
                "'obs' should have frames, got frames=None; probe with frames='jacobian', bursts or "
                "'neighbors'."
            )

        scale = binary_scale(obs.values, obs.frames)
        obs = scale.observations(obs)
        # Copies of a sample would be each other's only neighbours.
        distinct = distinct_samples(obs.values, obs.frames)
        obs = distinct.of(obs)
        # Worked off in an order of their own: that in which the samples come changes nothing.
        order = torch.from_numpy(np.lexsort(obs.values.cpu().numpy().T[::-1]))
        place = order.argsort()[distinct.place.cpu()]
        obs = obs.subset(order)
        values = obs.values.detach().double().cpu()
        weights = spread_weights(values) * _seldom(values)
        cloud = self._cloud(obs, values, weights)
        at_once = LARGEST_AT_ONCE[min(cloud.dimension, max(LARGEST_AT_ONCE))]

        if len(values) <= at_once:
            found = integrate(cloud)
        else:
            generator = torch.Generator().manual_seed(self.seed)
            part = torch.randperm(len(values), generator=generator)[: at_once // 2].sort().values
            coarse = integrate(cloud.subset(part))
            chart = build_chart(coarse, cloud.values[part], values[part], weights)
            start = torch.cat([chart.restrict(block) for block in values.split(4096)])
            found = integrate_from(cloud, start, coarse.solution.periods)

        self.chart_ = build_chart(found, cloud.values, values, weights).to(obs.device)
        self.coordinates_ = (found.solution.coordinates[place] / scale.lengths).to(obs.values)
        periods = found.solution.periods
        self.periods_ = None if periods is None else (periods / scale.lengths).to(obs.values)
        self.residual_ = found.residual
        self.diagnosis_ = diagnose(found, cloud, self.chart_)
        self.placement_ = placement(found, cloud)[place]
        reasons = objections(self.diagnosis_, Limits())
        self.diagnostics_ = asdict(self.diagnosis_) | {"reasons": reasons}
        self.accepted_ = not reasons
        self.chart_ = self.chart_ if scale.plain else self.chart_.rescaled(1 / scale.neurons)
        self._lengths = scale.lengths

        return self

    def transform(self, values: Tensor, frames: Tensor | None = None) -> Tensor:
        r"""Coordinates out of sample, `(q, d)` to `(q, m)`; frames are not needed and ignored.

        Raises:
            TypeError, ValueError: If `fit` was not called; if values have another shape or dtype, or are not finite.
        """
        chart = self._fitted("transform")

        return chart.restrict(self._checked(values, "values", "observe the same neurons")) / self._lengths

    def inverse_transform(self, coordinates: Tensor) -> Tensor:
        r"""Values at coordinates, `(q, m)` to `(q, d)`. Errors as of `transform`."""
        chart = self._fitted("inverse_transform")

        return chart.lift(
            self._checked(coordinates, "coordinates", "give those of this chart") * self._lengths
        )

    def _fitted(self, call: str) -> Chart:
        if not hasattr(self, "chart_"):
            raise ValueError(f"'fit' should come before '{call}', got maps not yet fitted; call fit(obs).")

        return self.chart_

    def _checked(self, given: Any, name: str, advice: str) -> Tensor:
        given = as_floating(given, name, "(q, d)" if name == "values" else "(q, m)", 2)
        check_finite(given, name)
        width = len(self.chart_.get_buffer("weights")) if name == "values" else self.chart_.dimension

        if given.shape[1] != width:
            raise ValueError(
                f"'{name}' should have {width} columns as in fit, got shape {tuple(given.shape)}; {advice}."
            )

        return given.to(self.coordinates_.device)

    def _cloud(self, obs: Observations, values: Tensor, weights: Tensor) -> Cloud:
        assert obs.frames is not None and obs.rank is not None
        rank = obs.rank.cpu()
        m = int(rank.mode().values) if self.dimension is None else self.dimension

        if m < 1 or int((rank >= m).sum()) < len(rank) / 2:
            raise ValueError(
                f"'obs' should have frames of rank {max(m, 1)} at most samples, got rank "
                f"{int(rank.mode().values)}; observe more neurons or ask for fewer dimensions."
            )

        basis, scale, _ = split_frames(obs.frames.detach().double().cpu() * weights[:, None], rtol=0.0)
        basis, scale = basis[:, :, :m], scale[:, :m]
        # Where a frame is singular the direction that it does not see must not count as infinitely far.
        scale = scale.clamp_min(SMALLEST_SCALE * float(scale[:, -1].median()))
        noise = 0.0 if obs.burst_size is None else min(LARGEST_NOISE, BURST_NOISE / math.sqrt(obs.burst_size))
        cloud = Cloud(values * weights, _complete(basis), scale, noise)
        fewest = cloud.neighbors + 2

        if len(values) < fewest:
            raise ValueError(
                f"'obs' should hold at least {fewest} samples for {m}-dimensional isometric coordinates, got "
                f"{len(values)}; probe more inputs."
            )

        return cloud


def _seldom(values: Tensor) -> Tensor:
    r"""Factors below 1 of neurons that are silent nearly everywhere, `(d,)`.

    Their spread is small and their kinks would count most.
    """
    reach = values.amax(dim=0) - values.amin(dim=0)
    spread = (values - values.mean(dim=0)).square().mean(dim=0).sqrt()

    return torch.where(reach > 0, USUAL_RANGE * spread / reach.clamp_min(1e-300), 1.0).clamp_max(1.0)


def _complete(basis: Tensor) -> Tensor:
    r"""Replaces the zero columns of bases by unit vectors orthogonal to the others, `(n, d, m)`."""
    lengths = basis.norm(dim=1)
    deficient = (lengths < 0.5).any(dim=1)

    if not bool(deficient.any()):
        return basis

    basis = basis.clone()
    left, _, _ = torch.linalg.svd(basis[deficient], full_matrices=False)
    # The left singular vectors of [U_1, 0] are U_1 (in some order of equal values) and a completion.
    basis[deficient] = left

    return basis
