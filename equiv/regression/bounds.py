r"""Bootstrap bounds of a relative RMS error."""

import math

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred, mean_square, squared_lengths
from equiv.regression.leave_one_out import ADDED_ERRORS
from equiv.transformation import Map, NoMap
from equiv.verdict import Interval

__all__ = ["MIN_SAMPLES", "confirmed", "highest_of_each", "relative_rms", "relative_rms_of_each"]

# Fewer distinct samples bound no error.
# [samples; chosen: bounds from so few are too wide to decide anything]
MIN_SAMPLES = 10

# The lower bound leaves out so many of the largest errors, had they not been drawn.
# [samples; chosen: one corner or kink and its neighbour, of hundreds of samples no great part]
DROPPED_ERRORS = 2

# RMS errors on fresh inputs may be this many times those left out one by one, low and high.
# [dimensionless; measured: coverage of the bounds in benchmarks/verdicts.py]
FRESH_INPUT_FACTORS = (0.93, 1.05)

# Standard errors of the log mean square count this many times in the upper bound.
# [dimensionless; measured: coverage of the bounds in benchmarks/verdicts.py]
STANDARD_ERRORS = 2.5

# So many of the largest errors, at most, may be reckoned one by one instead.
# [samples; measured: coverage of the bounds in benchmarks/verdicts.py]
MAX_SINGLE_ERRORS = 4

# Those that are count so many times.
# [dimensionless; measured: coverage of the bounds in benchmarks/verdicts.py]
SINGLE_ERROR_WEIGHT = 9

# Numbers of images that are held at once where errors are confirmed.
# [numbers; chosen: bounds memory alone]
CONFIRMED_NUMBERS = 2**21

# The sample is drawn again so many times.
# [resamples; chosen: percentiles of 2.5 % then rest on 25 of them, more takes time alone]
RESAMPLES = 1000


def relative_rms(
    squared: Tensor,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    possible: Tensor | None = None,
    resolved: float = 0.0,
    slack: tuple[float, float] = (1.0, 1.0),
) -> Interval:
    r"""RMS of relative held-out errors, with bounds from resampling the samples.

    Squared errors have heavy upper tails (corners, kinks, crossings), which resampling alone does not see. So
    the lower bound is the percentile of the bootstrapped mean square without the `DROPPED_ERRORS` largest errors (had
    they not been drawn); the upper one is the larger of the percentile with `ADDED_ERRORS` further errors as large as
    the largest (had they been), and of

    .. math:: \bar{\epsilon^2} \exp(2.5 \, z \, s), \qquad
        s^2 = \frac{1}{n^2} \sum_i (\epsilon_i^2 / \bar{\epsilon^2} - 1)^2,

    z the normal quantile: where few errors make up the mean, s says how few. Where the largest one to four do, these
    count nine times, and the formula holds for the others alone: single far samples, such as corners, say little, but
    fresh inputs are hardly ever as far from all samples as these are from the others. Fresh inputs lie between the
    samples and beyond the outermost, which no resampling shows: 0.93 and 1.05 times the bounds allow for it. The
    factors are calibrated on random pairs of the families of `benchmarks/verdicts.py`.

    Arguments:
        squared: Squared held-out errors over the target's mean square spread, shape `(n,)`.
        confidence: Level of the bounds, in (0, 1).
        seed: Seeds the resampling.
        possible: Squared errors that were not met but may be, shape `(n,)`; where they are larger they replace
            `squared` in the upper bound. None: none.
        resolved: RMS errors below this are not told apart: the bounds then enclose 0 and this.
        slack: Further factors of the two bounds.

    References:
        | An Introduction to the Bootstrap, section 13.3 (Efron and Tibshirani, 1993)
    """
    worst = squared if possible is None else torch.maximum(squared, possible)

    return relative_rms_of_each(
        squared[:, None], confidence, seed, possible=worst[:, None], resolved=resolved, slack=slack
    )[0]


def relative_rms_of_each(
    squared: Tensor,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    possible: Tensor | None = None,
    resolved: float = 0.0,
    slack: tuple[float, float] = (1.0, 1.0),
) -> list[Interval]:
    r"""`relative_rms` of several targets at once, `(n, l)`, for which the samples are drawn again alike."""
    n = len(squared)
    squared = squared.double()
    mean = squared.mean(dim=0)
    worst = squared if possible is None else possible.double()
    generator = torch.Generator().manual_seed(seed)
    tail = (1 - confidence) / 2
    few = squared.sort(dim=0).values[: max(n - DROPPED_ERRORS, 1)]
    low = _resampled(few, tail, generator) * len(few) / n
    high = _resampled(worst, 1 - tail, generator) + ADDED_ERRORS * squared.amax(dim=0) / n
    low, high = torch.minimum(low, mean), torch.maximum(torch.maximum(high, mean), _cautious(squared, tail))
    low, high = (
        factor * further * bound.sqrt()
        for factor, further, bound in zip(FRESH_INPUT_FACTORS, slack, (low, high), strict=True)
    )

    return [
        Interval(e, e, e)
        if e == 0 or math.isnan(e)
        else Interval(e, 0.0 if e < resolved else lowest, max(highest, resolved))
        for e, lowest, highest in zip(mean.sqrt().tolist(), low.tolist(), high.tolist(), strict=True)
    ]


def confirmed(
    error: Interval, map_: Map, source: Tensor, target: Tensor, spread_of: Tensor | None = None
) -> Interval:
    r"""The error, its upper bound no less than what the map that is returned misses at samples that are known.

    Errors of samples that were left out are no smaller than those at samples learned from; of ridge regression and
    least squares :math:`e_i = r_i / (1 - h_i)`, with leverages :math:`0 \le h_i < 1`. So this changes nothing, unless
    something failed on the way from the samples to the error, or to the map.

    Arguments:
        error: RMS error over the target's RMS spread.
        map_: The map that it is said of.
        source: Samples, `(n, d_a)`.
        target: Their partners, `(n, d_b)`.
        spread_of: Samples of the target whose spread counts, `(q, d_b)`; None: these partners.
    """
    if isinstance(map_, NoMap):
        return error._replace(high=max(error.high, 1.0))

    deviation = centred((target if spread_of is None else spread_of).double())
    spread, alive = mean_square(deviation).sqrt().item(), deviation.any(dim=0)
    del deviation

    if len(source) == 0 or spread == 0 or math.isnan(error.high):
        return error  # there is nothing to be said

    rows = max(1, CONFIRMED_NUMBERS // target.shape[1])
    squared = [
        squared_lengths((map_(few.double()) - partners)[:, alive])
        for few, partners in zip(source.split(rows), target.split(rows), strict=True)
    ]
    missed = torch.cat(squared).mean().sqrt().item() / spread

    return error if missed <= error.high else error._replace(high=missed)  # NaN is no bound


def _resampled(squared: Tensor, quantile: float, generator: torch.Generator) -> Tensor:
    r"""That quantile of the means of samples drawn again, `(n, l)` to `(l,)`."""
    index = torch.randint(len(squared), (RESAMPLES, len(squared)), generator=generator)
    counts = torch.zeros(index.shape, dtype=torch.float64).scatter_add_(
        1, index, torch.ones(()).double().expand(index.shape)
    )
    means = counts.to(squared.device) @ squared.nan_to_num() / len(squared)

    return torch.quantile(means, quantile, dim=0)


def highest_of_each(squared: Tensor, confidence: float = 0.95) -> Tensor:
    r"""Upper bounds of the RMS errors of several neurons that hold for all of them at once, `(d,)`.

    Those of `relative_rms` by formulas alone, at a level that is divided by the number of neurons.

    Arguments:
        squared: Squared held-out errors of each, over its own mean square spread, `(n, d)`.
        confidence: Level at which all bounds hold together, in (0, 1).
    """
    n, d = squared.shape
    mean = squared.mean(dim=0) + ADDED_ERRORS * squared.amax(dim=0) / n
    high = torch.maximum(mean, _cautious(squared, (1 - confidence) / (2 * d)))

    return FRESH_INPUT_FACTORS[1] * high.sqrt()


def _cautious(squared: Tensor, tail: float) -> Tensor:
    r"""Mean squares that caution allows for, `(n, d)` to `(d,)`, as many large errors apart as make it least."""
    n, largest = len(squared), squared.sort(dim=0, descending=True).values
    normal = torch.special.ndtri(torch.tensor(1 - tail, dtype=torch.float64)).item()
    found = torch.full_like(squared[0], torch.inf)

    for single in range(min(MAX_SINGLE_ERRORS + 1, n)):
        rest = largest[single:]
        mean = rest.mean(dim=0)
        # Of equal errors, all zero, there is nothing to be said.
        ratio = torch.where(mean > 0, rest / torch.where(mean > 0, mean, 1.0), 1.0)
        deviation = ((ratio - 1).square().mean(dim=0) / len(rest)).sqrt()
        apart = SINGLE_ERROR_WEIGHT * largest[:single].sum(dim=0) / n
        cautious = mean * len(rest) / n * (STANDARD_ERRORS * normal * deviation).exp() + apart
        found = torch.minimum(found, cautious)

    return found
