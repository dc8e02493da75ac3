r"""Smooth functions of few coordinates: Gaussians at farthest-point centres plus an affine part.

On a closed manifold the Gaussians are those of an immersion into a space of more dimensions, each period a circle
there, and the affine part keeps only the directions that are not periodic.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SmoothBasis", "SmoothFit", "farthest_points", "fit_smooth", "in_blocks", "ridge_shares"]


# Width of the Gaussians over the spacing of their centres, by dimension, and beyond. Along curves they are wide:
# else the fit follows what its coordinates are off by, and corrections from it take long to settle.
WIDTHS = {1: 8.0, 2: 5.0}
NARROW = 4.0


def farthest_points(points: Tensor, count: int) -> Tensor:
    r"""Indices of `count` points, each the farthest from those before it."""
    points = points - points.mean(dim=0)
    half = points.square().sum(dim=1) / 2
    chosen = [int(half.argmin())]
    # Half the squared distance to the nearest of those chosen.
    nearest = torch.full_like(half, torch.inf)

    for _ in range(min(count, len(points)) - 1):
        last = chosen[-1]
        torch.minimum(
            nearest, torch.addmv(half, points, points[last], alpha=-1).add_(half[last]), out=nearest
        )
        chosen.append(int(nearest.argmax()))

    return torch.tensor(chosen)


def _cross_validated(design: Tensor, target: Tensor, ridges: list[float]) -> tuple[Tensor, float]:
    r"""Ridge regression with the ridge that generalised cross-validation prefers: `(b, d)`, and its score.

    .. math:: W = V \operatorname{diag}\frac{s}{s^2 + (\lambda s_1)^2} U^\top Y, \qquad
        \operatorname{GCV}(\lambda) = \frac{|Y - Z W|^2}{(n - \sum s^2 / (s^2 + (\lambda s_1)^2))^2}.

    References:
        | Generalized cross-validation as a method for choosing a good ridge parameter
        | (Golub, Heath and Wahba, 1979)
    """
    orthogonal, triangular = torch.linalg.qr(design)
    left, singular, right = torch.linalg.svd(triangular, full_matrices=False)
    seen = orthogonal.mT @ target
    unseen = float((target - orthogonal @ seen).square().sum())
    seen = left.mT @ seen  # (b, d)
    share, score = ridge_shares(singular, seen, unseen, len(design), ridges)

    return right.mT @ ((share / singular.clamp_min(1e-300))[:, None] * seen), score


def ridge_shares(
    singular: Tensor, seen: Tensor, unseen: float, rows: int, ridges: list[float]
) -> tuple[Tensor, float]:
    r"""The shares :math:`s^2 / (s^2 + (\lambda s_1)^2)` with the best cross-validated ridge, and its score.

    Arguments:
        singular: s, descending, `(b,)`.
        seen: :math:`U^\top Y`, `(b, d)`.
        unseen: :math:`|Y - U U^\top Y|^2`.
        rows: Number of equations.
        ridges: The choices of :math:`\lambda`.
    """
    best, chosen = torch.inf, singular

    for ridge in ridges:
        share = singular.square() / (singular.square() + (ridge * singular[0]).square())
        misfit = float(unseen + ((1 - share)[:, None] * seen).square().sum())
        score = misfit / (rows - float(share.sum())) ** 2
        if score < best:
            best, chosen = score, share

    return chosen, best


class SmoothBasis:
    r"""The functions 1, the free directions of u, and Gaussians :math:`\exp(-|\phi(u) - \phi(c_b)|^2 / 2 h^2)`.

    Without periods :math:`\phi(u) = u`. Otherwise, with :math:`\theta_p` the multiples of the periods
    :math:`T_p` in u, it consists of the free directions and of
    :math:`|T_p| (\cos 2 \pi \theta_p, \sin 2 \pi \theta_p) / 2 \pi`, an isometric immersion where periods are
    orthogonal: the Gaussians are periodic without a sum over the lattice.

    Attributes:
        centers: `(b, m)`.
        width: h, `()`, in coordinate units.
        periods: Lattice vectors, `(p, m)`; p = 0 where coordinates are not periodic.
        free: Orthonormal directions that are not periodic, `(m, f)`, divided by the spread of u.
    """

    def __init__(self, centers: Tensor, width: Tensor, periods: Tensor, free: Tensor) -> None:
        self.centers, self.width, self.periods, self.free = centers, width, periods, free
        self.immersion = _Immersion(periods, free)
        self.landmarks = self.immersion(centers)

    @classmethod
    def at_farthest_points(
        cls,
        coordinates: Tensor,
        count: int,
        periods: Tensor | None = None,
        scale: float = 5.0,
        *,
        densest: int = 3,
    ) -> "SmoothBasis":
        r"""At most every `densest`-th point a centre, h = `scale` times their median spacing."""
        m = coordinates.shape[1]
        spread = (coordinates - coordinates.mean(dim=0)).square().mean().sqrt()
        if periods is None:
            lattice, free = coordinates.new_zeros(0, m), torch.eye(m, dtype=coordinates.dtype)
        else:
            lattice, free = periods, torch.linalg.svd(periods, full_matrices=True)[2][len(periods) :].mT

        free = free / spread
        points = _Immersion(lattice, free)(coordinates)
        index = farthest_points(points, min(count, max(1, len(points) // densest)))
        separation = torch.cdist(points[index], points[index], compute_mode="donot_use_mm_for_euclid_dist")
        width = scale * separation.fill_diagonal_(torch.inf).amin(dim=1).median()

        return cls(coordinates[index], width, lattice, free)

    def evaluate(self, coordinates: Tensor) -> Tensor:
        r"""The functions at `(q, m)` points, shape `(q, b)`."""
        bumps = self._bumps(self._differences(self.immersion(coordinates)))

        return torch.cat([torch.ones_like(coordinates[:, :1]), coordinates @ self.free, bumps], dim=1)

    def combine(self, coordinates: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        r"""Values `(q, d)` and Jacobians `(q, d, m)` of the functions with `coefficients`, `(b, d)`."""
        free = self.free.shape[1]
        linear, weights = coefficients[1 : 1 + free], coefficients[1 + free :]
        points = self.immersion(coordinates)
        differences = self._differences(points)
        bumps = self._bumps(differences)
        values = torch.addmm(coefficients[0] + coordinates @ self.free @ linear, bumps, weights)
        steep = weights / -self.width.square()
        slopes = torch.stack([(bumps * difference) @ steep for difference in differences], dim=2)

        return values, self.immersion.pull_back(slopes, points) + (self.free @ linear).mT

    def _differences(self, points: Tensor) -> list[Tensor]:
        return [points[:, axis : axis + 1] - self.landmarks[:, axis] for axis in range(points.shape[1])]

    def _bumps(self, differences: list[Tensor]) -> Tensor:
        squared = differences[0].square()
        for difference in differences[1:]:
            squared = torch.addcmul(squared, difference, difference)

        return torch.exp(squared * (-0.5 / self.width**2))


class _Immersion:
    r""":math:`\phi` of `SmoothBasis`, `(q, m)` to `(q, f + 2 p)`."""

    def __init__(self, periods: Tensor, free: Tensor) -> None:
        self.flat = len(periods) == 0
        if self.flat:
            return

        self.straight = free / free.norm(dim=0)
        self.around = 2 * math.pi * torch.linalg.solve(periods @ periods.mT, periods).mT
        self.radius = periods.norm(dim=1) / (2 * math.pi)

    def __call__(self, coordinates: Tensor) -> Tensor:
        if self.flat:
            return coordinates

        angles = coordinates @ self.around
        circles = [self.radius * angles.cos(), self.radius * angles.sin()]

        return torch.cat([coordinates @ self.straight, *circles], dim=1)

    def pull_back(self, slopes: Tensor, points: Tensor) -> Tensor:
        r"""Derivatives along `points`, the images of coordinates, `(q, d, f + 2 p)`, to those along u, `(q, d, m)`."""
        if self.flat:
            return slopes

        f, p = self.straight.shape[1], len(self.radius)
        cosine, sine = points[:, None, f : f + p], points[:, None, f + p :]
        turned = slopes[:, :, f + p :] * cosine - slopes[:, :, f : f + p] * sine

        return slopes[:, :, :f] @ self.straight.mT + turned @ self.around.mT


@dataclass(frozen=True)
class SmoothFit:
    r"""A function of coordinates: a basis and its coefficients, `(b, d)`."""

    basis: SmoothBasis
    coefficients: Tensor


def fit_smooth(
    coordinates: Tensor,
    values: Tensor,
    periods: Tensor | None = None,
    count: int | None = None,
    *,
    wide: bool = False,
    noisy: bool = False,
) -> SmoothFit:
    r"""Fits values `(n, d)` by a function of coordinates `(n, m)`.

    Arguments:
        coordinates: u.
        values: y.
        periods: Lattice vectors, `(p, m)`, or None.
        count: Number of functions, at most a third of the samples; None: 300, along a curve what
            cross-validation chooses, and 500 in three dimensions and more.
        wide: Whether they are wide, for rough coordinates or noisy frames.
        noisy: Whether coordinates are off by noise that no correction takes away: along a curve cross-validation may
            choose narrow ones, too.
    """
    n, m = coordinates.shape
    counts = [count] if count else [25, 75, 300] if m == 1 else [300] if m == 2 else [500]
    # The fit needs no more samples than some tens for each function.
    used = torch.arange(0, n, max(1, n // 20_000))
    usual = WIDTHS.get(m, NARROW)
    scales = [
        max(scale, 5.0 if wide else 0.0) for scale in ((usual, NARROW) if noisy and m == 1 else (usual,))
    ]
    ridges = [10.0**-power for power in range(10 if wide else 13)]
    fits = []

    for size, scale in itertools.product(counts, scales):
        basis = SmoothBasis.at_farthest_points(coordinates[used], size, periods, scale)
        coefficients, score = _cross_validated(basis.evaluate(coordinates[used]), values[used], ridges)
        fits.append((score, SmoothFit(basis, coefficients)))

    return min(fits, key=lambda scored: scored[0])[1]


def in_blocks(fit: SmoothFit, coordinates: Tensor, rows: int = 8192) -> tuple[Tensor, Tensor]:
    r"""Values `(q, d)` and Jacobians `(q, d, m)` at coordinates, a block of rows at a time."""
    parts = [fit.basis.combine(block, fit.coefficients) for block in coordinates.split(rows)]

    return torch.cat([values for values, _ in parts]), torch.cat([slopes for _, slopes in parts])
