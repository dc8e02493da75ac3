r"""Unpaired comparison by registered eigenfunctions: curved input spaces, and methods that were asked for.

Eigenfunctions of both sides are registered by an orthogonal change of basis, refined until the map between them
carries the one metric to the other, and T is learned from where that map says A's samples lie on B's side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from equiv.observe.observations import Observations
from equiv.probing.pushforward import derivatives_along
from equiv.regression.hermite import fit_map
from equiv.regression.kernel_map import Fit
from equiv.spectral.spectrum import spectral_distance
from equiv.transformation import Transformation
from equiv.unpaired.ambiguity import LARGEST_AMBIGUITY
from equiv.unpaired.by_isometry import share_inside
from equiv.unpaired.eigenfunctions import (
    EigenSide,
    clouds,
    eigen_sides,
    leading_frames,
    nearest_in,
    said_of_clouds,
)
from equiv.unpaired.eigenspace_match import register_eigenspaces
from equiv.unpaired.evidence import low_overlaps, other_lengths
from equiv.unpaired.isometry_refinement import Refined
from equiv.unpaired.readouts import Place, read_rows
from equiv.unpaired.result import Facts, Finding, SideFacts
from equiv.unpaired.symmetries import best_refinement
from equiv.verdict import NAME_A, NAME_B, Interval, percent

__all__ = ["compare_by_eigenfunctions"]

# Largest RMS distance of refined clouds; those of one space are as near to each other as to themselves.
# [distances of samples; chosen: twice what one space has]
REFINED_MISFIT = 2.0

# Before refinement, and in more than one dimension, the noise of eigenfunctions is of the order of that distance.
# [distances of samples; chosen: only what is farther apart is not worth refining]
UNREFINED_MISFIT = 3.0

# Largest RMS error of lengths that noise leaves in an isometry.
# [dimensionless; chosen: lengths that differ everywhere are held against half the tolerance besides]
LARGEST_STRAIN = 0.1

# Largest 99th percentile of errors of lengths that it leaves.
# [dimensionless; chosen: above it the map folds somewhere, below it eigenfunctions flatten at a boundary]
WORST_STRAIN = 0.5

# Anchors off the others' fit by more than so many of their median are wrong.
# [medians; chosen: no noise of eigenfunctions is as uneven]
OUTLIER_MEDIANS = 5.0

# No anchor that is off by less is called wrong.
# [RMS sizes of an eigenfunction; chosen: wrong ones are off by more than one]
OUTLIER_SIZE = 0.3

# Error of T per RMS error of lengths along a curve, where it adds up.
# [dimensionless; measured: on pairs of circles]
ERROR_PER_STRAIN_OF_CURVES = 1.5

# Likewise in more dimensions.
# [dimensionless; measured: on pairs of spheres]
ERROR_PER_STRAIN = 0.4

# Lower bound of the error over its estimate.
# [dimensionless; measured: the true ones of pairs of circles and spheres lay within both factors]
FACTOR_BELOW = 0.4

# Upper bound of the error over its estimate.
# [dimensionless; measured: likewise]
FACTOR_ABOVE = 2.5

# Errors below this are not told from those of the smooth fits.
# [share of the target's spread; chosen: about what fits of a few hundred samples miss]
FIT_ERROR = 2e-3

REASON = {
    "galerkin": "eigenfunctions by Rayleigh-Ritz, registered and refined until T carries the metric",
    "diffusion_maps": "eigenfunctions by diffusion maps, registered and refined until T carries the metric",
}


def compare_by_eigenfunctions(
    a: Observations, b: Observations, anchors: Tensor | None, method: str, tolerance: float, seed: int
) -> Finding:
    r"""Registers the eigenfunctions of both sides, and estimates the errors of the map learned from them.

    It never excludes a direction: what is no isometry may still be a covering.

    Arguments:
        a: Observations of A with frames.
        b: Observations of B with frames.
        anchors: Pairs of sample indices known to show the same hidden state, shape `(k, 2)`; None for none.
        method: "galerkin" or "diffusion_maps".
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        seed: Of the starts of the registration.
    """
    known = None if anchors is None else anchors.cpu()

    if reason := said_of_clouds(clouds(side) for side in (a, b)):
        return Finding.nothing(reason, method, REASON[method])

    try:
        sides = eigen_sides(a, b, method)
    except (ValueError, torch.linalg.LinAlgError) as failure:
        return Finding.nothing(str(failure), method, REASON[method])

    m = sides[0].frames.shape[2]

    if m != sides[1].frames.shape[2]:
        return Finding.nothing("The intrinsic dimensions differ.", method, REASON[method])

    known, rejected = _without_outliers(*sides, known, seed)
    matrices, apart, count = register_eigenspaces(*sides, known, seed)

    if m > 1 and not apart <= UNREFINED_MISFIT:
        reason = f"The eigenfunctions of the two sides lie {apart:.1f} times as far apart as samples do."

        return Finding.nothing(reason, method, REASON[method])

    ends = None if known is None else (sides[0].coordinates[known[:, 0]], sides[1].coordinates[known[:, 1]])
    refined, count = best_refinement(*sides, matrices, count, ends)

    if not refined.strain <= WORST_STRAIN:
        reason = f"The refined map is off an isometry by {percent(refined.strain)} % of lengths."

        return Finding.nothing(reason, method, REASON[method])

    there, back, image = _learned(*sides, refined)
    misfit = _misfit(image, sides[1].coordinates)
    overlap_a, overlap_b = (
        share_inside(image, sides[1].coordinates),
        share_inside(sides[1].coordinates, image),
    )
    blocking = [*_doubts(misfit, refined, tolerance), *low_overlaps(overlap_a, overlap_b)]
    eigenvalues = [[0.0, *side.eigenvalues.tolist()] for side in sides]
    side_facts = [
        SideFacts(intrinsic_dimension=m, embedding=not blocking, eigenvalues=each) for each in eigenvalues
    ]

    return Finding(
        facts=Facts(
            method=method,
            method_reason=REASON[method],
            anchors=0 if anchors is None else len(anchors),
            rejected_anchors=rejected,
            overlap_a=overlap_a,
            overlap_b=overlap_b,
            spectral_distance=spectral_distance(*eigenvalues),
            registration_misfit=misfit,
            strain=refined.strain,
            dilation=refined.dilation,
            a=side_facts[0],
            b=side_facts[1],
        ),
        transformation=Transformation(there.map, back.map),
        a_to_b=_error(refined, there, m),
        b_to_a=_error(refined, back, m),
        blocking=blocking,
        symmetries=count,
        equally_good="isometries that fit equally well",
        # Starts drawn at random find some of the symmetries, and not the farthest of them.
        ambiguity=(LARGEST_AMBIGUITY, LARGEST_AMBIGUITY) if count > 1 else (0.0, 0.0),
        coordinates_a=image,
        coordinates_b=sides[1].coordinates,
        places=lambda: ([_place(sides[1])], [_place(sides[0])]),
    )


def _place(target: EigenSide) -> Place:
    r"""The target's samples, which displacements move along their frames."""
    (rows, draws), device = read_rows(target.observations), target.observations.device
    values = target.observations.values[rows.to(device)].double()
    frames = _observed_frames(target)[rows]

    return Place(
        values,
        target.coordinates[rows],
        frames.shape[2],
        draws,
        lambda displaced: values + (frames @ displaced[:, :, None])[:, :, 0].to(device),
    )


def _without_outliers(
    a: EigenSide, b: EigenSide, anchors: Tensor | None, seed: int
) -> tuple[Tensor | None, list[int]]:
    r"""Anchors without those that the others contradict, and the rows of these."""
    if anchors is None or len(anchors) < 4:
        return anchors, []

    matrix = register_eigenspaces(a, b, anchors, seed)[0][0]
    off = (a.coordinates[anchors[:, 0]] @ matrix.T - b.coordinates[anchors[:, 1]]).norm(dim=1)
    wrong = off > max(OUTLIER_MEDIANS * off.median().item(), OUTLIER_SIZE * math.sqrt(len(matrix)))

    if 3 * int(wrong.sum()) >= len(anchors):
        return anchors, []

    return anchors[~wrong], wrong.nonzero().flatten().tolist()


def _misfit(image: Tensor, cloud: Tensor) -> float:
    r"""RMS distance of points from the nearest of a cloud over that of its samples from each other."""
    own = nearest_in(cloud, cloud, 2)[0][:, 1]

    return (nearest_in(cloud, image)[0].square().mean() / own.square().mean()).sqrt().item()


def _learned(a: EigenSide, b: EigenSide, refined: Refined) -> tuple[Fit, Fit, Tensor]:
    r"""T and its inverse, and the eigenfunctions of A's samples on B's side."""
    frames_a, frames_b = (_observed_frames(side) for side in (a, b))
    lift = fit_map(b.coordinates, b.observations.values.cpu(), b.frames, frames_b)
    image, slope = refined(a.coordinates)
    moved = slope @ a.frames  # (n, k, m)
    pushed = derivatives_along(lift.map, image, moved)
    values, lifted = a.observations.values.double().cpu(), lift.map(image)
    there, back = fit_map(values, lifted, frames_a, pushed), fit_map(lifted, values, pushed, frames_a)
    device = a.observations.device
    there.map.to(device)
    back.map.to(device)

    return there, back, image


def _observed_frames(side: EigenSide) -> Tensor:
    r"""Frames of the activations in the order in which `EigenSide.frames` has them, `(n, d, m)`."""
    assert side.observations.frames is not None

    return leading_frames(side.observations.frames.double().cpu(), side.frames.shape[2])


def _error(refined: Refined, fit: Fit, m: int) -> Interval:
    r"""RMS error of T over the target's spread: of the map between eigenfunctions, and of learning T from it."""
    per_strain = ERROR_PER_STRAIN_OF_CURVES if m == 1 else ERROR_PER_STRAIN
    estimate = math.hypot(per_strain * refined.strain, fit.squared.mean().sqrt().item())

    # What fits miss may be all that there is.
    shown = math.sqrt(max(estimate**2 - FIT_ERROR**2, 0.0))

    return Interval(estimate, FACTOR_BELOW * shown, FACTOR_ABOVE * math.hypot(estimate, FIT_ERROR))


def _doubts(misfit: float, refined: Refined, tolerance: float) -> list[str]:
    r"""Reasons that forbid a conclusion: what speaks against an isometry, but may be noise or a wrong match."""
    reasons = []

    if not misfit <= REFINED_MISFIT:
        reasons.append(
            f"the eigenfunctions of {NAME_A} and {NAME_B} lie {misfit:.1f} times as far apart as samples of "
            f"{NAME_B} do"
        )

    if not (refined.strain <= LARGEST_STRAIN and refined.worst <= WORST_STRAIN):
        reasons.append(
            f"the refined map is off an isometry by {percent(refined.strain)} % of lengths "
            f"({percent(refined.worst)} % at its worst)"
        )

    return reasons + other_lengths(refined.dilation, tolerance)
