r"""A cloud of samples with their frames, neurons weighted."""

from dataclasses import dataclass, replace

from torch import Tensor

__all__ = ["Cloud"]


# Neighbours of a sample where noise rules the error.
# [neighbours; chosen: more average more noise, and their displacements are longer than the samples resolve]
NOISY_NEIGHBORS = 24

# Neighbours of a sample elsewhere, at least.
# [neighbours; measured: with 12 to 16 the charts of 20 random networks R^2 -> R^5 were right to 0.004 %]
FEWEST_NEIGHBORS = 12

# Likewise a dimension: in more of them it takes more to surround a sample.
# [neighbours a dimension; chosen: two on each side along every axis]
NEIGHBORS_A_DIMENSION = 4

# Root mean square misfit of the pairs up to which coordinates of exact frames fit.
# [share of the lengths of pairs; chosen: the trapezoid rule misses that much where samples barely resolve what bends]
EXACT_LEVEL = 0.05


@dataclass(frozen=True)
class Cloud:
    r"""Samples with their frames, neurons weighted.

    Attributes:
        values: Weighted values, `(n, d)`, float64.
        basis: Orthonormal tangent bases U, `(n, d, m)`.
        scale: Singular values S of the weighted frames, `(n, m)`, positive.
        noise: Relative error of the frames: 0 where exact, about one over the root of the burst size.
    """

    values: Tensor
    basis: Tensor
    scale: Tensor
    noise: float

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dimension(self) -> int:
        return self.basis.shape[2]

    @property
    def neighbors(self) -> int:
        r"""How many neighbours each sample should have."""
        return (
            NOISY_NEIGHBORS if self.rough else max(FEWEST_NEIGHBORS, NEIGHBORS_A_DIMENSION * self.dimension)
        )

    @property
    def rough(self) -> bool:
        r"""Whether noise rules the error. Along a curve it does not: it averages out between neighbours."""
        return self.noise > 0 and self.dimension > 1

    @property
    def level(self) -> float:
        r"""Root mean square misfit of the pairs up to which coordinates fit."""
        return EXACT_LEVEL + self.noise

    def subset(self, index: Tensor) -> "Cloud":
        r"""Some of the samples."""
        return replace(self, values=self.values[index], basis=self.basis[index], scale=self.scale[index])
