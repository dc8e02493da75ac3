r"""What errors at n / 2 and at n samples say about the error that no number of samples removes."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.neuron_scale import unit_spread

__all__ = ["learning_doubts", "remaining_error", "resolution"]

# Samples with a larger resolution do not show what happens at small scale.
# [RMS distances of samples; chosen: near 1 in tens of dimensions, a few hundredths to tenths in up to four]
MAX_RESOLUTION = 0.4


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


def learning_doubts(remaining: float, resolved: float, tolerance: float) -> list[str]:
    r"""Why a large error may be one of too few samples, by their `remaining_error` and `resolution`."""
    if resolved > MAX_RESOLUTION:
        return ["no two samples of the source are near each other"]

    return ["the error still falls with the number of samples"] if remaining <= tolerance else []


def _trimmed_mean(squared: Tensor) -> float:
    kept = squared.sort().values[: max(1, len(squared) - int(TRIMMED_SHARE * len(squared)))]

    return kept.mean().item()
