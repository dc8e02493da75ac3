r"""Which directions of a target are determined best, by which kernel and ridge each: chosen by some of the draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.observe.draws import Draws
from equiv.regression.kernel_search import Settings
from equiv.regression.pair_data import PairData
from equiv.shared_part.ridges import RIDGES, kernel_matrix, regressed

__all__ = ["FOLDS", "chosen", "folds_of", "principal"]

# Parts of the draws, of which each is judged by directions and ridges that the others have chosen.
# [folds; measured: halves find none of what four fifths find, of 200 samples in 50 dimensions]
FOLDS = 5

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

# This share of the target's variance at least is looked at, its leading principal components,
# [share of the variance; chosen: what is left out is less than the square of any usual tolerance]
KEPT_VARIANCE = 0.9999

# at most so many.
# [components; chosen: more could not be resolved by the samples]
MAX_COMPONENTS = 512


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
