r"""Smooth functions of few coordinates: Gaussians at farthest-point centres plus an affine part.

On a closed manifold the Gaussians are summed over the lattice of periods, and the affine part keeps only the
directions that are not periodic.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SmoothBasis", "SmoothFit", "farthest_points", "fit_smooth", "in_blocks", "lattice_images", "wrap"]


def lattice_images(periods: Tensor | None, m: int) -> Tensor:
    r"""The lattice vectors with coefficients -1, 0, 1, `(3^p, m)`: the zero vector alone without periods."""
    if periods is None:
        return torch.zeros(1, m, dtype=torch.float64)

    images = torch.zeros(1, m, dtype=periods.dtype, device=periods.device)

    for period in periods:
        images = torch.cat([images, images - period, images + period])

    return images


def wrap(coordinates: Tensor, periods: Tensor) -> Tensor:
    r"""Representatives modulo the lattice, `(q, m)`, in the cell around the origin that `periods` span."""
    if len(periods) == 0:
        return coordinates

    counts = torch.linalg.solve(periods @ periods.mT, periods @ coordinates.mT).mT

    return coordinates - counts.detach().round() @ periods


def farthest_points(coordinates: Tensor, count: int, images: Tensor) -> Tensor:
    r"""Indices of `count` points, each the farthest from those before it, modulo the lattice of `images`."""
    centre = coordinates.mean(dim=0)
    chosen = [int((coordinates - centre).square().sum(dim=1).argmin())]
    nearest = torch.full((len(coordinates),), torch.inf, dtype=coordinates.dtype)

    for _ in range(min(count, len(coordinates)) - 1):
        for image in images:
            nearest = torch.minimum(
                nearest, (coordinates - coordinates[chosen[-1]] - image).square().sum(dim=1)
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
    unseen = (target - orthogonal @ seen).square().sum()
    seen = left.mT @ seen  # (b, d)
    best, chosen = torch.inf, singular

    for ridge in ridges:
        share = singular.square() / (singular.square() + (ridge * singular[0]).square())
        misfit = float(unseen + ((1 - share)[:, None] * seen).square().sum())
        score = misfit / (len(design) - float(share.sum())) ** 2
        if score < best:
            best, chosen = score, share

    return right.mT @ ((chosen / singular.clamp_min(1e-300))[:, None] * seen), best


class SmoothBasis:
    r"""The functions 1, the free directions of u, and Gaussians :math:`\exp(-|u - c_b|^2 / 2 h^2)`.

    Attributes:
        centers: `(b, m)`.
        width: h, `()`, in coordinate units.
        periods: Lattice vectors, `(p, m)`; p = 0 where coordinates are not periodic.
        free: Orthonormal directions that are not periodic, `(m, f)`, divided by the spread of u.
    """

    def __init__(self, centers: Tensor, width: Tensor, periods: Tensor, free: Tensor) -> None:
        self.centers, self.width, self.periods, self.free = centers, width, periods, free
        self.images = lattice_images(periods, centers.shape[1])

    @classmethod
    def at_farthest_points(
        cls, coordinates: Tensor, count: int, periods: Tensor | None = None, scale: float = 5.0
    ) -> "SmoothBasis":
        r"""At most a third of the points as centres, h = `scale` times their median spacing."""
        m = coordinates.shape[1]
        lattice = torch.zeros(0, m, dtype=coordinates.dtype) if periods is None else periods
        images = lattice_images(lattice, m)
        index = farthest_points(coordinates, min(count, max(1, len(coordinates) // 3)), images)
        centers = coordinates[index]
        separation = (centers[:, None, None] - centers[None, :, None] - images).square().sum(dim=-1)
        separation = separation.amin(dim=2).fill_diagonal_(torch.inf)
        width = scale * separation.amin(dim=1).sqrt().median()
        spread = (coordinates - coordinates.mean(dim=0)).square().mean().sqrt()
        if periods is None:
            free = torch.eye(m, dtype=coordinates.dtype)
        else:
            free = torch.linalg.svd(periods, full_matrices=True)[2][len(periods) :].mT

        return cls(centers, width, lattice, free / spread)

    def evaluate(self, coordinates: Tensor) -> Tensor:
        r"""The functions at `(q, m)` points, shape `(q, b)`."""
        coordinates = wrap(coordinates, self.periods)
        bumps = torch.zeros(1, dtype=coordinates.dtype, device=coordinates.device)

        for image in self.images:
            bumps = bumps + self._bumps(self._differences(coordinates, image))

        return torch.cat([torch.ones_like(coordinates[:, :1]), coordinates @ self.free, bumps], dim=1)

    def combine(self, coordinates: Tensor, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        r"""Values `(q, d)` and Jacobians `(q, d, m)` of the functions with `coefficients`, `(b, d)`."""
        coordinates = wrap(coordinates, self.periods)
        m, free = coordinates.shape[1], self.free.shape[1]
        linear, weights = coefficients[1 : 1 + free], coefficients[1 + free :]
        values = coefficients[0] + coordinates @ self.free @ linear
        slopes = [(self.free[axis] @ linear).expand_as(values) for axis in range(m)]

        for image in self.images:
            differences = self._differences(coordinates, image)
            bumps = self._bumps(differences)
            values = values + bumps @ weights
            for axis in range(m):
                slopes[axis] = slopes[axis] - (bumps * differences[axis]) @ weights / self.width**2

        return values, torch.stack(slopes, dim=2)

    def _differences(self, coordinates: Tensor, image: Tensor) -> list[Tensor]:
        centers = self.centers + image

        return [coordinates[:, axis : axis + 1] - centers[:, axis] for axis in range(centers.shape[1])]

    def _bumps(self, differences: list[Tensor]) -> Tensor:
        squared = differences[0].square()
        for difference in differences[1:]:
            squared = squared + difference.square()

        return torch.exp(squared * (-0.5 / self.width**2))


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
) -> SmoothFit:
    r"""Fits values `(n, d)` by a function of coordinates `(n, m)`.

    Arguments:
        coordinates: u.
        values: y.
        periods: Lattice vectors, `(p, m)`, or None.
        count: Number of functions, at most a third of the samples; None: 300, along a curve what
            cross-validation chooses, and 500 in three dimensions and more.
        wide: Whether they are wide, for rough coordinates or noisy frames.
    """
    n, m = coordinates.shape
    counts = [count] if count else [25, 75, 300] if m == 1 else [300] if m == 2 else [500]
    # The fit needs no more samples than some tens for each function.
    used = torch.arange(0, n, max(1, n // 20_000))
    ridges = [10.0**-power for power in range(10 if wide else 13)]
    fits = []

    for size in counts:
        basis = SmoothBasis.at_farthest_points(coordinates[used], size, periods, 5.0 if wide else 4.0)
        coefficients, score = _cross_validated(basis.evaluate(coordinates[used]), values[used], ridges)
        fits.append((score, SmoothFit(basis, coefficients)))

    return min(fits, key=lambda scored: scored[0])[1]


def in_blocks(fit: SmoothFit, coordinates: Tensor, rows: int = 8192) -> tuple[Tensor, Tensor]:
    r"""Values `(q, d)` and Jacobians `(q, d, m)` at coordinates, a block of rows at a time."""
    parts = [fit.basis.combine(block, fit.coefficients) for block in coordinates.split(rows)]

    return torch.cat([values for values, _ in parts]), torch.cat([slopes for _, slopes in parts])
