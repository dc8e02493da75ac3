r"""One direction of a paired comparison: a map from pairs, its error, and whether a large error is final."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from equiv.observe.draws import Draws
from equiv.observe.memory import Unaffordable, check_regression
from equiv.observe.observations import Observations
from equiv.paired.between import between_samples
from equiv.paired.determinacy import determinacy, leaking
from equiv.paired.learning_curve import (
    MAX_RATED_DIMENSION,
    Neighbours,
    judged_by_learning,
    judged_by_nearest,
    remaining_error,
)
from equiv.paired.pairs import Pairs
from equiv.regression.bounds import MIN_SAMPLES, relative_rms
from equiv.regression.hermite import MAX_REFINED_ERROR, fit_map
from equiv.regression.inverse import fit_inverse
from equiv.regression.kernel_map import Fit
from equiv.regression.kernel_search import EFFORTS
from equiv.regression.pair_data import along
from equiv.regression.paired_draws import enclosing
from equiv.verdict import Interval, determines

__all__ = ["PairedDirection", "median_rank", "paired_direction", "widened"]

# So many of the largest errors rule the mean where they make up most of it: a map that suits these samples better
# need not be better elsewhere.
# [samples; chosen: single corners and kinks, of which images have a few]
RULING_SAMPLES = 4

# They do from this share of the squared error on.
# [share of the squared error; chosen: most of it, spread errors have far less in so few]
MAX_RULING_SHARE = 0.75

# A thorough map needs so many times the equations of the first: another choice by the same errors would be luck.
# [dimensionless; chosen: errors that fall as the root of the samples are then told apart]
MIN_EQUATIONS_RATIO = 2

# The neighbours of so many samples are looked at for leaks, folds and crossings.
# [samples; chosen: the distances of all pairs then take a second, and more samples show no other folds]
MAX_EVIDENCE_SAMPLES = 5000

# The frames of so many samples are decomposed to tell the median rank.
# [samples; chosen: a median of ranks that are nearly all alike]
MAX_RANKED_SAMPLES = 100


@dataclass(frozen=True)
class PairedDirection:
    r"""One direction of a paired comparison.

    Attributes:
        fit: The map, with its held-out errors.
        error: Its error on fresh inputs, over the target's spread.
        doubts: Why a large error may be one of the method and not of the networks; empty where it is final.
        evidence: Named numbers and sentences, without the direction's name.
    """

    fit: Fit
    error: Interval
    doubts: list[str]
    evidence: dict[str, Any]


def paired_direction(pairs: Pairs, tolerance: float, confidence: float, seed: int) -> PairedDirection:
    r"""Learns a map from the source to the target, and judges it.

    Arguments:
        pairs: The samples.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Seeds subsamples and resampling.

    Returns:
        The first map that decides the direction; where none does, the one with the smallest mean square error. The
        evidence says what is not tried since it would not fit into memory, or fails.
    """
    candidates = _candidates(pairs, seed)
    best = _judged(next(candidates), pairs, tolerance, confidence, seed)

    try:
        # Where a map decides, another one could change nothing but the numbers.
        while determines(best.error, tolerance, best.doubts) is None:
            fit = next(candidates, None)

            if fit is None:
                break

            if fit.squared.mean() < best.fit.squared.mean():
                best = _judged(fit, pairs, tolerance, confidence, seed)
    except (Unaffordable, torch.OutOfMemoryError, torch.linalg.LinAlgError) as reason:
        return replace(best, evidence=best.evidence | {"left_out": str(reason)})

    return best


def widened(found: PairedDirection, other: PairedDirection) -> PairedDirection:
    r"""A direction by the fewer draws that samples may be, with the bounds of the more beside.

    A map that was chosen by leaving out too little is good for nothing where the draws are fewer; the map of the fewer
    is a good one either way. Of the reasons that withhold a no those of the more draws count: what samples do not even
    tell of others of the same draw they tell of none.
    """
    return replace(found, error=enclosing(found.error, other.error), doubts=list(other.doubts))


def _candidates(pairs: Pairs, seed: int) -> Iterator[Fit]:
    r"""Maps that take more and more effort, each learned when it is asked for."""
    source, target = pairs.source.values, pairs.target.values
    coordinates = pairs.coordinates[1]
    taken = None if pairs.frames is None else pairs.taken

    # Slopes without frames cost more than they tell where values alone decide.
    for effort, derivatives in zip(EFFORTS, (pairs.frames, pairs.derivatives), strict=True):
        slopes, target_slopes = derivatives or (None, None)

        if effort is not EFFORTS[0]:
            directions = 0 if slopes is None else slopes.shape[2]
            equations = effort.equations(len(pairs), directions)
            neurons = source.shape[1] + target.shape[1]
            check_regression("a thorough map", len(pairs), neurons, equations, directions, source.device)

        direct = fit_map(source, target, slopes, target_slopes, seed, effort, pairs.draws, taken)
        yield direct

        # Of a copy of the sample that is left out an inverse map would start.
        if pairs.frames is not None and coordinates is not None and direct.single and pairs.distinct:
            yield fit_inverse(direct, source, target, *pairs.frames, coordinates, seed)

        first, most = (
            1 + (0 if each is None else each[0].shape[2] if taken is None else taken.shape[1])
            for each in (pairs.frames, pairs.derivatives)
        )

        if not _worth_more(direct.squared, first, most):
            return


def _worth_more(squared: Tensor, first: int, most: int) -> bool:
    r"""Whether a map from more equations for each sample, of which the first took some, may be hoped to be better."""
    ruling = squared.topk(min(RULING_SAMPLES, len(squared))).values.sum()

    return bool(
        len(squared) * most >= MIN_EQUATIONS_RATIO * min(EFFORTS[0].final, len(squared) * first)
        and squared.mean().sqrt() < MAX_REFINED_ERROR
        and ruling <= MAX_RULING_SHARE * squared.sum()
    )


def _judged(fit: Fit, pairs: Pairs, tolerance: float, confidence: float, seed: int) -> PairedDirection:
    r"""A map with its error: by frames where there are some, else by how the error falls with the samples."""
    known = {"error_of_half": fit.half.mean().sqrt().item(), "regression": fit.description}
    errors = fit.draw_errors
    bounded = partial(relative_rms, errors, confidence, seed, resolved=fit.resolved, slack=fit.slack)

    if pairs.frames is not None and len(errors) >= MIN_SAMPLES:
        possible, doubts, evidence = _judged_by_frames(fit, pairs, tolerance, seed)
        error = bounded(possible=possible)
    else:
        doubts, evidence = _judged_by_learning(fit, pairs, tolerance)
        error = bounded()

    if pairs.common:
        # What frames along common directions say of inputs between and beside the samples no sample shows.
        high = math.hypot(error.high, evidence.get("error_between_samples", 0.0))
        error = Interval(error.estimate, error.low, max(high, evidence.get("leak", 0.0)))

    draws = pairs.draws or Draws.single(len(pairs), pairs.source.device)
    neighbours = Neighbours(pairs.source.values, draws)
    doubts, nearest = judged_by_nearest(error, doubts, neighbours, pairs.target.values, tolerance)

    return PairedDirection(fit, error, doubts, known | evidence | nearest)


def _judged_by_frames(
    fit: Fit, pairs: Pairs, tolerance: float, seed: int
) -> tuple[Tensor, list[str], dict[str, Any]]:
    r"""Squared errors of draws that were not met but may be, doubts, and what leaks, folds and crossings there are."""
    assert pairs.along is not None
    errors, firsts = fit.draw_errors, fit.firsts
    some = _some(len(firsts), seed).to(pairs.source.device)
    rows = firsts[some]
    frames, target_frames = (each[rows] for each in pairs.along)
    seen = pairs.source.values[rows], pairs.target.values[rows], frames, target_frames
    found = determinacy(*seen, errors[some])
    dimension = frames.shape[2]
    near = dimension <= MAX_RATED_DIMENSION
    remaining = remaining_error(*(fit.learned or (errors, fit.half)), dimension)
    possible = torch.zeros_like(errors)
    possible[some] = found.confusion
    doubts = []

    # Frames known but for rotations prove no leak; in many dimensions no samples are near enough to show folds.
    floor = found.floor if pairs.common else found.fold_floor

    if (floor if near else max(floor, remaining)) <= tolerance:
        doubts.append("no leak, fold or crossing accounts for the error, which more samples may lower")

    return (
        possible,
        doubts,
        {
            "leak": found.leak,
            "leaking_share": found.leaking_share,
            "fold": found.fold,
            "folded_samples": found.folded,
            "crossing_samples": int((found.confusion > 0).sum().item()),
            "remaining_error": remaining,
            **({"error_between_samples": between_samples(*seen, fit.map)} if pairs.common and near else {}),
        },
    )


def _judged_by_learning(fit: Fit, pairs: Pairs, tolerance: float) -> tuple[list[str], dict[str, Any]]:
    r"""Doubts, and what is left of the error with ever more samples; a leak at the few with frames is final."""
    sides = (pairs.source, pairs.target, *(pairs.local or ()))
    dimension = next(filter(None, map(median_rank, sides)), None)
    seen = pairs.source.values, pairs.target.values
    source, target = seen if fit.judged is None else (values[fit.judged] for values in seen)
    missed = torch.zeros_like(target) if fit.missed is None else fit.missed
    draws = fit.draws or Draws.single(len(target), target.device)
    neighbours = Neighbours(source, draws)
    learned = fit.learned or (fit.draw_errors, fit.half)
    doubts, found = judged_by_learning(learned, neighbours, target, missed, dimension, tolerance)
    evidence: dict[str, Any] = {**found}

    if pairs.local is not None:
        frames, target_frames = (side.frames for side in pairs.local)

        if frames is not None and target_frames is not None:
            if pairs.taken is not None:
                frames, target_frames = along(pairs.taken, frames, target_frames)

            evidence["leak"], evidence["leaking_share"] = leaking(frames, target_frames)

            if evidence["leak"] > tolerance:
                # What B shows of directions that A does not see, no number of samples brings back.
                return [], evidence

    return doubts, evidence


def _some(n: int, seed: int) -> Tensor:
    r"""All samples, or as many drawn at random as neighbours are looked for among."""
    if n <= MAX_EVIDENCE_SAMPLES:
        return torch.arange(n)

    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:MAX_EVIDENCE_SAMPLES]


def median_rank(obs: Observations) -> int | None:
    r"""The median rank of frames, of some of them."""
    some = obs.subset(torch.arange(min(len(obs), MAX_RANKED_SAMPLES), device=obs.device)).rank

    return None if some is None else int(some.median().item())
