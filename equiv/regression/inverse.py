r"""Learns a map as the inverse of the other direction, in coordinates of its target.

Where the source squeezes the target in some directions, as a shear does, few samples show the steep slopes that a
direct map needs. Functions of the target's own coordinates have none, and the one that gives the source is inverted.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from equiv.coordinates.smooth_fit import farthest_points
from equiv.regression.both_sides import BothSides, LearnedSides
from equiv.regression.hermite import kernel_map, learn
from equiv.regression.inverse_errors import best_trust, errors_left_out
from equiv.regression.inverse_map import InverseMap
from equiv.regression.kernel_map import Fit, KernelMap, typical_radius
from equiv.regression.kernel_search import search
from equiv.regression.pair_data import standardise

__all__ = ["fit_inverse"]

# Direct maps with errors in this range are tried to be bettered.
# [share of the target's spread; chosen: below, nothing is left to gain, above, they do not show where to begin]
WORTHWHILE_ERRORS = (0.01, 0.2)

# Pairs of at most so many samples,
# [samples; chosen: bounds the time alone]
MAX_INVERTED_SAMPLES = 5000

# coordinates,
# [dimensions; chosen: bounds the time, and in more no samples are near enough to begin from]
MAX_INVERTED_DIMENSION = 3

# and neurons of both sides together are mapped through the inverse.
# [neurons; chosen: bounds the time alone]
MAX_INVERTED_NEURONS = 512

# The mean square error is clearly better if it is below this share of the direct map's.
# [dimensionless; chosen: less may be the luck of choosing between two]
MAX_ERROR_RATIO = 0.5

# So many samples show smooth coordinates.
# [samples; chosen: the functions are smooth, more change them little]
SMOOTHED_SAMPLES = 600

# Errors on fresh inputs may be beyond the bounds of those held out by these factors, low and high: held-out errors are
# those of two maps, learned and chosen by the same samples.
# [dimensionless; chosen: wider bounds where more was chosen, at the cost of some verdicts]
CHOICE_SLACK = (0.8, 1.5)


def fit_inverse(
    direct: Fit,
    source: Tensor,
    target: Tensor,
    source_frames: Tensor,
    target_frames: Tensor,
    coordinates: Tensor,
    seed: int = 0,
) -> Fit:
    r"""The map through coordinates of the target where its leave-one-out error is clearly below the direct map's.

    Any smooth function of the target that is one to one is as good a coordinate as another, and its derivatives along
    the frames are exact. It is learned from integrated coordinates, whose own errors thus do not matter.

    Arguments:
        direct: The direct map.
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`.
        target_frames: B's frames along the same directions, `(n, d_b, m)`.
        coordinates: Coordinates of B's samples, `(n, m)`, such that steps along the frames are steps of theirs.
        seed: Seeds the choice of directions and of subsamples.

    Returns:
        The fit through coordinates, or `direct`.
    """
    low, high = WORTHWHILE_ERRORS

    if direct.missed is None or not isinstance(direct.map, KernelMap):
        return direct

    n, m = coordinates.shape
    neurons = source.shape[1] + target.shape[1]
    small = n <= MAX_INVERTED_SAMPLES and m <= MAX_INVERTED_DIMENSION and neurons <= MAX_INVERTED_NEURONS

    if not (small and low < direct.squared.mean().sqrt() < high):
        return direct

    pairs = BothSides(source.double(), target.double(), source_frames.double(), target_frames.double())
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(source), generator=generator).to(source.device)
    smooth = _smooth(pairs, coordinates, generator)

    if smooth is None:
        return direct

    points, turns = smooth
    joint, frames = pairs.joint
    data = standardise(points, joint, turns, frames, generator)
    found = learn(data, search(data, order), order)

    if found is None:
        return direct

    part, settings, solution, _ = found
    learned = LearnedSides(part, settings, solution, order[: len(part)])
    to_source, to_target = pairs.apart(kernel_map(part, settings, solution.coefficients))
    map_ = InverseMap(
        direct.map,
        to_source,
        to_target,
        points,
        pairs.source,
        pairs.target,
        turns @ torch.linalg.pinv(pairs.target_frames),
        typical_radius(points),
        pairs.spreads[0],
        torch.ones_like(pairs.spreads[0]),
    )
    predicted = pairs.target - direct.missed
    map_.trust = best_trust(map_, pairs, learned, predicted)
    missed = errors_left_out(map_, pairs, learned, predicted)
    squared = missed.square().sum(dim=1) / pairs.spreads[1].square()

    if not _clearly_better(squared, direct.squared):
        return direct

    description = f"inverse of a {settings.kind} kernel in coordinates of the target; {direct.description}"

    return replace(
        direct, map=map_, squared=squared, description=description, missed=missed, slack=CHOICE_SLACK
    )


def _clearly_better(squared: Tensor, direct: Tensor) -> bool:
    r"""Whether errors are smaller, and clearly so where none counts more than the mean would be off."""
    capped = squared.clamp_max(1).mean() < MAX_ERROR_RATIO * direct.clamp_max(1).mean()

    return bool(capped and squared.mean() < direct.mean())


def _smooth(
    pairs: BothSides, coordinates: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor] | None:
    r"""Smooth functions of the target near the coordinates, `(n, m)`, and their derivatives along the frames.

    None where they fold: where some derivatives `(m, m)` do not keep the orientation.
    """
    n, m = coordinates.shape
    identity = torch.eye(m, dtype=torch.float64, device=coordinates.device).expand(n, m, m)
    data = standardise(pairs.target, coordinates, pairs.target_frames, identity, generator)
    # The outermost are among them: functions that did not see these would fold there.
    few = data.subset(farthest_points(coordinates, SMOOTHED_SAMPLES).to(coordinates.device), m)
    all_of_them = torch.arange(len(few), device=coordinates.device)
    learned = learn(few, search(few, all_of_them), all_of_them)

    if learned is None:
        return None

    part, settings, solution, _ = learned
    smooth = kernel_map(part, settings, solution.coefficients)
    points, turns = smooth.linearised(pairs.target, pairs.target_frames)

    return (points, turns) if (torch.linalg.det(turns) > 0).all() else None
