r"""A cloud of samples with their frames, neurons weighted."""

from dataclasses import dataclass, replace

from torch import Tensor

__all__ = ["Cloud"]


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
        r"""More neighbours average more noise; in higher dimensions it takes more to surround a sample."""
        return 24 if self.rough else max(12, 4 * self.dimension)

    @property
    def rough(self) -> bool:
        r"""Whether noise rules the error. Along a curve it does not: it averages out between neighbours."""
        return self.noise > 0 and self.dimension > 1

    @property
    def level(self) -> float:
        r"""Root mean square misfit of the pairs up to which coordinates fit."""
        return 0.05 + self.noise

    def subset(self, index: Tensor) -> "Cloud":
        r"""Some of the samples."""
        return replace(self, values=self.values[index], basis=self.basis[index], scale=self.scale[index])
