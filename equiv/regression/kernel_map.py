r"""Kernel maps: an affine part plus radial kernels and their derivatives, as a module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equiv.observe.draws import Draws
from equiv.regression.hermite_kernel import profile
from equiv.transformation import Map, check_activations, outside, savable

__all__ = ["Fit", "KernelMap", "typical_radius"]

# Kernel values are computed for so many training points at a time.
# [points; chosen: with the queries below they stay in the processor's cache, decides speed alone]
POINTS_PER_BLOCK = 256

# Maps are evaluated at so many points at a time.
# [queries; chosen: as above, decides speed alone]
QUERIES_PER_BLOCK = 512

# The distance of a sample from its nearest is looked at for the first so many,
# [samples; chosen: their 95th percentile then rests on 25 of them]
RADIUS_SAMPLES = 500

# among the first so many.
# [samples; chosen: bounds memory, fewer make the radius larger]
RADIUS_NEIGHBORS = 5000

# The percentile of these distances that counts as usual.
# [share of the samples; chosen: the farthest are single outliers]
RADIUS_QUANTILE = 0.95

# A map extrapolates from so many times that distance on.
# [dimensionless; chosen: inputs as far from all samples as samples are from each other do not]
RADIUS_FACTOR = 3


@savable
class KernelMap(Map):
    r"""An affine map plus a sum of radial kernels and of their derivatives along the frames.

    .. math:: T(y) = o + W^\top z + \sum_j \Big( \kappa(t_j) c_{j0}
        - \kappa'(t_j) \sum_b (z - z_j)^\top v_{jb} \, c_{jb} \Big), \quad
        z = M^\top (y - \mu), \quad t_j = |z - z_j|^2 / 2

    Arguments:
        kind: Profile of the kernel, see `equiv.regression.hermite_kernel.profile`.
        center: :math:`\mu`, shape `(d_a,)`.
        metric: M, shape `(d_a, k)`: activations to length scales.
        offset: o, shape `(d_b,)`.
        weight: W, shape `(k, d_b)`.
        points: :math:`z_j`, shape `(n, k)`.
        directions: :math:`v_{jb}`, shape `(n, r, k)`.
        coefficients: :math:`c_{jb}`, shape `(n, 1 + r, d_b)`.
        radius: Distance from the nearest sample, in length scales, beyond which T extrapolates.
        low: Smallest values returned, shape `(d_b,)`; minus infinity for no bound. The kernels' part would
            otherwise be off by many times the target's spread where no sample is near.
        high: Largest values returned, likewise.
        samples: Where the samples lie, `(l, k)`; None: at `points`.
    """

    center: Tensor
    metric: Tensor
    offset: Tensor
    weight: Tensor
    points: Tensor
    directions: Tensor
    coefficients: Tensor
    low: Tensor
    high: Tensor
    samples: Tensor
    radius: Tensor

    def __init__(
        self,
        kind: str,
        center: Tensor,
        metric: Tensor,
        offset: Tensor,
        weight: Tensor,
        points: Tensor,
        directions: Tensor,
        coefficients: Tensor,
        low: Tensor,
        high: Tensor,
        samples: Tensor,
        radius: Tensor,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.register_tensors(
            center=center,
            metric=metric,
            offset=offset,
            weight=weight,
            points=points,
            directions=directions,
            coefficients=coefficients,
            low=low,
            high=high,
            samples=samples,
            radius=radius,
        )

    def forward(self, values: Tensor) -> Tensor:
        r"""Activations `(q, d_a)` to activations `(q, d_b)`, computed in float64, in the dtype given.

        Raises:
            TypeError: If `values` is no floating tensor.
            ValueError: If it has another shape.
        """
        return self.evaluate(self._scaled(values)).to(values.dtype)

    def evaluate(self, z: Tensor) -> Tensor:
        r"""T at points given in length scales, `(q, k)` in float64, shape `(q, d_b)`."""
        return torch.cat([self._evaluate_few(few) for few in z.split(QUERIES_PER_BLOCK)])

    def _evaluate_few(self, z: Tensor) -> Tensor:
        out = self.offset + z @ self.weight

        for start in range(0, len(self.points), POINTS_PER_BLOCK):
            part = slice(start, start + POINTS_PER_BLOCK)
            points, directions, coefficients = (
                self.points[part],
                self.directions[part],
                self.coefficients[part],
            )
            value, first, _ = profile(self.kind, _squared(z, points))
            out = out + value @ coefficients[:, 0]

            for b in range(directions.shape[1]):
                v = directions[:, b]
                along = z @ v.T - (points * v).sum(dim=1)
                out = out - (first * along) @ coefficients[:, 1 + b]

        return out.clamp(self.low, self.high)

    def linearised(self, values: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        r"""T, not clipped, and its derivatives along frames at `values`, all in float64.

        Arguments:
            values: y, shape `(q, d_a)`.
            frames: J, shape `(q, d_a, m)`.

        Returns:
            T(y), shape `(q, d_b)`, and DT(y) J, `(q, d_b, m)`.
        """
        z, along = self._scaled(values), frames.to(self.metric.dtype).mT @ self.metric
        few = [
            self._linearised_few(*part)
            for part in zip(z.split(QUERIES_PER_BLOCK), along.split(QUERIES_PER_BLOCK), strict=True)
        ]

        return torch.cat([out for out, _ in few]), torch.cat([slopes for _, slopes in few])

    def _linearised_few(self, z: Tensor, along: Tensor) -> tuple[Tensor, Tensor]:
        out, moved = self.offset + z @ self.weight, along.unbind(dim=1)
        slopes = [v @ self.weight for v in moved]
        starts = [(z * v).sum(dim=1, keepdim=True) for v in moved]

        for start in range(0, len(self.points), POINTS_PER_BLOCK):
            part = slice(start, start + POINTS_PER_BLOCK)
            points, coefficients = self.points[part], self.coefficients[part]
            value, first, second = profile(self.kind, _squared(z, points))
            steps = [s - v @ points.T for s, v in zip(starts, moved, strict=True)]  # (z - z_j) . v
            out = out + value @ coefficients[:, 0]
            slopes = [s + (first * step) @ coefficients[:, 0] for s, step in zip(slopes, steps, strict=True)]

            for b, w in enumerate(self.directions[part].unbind(dim=1)):
                beside = z @ w.T - (points * w).sum(dim=1)
                out = out - (first * beside) @ coefficients[:, 1 + b]
                slopes = [
                    s - (second * step * beside + first * (v @ w.T)) @ coefficients[:, 1 + b]
                    for s, step, v in zip(slopes, steps, moved, strict=True)
                ]

        return out, torch.stack(slopes, dim=2)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` lie farther than `radius` from every sample, shape `(q,)`, bool."""
        return outside(values, len(self.center), self._far)

    def _far(self, values: Tensor) -> Tensor:
        z = self._scaled(values)
        nearest = torch.full((len(z),), torch.inf, dtype=z.dtype, device=z.device)

        for start in range(0, len(self.samples), POINTS_PER_BLOCK):
            squared = _squared(z, self.samples[start : start + POINTS_PER_BLOCK])
            nearest = torch.minimum(nearest, squared.amin(dim=1))

        # Of overflow nothing is near.
        return ~(nearest <= self.radius.square())

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {"kind": self.kind}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> KernelMap:
        r"""The inverse of `config` and `state_dict`."""
        return cls(config["kind"], **tensors)

    def _scaled(self, values: Tensor) -> Tensor:
        check_activations(values, len(self.center))

        return (values.to(self.metric.dtype) - self.center) @ self.metric


@dataclass(frozen=True)
class Fit:
    r"""A map with what it gets wrong where it was not shown the answer.

    Attributes:
        map: The map.
        squared: Squared held-out errors over the target's mean square spread, `(n,)`.
        half: The same of the map learned from half as many samples, at these.
        description: What was chosen, in words.
        resolved: RMS errors below this are not told from rounding and extrapolation.
        missed: The held-out errors themselves, target less prediction, `(n, d_b)`; None where not at hand.
        slack: What errors on fresh inputs may be beyond the bounds of those held out, low and high.
        draws: Which of the judged samples are one independent draw; None: each is one.
        judged: Which samples are judged, `(n,)`, of those that were given; None: all.
        learned: Squared errors of draws of the most flexible map that was tried, and these of half of the draws: that
            a stiff map learns nothing more from more samples does not say that none would. None: those of this map.
    """

    map: Map
    squared: Tensor
    half: Tensor
    description: str
    resolved: float = 0.0
    missed: Tensor | None = None
    slack: tuple[float, float] = (1.0, 1.0)
    draws: Draws | None = None
    judged: Tensor | None = None
    learned: tuple[Tensor, Tensor] | None = None

    @property
    def single(self) -> bool:
        r"""Whether each sample is an independent draw."""
        return self.draws is None or self.draws.independent

    @property
    def firsts(self) -> Tensor:
        r"""The first judged sample of each draw, in the order of `draw_errors`, among those that were given."""
        every = torch.arange(len(self.squared), device=self.squared.device)
        firsts = every if self.draws is None else self.draws.firsts()

        return firsts if self.judged is None else self.judged[firsts]

    @property
    def draw_errors(self) -> Tensor:
        r"""Squared errors of independent draws, `(count,)`, whose mean is that of all samples."""
        return self.squared if self.draws is None else self.draws.totals(self.squared)


def typical_radius(points: Tensor) -> Tensor:
    r"""Three times the 95th percentile of the distances from a sample to its nearest, over 500 samples, `()`."""
    some = points[:RADIUS_SAMPLES]
    squared = _squared(some, points[:RADIUS_NEIGHBORS]).fill_diagonal_(torch.inf).amin(dim=1)

    if len(points) < 2:
        return squared.new_zeros(())

    return RADIUS_FACTOR * torch.quantile(squared.sqrt(), RADIUS_QUANTILE)


def _squared(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared distances `(q, n)`."""
    inner = a @ b.T

    return (a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * inner).clamp_min(0)
