r"""Which kernel, metric, ridge and noise of the derivatives: settings with the smallest leave-one-out error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.observe.progress import further
from equiv.regression.hermite_kernel import PROFILES, gram
from equiv.regression.leave_one_out import Solution, solve
from equiv.regression.pair_data import MAX_DIRECTIONS, PairData, plausible_range

__all__ = [
    "AFFINE_VARIANCE",
    "EFFORTS",
    "QUICK_EFFORT",
    "Effort",
    "Settings",
    "scaled",
    "search",
    "solve_ridge",
]

# Settings are judged by so many principal components of the target.
# [components; chosen: the others have little variance, and cost as much]
SEARCH_COMPONENTS = 32

# Settings are judged by no fewer samples than this, however many derivatives each has.
# [samples; chosen: with fewer the best of the candidates is luck]
MIN_SEARCHED_SAMPLES = 30

# The prior variance of the affine part.
# [variance of the target; chosen: the target has unit spread]
AFFINE_VARIANCE = 1.0

# Ridges that are tried first.
# [variance of the target; chosen: from exact data to noise, each then refined by tens]
FIRST_RIDGES = (1e-9, 1e-6, 1e-3, 0.3)

# Ridges that are tried beside one that was found.
# [dimensionless; chosen: finer steps change leave-one-out errors by percents]
NEIGHBORING_RIDGES = (0.1, 1.0, 10.0)

# With smaller ridges rounding rules.
# [variance of the target; chosen: ten thousand times the rounding of float64 for Gram matrices of thousands of rows]
MIN_RIDGE = 1e-10

# Length scales that are tried first.
# [RMS distances of samples; chosen: then refined]
LENGTHS = (0.5, 1.0, 2.0)

# Powers by which principal directions are equalised, beside 0.
# [dimensionless; chosen: halfway and all the way]
WHITENINGS = (0.5, 1.0)

# Length scales that are tried with them.
# [length scales found before; chosen: whitened samples are farther apart in their kernel's directions]
WHITENED_LENGTHS = (1.0, 2.0)

# Noise variances of the derivatives that are tried beside the usual one.
# [noise variance of the values, in length scales; chosen: exact, hardly trusted, not used]
SLOPE_NOISES = (1.0, 1e4, torch.inf)

# Length scales that are tried last, on more samples.
# [length scales found before; chosen: steps of the root of two, finer ones change errors by percents]
FINE_LENGTHS = (0.7, 1.0, 1.4)


class Effort(NamedTuple):
    r"""Equations, values and derivatives together, that a regression takes."""

    search: int  # while kernel and metric are searched
    tuning: int  # when length scale and ridge are chosen
    final: int

    def equations(self, n: int, directions: int) -> int:
        r"""The most that are solved for so many samples and directions of their frames."""
        return min(n * (1 + min(directions, MAX_DIRECTIONS)), self.final)


# What the first map of a pair takes.
# [equations; chosen: about a second on one thread]
QUICK_EFFORT = Effort(400, 900, 3000)

# A second, thorough map is learned where the first leaves open what it should decide.
# [equations; chosen: some sixteen times as long, the cube of two and a half]
THOROUGH_EFFORT = Effort(1000, 2400, 7500)

EFFORTS = QUICK_EFFORT, THOROUGH_EFFORT


@dataclass(frozen=True)
class Settings:
    r"""What the regression is free to choose.

    Attributes:
        kind: Profile of the kernel.
        whitening: Power by which principal directions of the standardised activations are equalised, 0 to 1.
        length: Length scale, in RMS distances between samples.
        ridge: Noise variance of the values, in units of the target's spread.
        slope: Noise variance of the derivatives over that of the values, in length scales; infinite: no use
            of derivatives.
    """

    kind: str = "gaussian"
    whitening: float = 0.0
    length: float = 1.0
    ridge: float = 1e-6
    slope: float = 100.0


def scaled(data: PairData, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    r"""Points and directions in length scales, and the factor `(k,)` that does it."""
    factor = (data.scale / data.scale[0]).pow(-settings.whitening)
    distance = (2 * (factor * data.scale).square().sum()).sqrt()
    factor = factor / (distance * settings.length)
    directions = data.directions if settings.slope < torch.inf else data.directions[:, :0]

    return data.values * factor, directions * factor, factor


def solve_ridge(
    data: PairData, settings: Settings, ridges: tuple[float, ...]
) -> tuple[float, Solution | None]:
    r"""The ridge with the smallest leave-one-out error, and its solution."""
    points, directions, _ = scaled(data, settings)
    n, r, _ = directions.shape
    matrix = gram(settings.kind, points, directions, AFFINE_VARIANCE)
    noise = points.new_ones(n, 1 + r)

    if r:
        noise[:, 1:] = settings.slope * directions.square().sum(dim=2).mean().clamp_min(1e-12)

    rows = torch.cat([data.target[:, None], data.slopes[:, :r]], dim=1).flatten(0, 1) if r else data.target
    best: tuple[float, float, Solution | None] = (torch.inf, ridges[-1], None)

    for ridge in ridges:
        solution = solve(matrix, ridge * noise.flatten(), rows, 1 + r, data.draws)

        if solution is not None:
            solution = solution.within(data.target, *plausible_range(data.target))

            if solution.score < best[0]:
                best = (solution.score, ridge, solution)

    return best[1], best[2]


def search(data: PairData, order: Tensor, effort: Effort = QUICK_EFFORT) -> Settings:
    r"""Settings with the smallest leave-one-out error on the first samples of `order`.

    Kernel, metric and use of derivatives are chosen on few samples; length scale and ridge again on more.
    """
    r = min(data.directions.shape[1], 2)

    def part(equations: int) -> PairData:
        n = max(equations // (1 + r), MIN_SEARCHED_SAMPLES)

        return data.subset(order[:n], r).compressed(SEARCH_COMPONENTS)

    few, more = part(effort.search), part(effort.tuning)
    start = [Settings(kind, length=h) for kind in PROFILES for h in LENGTHS]
    found = _best(few, start, FIRST_RIDGES, (torch.inf, Settings(ridge=FIRST_RIDGES[-1])))
    best = found[1]
    whitened = [
        replace(best, whitening=w, length=h * best.length) for w in WHITENINGS for h in WHITENED_LENGTHS
    ]
    found = _best(few, whitened, _around(best.ridge), found)
    best = found[1]

    if r:
        slopes = [replace(best, slope=slope) for slope in SLOPE_NOISES]
        best = _best(few, slopes, _around(best.ridge), found)[1]

    lengths = [replace(best, length=h * best.length) for h in FINE_LENGTHS]
    # Whitened and with derivatives the other kernel may be the better one after all.
    lengths += [
        replace(best, kind=kind, length=FINE_LENGTHS[-1] * best.length)
        for kind in PROFILES
        if kind != best.kind
    ]
    found = _best(more, lengths, (best.ridge,), (torch.inf, best))

    return _best(more, [found[1]], _around(best.ridge)[::2], found)[1]


def _best(
    data: PairData, candidates: list[Settings], ridges: tuple[float, ...], incumbent: tuple[float, Settings]
) -> tuple[float, Settings]:
    r"""Mean square leave-one-out error and settings of the best candidate, or the incumbent."""
    for candidate in candidates:
        ridge, solution = solve_ridge(data, candidate, ridges)
        further()

        if solution is not None and solution.score < incumbent[0]:
            incumbent = solution.score, replace(candidate, ridge=ridge)

    return incumbent


def _around(ridge: float) -> tuple[float, ...]:
    return tuple(max(factor * ridge, MIN_RIDGE) for factor in NEIGHBORING_RIDGES)
