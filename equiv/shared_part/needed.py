r"""How many samples would decide an undecided direction, by how its error falls with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from equiv.regression.bounds import MIN_SAMPLES
from equiv.verdict import Interval, determines

__all__ = ["needed_samples"]

# More samples than so many times those at hand are not reckoned with.
# [dimensionless; chosen: a million, an error that takes more does not fall]
MOST_TIMES = 2.0**20

# Steps between the numbers that are tried.
# [dimensionless; chosen: four to a doubling, finer than the answer is known]
STEP = 2**0.25

# What is found is raised by this.
# [dimensionless; measured: on networks trained on digits the numbers found were 0.82 to 0.92 of those needed]
CAUTION = 1.3


def needed_samples(
    error: Interval, tolerance: float, doubts: Sequence[str], draws: int, learned: tuple[Tensor, Tensor]
) -> int | None:
    r"""About how many independent samples would decide a direction; None where none would, or it is decided.

    The squared error is taken to fall by the same factor at each doubling, the one that it fell by from half of the
    draws to all; its bounds, on a logarithmic scale, narrow with the root of the draws.

    Arguments:
        error: Of the direction, with its bounds.
        tolerance: Largest error that still counts as determined.
        doubts: What withholds a no: more samples do not, as far as is known, dispel them.
        draws: How many independent ones there are.
        learned: Squared errors of draws of the most flexible map, and those of the map learned from half of them.
    """
    if draws < MIN_SAMPLES or determines(error, tolerance, doubts) is not None or not error.estimate > 0:
        return None

    full, half = (squared.mean().item() for squared in learned)
    fall = min(full / half, 1.0) if half > 0 else 1.0

    if not math.isfinite(fall * error.high) or full == 0 or error.low == 0:
        return None

    below, above = math.log(error.estimate / error.low), math.log(error.high / error.estimate)
    times = STEP

    while times <= MOST_TIMES:
        expected = error.estimate * fall ** (math.log2(times) / 2)
        low, high = (expected * math.exp(width / math.sqrt(times)) for width in (-below, above))

        if determines(Interval(expected, low, high), tolerance, doubts) is not None:
            return _rounded(CAUTION * times * draws)

        times *= STEP

    return None


def _rounded(count: float) -> int:
    r"""Up to two digits: more are not known."""
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)

    return math.ceil(count / unit) * unit
