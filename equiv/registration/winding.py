r"""Open regions of the plane wound round a cylinder: local isometries that no isometry goes back on.

A closed geodesic has no image in a plane, so that a cylinder is mapped onto no open region; the region is mapped onto
the cylinder where it is as wide as that is high, and as long as that is round.
"""

import math

import torch

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.result import Registration, Relation, overlaps
from equiv.supports.projections import find_projections

__all__ = ["wind"]


# Shares of samples in each other's support of a region that covers the cylinder, and of one that does not.
COVERED, UNCOVERED = 0.9, 0.8


def wind(source: Domain, target: Domain, tolerance: float) -> Registration:
    r"""Lays an open plane region round a cylinder, by its width across.

    Arguments:
        source: Domain without periods, m = 2.
        target: Domain with one period, m = 2.
        tolerance: Largest difference of the widths, a share of the target's spread, that is not told from none.

    Returns:
        Relation A_ONTO_B for A the source; NONE where the region does not fit, UNDECIDED where it cannot be told.
    """
    assert target.periods is not None
    along, across = torch.linalg.svd(target.periods)[2].split(1)  # (1, 2) each
    accuracy = math.hypot(source.accuracy, target.accuracy)
    projections, _ = find_projections(source.coordinates, target.coordinates @ across.T, None, accuracy)
    best: Registration | None = None

    for projection in projections:
        row = projection.motion.matrix  # (1, 2)
        normal = torch.stack([-row[:, 1], row[:, 0]], dim=1)
        motion = Motion(across.T @ row + along.T @ normal, across.T @ projection.motion.offset)
        shares = overlaps(source, target, motion)

        if best is None or min(shares) > min(best.overlap_a, best.overlap_b):
            fits, share = projection.agrees, projection.distance / target.spread
            best = Registration(
                Relation.A_ONTO_B,
                "the one is open, and wound round the other, which is closed",
                motion,
                symmetries=math.inf,
                overlap_a=shares[0],
                overlap_b=shares[1],
                slack=projection.slack,
            )

    assert best is not None
    least = min(best.overlap_a, best.overlap_b)

    if fits and least >= COVERED:
        return best

    excluded = least < UNCOVERED or (not fits and share > tolerance)
    reason = f"the one is closed and the other is not, and cannot be wound round it (overlap {least:.0%})"

    return Registration(Relation.NONE if excluded else Relation.UNDECIDED, reason)
