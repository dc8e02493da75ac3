r"""A coordinate domain: the intrinsic coordinates of one side's samples, their periods and their accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Domain"]


@dataclass(frozen=True)
class Domain:
    r"""The intrinsic coordinates of one side's samples.

    Attributes:
        coordinates: Shape `(n, m)`, in input units, float64, on the CPU.
        periods: Shape `(p, m)`, p > 0, or None where the coordinates are not periodic.
        accuracy: Estimated RMS error of the coordinates, in input units.
    """

    coordinates: Tensor
    periods: Tensor | None = None
    accuracy: float = 0.0

    @property
    def dimension(self) -> int:
        return self.coordinates.shape[1]

    @property
    def n_periods(self) -> int:
        return 0 if self.periods is None else len(self.periods)

    @property
    def open_axes(self) -> Tensor:
        r"""The directions across all periods, orthonormal rows, `(m - p, m)`."""
        if self.periods is None:
            return torch.eye(self.dimension, dtype=torch.float64)

        return torch.linalg.svd(self.periods, full_matrices=True).Vh[self.n_periods :]

    @property
    def spread(self) -> float:
        r"""RMS distance from the centre, in input units."""
        return (self.coordinates - self.coordinates.mean(dim=0)).square().sum(dim=1).mean().sqrt().item()
