r"""What errors at n / 2 and at n samples say about the error that no number of samples removes."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred, unit_spread
from equiv.observe.draws import Draws

__all__ = ["nearest_error", "remaining_error", "resolution"]

# The input space has this dimension where no frames tell it.
# [dimensions; chosen: the more, the slower the fall that is reckoned with, and the fewer are the final noes]
ASSUMED_DIMENSION = 4

# This share of the errors, the largest, is left out: single extrapolations would decide the curve.
# [share of the samples; chosen: means of squares are ruled by fewer]
TRIMMED_SHARE = 0.01

# The nearest neighbours of so many samples are looked at.
# [samples; chosen: their median is known to a few percent]
RESOLUTION_SAMPLES = 1000


def remaining_error(squared: Tensor, half: Tensor, dimension: int | None) -> float:
    r"""The error left after any further fall, extrapolated at the slowest rate of a Lipschitz map.

    Even the nearest neighbour's value predicts a Lipschitz map with a squared error that falls as
    :math:`n^{-2/m}`. With :math:`e_{n/2}^2` and :math:`e_n^2` measured,

    .. math:: e_\infty^2 = e_n^2 - (e_{n/2}^2 - e_n^2) / (2^{2/m} - 1).

    Arguments:
        squared: Squared held-out errors of a map over the target's mean square spread, of independent draws.
        half: The same of the map learned from half of the draws.
        dimension: m, that of the input space; None: 4.

    Returns:
        :math:`e_\infty`, over the target's spread; 0 where the fall leaves nothing.
    """
    rate = 2 ** (2 / (dimension or ASSUMED_DIMENSION)) - 1
    full, early = _trimmed_mean(squared), _trimmed_mean(half)

    return max(full - max(early - full, 0.0) / rate, 0.0) ** 0.5


def nearest_error(source: Tensor, target: Tensor, draws: Draws | None = None) -> float:
    r"""RMS error of the target of the nearest sample of another draw, over the target's spread.

    Whatever is learned, no error that a rule of prediction shows on draws that it was not told is below that which no
    map avoids: a large error of a map says nothing final where what lies near in the source lies near in the target.

    Arguments:
        source: Activations, shape `(n, d_a)`; 1,000 of the samples are looked at.
        target: The target's at the same inputs, `(n, d_b)`.
        draws: Which samples are one independent draw; None: each is one.
    """
    unit, deviation = unit_spread(source.double()), centred(target.double())
    units = torch.arange(len(unit), device=unit.device) if draws is None else draws.units
    reach = 0 if draws is None else draws.reach
    own = (units[:RESOLUTION_SAMPLES, None] - units).abs() <= reach
    nearest = torch.cdist(unit[:RESOLUTION_SAMPLES], unit).masked_fill_(own, torch.inf).argmin(dim=1)
    missed = (deviation[:RESOLUTION_SAMPLES] - deviation[nearest]).square().sum(dim=1).mean()

    return (missed / deviation.square().sum(dim=1).mean()).sqrt().item()


def resolution(values: Tensor) -> float:
    r"""Median distance from a sample to its nearest, over the RMS distance of samples.

    Near 1 no two samples are near each other, and nothing can be said about how targets vary at small scale.

    Arguments:
        values: Activations, shape `(n, d)`; 1,000 of the samples are looked at.
    """
    unit = unit_spread(values.double())
    some = unit[:RESOLUTION_SAMPLES]
    nearest = torch.cdist(some, unit).square()
    nearest[torch.arange(len(some)), torch.arange(len(some))] = torch.inf

    # Two samples of unit spread are sqrt(2) apart in the root mean square.
    return (nearest.amin(dim=1).median() / 2).sqrt().item()


def _trimmed_mean(squared: Tensor) -> float:
    kept = squared.sort().values[: max(1, len(squared) - int(TRIMMED_SHARE * len(squared)))]

    return kept.mean().item()
