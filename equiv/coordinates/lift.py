r"""The lift of a chart, from coordinates to values: a smooth fit, or that with kriging of what it leaves."""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.kriging import ROWS, correlation_length, krige, nearest_nodes
from equiv.coordinates.smooth_fit import SmoothFit, in_blocks

__all__ = ["RESOLVED_ERROR", "Lift", "best_lift", "left_out", "relative_error"]


# Error of a fit, at the samples, below which nothing is left to resolve.
# [share of the values' spread; chosen: the accuracy at which coordinates have settled]
RESOLVED_ERROR = 1e-5

# Samples that are left out in turn, about; of more, every so many.
# [samples; chosen: their root mean square miss is then known to a few percent]
LEFT_OUT = 2000


@dataclass(frozen=True)
class Lift:
    r"""A function F of coordinates.

    Attributes:
        fit: Its smooth part.
        values: What that leaves of the values, `(n, d)`, to be kriged; n = 0 where the smooth part is all.
        slopes: Likewise of the frames, `(n, d, m)`.
        length: Of the kriging, `()`, in coordinate units.
        missed: What F misses of values left out, `(k, d)`, for k of the samples; of smooth fits to values alone what
            it misses at all.
    """

    fit: SmoothFit
    values: Tensor
    slopes: Tensor
    length: Tensor
    missed: Tensor


def best_lift(fit: SmoothFit, missed: Tensor, coordinates: Tensor, values: Tensor, frames: Tensor) -> Lift:
    r"""The smooth fit alone, or with kriging where that misses less of the samples left out in turn.

    Arguments:
        fit: Of the values.
        missed: What it misses, `(n, d)`.
        coordinates: `(n, m)`.
        values: `(n, d)`.
        frames: Turned as the coordinates have them, `(n, d, m)`.
    """
    length = correlation_length(coordinates)
    alone = Lift(fit, values[:0], frames[:0], length, missed)

    if relative_error(missed, values) <= RESOLVED_ERROR:
        return alone

    fitted, steep = in_blocks(fit, coordinates)
    rest, slopes = values - fitted, frames - steep
    left = left_out(coordinates, rest, slopes, fit.basis.periods)
    kriged = Lift(fit, rest, slopes, length, left)

    return min(alone, kriged, key=lambda lift: float(lift.missed.square().mean()))


def left_out(coordinates: Tensor, values: Tensor, slopes: Tensor, periods: Tensor) -> Tensor:
    r"""What kriging misses of values left out in turn, `(k, d)`.

    Arguments:
        coordinates: `(n, m)`.
        values: `(n, d)`.
        slopes: `(n, d, m)`.
        periods: `(p, m)`, p = 0 for none.
    """
    n, length, missed = len(values), correlation_length(coordinates), []

    for rows in torch.arange(0, n, -(-n // LEFT_OUT)).split(ROWS):
        near, offsets = nearest_nodes(coordinates[rows], coordinates, periods, more=1)
        near, offsets = near[:, 1:], offsets[:, 1:]
        missed.append(values[rows] - krige(offsets, values[near], slopes[near], length)[0])

    return torch.cat(missed)


def relative_error(missed: Tensor, values: Tensor) -> float:
    r"""Root mean square of what is missed over the spread of the values."""
    spread = (values - values.mean(dim=0)).square().mean()

    return float((missed.square().mean() / spread).sqrt())
