r"""Which directions of a target a source determines, found where one error hides them among the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.findings.components import Components
from equiv.metric.neuron_scale import squared_lengths
from equiv.observe.draws import Draws
from equiv.regression.kernel_search import Settings
from equiv.regression.pair_data import PairData, standardise
from equiv.shared_part.held_out import HeldOut
from equiv.shared_part.ridges import RIDGES, kernel_matrix, regressed
from equiv.verdict import Interval

__all__ = ["chosen", "folds_of", "learned_components", "principal"]

# Parts of the draws, of which each is judged by directions and ridges that the others have chosen.
# [folds; measured: halves find none of what four fifths find, of 200 samples in 50 dimensions]
FOLDS = 5

# Fewer draws choose no directions.
# [draws; chosen: two to judge in each fold]
MIN_DRAWS = 2 * FOLDS

# Variances count as known to this times the target's variance over the draws.
# [dimensionless; measured: with 1 small noise tilts directions towards large variances, and fewer are found]
NOISE = 0.1

# Kernels that are tried, by power of whitening
# [dimensionless; chosen: not at all, halfway and all the way]
WHITENINGS = (0.0, 0.5, 1.0)

# and length scale.
# [RMS distances of samples; chosen: from local to nearly affine]
LENGTHS = (1.0, 3.0, 10.0)

# They are tried on so many samples.
# [samples; chosen: half a second for all of them]
SEARCHED_SAMPLES = 400

# Directions are chosen on at most so many samples: so many for each neuron of the target,
# [samples; chosen: twice as many as it takes to find what is determined]
SAMPLES_A_NEURON = 6

# no fewer
# [samples; chosen: less than a second]
FEW_SAMPLES = 600

# and no more than this.
# [samples; chosen: some seconds, and enough for 500 dimensions]
MAX_SAMPLES = 1500

# This share of the target's variance at least is looked at, its leading principal components,
# [share of the variance; chosen: what is left out is less than the square of any usual tolerance]
KEPT_VARIANCE = 0.9999

# at most so many.
# [components; chosen: more could not be resolved by the samples]
MAX_COMPONENTS = 512

# Fewer samples for each dimension of the target find no determined directions where there are some.
# [samples a dimension; measured: of 200 dimensions 200 samples find none, 600 samples half of the share]
SAMPLES_A_DIMENSION = 3

# The draws are drawn again so many times.
# [resamples; chosen: percentiles of 2.5 % then rest on ten of them]
RESAMPLES = 400


# RMS errors on fresh inputs may be this many times those of directions that four fifths of the draws chose.
# [dimensionless; measured: coverage of the bounds in benchmarks/shared_part.py]
FRESH_FACTORS = (0.8, 1.05)


@dataclass(frozen=True, eq=False)
class Tried:
    r"""A kernel and a ridge, None where the map was given, and what samples miss that are left out, `(n, r)`."""

    settings: Settings | None
    ridge: float
    errors: Tensor


@dataclass(frozen=True, eq=False)
class Choice:
    r"""Directions, and for each the kernel and the ridge by which it is determined best, chosen by some samples.

    Attributes:
        directions: Orthonormal, as columns, `(r, r)`, best determined first.
        own: Place of kernel and ridge among all that were tried, `(r,)`.
    """

    directions: Tensor
    own: Tensor


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


def principal(target: Tensor) -> tuple[Tensor, Tensor]:
    r"""Leading principal directions of a centred target, `(d, r)`, and all variances, descending."""
    n, d = target.shape

    if n < d:
        variance, along = torch.linalg.eigh(target @ target.T / n)
        axes = target.T @ (along / (n * variance).clamp_min(1e-300).sqrt())
    else:
        variance, axes = torch.linalg.eigh(target.T @ target / n)

    variance, axes = variance.flip(0).clamp_min(0), axes.flip(1)
    missing = variance.cumsum(dim=0) < KEPT_VARIANCE * variance.sum()
    kept = min(int(missing.sum()) + 1, MAX_COMPONENTS)

    return axes[:, :kept], variance


def folds_of(draws: Draws, generator: torch.Generator) -> list[Tensor]:
    r"""The samples of each fold, whole draws; along a path stretches that follow each other."""
    units, place = draws.units.unique(return_inverse=True)
    order = torch.arange(len(units)) if draws.reach else torch.randperm(len(units), generator=generator)
    fold = torch.empty_like(order)
    fold[order] = torch.arange(len(units)) * FOLDS // len(units)
    fold = fold.to(place.device)[place]

    return [(fold == index).nonzero()[:, 0] for index in range(FOLDS)]


def chosen(
    data: PairData, scores: Tensor, missed: Tensor, folds: list[Tensor], generator: torch.Generator
) -> tuple[Choice, list[Choice], list[Tried]]:
    r"""What all samples choose, what those outside of each fold do, and what was tried.

    Arguments:
        data: The pairs.
        scores: The target's principal components, `(n, r)`.
        missed: What a map that was given misses of them, `(n, r)`.
        folds: The samples of each fold.
        generator: Draws the samples on which kernels are tried.
    """
    n, every = len(scores), torch.arange(len(scores), device=scores.device)
    parts = [every[~torch.isin(every, judged)] for judged in folds]
    tried = [Tried(None, 0.0, missed)]
    # Covariances of what all samples miss, and of what those outside of each fold do.
    covariances = [[some.T @ some / len(some) for some in (missed, *(missed[part] for part in parts))]]

    for settings in _candidates(data, scores, generator):
        matrix = kernel_matrix(data, settings)

        for ridge in RIDGES:
            found = regressed(matrix, ridge, scores, data.draws)

            if found is None or not found.errors.isfinite().all():
                continue

            tried.append(Tried(settings, ridge, found.errors))
            fewer = [found.without(judged).errors for judged in folds]
            covariances.append([some.T @ some / len(some) for some in (found.errors, *fewer)])

    choices = [
        _choice([each[place] for each in covariances], scores[part], data.draws.subset(part).count)
        for place, part in enumerate([torch.arange(n, device=scores.device), *parts])
    ]

    return choices[0], choices[1:], tried


def _choice(missed: list[Tensor], target: Tensor, count: int) -> Choice:
    r"""Directions from covariances of errors `(r, r)`, the given map's first, and the target's samples.

    Errors of the given map in one fold depend on targets of all others, so that it chooses no directions; every second
    ridge does.
    """
    noise, lower = _noise(target, count)
    best = max(missed[1::2] or missed, key=lambda each: _information(each + noise, lower))
    _, turned = torch.linalg.eigh(_relative(best + noise, lower))
    directions = torch.linalg.qr(torch.linalg.solve_triangular(lower.T, turned, upper=True))[0]
    along = torch.stack([(directions * (each @ directions)).sum(dim=0) for each in missed])

    return Choice(directions, along.argmin(dim=0))


def _noise(target: Tensor, count: int) -> tuple[Tensor, Tensor]:
    r""":math:`\lambda` times the identity, and the Cholesky factor of :math:`S + \lambda`, `(r, r)` each."""
    covariance = target.T @ target / len(target)
    noise = NOISE * covariance.trace() / count * torch.eye(len(covariance)).to(target)

    return noise, torch.linalg.cholesky(covariance + noise)


def _relative(missed: Tensor, lower: Tensor) -> Tensor:
    r""":math:`L^{-1} R L^{-\top}`, `(r, r)`: what is missed, over what there is."""
    half = torch.linalg.solve_triangular(lower, missed, upper=False)

    return torch.linalg.solve_triangular(lower, half.T, upper=False)


def _information(missed: Tensor, lower: Tensor) -> float:
    r""":math:`-\sum \log \min(\mu, 1)`: directions that are missed by more than there is are best left alone."""
    return -torch.linalg.eigvalsh(_relative(missed, lower)).clamp(1e-300, 1.0).log().sum().item()


def _candidates(data: PairData, scores: Tensor, generator: torch.Generator) -> list[Settings]:
    r"""Kernels with the smallest error and with the most information, on few samples; and a nearly affine one.

    Of many dimensions few samples show nothing, and among maps to such targets affine ones need the fewest.
    """
    some = data.draws.order(generator)[:SEARCHED_SAMPLES]
    few, target = data.subset(some, 0), scores[some]
    noise, lower = _noise(target, few.draws.count)
    least: tuple[float, Settings | None] = (torch.inf, None)
    most = least

    for settings in (Settings(whitening=w, length=h) for w in WHITENINGS for h in LENGTHS):
        matrix = kernel_matrix(few, settings)

        for ridge in RIDGES[1::2]:
            found = regressed(matrix, ridge, target, few.draws)

            if found is None or not found.errors.isfinite().all():
                continue

            missed = found.errors.T @ found.errors / len(some)
            least = min(least, (missed.trace().item(), settings), key=lambda each: each[0])
            most = min(most, (-_information(missed + noise, lower), settings), key=lambda each: each[0])

    affine = Settings(length=LENGTHS[-1])

    return list(dict.fromkeys(found for found in (least[1], most[1], affine) if found is not None))


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
