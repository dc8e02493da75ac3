r"""Smooth functions of few coordinates: Gaussians at farthest-point centres plus an affine part.

On a closed manifold the Gaussians are those of an immersion into a space of more dimensions, each period a circle
there, and the affine part keeps only the directions that are not periodic.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.ridge import fit_ridge

__all__ = ["SmoothBasis", "SmoothFit", "farthest_points", "fit_smooth", "in_blocks"]


# Width of the Gaussians, by dimension. Along curves they are wide: else the fit follows what its coordinates are off
# by, and corrections from it take long to settle.
# [spacings of the centres; chosen: wider ones are more accurate where values are smooth, until rounding ends it]
WIDTHS = {1: 8.0, 2: 5.0}

# Likewise in three dimensions and more, and along curves whose coordinates no correction makes smooth.
# [spacings of the centres; chosen: narrower ones leave ripples between the centres, wider ones follow slowly]
NARROW_WIDTH = 4.0

# Least width where coordinates are rough or frames noisy.
# [spacings of the centres; chosen: that of surfaces, so that it changes three dimensions and more alone]
ROUGH_WIDTH = 5.0

# Numbers of functions along a curve, of which cross-validation chooses.
# [functions; chosen: each three or four times the one before, as cross-validation finds the best of them]
FUNCTIONS_ALONG_CURVES = (25, 75, 300)

# Functions of two coordinates.
# [functions; chosen: deferred correction asks for more where they do not resolve the values]
FUNCTIONS_OF_TWO = 300

# Functions of three coordinates and more.
# [functions; chosen: more resolve more, and the cost of a fit grows with their square]
FUNCTIONS_OF_MORE = 500

# Samples that a fit uses, about; of more, every so many.
# [samples; chosen: some forty for each function, beyond which noise alone averages on]
SAMPLES_OF_A_FIT = 20_000

# The ridges tried are 1, 1/10, 1/100 and so on: so many of them.
# [ridges; derived: down to 1e-12 of the largest singular value, above which float64 still tells directions apart]
RIDGES = 13

# Likewise where coordinates are rough or frames noisy.
# [ridges; chosen: a smaller ridge than 1e-9 fits nothing but noise]
ROUGH_RIDGES = 10


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
        periods: Tensor | None,
        scale: float,
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
    usual = FUNCTIONS_ALONG_CURVES if m == 1 else (FUNCTIONS_OF_TWO,) if m == 2 else (FUNCTIONS_OF_MORE,)
    width = WIDTHS.get(m, NARROW_WIDTH)
    widths = (width, NARROW_WIDTH) if noisy and m == 1 else (width,)
    least = ROUGH_WIDTH if wide else 0.0
    ridges = [10.0**-power for power in range(ROUGH_RIDGES if wide else RIDGES)]
    used = torch.arange(0, n, max(1, n // SAMPLES_OF_A_FIT))
    fits = []

    for size, scale in itertools.product((count,) if count else usual, widths):
        basis = SmoothBasis.at_farthest_points(coordinates[used], size, periods, max(scale, least))
        found = fit_ridge(basis.evaluate(coordinates[used]), values[used], ridges)
        fits.append((found.score, SmoothFit(basis, found.coefficients)))

    return min(fits, key=lambda scored: scored[0])[1]


def in_blocks(fit: SmoothFit, coordinates: Tensor, rows: int = 8192) -> tuple[Tensor, Tensor]:
    r"""Values `(q, d)` and Jacobians `(q, d, m)` at coordinates, a block of rows at a time."""
    parts = [fit.basis.combine(block, fit.coefficients) for block in coordinates.split(rows)]

    return torch.cat([values for values, _ in parts]), torch.cat([slopes for _, slopes in parts])
