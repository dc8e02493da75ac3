r"""Which directions of a target a source determines, judged by samples that did not choose them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from equiv.findings.components import Components
from equiv.metric.neuron_scale import squared_lengths
from equiv.regression.pair_data import standardise
from equiv.shared_part.choice import FOLDS, chosen, folds_of, principal
from equiv.shared_part.held_out import HeldOut
from equiv.verdict import Interval

__all__ = ["learned_components"]

# Fewer draws choose no directions.
# [draws; chosen: two to judge in each fold]
MIN_DRAWS = 2 * FOLDS

# Directions are chosen on at most so many samples: so many for each neuron of the target,
# [samples; chosen: twice as many as it takes to find what is determined]
SAMPLES_A_NEURON = 6

# no fewer
# [samples; chosen: less than a second]
FEW_SAMPLES = 600

# and no more than this.
# [samples; chosen: some seconds, and enough for 500 dimensions]
MAX_SAMPLES = 1500

# Fewer samples for each dimension of the target find no determined directions where there are some.
# [samples a dimension; measured: of 200 dimensions 200 samples find none, 600 samples half of the share]
SAMPLES_A_DIMENSION = 3

# The draws are drawn again so many times.
# [resamples; chosen: percentiles of 2.5 % then rest on ten of them]
RESAMPLES = 400

# RMS errors on fresh inputs may be this many times those of directions that four fifths of the draws chose.
# [dimensionless; measured: coverage of the bounds in benchmarks/shared_part.py]
FRESH_FACTORS = (0.8, 1.05)


def learned_components(
    source: Tensor, held_out: HeldOut, tolerance: float, confidence: float, seed: int
) -> Components:
    r"""Directions of the target, best determined first, each with its error on samples that did not choose it.

    With R the covariance of held-out errors and S that of the target, directions v solve

    .. math:: (R + \lambda) v = \mu (S + \lambda) v, \qquad \lambda = 0.1\, \mathrm{tr}\, S / n,

    n draws, so that a direction in which nothing was seen counts as not determined; QR in order of :math:`\mu` makes
    them orthonormal. Errors where one sample is left out are functions of all targets, and with nearly as many
    dimensions as samples directions could be found among them that look determined and are not. So the draws of four
    folds are regressed alone to choose directions, and for each its kernel and ridge: one ridge for all is that of
    the noise, and hides a small shared part. The fifth fold judges. What suits best has the most information
    :math:`-\sum \log \min(\mu, 1)`, in which a small direction counts as much as a large one.

    Arguments:
        source: The source's activations, `(n, d_s)`.
        held_out: The target's at the same inputs, `(n, d_t)`, with what a map misses of them: it does not choose the
            directions, and is one more that may suit them best.
        tolerance: RMS error, over the spread, up to which a subspace counts as determined.
        confidence: Level of the bounds.
        seed: Seeds folds and resampling.
    """
    generator = torch.Generator().manual_seed(seed)
    most = min(max(FEW_SAMPLES, SAMPLES_A_NEURON * held_out.target.shape[1]), MAX_SAMPLES)
    rows = held_out.draws.order(generator)[:most].sort().values
    held_out = held_out.subset(rows)
    target, missed, draws = held_out.target, held_out.missed, held_out.draws
    data = standardise(source[rows].double(), target, None, None, generator, draws)

    if not data.basis.any() or not data.spread.isfinite() or draws.count < MIN_DRAWS:
        unknown = Interval(math.nan, math.nan, math.nan)

        return Components(
            target.new_zeros(0, target.shape[1]), torch.zeros(0).double(), (), 0, unknown, False
        )

    axes, variance = principal(data.target)
    scores = data.target @ axes
    whole = squared_lengths(data.target)
    data = replace(data, target=scores)  # which stand for the target from here on
    folds = folds_of(draws, generator)
    # Of a map that could not be learned no more is known than of the mean.
    given = missed @ axes / data.spread if missed.isfinite().all() else scores
    every, fold_choices, tried = chosen(data, scores, given, folds, generator)
    squared, seen = torch.zeros_like(scores), torch.zeros_like(scores)

    for judged, choice in zip(folds, fold_choices, strict=True):
        seen[judged] = (scores[judged] @ choice.directions).square()

        for place in choice.own.unique().tolist():
            its = (choice.own == place).nonzero()[:, 0]
            missed = tried[place].errors[judged] @ choice.directions[:, its]
            squared[judged[:, None], its] = missed.square()

    whole, squared, seen = draws.totals(whole), draws.totals(squared), draws.totals(seen)
    drawn = torch.randint(len(whole), (RESAMPLES, len(whole)), generator=generator)
    counts = torch.zeros(RESAMPLES, len(whole), dtype=torch.float64)
    counts = counts.scatter_add_(1, drawn, torch.ones_like(counts)).to(whole)
    resolved = draws.count >= SAMPLES_A_DIMENSION * int((variance > variance.sum() / draws.count).sum())
    determined, share = _within(squared, seen, whole, counts, tolerance, confidence)

    return Components(
        directions=(axes @ every.directions).T.contiguous(),
        variance=(seen.sum(dim=0) / whole.sum()).cpu(),
        errors=_intervals(squared, seen, counts, confidence),
        determined=determined,
        variance_determined=share if resolved else Interval(share.estimate, share.low, 1.0),
        resolved=resolved,
    )


def _within(
    squared: Tensor, seen: Tensor, whole: Tensor, counts: Tensor, tolerance: float, confidence: float
) -> tuple[int, Interval]:
    r"""How many leading directions are within the tolerance together, and their share with its bounds.

    The bounds invert the band of the curve of errors against shares, drawn again.
    """
    missed, held = squared.cumsum(dim=1), seen.cumsum(dim=1)
    error, share = (missed.sum(dim=0) / held.sum(dim=0)).sqrt(), held.sum(dim=0) / whole.sum()
    errors = ((counts @ missed) / (counts @ held)).sqrt()
    shares = (counts @ held) / (counts @ whole)[:, None]
    (fewest, most), (least, largest) = _bounds(errors, confidence), _ends(shares, confidence)
    count, estimate = _crossing(error, share, tolerance)
    low, high = _crossing(most, least, tolerance)[1], _crossing(fewest, largest, tolerance)[1]

    return count, Interval(estimate, min(low, estimate), min(max(high, estimate), 1.0))


def _crossing(error: Tensor, share: Tensor, tolerance: float) -> tuple[int, float]:
    r"""The last of the leading directions with which their error is within the tolerance, and their share."""
    within = (error <= tolerance).nonzero()[:, 0]

    return (0, 0.0) if len(within) == 0 else (int(within[-1]) + 1, share[within[-1]].item())


def _intervals(squared: Tensor, seen: Tensor, counts: Tensor, confidence: float) -> tuple[Interval, ...]:
    r"""The error along each direction, with percentiles of the draws drawn again."""
    estimate = (squared.sum(dim=0) / seen.sum(dim=0)).sqrt()
    low, high = _bounds(((counts @ squared) / (counts @ seen)).sqrt(), confidence)

    return tuple(
        Interval(e, min(e, lowest), max(e, highest))
        for e, lowest, highest in zip(estimate.tolist(), low.tolist(), high.tolist(), strict=True)
    )


def _bounds(errors: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    r"""Bounds of errors on fresh inputs, from those of the draws drawn again, `(RESAMPLES, r)`."""
    low, high = _ends(errors, confidence)

    return FRESH_FACTORS[0] * low, FRESH_FACTORS[1] * high


def _ends(drawn: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    low, high = drawn.quantile(torch.tensor([(1 - confidence) / 2, (1 + confidence) / 2]).to(drawn), dim=0)

    return low, high
