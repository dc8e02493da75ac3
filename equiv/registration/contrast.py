r"""Whether two supports laid over each other are the same: their outlines, and samples where the other has none."""

from __future__ import annotations

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.result import Registration, Relation
from equiv.supports.occupancy import Occupancy
from equiv.supports.outline_fit import Alignment
from equiv.verdict import percent

__all__ = ["tell_apart"]


# Samples of one support in places that the other's do not occupy, in up to two dimensions.
# [share of the samples; chosen: above what two samples of one support show, edges and uneven densities included]
UNOCCUPIED_SHARE = 0.004

# Likewise in three dimensions, where more samples are near an edge.
# [share of the samples; chosen: above what two samples of one solid show]
UNOCCUPIED_SHARE_OF_SOLIDS = 0.01

# So many beside the share, whatever the number of samples.
# [samples; chosen: single ones are chance]
UNOCCUPIED_SAMPLES = 2.0

# So many times what chance makes, of unoccupied samples or of the largest gap, is no chance.
# [dimensionless; chosen: what is between is left undecided]
CERTAIN_EXCESS = 3.0

# Largest gap that chance makes in the plane; holes grow with the number of samples, as `Occupancy.largest_gap` sums.
# [sum of minus log probabilities; chosen: ten unusual points, above the gaps of two samples of one support]
LARGEST_GAP = 30.0

# What it may be larger by for each sample.
# [sum of minus log probabilities; chosen: a hole of a twentieth of the support has as much and more]
LARGEST_GAP_PER_SAMPLE = 0.05


def tell_apart(source: Domain, target: Domain, best: Alignment, tolerance: float) -> Registration | None:
    r"""Why supports are not the same; None where sampling explains what they differ by.

    Arguments:
        source: Domain of A, flat.
        target: Domain of B, flat, of as many dimensions, at most three.
        best: The motion under which the outlines agree best.
        tolerance: Largest distance of outlines, a share of the target's spread, that excludes nothing.
    """
    moved = Motion(best.matrix, best.offset)(source.coordinates)
    occupancy = Occupancy(moved, target.coordinates), Occupancy(target.coordinates, moved)
    count = sum(each.unoccupied for each in occupancy)
    share = UNOCCUPIED_SHARE_OF_SOLIDS if source.dimension > 2 else UNOCCUPIED_SHARE
    usual = share * (len(moved) + len(target.coordinates)) + UNOCCUPIED_SAMPLES
    # Over the largest that chance makes; in solids samples next to faces look as if they lay in gaps.
    gap = 0.0
    if source.dimension == 2:
        sizes = len(target.coordinates), len(moved)
        gap = max(
            each.largest_gap / (LARGEST_GAP + LARGEST_GAP_PER_SAMPLE * n)
            for each, n in zip(occupancy, sizes, strict=True)
        )

    if best.agrees and count <= usual and gap <= 1.0:
        return None

    apart = best.distance / target.spread
    reason = (
        f"the outlines of the spaces differ by {percent(apart)} % of their spread, and {count} samples of one lie "
        "where the other should have samples and has none"
    )
    # Outlines alone may show holes that there are not: what is no part of the other support has samples of the one.
    differs = gap > CERTAIN_EXCESS or (count > usual and (best.differs or count > CERTAIN_EXCESS * usual))

    return Registration(Relation.NONE if differs and apart > tolerance else Relation.UNDECIDED, reason)
