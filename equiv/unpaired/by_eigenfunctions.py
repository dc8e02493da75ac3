r"""Unpaired comparison by registered eigenfunctions: curved input spaces, and methods that were asked for.

Eigenfunctions of both sides are registered by an orthogonal change of basis, refined until the map between them
carries the one metric to the other, and T is learned from where that map says A's samples lie on B's side.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from equiv.comparison import Comparison, Direction
from equiv.observe.observations import Observations
from equiv.observe.pushforward import derivatives_along
from equiv.regression.hermite import fit_map
from equiv.regression.kernel_map import Fit
from equiv.spectral.spectrum import spectral_distance
from equiv.transformation import NoMap, Transformation
from equiv.unpaired.eigenfunctions import EigenSide, eigen_sides, nearest_in
from equiv.unpaired.eigenspace_match import register_eigenspaces
from equiv.unpaired.isometry_refinement import Refined, refine
from equiv.verdict import NAME_A, NAME_B, Interval, Verdict, decide

__all__ = ["compare_spectral"]

MIN_OVERLAP = 0.9

# Neighbours within whose distance a point belongs to the cloud.
NEIGHBORS = 6

# Registrations refined, and how much more strain one leaves that is as good as the best.
TRIED, EQUALLY_GOOD = 4, 2.0

# Registered clouds of one space are as near to each other as to themselves.
MISFIT = 2.0

# Before refinement, and in more than one dimension, the noise of eigenfunctions is of the order of that distance.
APART = 3.0

# Largest RMS error of lengths, and its largest 99th percentile, that noise leaves in an isometry.
STRAIN, WORST = 0.1, 0.5

# Where Gauss-Newton diverges there is no isometry near.
HOPELESS = 2.0

# Anchors off the others' fit by this many of their median, and by this share of the eigenfunctions' size, are wrong.
OUTLIER, FLOOR = 5.0, 0.3

# Error of T per RMS error of lengths, along a curve (where it adds up) and in more dimensions, and the factors about
# it within which the true one lay, on pairs of circles and spheres.
PER_STRAIN_OF_CURVES, PER_STRAIN = 1.5, 0.4
LOW, HIGH = 0.4, 2.5

# Errors below this are not told from those of the smooth fits.
RESOLVED = 2e-3
REASON = {
    "galerkin": "eigenfunctions by Rayleigh-Ritz, registered and refined until T carries the metric",
    "diffusion_maps": "eigenfunctions by diffusion maps, registered and refined until T carries the metric",
}


def compare_spectral(
    a: Observations,
    b: Observations,
    anchors: Tensor | None,
    *,
    method: str = "galerkin",
    tolerance: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    r"""Compares two unrelated sets of samples by eigenfunctions of their Laplacians.

    Arguments:
        a: Observations of A with frames.
        b: Observations of B with frames.
        anchors: Pairs of sample indices known to show the same hidden state, shape `(k, 2)`; None for none.
        method: "galerkin" or "diffusion_maps".
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Of the starts of the registration.

    Returns:
        The comparison. It never excludes a direction: what is no isometry may still be a covering.
    """
    known = None if anchors is None else anchors.cpu()

    try:
        sides = eigen_sides(a, b, method)
    except (ValueError, torch.linalg.LinAlgError) as failure:
        return _nothing(a, b, str(failure), method, tolerance, confidence)

    m = sides[0].frames.shape[2]

    if m != sides[1].frames.shape[2]:
        return _nothing(a, b, "The intrinsic dimensions differ.", method, tolerance, confidence)

    known, rejected = _without_outliers(*sides, known, seed)
    matrices, apart, count = register_eigenspaces(*sides, known, seed)

    if m > 1 and not apart <= APART:
        reason = f"The eigenfunctions of the two sides lie {apart:.1f} times as far apart as samples do."

        return _nothing(a, b, reason, method, tolerance, confidence)

    ends = None if known is None else (sides[0].coordinates[known[:, 0]], sides[1].coordinates[known[:, 1]])
    refined, count = _best(*sides, matrices, count, ends)

    if not refined.strain <= WORST:
        reason = f"The refined map is off an isometry by {refined.strain:.0%} of lengths."

        return _nothing(a, b, reason, method, tolerance, confidence)

    there, back, image = _learned(*sides, refined)
    a_to_b, b_to_a = _error(refined, there, m), _error(refined, back, m)
    misfit = _misfit(image, sides[1].coordinates)
    overlap_a, overlap_b = _inside(image, sides[1].coordinates), _inside(sides[1].coordinates, image)
    blocking = _blocking(misfit, refined, overlap_a, overlap_b, tolerance)
    verdict, sentence = decide(a_to_b, b_to_a, tolerance, confidence=confidence, blocking=blocking)

    if count > 1:
        many = "infinitely many" if math.isinf(count) else f"{count:g}"
        sentence += f" There are {many} isometries that fit equally well; the transformation is one of them."

    eigenvalues = [[0.0, *side.eigenvalues.tolist()] for side in sides]
    diagnostics: dict[str, Any] = {
        "method": method,
        "method_reason": REASON[method],
        "anchors": 0 if anchors is None else len(anchors),
        "rejected_anchors": rejected,
        "overlap_a": overlap_a,
        "overlap_b": overlap_b,
        "spectral_distance": spectral_distance(*eigenvalues),
        "registration_misfit": misfit,
        "strain": refined.strain,
        "dilation": refined.dilation,
        "intrinsic_dimension_a": m,
        "intrinsic_dimension_b": m,
        "embedding_a": not blocking,
        "embedding_b": not blocking,
        "eigenvalues_a": eigenvalues[0],
        "eigenvalues_b": eigenvalues[1],
    }

    return Comparison(
        verdict=verdict,
        a_to_b=Direction(a_to_b),
        b_to_a=Direction(b_to_a),
        transformation=Transformation(there.map, back.map),
        symmetries=count,
        coordinates_a=image.to(a.values),
        coordinates_b=sides[1].coordinates.to(b.values),
        diagnostics=diagnostics,
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
    )


def _nothing(
    a: Observations, b: Observations, reason: str, method: str, tolerance: float, confidence: float
) -> Comparison:
    r"""The result where eigenfunctions lead nowhere."""
    unknown = Interval(math.nan, math.nan, math.nan)
    _, sentence = decide(unknown, unknown, tolerance, confidence=confidence, blocking=[reason.rstrip(".")])

    return Comparison(
        verdict=Verdict.INCONCLUSIVE,
        a_to_b=Direction(unknown),
        b_to_a=Direction(unknown),
        transformation=Transformation(NoMap(reason), NoMap(reason)),
        symmetries=0,
        coordinates_a=a.values.new_zeros(len(a), 0),
        coordinates_b=b.values.new_zeros(len(b), 0),
        diagnostics={
            "method": method,
            "method_reason": REASON[method],
            "rejected_anchors": [],
            "overlap_a": math.nan,
            "overlap_b": math.nan,
            "embedding_a": False,
            "embedding_b": False,
        },
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
    )


def _without_outliers(
    a: EigenSide, b: EigenSide, anchors: Tensor | None, seed: int
) -> tuple[Tensor | None, list[int]]:
    r"""Anchors without those that the others contradict, and the rows of these."""
    if anchors is None or len(anchors) < 4:
        return anchors, []

    matrix = register_eigenspaces(a, b, anchors, seed)[0][0]
    off = (a.coordinates[anchors[:, 0]] @ matrix.T - b.coordinates[anchors[:, 1]]).norm(dim=1)
    wrong = off > max(OUTLIER * off.median().item(), FLOOR * math.sqrt(len(matrix)))

    if 3 * int(wrong.sum()) >= len(anchors):
        return anchors, []

    return anchors[~wrong], wrong.nonzero().flatten().tolist()


def _frames(obs: Observations, like: Tensor) -> Tensor:
    r"""Frames of full column rank, in the order in which `EigenSide.frames` has them, `(n, d, m)`."""
    assert obs.frames is not None
    left, scale, _ = torch.linalg.svd(obs.frames.double().cpu(), full_matrices=False)
    m = like.shape[1]

    return left[:, :, :m] * scale[:, None, :m]


def _best(
    a: EigenSide, b: EigenSide, matrices: list[Tensor], count: float, ends: tuple[Tensor, Tensor] | None
) -> tuple[Refined, float]:
    r"""The refinement that comes nearest to an isometry, and how many come as near; anchors hold all of them."""
    tried: list[Refined] = []

    for matrix in matrices[: TRIED if math.isfinite(count) else 1]:
        tried.append(refine(a, b, matrix, ends))

        if not tried[-1].strain <= HOPELESS:
            break

    tried.sort(key=lambda each: each.strain)
    as_good = sum(each.strain <= EQUALLY_GOOD * tried[0].strain for each in tried)

    return tried[0], as_good if count <= TRIED else count


def _misfit(image: Tensor, cloud: Tensor) -> float:
    r"""RMS distance of points from the nearest of a cloud over that of its samples from each other."""
    own = nearest_in(cloud, cloud, 2)[0][:, 1]

    return (nearest_in(cloud, image)[0].square().mean() / own.square().mean()).sqrt().item()


def _learned(a: EigenSide, b: EigenSide, refined: Refined) -> tuple[Fit, Fit, Tensor]:
    r"""T and its inverse, and the eigenfunctions of A's samples on B's side."""
    lift = fit_map(
        b.coordinates, b.observations.values.cpu(), b.frames, _frames(b.observations, b.frames[0].T)
    )
    image, slope = refined(a.coordinates)
    moved = slope @ a.frames  # (n, k, m)
    pushed = derivatives_along(lift.map, image, moved)
    values, lifted = a.observations.values.double().cpu(), lift.map(image)
    frames = _frames(a.observations, a.frames[0].T)
    there, back = fit_map(values, lifted, frames, pushed), fit_map(lifted, values, pushed, frames)
    device = a.observations.device
    there.map.to(device)
    back.map.to(device)

    return there, back, image


def _error(refined: Refined, fit: Fit, m: int) -> Interval:
    r"""RMS error of T over the target's spread: of the map between eigenfunctions, and of learning T from it."""
    per_strain = PER_STRAIN_OF_CURVES if m == 1 else PER_STRAIN
    estimate = math.hypot(per_strain * refined.strain, fit.squared.mean().sqrt().item())

    return Interval(estimate, LOW * estimate, HIGH * math.hypot(estimate, RESOLVED))


def _inside(points: Tensor, cloud: Tensor) -> float:
    r"""Share of points that lie as near to a cloud as its samples do to their neighbours."""
    distance, nearest = (found[:, 0] for found in nearest_in(cloud, points))
    reach = nearest_in(cloud, cloud[nearest], NEIGHBORS + 1)[0][:, -1]

    return (distance <= reach).double().mean().item()


def _blocking(
    misfit: float, refined: Refined, overlap_a: float, overlap_b: float, tolerance: float
) -> list[str]:
    r"""Reasons that forbid a conclusion."""
    reasons = []

    if not misfit <= MISFIT:
        reasons.append(
            f"the eigenfunctions of {NAME_A} and {NAME_B} lie {misfit:.1f} times as far apart as samples of "
            f"{NAME_B} do"
        )

    if not (refined.strain <= STRAIN and refined.worst <= WORST):
        reasons.append(
            f"the refined map is off an isometry by {refined.strain:.1%} of lengths ({refined.worst:.0%} at its worst)"
        )

    # Noise averages out of the size of the spaces.
    if not abs(refined.dilation) <= tolerance / 2:
        reasons.append(f"lengths of the one space are {abs(refined.dilation):.1%} larger than the other's")

    for name, other, share in ((NAME_A, NAME_B, overlap_a), (NAME_B, NAME_A, overlap_b)):
        if not share >= MIN_OVERLAP:
            reasons.append(f"only {share:.0%} of the samples of {name} lie where {other} has samples")

    return reasons
