r"""A projection of one support onto another, and how well it is fixed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from equiv.coordinates.motion import Motion

__all__ = ["PlacedProjection"]


# Largest misfit of the support functions of two samples of one space.
# [distances from outermost samples to the edge; derived: they differ by one or two, exponentially distributed]
AGREEING_MISFIT = 5.0


@dataclass(frozen=True)
class PlacedProjection:
    r"""A projection of one support onto another.

    Attributes:
        motion: From source to target coordinates.
        misfit: RMS difference of the support functions over what sampling explains; dimensionless.
        distance: The same in input units.
        slack: RMS displacement in the target that leaves the fit as good, in input units.
        edge: How well the support function fixes the offset, in input units: well where sides face an edge of the
            target, less so where corners do.
        free: Changes of the matrix under which it fits as well, `(f, p, m)`, and which are no slack; None for none.
    """

    motion: Motion
    misfit: float
    distance: float
    slack: float
    edge: float
    free: Tensor | None

    @property
    def agrees(self) -> bool:
        r"""Whether sampling explains the difference of the support functions."""
        return self.misfit <= AGREEING_MISFIT
