r"""From one layer to many: one search and few factorisations serve all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.layers.spectral_ridges import SpectralRidges
from equiv.layers.target import Target
from equiv.observe.draws import Draws
from equiv.observe.progress import further
from equiv.regression.hermite_kernel import PROFILES
from equiv.regression.kernel_search import Settings
from equiv.regression.leave_one_out import ADDED_ERRORS, solved
from equiv.regression.pair_data import PairData, standardise
from equiv.shared_part.ridges import kernel_matrix
from equiv.transformation import Map

__all__ = ["Found", "from_layer", "left_over", "squares"]

# Kernels that are tried: power of whitening, and length scale.
# [dimensionless, RMS distances of samples; chosen: what separate searches of pairs of layers find]
TRIED = ((0.0, 0.7), (0.0, 1.4), (0.0, 2.8), (0.5, 1.4), (0.5, 2.8), (1.0, 2.8))

# They are tried on so many samples.
# [samples; chosen: as many as the search for one pair takes]
SEARCHED_SAMPLES = 400

# So many of them are learned from all samples.
# [kernels; measured: each target then errs by at most 4 % more than with a search of its own]
KEPT_KERNELS = 2

# Ridges, each target has its own.
# [variance of the target; chosen: from exact data to noise]
RIDGES = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)

# Maps are learned from at most so many samples.
# [samples; chosen: as many as the first regression of one pair takes]
MAX_SAMPLES = 3000


@dataclass(frozen=True, eq=False)
class Found:
    r"""What one source layer says of many targets.

    Attributes:
        squared: Squared held-out errors of independent draws over each target's mean square spread, `(count, L)`.
        curve: The same of maps that are learned, from all draws and from half of them.
        missed: Held-out errors of each target's columns, over its spread, L of `(n, c)`.
        learned: The settings that each target's map is learned with, or the map; None: it is the mean.
        data: What all maps are learned from, without a target.
    """

    squared: Tensor
    curve: tuple[Tensor, Tensor]
    missed: list[Tensor]
    learned: list[Settings | Map | None]
    data: PairData


def from_layer(values: Tensor, targets: list[Target], draws: Draws, generator: torch.Generator) -> Found:
    r"""Held-out errors of all targets, each with the best of two kernels, which serve all, and a ridge of its own.

    Arguments:
        values: The source layer, `(n, d)`.
        targets: What it is mapped to.
        draws: Which samples are one independent draw.
        generator: Draws the samples of the search.
    """
    order = draws.order(generator)
    some = order[:SEARCHED_SAMPLES]
    data = standardise(
        values.double(), values.new_zeros(len(values), 1).double(), None, None, generator, draws
    )

    if not data.basis.any():
        # A layer that never changes tells the mean of any other, and nothing else.
        return _of_mean(targets, data)

    missed = [target.columns.new_full((), torch.nan).expand_as(target.columns) for target in targets]
    shown = [place for place, target in enumerate(targets) if target.columns.isfinite().all()]
    squared = values.new_full((draws.count, len(targets)), torch.nan, dtype=torch.float64)
    half = squared.new_full((draws.subset(draws.half()).count, len(targets)), torch.nan)
    learned: list[Settings | Map | None] = [None] * len(targets)

    if not shown:
        return Found(squared, (squared, half), missed, learned, data)

    scores, tried = _searched(data.subset(some, 0), [targets[place].few[some] for place in shown])
    best: list[tuple[float, Settings]] = [(torch.inf, Settings())] * len(shown)

    for kernel in _kept(scores):
        columns = [targets[place].columns for place in shown]
        ridges = SpectralRidges(kernel_matrix(data, tried[kernel]), columns, draws)
        first = scores[kernel].argmin(dim=0)

        for step, ridge in enumerate(RIDGES):
            wanted = [k for k in range(len(shown)) if abs(int(first[k]) - step) <= 1]

            if not wanted:
                continue

            found = ridges.errors(ridge, wanted)
            further()

            for k, errors in zip(wanted, found or [], strict=found is not None):
                column = squares([errors], draws)[:, 0]

                if (score := _score(column)) < best[k][0]:
                    best[k] = score, replace(tried[kernel], ridge=ridge)
                    squared[:, shown[k]], missed[shown[k]] = column, errors

    for place, (score, settings) in zip(shown, best, strict=True):
        learned[place] = settings if score < torch.inf else None

    fewer = draws.half()
    part = draws.subset(fewer)
    chosen = {settings for score, settings in best if score < torch.inf}

    for unridged in {replace(settings, ridge=0.0) for settings in chosen}:
        columns = [targets[place].columns[fewer] for place in shown]
        ridges = SpectralRidges(kernel_matrix(data.subset(fewer, 0), unridged), columns, part)

        for settings in chosen:
            if replace(settings, ridge=0.0) == unridged:
                wanted = [k for k in range(len(shown)) if best[k][1] == settings]
                found = ridges.errors(settings.ridge, wanted)

                if found is not None:
                    half[:, [shown[k] for k in wanted]] = squares(found, part)

    return Found(squared, (squared, half), missed, learned, data)


def left_over(data: PairData, settings: Settings, columns: Tensor) -> Tensor:
    r"""What a map that is learned anew with these settings leaves of columns `(n, c)` at the same samples.

    Of :math:`(K + \lambda) c = Y` it is :math:`\lambda c`; NaN where the system is not solved.
    """
    matrix = kernel_matrix(data, settings)
    matrix.diagonal().add_(settings.ridge)

    return settings.ridge * solved(matrix, columns)


def _of_mean(targets: list[Target], data: PairData) -> Found:
    r"""Errors of the targets' means."""
    missed, draws = [target.columns for target in targets], data.draws
    fewer = draws.half()
    half = squares([errors[fewer] for errors in missed], draws.subset(fewer))

    squared = squares(missed, draws)

    return Found(squared, (squared, half), missed, [None] * len(targets), data)


def _searched(data: PairData, targets: list[Tensor]) -> tuple[Tensor, list[Settings]]:
    r"""Scores `(kernels, ridges, L)` on few samples, and the kernels."""
    tried = [Settings(kind, w, h) for kind in PROFILES for w, h in TRIED]
    scores = torch.full((len(tried), len(RIDGES), len(targets)), torch.inf, dtype=torch.float64)

    for place, settings in enumerate(tried):
        ridges = SpectralRidges(kernel_matrix(data, settings), targets, data.draws)
        further()

        for step in range(0, len(RIDGES), 2):
            found = ridges.errors(RIDGES[step], range(len(targets)))

            if found is not None:
                squared = squares(found, data.draws)
                scores[place, step] = torch.tensor([_score(column) for column in squared.T])

    return scores, tried


def _kept(scores: Tensor) -> list[int]:
    r"""The kernels that serve all targets best together: their scores' logarithms add up to least."""
    best = scores.amin(dim=1)
    held = torch.full_like(best[0], torch.inf)
    kept: list[int] = []

    for _ in range(KEPT_KERNELS):
        kept.append(int(torch.minimum(best, held).clamp_min(1e-300).log().sum(dim=1).argmin()))
        held = torch.minimum(held, best[kept[-1]])

    return list(dict.fromkeys(kept))


def squares(missed: list[Tensor], draws: Draws) -> Tensor:
    r"""Squared errors of draws, `(count, L)`."""
    return draws.totals(torch.stack([errors.square().sum(dim=1) for errors in missed], dim=1))


def _score(squared: Tensor) -> float:
    return (squared.mean() + ADDED_ERRORS * squared.max() / len(squared)).item()
