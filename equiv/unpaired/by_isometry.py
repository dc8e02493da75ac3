r"""Unpaired comparison by the map that keeps lengths: curved input spaces, with anchors.

Distances to the anchors, on either side, tell roughly where A's samples lie on B's space; from there the map is found
that keeps the way to every neighbour. T is learned from where A's samples and their frames come to lie.
"""

from __future__ import annotations

import math

from torch import Tensor

from equiv.isometry.side import CurvedSide
from equiv.isometry.solve import Isometry, solve_isometry
from equiv.isometry.starts import Start, contradicting_anchors, start_by_anchors, tells_mirror_images
from equiv.isometry.strain_correction import without_strain
from equiv.observe.observations import Observations
from equiv.probing.pushforward import derivatives_along
from equiv.regression.hermite import fit_map
from equiv.regression.kernel_map import Fit
from equiv.transformation import Transformation
from equiv.unpaired.eigenfunctions import clouds, nearest_in, said_of_clouds
from equiv.unpaired.evidence import low_overlaps, other_lengths
from equiv.unpaired.result import Facts, Finding, SideFacts
from equiv.verdict import NAME_A, NAME_B, Interval, percent

__all__ = ["compare_by_isometry", "enough_anchors", "share_inside"]

# The neighbour within whose distance a point belongs to a cloud.
# [neighbours; derived: as `equiv.supports.support.inside`, which misses a share of exp(-6) of the support]
NEIGHBORS = 6

# Usual misfit of the ways to neighbours that noise explains, over that of the ways there and back on both sides.
# [dimensionless; measured: 1.1 to 1.7 on isometric spaces, 15 on a sphere and a spheroid longer by a fifth]
EXPLAINED_MISFIT = 4.0

# No smaller misfit speaks against an isometry.
# [share of the lengths; chosen: five times what is left where samples are dense]
SMALLEST_MISFIT = 2e-3

# Error of T per misfit of a usual pair.
# [dimensionless; measured: 0.2 to 0.5 on spheres, spheroids, Klein bottles, SO(3) and products]
ERROR_PER_MISFIT = 0.5

# Lower bound of the error over its estimate.
# [dimensionless; measured: the true ones of the same pairs are 0.35 to 1.4 times it]
FACTOR_BELOW = 0.2

# Upper bound of the error over its estimate.
# [dimensionless; measured: likewise]
FACTOR_ABOVE = 2.5

# Errors below this are not told from those of the smooth fits.
# [share of the target's spread; chosen: about what fits of a few hundred samples miss]
FIT_ERROR = 2e-3

MIRROR = "the anchors do not tell the space from a mirror image: others, off one line or plane, would"

REASON = (
    "the way to every neighbour carried from one curved space to the other, from distances to the anchors"
)


def enough_anchors(a: Observations, anchors: Tensor | None) -> bool:
    r"""Whether distances to the anchors tell points apart: there are more of them than dimensions."""
    return anchors is not None and a.rank is not None and len(anchors) > int(a.rank.mode().values) > 0


def compare_by_isometry(a: Observations, b: Observations, anchors: Tensor, tolerance: float) -> Finding:
    r"""Finds the map that keeps lengths, and estimates the errors of what is learned from it.

    It never excludes a direction: what is no isometry may still be a covering.

    Arguments:
        a: Observations of A with frames of rank m.
        b: Observations of B with frames.
        anchors: Pairs of sample indices known to show the same hidden state, `(k, 2)`, more than m.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
    """
    assert a.rank is not None and b.rank is not None
    m = int(a.rank.mode().values)
    apart = "" if m == int(b.rank.mode().values) else "The intrinsic dimensions differ."

    if reason := said_of_clouds(clouds(side) for side in (a, b)) or apart:
        return Finding.nothing(reason, "isometric", REASON)

    sides = CurvedSide.of_observations(a), CurvedSide.of_observations(b)

    # The ways that lengths are measured along go to fewer neighbours, the tangent ones.
    if reason := said_of_clouds(side.graph.components()[0] for side in sides):
        return Finding.nothing(reason, "isometric", REASON)

    known = anchors.cpu()
    rejected = contradicting_anchors(*sides, known)
    known = known[[row for row in range(len(known)) if row not in rejected]]
    found = solve_isometry(*sides, start_by_anchors(*sides, known), known)
    there, back = _learned(*sides, *without_strain(*sides, found, known), a)
    overlap_a = share_inside(found.images, sides[1].values)
    overlap_b = share_inside(sides[1].values, found.images)
    mirror = (
        []
        if all(tells_mirror_images(side, each) for side, each in zip(sides, known.T, strict=True))
        else [MIRROR]
    )
    blocking = [*mirror, *_doubts(*sides, found, tolerance), *low_overlaps(overlap_a, overlap_b)]

    return Finding(
        facts=Facts(
            method="isometric",
            method_reason=REASON,
            anchors=len(anchors),
            rejected_anchors=rejected,
            overlap_a=overlap_a,
            overlap_b=overlap_b,
            strain=found.strain,
            dilation=found.dilation,
            a=SideFacts(intrinsic_dimension=m, embedding=not blocking),
            b=SideFacts(intrinsic_dimension=m, embedding=not blocking),
        ),
        transformation=Transformation(there.map, back.map),
        a_to_b=_error(found, there),
        b_to_a=_error(found, there, back),
        blocking=blocking,
        symmetries=1,
        coordinates_a=found.images,
        coordinates_b=sides[1].values,
    )


def _learned(
    a: CurvedSide, b: CurvedSide, corrected: Start, kept: Tensor, obs: Observations
) -> tuple[Fit, Fit]:
    r"""T from the samples to be trusted, and its inverse: from where T takes them, as that is smooth."""
    source, frames = a.observed(a.values)[kept], a.observed_frames(a.frames)[kept]
    there = fit_map(
        source, b.observed(corrected.images)[kept], frames, b.observed_frames(corrected.frames)[kept]
    )
    back = fit_map(there.map(source), source, derivatives_along(there.map, source, frames), frames)
    there.map.to(obs.device)
    back.map.to(obs.device)

    return there, back


def _error(found: Isometry, *fits: Fit) -> Interval:
    r"""RMS error over the target's spread: of the images, and of the maps learned from them one after the other."""
    learned = math.sqrt(sum(fit.squared.mean().item() for fit in fits))
    estimate = math.hypot(ERROR_PER_MISFIT * found.strain, learned)

    return Interval(estimate, FACTOR_BELOW * estimate, FACTOR_ABOVE * math.hypot(estimate, FIT_ERROR))


def share_inside(points: Tensor, cloud: Tensor) -> float:
    r"""Share of points that lie as near to a cloud as its samples do to their neighbours."""
    distance, nearest = (found[:, 0] for found in nearest_in(cloud, points))
    reach = nearest_in(cloud, cloud[nearest], NEIGHBORS + 1)[0][:, -1]

    return (distance <= reach).double().mean().item()


def _doubts(a: CurvedSide, b: CurvedSide, found: Isometry, tolerance: float) -> list[str]:
    r"""Reasons that forbid a conclusion: what speaks against an isometry, but may be noise or a wrong start."""
    reasons = []
    pairs = len(found.misfit)
    explained = max(SMALLEST_MISFIT, EXPLAINED_MISFIT * math.hypot(a.noise, b.noise))

    if not found.whole:
        reasons.append(
            f"the map nearest to an isometry tears {found.torn} of {pairs} pairs of neighbours of {NAME_A} apart on "
            f"{NAME_B}'s side"
        )

    if not found.strain <= explained:
        reasons.append(
            f"it is off an isometry by {percent(found.strain)} % of lengths, of which noise explains "
            f"{percent(explained)} %"
        )

    return reasons + other_lengths(found.dilation, tolerance)
