r"""Learns the map from A's activations to B's from pairs, and from frames as derivative data.

Where T with :math:`y_B = T(y_A)` exists, the chain rule gives :math:`DT(y_A) J_A = J_B`: every sample shows
the value of T and its derivatives along the image of the input space.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor

from equiv.metric.neuron_scale import mean_square, squared_lengths
from equiv.observe.draws import Draws
from equiv.regression.affine import least_squares, ridge_regression
from equiv.regression.few_parameters import mean_fit, simple_fits
from equiv.regression.kernel_map import Fit, KernelMap, typical_radius
from equiv.regression.kernel_search import (
    AFFINE_VARIANCE,
    QUICK_EFFORT,
    Effort,
    Settings,
    scaled,
    search,
    solve_ridge,
)
from equiv.regression.leave_one_out import Solution
from equiv.regression.pair_data import MAX_DIRECTIONS, PairData, along, plausible_range, standardise

__all__ = ["MAX_REFINED_ERROR", "fit_map", "kernel_map", "learn"]

# Errors of kernel maps below this are rounding and extrapolation.
# [share of the target's spread; chosen: sums of wide Gaussians have large coefficients that nearly cancel]
KERNEL_ROUNDING = 1e-6

# An affine map with a smaller error is final.
# [share of the target's spread; chosen: kernel maps show no smaller one]
EXACT_ERROR = 1e-6

# From so many samples on, half of them are tried first.
# [samples; chosen: fewer take no time]
MIN_HALVED_SAMPLES = 600

# Maps with larger errors are not worth all samples, nor more equations.
# [share of the target's spread; chosen: four times the usual tolerance, which twice the samples do not make up for]
MAX_REFINED_ERROR = 0.2

# Nor are those whose mean square falls by less than this where the samples are doubled.
# [share of the mean square; chosen: a third of what that of a Lipschitz map in four dimensions falls by]
MIN_FALL = 0.1

# The residuals of so many samples show what rounding makes of the map.
# [samples; chosen: rounding is much the same at all]
CHECKED_SAMPLES = 200

# Numbers of their images that are held at once.
# [numbers; chosen: bounds memory alone]
CHECKED_NUMBERS = 2**21

# Ridges that are tried where the system is not positive definite to rounding.
# [ridges found before; chosen: the smallest that lets it be solved]
RIDGE_FACTORS = (1.0, 10.0, 100.0, 1000.0)


def fit_map(
    source: Tensor,
    target: Tensor,
    source_frames: Tensor | None,
    target_frames: Tensor | None,
    seed: int = 0,
    effort: Effort = QUICK_EFFORT,
    draws: Draws | None = None,
    taken: Tensor | None = None,
) -> Fit:
    r"""The best map that could be learned, with errors of independent draws that were left out.

    Candidates are maps with no or few parameters, affine least squares or, of few samples, ridge regression, and
    Hermite kernel ridge regression, whose settings minimise the error of draws left out on a part of the samples.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, shape `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`; None: no derivative data.
        target_frames: B's frames along the same directions of the input space, `(n, d_b, m)`.
        seed: Seeds the choice of directions and of subsamples.
        effort: How many equations are solved.
        draws: Which samples are one independent draw; None: each is one.
        taken: Directions that the inputs take, `(m, k)`, along which derivatives then count; None: all alike.

    Returns:
        The fit. With more samples than the largest solve takes, T is learned from a part of them; and judged by this
        part where several samples are one draw, for every draw has some in it.
    """
    generator = torch.Generator().manual_seed(seed)
    draws = draws or Draws.single(len(source), source.device)
    order = draws.order(generator)
    whole = source_frames, target_frames

    if taken is not None and source_frames is not None and target_frames is not None:
        source_frames, target_frames = along(taken, source_frames, target_frames)

    m = 0 if source_frames is None or target_frames is None else source_frames.shape[2]
    most = effort.final // (1 + min(m, MAX_DIRECTIONS))

    if not draws.independent and len(order) > most:
        some = order[:most].sort().values
        slopes_a, slopes_b = (None if each is None else each[some] for each in whole)
        found = fit_map(
            source[some], target[some], slopes_a, slopes_b, seed, effort, draws.subset(some), taken
        )

        return replace(found, judged=some)

    data = standardise(source.double(), target.double(), source_frames, target_frames, generator, draws)

    if not data.basis.any() or not data.spread.isfinite():
        return mean_fit(source.double(), target.double(), draws, generator)

    best: Fit | None = None

    affine = (
        lambda: least_squares(data),
        lambda: ridge_regression(data, source.double(), *whole, taken, seed),
    )

    for fit in chain(
        simple_fits(source.double(), target.double(), draws, generator), (rule() for rule in affine)
    ):
        if fit is not None and fit.squared.mean() < EXACT_ERROR**2:
            return fit

        best = _better(best, fit)

    learned = _final(data, search(data, order, effort), order, effort)
    best = _better(best, learned)

    if best is None:
        return _undefined(mean_fit(source.double(), target.double(), draws, generator))

    return best if learned is None else replace(best, learned=(learned.draw_errors, learned.half))


def _better(best: Fit | None, fit: Fit | None) -> Fit | None:
    r"""The fit with the smaller mean square error, the first of equal ones; None where there is none."""
    if best is None or fit is None:
        return best or fit

    return fit if fit.squared.mean() < best.squared.mean() else best


def _undefined(fit: Fit) -> Fit:
    r"""Stands where no system could be solved: an error of NaN, which no verdict accepts."""
    return replace(fit, squared=fit.squared * torch.nan, half=fit.half * torch.nan, description="unsolved")


def _final(data: PairData, settings: Settings, order: Tensor, effort: Effort) -> Fit | None:
    r"""The kernel map with these settings, and its errors where samples were left out; None where none is solved."""
    learned = learn(data, settings, order, effort)

    if learned is None:
        return None

    part, settings, solution, half = learned
    half_squared = data.target.new_full((1,), torch.nan) if half is None else squared_lengths(half.errors)
    del learned, half
    n, r, _ = part.directions.shape
    map_ = kernel_map(part, settings, solution.coefficients)
    rounding = _rounding(map_, part, settings, solution.coefficients)
    missed = torch.empty_like(data.target)
    missed.index_copy_(0, order[:n], solution.errors)
    del solution
    rest = order[n:]

    if len(rest):
        lengths = scaled(part, settings)[2]
        missed[rest] = (
            data.target[rest] - (map_.evaluate(data.values[rest] * lengths) - data.middle) / data.spread
        )

    squared = squared_lengths(missed)
    squared[order[:n]] += rounding

    return Fit(
        map_,
        squared,
        half_squared,
        f"{settings.kind} kernel, length {settings.length:.2g}, whitening {settings.whitening:g}, ridge "
        f"{settings.ridge:.0e}, slope noise {settings.slope:g}, {n * (1 + r)} equations",
        KERNEL_ROUNDING,
        missed.mul_(data.spread),
        draws=data.draws,
    )


def _rounding(map_: KernelMap, data: PairData, settings: Settings, coefficients: Tensor) -> Tensor:
    r"""Mean square of what rounding makes of T, `()`: at the samples it should leave the residual ridge * c."""
    values = coefficients.view(len(data), -1, data.target.shape[1])[:, 0]
    within = plausible_range(data.target)
    rows = torch.arange(min(CHECKED_SAMPLES, len(data)), device=values.device)
    squared = []

    for few in rows.split(max(1, CHECKED_NUMBERS // data.target.shape[1])):
        fitted = (data.target[few] - settings.ridge * values[few]).clamp_(*within)
        image = (map_.evaluate(map_.points[few]) - data.middle) / data.spread
        squared.append((image - fitted).square().sum(dim=1))

    return torch.cat(squared).mean()


def learn(
    data: PairData, settings: Settings, order: Tensor, effort: Effort = QUICK_EFFORT
) -> tuple[PairData, Settings, Solution, Solution | None] | None:
    r"""The samples that T is learned from, the first of `order`; settings that rounding admits, and the solution.

    Last comes the solution with half as many samples, None where there is none.
    """
    r = 0 if settings.slope == torch.inf else data.directions.shape[1]
    r = min(r, max(1, effort.final // len(data) - 1)) if r else 0
    n = min(len(data), effort.final // (1 + r))
    single = data.draws.independent
    fewer = order[: n // 2] if single else order[:n][data.draws.subset(order[:n]).half()]
    half = _left_out(data.subset(fewer, r), settings)
    quarter = (
        _left_out(data.subset(order[: n // 4], r), settings) if single and n >= MIN_HALVED_SAMPLES else None
    )
    solution = None

    if half is not None and quarter is not None and _settled(half, quarter):
        # Twice the samples would cost eight times as much and leave the error where it is.
        n, solution, half = n // 2, half, quarter

    part = data.subset(order[:n], r)

    for factor in RIDGE_FACTORS:
        if solution is None:
            settings = replace(settings, ridge=settings.ridge * factor)
            _, solution = solve_ridge(part, settings, (settings.ridge,))

    return None if solution is None else (part, settings, solution, half)


def _left_out(data: PairData, settings: Settings) -> Solution | None:
    r"""The solution with these settings, which holds its leave-one-out errors."""
    return solve_ridge(data, settings, (settings.ridge,))[1]


def _settled(half: Solution, quarter: Solution) -> bool:
    r"""Whether the error is large and hardly fell when the samples were doubled."""
    late, early = (mean_square(solution.errors).item() for solution in (half, quarter))

    return late > MAX_REFINED_ERROR**2 and late > (1 - MIN_FALL) * early


def kernel_map(data: PairData, settings: Settings, coefficients: Tensor) -> KernelMap:
    r"""T with coefficients c of all equations, shape `(N, d_b)`."""
    points, directions, factor = scaled(data, settings)
    coefficients = coefficients.view(len(data), 1 + directions.shape[1], -1)
    low, high = plausible_range(data.target)
    # The linear kernel's part of all terms, added up.
    weight = points.T @ coefficients[:, 0] + torch.einsum("nrk,nrd->kd", directions, coefficients[:, 1:])

    return KernelMap(
        settings.kind,
        data.center,
        (data.basis * factor).contiguous(),
        data.middle + data.spread * AFFINE_VARIANCE * coefficients[:, 0].sum(dim=0),
        weight.mul_(data.spread * AFFINE_VARIANCE),
        points,
        directions,
        data.spread * coefficients,
        data.middle + data.spread * low,
        data.middle + data.spread * high,
        points,
        typical_radius(points),
    )
