r"""What errors at n / 2 and n samples, and at near samples, say of the error that no number of samples removes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred, mean_square, unit_spread
from equiv.observe.draws import Draws
from equiv.verdict import Interval, determines

__all__ = [
    "MAX_RATED_DIMENSION",
    "Neighbours",
    "judged_by_learning",
    "judged_by_nearest",
    "near_errors",
    "nearest_error",
    "remaining_error",
]

# Near samples that are farther apart do not show what happens at small scale.
# [RMS distances of samples; chosen: a no then excludes maps less steep than four spreads of the target a spread of the
# source]
MAX_RESOLUTION = 0.2

# Errors of near samples are alike from this normal score on.
# [standard deviations; derived: one in a hundred of independent errors, on one side]
ALIKE_SCORE = 2.33


# The input space has this dimension where no frames tell it.
# [dimensions; chosen: the more, the slower the fall that is reckoned with, and the fewer are the final noes]
ASSUMED_DIMENSION = 4

# In more dimensions the rate of all Lipschitz maps is not reckoned with.
# [dimensions; chosen: from seven on it falls short of every fall that was measured, and nothing would ever be final]
MAX_RATED_DIMENSION = 6

# There the error after so many doublings of the samples is told,
# [doublings; chosen: as far as networks of digits could be followed, from 150 samples to 1,200]
FURTHER_DOUBLINGS = 3

# and this share of it is reckoned with.
# [dimensionless; measured: of 121 curves between networks of digits, told from 75 and 150 samples, eight times as many
# contradicted 0.7 and 0.8 % of the noes at tolerances from a tenth of the error up; 1.4 and 2.9 % without it]
TOLD_SHARE = 0.9

# This share of the squared spread has to be explained for the fall of the error to say anything of what is left.
# [share of the squared spread; chosen: of what is not learned at all nobody knows whether it could be]
LEAST_EXPLAINED = 0.5

# This share of the errors, the largest, is left out: single extrapolations would decide the curve.
# [share of the samples; chosen: means of squares are ruled by fewer]
TRIMMED_SHARE = 0.01

# Near samples are looked for among so many.
# [samples; chosen: with more of them they are nearer, at a cost that grows with the square]
NEAR_SAMPLES = 2000
# Of the pairs of nearest samples the nearer ones count, this share of them,
# [share of the pairs; chosen: in four dimensions these are two thirds as far apart as all]
NEAR_SHARE = 0.25
# and no fewer than these.
# [pairs; chosen: errors with a correlation of a half are told from independent ones]
NEAR_PAIRS = 20


def remaining_error(squared: Tensor, half: Tensor, dimension: int | None) -> float:
    r"""The error left after any further fall that is to be reckoned with.

    Even the nearest neighbour's value predicts a Lipschitz map with a squared error that falls as
    :math:`n^{-2/m}`. With :math:`e_{n/2}^2` and :math:`e_n^2` measured,

    .. math:: e_\infty^2 = e_n^2 - (e_{n/2}^2 - e_n^2) / (2^{2/m} - 1).

    In more than six dimensions that leaves nothing, whatever was measured. There it is the error at eight times as
    many samples, if it goes on falling by the factor of the last doubling, :math:`e_n (e_n / e_{n/2})^3`, less a tenth
    for the noise of that factor. On networks of digits curves hardly flatten: a power law with a floor gains nothing.

    Arguments:
        squared: Squared held-out errors of a map over the target's mean square spread, of independent draws.
        half: The same of the map learned from half of the draws.
        dimension: m, that of the input space; None: 4.

    Returns:
        The error that is left, over the target's spread; 0 where that may be nothing.
    """
    full, early = _trimmed_mean(squared), _trimmed_mean(half)
    dimension = dimension or ASSUMED_DIMENSION

    if dimension > MAX_RATED_DIMENSION:
        learned = full <= 1 - LEAST_EXPLAINED and early > 0

        return TOLD_SHARE * (full * min(full / early, 1.0) ** FURTHER_DOUBLINGS) ** 0.5 if learned else 0.0

    rate = 2 ** (2 / dimension) - 1

    return max(full - max(early - full, 0.0) / rate, 0.0) ** 0.5


@dataclass(frozen=True, eq=False)
class Neighbours:
    r"""The nearest samples of another draw: one search serves whatever is mapped from the source.

    Attributes:
        source: Activations, shape `(n, d_a)`; 2,000 of the samples are looked at.
        draws: Which samples are left out together, and so tell nothing of each other.
    """

    source: Tensor
    draws: Draws

    @cached_property
    def every(self) -> Tensor:
        r"""The nearest of all samples, for each of those that are looked at, as indices."""
        return _squared_distances(self.source, self.draws).argmin(dim=1)

    @cached_property
    def few(self) -> tuple[Tensor, Tensor]:
        r"""Squared distances from the nearest of those that are looked at, and these, as indices."""
        few = slice(0, NEAR_SAMPLES)
        squared = _squared_distances(self.source[few], Draws(self.draws.units[few], self.draws.reach))
        nearest = squared.min(dim=1)

        return nearest.values, nearest.indices


def nearest_error(neighbours: Neighbours, target: Tensor) -> float:
    r"""RMS error of the target of the nearest sample of another draw, over the target's spread.

    Whatever is learned, no error that a rule of prediction shows on draws that it was not told is below that which no
    map avoids: a large error of a map says nothing final where what lies near in the source lies near in the target.

    Arguments:
        neighbours: Of the source.
        target: The target's activations at the same inputs, `(n, d_b)`.
    """
    deviation = centred(target.double())
    nearest = neighbours.every
    missed = mean_square(deviation[: len(nearest)] - deviation[nearest])

    return (missed / mean_square(deviation)).sqrt().item()


def near_errors(neighbours: Neighbours, target: Tensor, missed: Tensor) -> tuple[float, float]:
    r"""How near the nearest samples are to each other, and whether their errors are alike.

    What the source does not tell is as different at near samples as at others. With e the errors at both of a pair,

    .. math:: z = \sum e_1 \cdot e_2 \, / \, \big(\textstyle\sum (e_1 \cdot e_2)^2\big)^{1/2}

    is then about standard normal. Errors that are alike come from a target that varies between the samples, however
    rough it is, and fall as more are seen.

    Arguments:
        neighbours: Of the source; each draw is once near to another.
        target: B's activations at the same inputs, `(n, d_b)`.
        missed: Held-out errors of a map, `(n, d_b)`.

    Returns:
        The RMS distance of near samples over that of all: near 1 nothing can be said about how targets vary at small
        scale; and z.

    References:
        | A note on the Gamma test (Stefánsson, Končar and Jones, 1997)
        | https://doi.org/10.1007/BF01413858
    """
    few = slice(0, NEAR_SAMPLES)
    units = neighbours.draws.units[few]
    squared, nearest = neighbours.few
    # Copies are no pairs, and of the nearest of each draw every pair counts once.
    some = squared.isfinite() & ((squared > 0) | (target[few] != target[nearest]).any(dim=1))
    kept = some.nonzero()[:, 0]
    kept = kept[squared[kept].argsort(stable=True)]
    kept = kept[Draws(units[kept]).firsts()]
    first, last = torch.stack([units[kept], units[nearest[kept]]]).sort(dim=0).values
    kept = kept[Draws(first * (units.amax() + 1) + last).firsts()]
    near = kept[: max(NEAR_PAIRS, int(NEAR_SHARE * len(kept)))]

    if not len(near):
        return math.inf, 0.0

    product = (missed[near] * missed[nearest[near]]).double().sum(dim=1)
    size = product.norm().item()

    # Two samples of unit spread are sqrt(2) apart in the root mean square.
    return (squared[near].mean() / 2).sqrt().item(), product.sum().item() / size if size > 0 else 0.0


def _squared_distances(values: Tensor, draws: Draws) -> Tensor:
    r"""Squared distances of some samples from all, each neuron of unit spread; infinite within a draw."""
    unit = unit_spread(values.double())
    few = slice(0, NEAR_SAMPLES)
    own = (draws.units[few, None] - draws.units).abs() <= draws.reach

    return torch.cdist(unit[few], unit).square().masked_fill_(own, torch.inf)


def judged_by_learning(
    learned: tuple[Tensor, Tensor],
    neighbours: Neighbours,
    target: Tensor,
    missed: Tensor,
    dimension: int | None,
    tolerance: float,
) -> tuple[list[str], dict[str, float]]:
    r"""Doubts about a large error of values alone, and what is left of it with ever more samples.

    Arguments:
        learned: Squared held-out errors of all draws and of half of them, as in `remaining_error`.
        neighbours: Of the source.
        target: The target's activations at the same inputs, `(n, d_b)`.
        missed: Held-out errors of the map, `(n, d_b)`.
        dimension: That of the input space; None where it is not known.
        tolerance: Largest error that still counts as determined.
    """
    remaining = remaining_error(*learned, dimension)
    distance, alike = near_errors(neighbours, target, missed)
    doubts = _learning_doubts(remaining, distance, alike, dimension, tolerance)

    return doubts, {"remaining_error": remaining, "resolution": distance, "alike_errors": alike}


def judged_by_nearest(
    error: Interval, doubts: Sequence[str], neighbours: Neighbours, target: Tensor, tolerance: float
) -> tuple[list[str], dict[str, float]]:
    r"""The doubts about an error, one more where the nearest sample contradicts a no, and what that sample says."""
    if determines(error, tolerance, doubts) is not False:
        return list(doubts), {}

    nearest = nearest_error(neighbours, target)
    better = ["what is nearest in the source tells it better than the map that was learned"]

    return [*doubts, *(better if nearest <= tolerance else [])], {"nearest_error": nearest}


def _learning_doubts(
    remaining: float, distance: float, alike: float, dimension: int | None, tolerance: float
) -> list[str]:
    r"""Why a large error may be one of too few samples.

    Arguments:
        remaining: As `remaining_error` says.
        distance: Of near samples, as `near_errors` says; in more than six dimensions none are near each other.
        alike: The normal score of `near_errors`; there it says nothing that the learning curve does not.
        dimension: That of the input space; None where it is not known.
        tolerance: Largest error that still counts as determined.
    """
    rated = dimension is None or dimension <= MAX_RATED_DIMENSION

    if rated and distance > MAX_RESOLUTION:
        return ["no two samples of the source are near each other"]

    falls = remaining <= tolerance or (rated and alike > ALIKE_SCORE)

    return ["more samples may lower the error"] if falls else []


def _trimmed_mean(squared: Tensor) -> float:
    kept = squared.sort().values[: max(1, len(squared) - int(TRIMMED_SHARE * len(squared)))]

    return kept.mean().item()
