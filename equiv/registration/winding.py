r"""Open regions of the plane wound round a cylinder: local isometries that no isometry goes back on.

A closed geodesic has no image in a plane, so that a cylinder is mapped onto no open region; the region is mapped onto
the cylinder where it is as wide as that is high, and as long as that is round.
"""

import math
from dataclasses import replace

import torch

from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.closed_spaces import shifted
from equiv.registration.result import (
    OVERLAP_MARGIN,
    Registration,
    Relation,
    joint_accuracy,
    registration_by,
)
from equiv.supports.projections import find_projections
from equiv.verdict import percent

__all__ = ["wind"]


# Overlap from which a region covers the cylinder.
# [share of the samples; chosen: as much as a verdict takes]
COVERING_OVERLAP = 0.9

# Overlap below which it does not.
# [share of the samples; chosen: what is between is left undecided]
UNCOVERING_OVERLAP = 0.8


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
    accuracy = joint_accuracy(source, target)
    projections, _ = find_projections(source.coordinates, target.coordinates @ across.T, None, accuracy)
    best: Registration | None = None
    wound: list[tuple[float, Motion]] = []

    for projection in projections:
        row = projection.motion.matrix  # (1, 2)
        normal = torch.stack([-row[:, 1], row[:, 0]], dim=1)
        motion = Motion(across.T @ row + along.T @ normal, across.T @ projection.motion.offset)
        found = registration_by(
            motion,
            source,
            target,
            Relation.A_ONTO_B,
            "the one is open, and wound round the other, which is closed",
            symmetries=math.inf,
            slack=projection.slack,
        )

        # The strip may go round either way.
        other = Motion(across.T @ row - along.T @ normal, motion.offset)
        wound += [(found.overlap, motion), (found.overlap, other)]

        if best is None or found.overlap > best.overlap:
            best, fits, share = found, projection.agrees, projection.distance / target.spread

    assert best is not None

    if fits and best.overlap >= COVERING_OVERLAP:
        as_good = [motion for overlap, motion in wound if overlap >= best.overlap - OVERLAP_MARGIN]

        return replace(best, alternatives=shifted(as_good, target.periods))

    excluded = best.overlap < UNCOVERING_OVERLAP or (not fits and share > tolerance)
    reason = f"the one is closed and the other is not, and cannot be wound round it (overlap {percent(best.overlap)} %)"

    return Registration(Relation.NONE if excluded else Relation.UNDECIDED, reason)
