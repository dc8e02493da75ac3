r"""What errors at n / 2 and at n samples say about the error that no number of samples removes."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred, unit_spread
from equiv.observe.draws import Draws

__all__ = ["MAX_RATED_DIMENSION", "nearest_error", "remaining_error", "resolution"]

# The input space has this dimension where no frames tell it.
# [dimensions; chosen: the more, the slower the fall that is reckoned with, and the fewer are the final noes]
ASSUMED_DIMENSION = 4

# In more dimensions the rate of all Lipschitz maps is not reckoned with.
# [dimensions; chosen: from seven on it falls short of every fall that was measured, and nothing would ever be final]
MAX_RATED_DIMENSION = 6

# There the error after so many doublings of the samples is told.
# [doublings; measured: eight times as many digits lowered the errors of 40 pairs of networks by less than is reckoned]
FURTHER_DOUBLINGS = 3

# This share of the squared spread has to be explained for the fall of the error to say anything of what is left.
# [share of the squared spread; chosen: of what is not learned at all nobody knows whether it could be]
LEAST_EXPLAINED = 0.5

# This share of the errors, the largest, is left out: single extrapolations would decide the curve.
# [share of the samples; chosen: means of squares are ruled by fewer]
TRIMMED_SHARE = 0.01

# The nearest neighbours of so many samples are looked at.
# [samples; chosen: their median is known to a few percent]
LOOKED_AT_SAMPLES = 1000


def remaining_error(squared: Tensor, half: Tensor, dimension: int | None) -> float:
    r"""The error left after any further fall that is to be reckoned with.

    Even the nearest neighbour's value predicts a Lipschitz map with a squared error that falls as
    :math:`n^{-2/m}`. With :math:`e_{n/2}^2` and :math:`e_n^2` measured,

    .. math:: e_\infty^2 = e_n^2 - (e_{n/2}^2 - e_n^2) / (2^{2/m} - 1).

    In more than six dimensions that leaves nothing, whatever was measured. There it is the error at eight times as
    many samples, if it goes on falling by the factor of the last doubling, :math:`e_n^2 (e_n / e_{n/2})^6`: curves
    flatten, so that more is left in truth.

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

        return (full * min(full / early, 1.0) ** FURTHER_DOUBLINGS) ** 0.5 if learned else 0.0

    rate = 2 ** (2 / dimension) - 1

    return max(full - max(early - full, 0.0) / rate, 0.0) ** 0.5


def nearest_error(source: Tensor, target: Tensor, draws: Draws) -> float:
    r"""RMS error of the target of the nearest sample of another draw, over the target's spread.

    Whatever is learned, no error that a rule of prediction shows on draws that it was not told is below that which no
    map avoids: a large error of a map says nothing final where what lies near in the source lies near in the target.

    Arguments:
        source: Activations, shape `(n, d_a)`; 1,000 of the samples are looked at.
        target: The target's at the same inputs, `(n, d_b)`.
        draws: Which samples are left out together, and so tell nothing of each other.
    """
    deviation = centred(target.double())
    apart = _apart(source, draws)
    missed = (deviation[: len(apart)] - deviation[apart.argmin(dim=1)]).square().sum(dim=1).mean()

    return (missed / deviation.square().sum(dim=1).mean()).sqrt().item()


def resolution(values: Tensor, draws: Draws) -> float:
    r"""Median distance from a sample to the nearest of another draw, over the RMS distance of samples.

    Near 1 no two draws are near each other, and nothing can be said about how targets vary at small scale.

    Arguments:
        values: Activations, shape `(n, d)`; 1,000 of the samples are looked at.
        draws: As of `nearest_error`.
    """
    # Two samples of unit spread are sqrt(2) apart in the root mean square.
    return (_apart(values, draws).amin(dim=1).square().median() / 2).sqrt().item()


def _apart(values: Tensor, draws: Draws) -> Tensor:
    r"""Distances of some samples from all, each neuron of unit spread; infinite within a draw."""
    unit = unit_spread(values.double())
    some = slice(0, LOOKED_AT_SAMPLES)
    own = (draws.units[some, None] - draws.units).abs() <= draws.reach

    return torch.cdist(unit[some], unit).masked_fill(own, torch.inf)


def _trimmed_mean(squared: Tensor) -> float:
    kept = squared.sort().values[: max(1, len(squared) - int(TRIMMED_SHARE * len(squared)))]

    return kept.mean().item()
