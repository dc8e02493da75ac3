r"""Learns the map from A's activations to B's from pairs, and from frames as derivative data.

Where T with :math:`y_B = T(y_A)` exists, the chain rule gives :math:`DT(y_A) J_A = J_B`: every sample shows
the value of T and its derivatives along the image of the input space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.observe.draws import Draws
from equiv.regression.affine import least_squares
from equiv.regression.few_parameters import mean_fit, simple_fits
from equiv.regression.hermite_kernel import PROFILES, gram
from equiv.regression.kernel_map import Fit, KernelMap, typical_radius
from equiv.regression.leave_one_out import Solution, solve
from equiv.regression.pair_data import MAX_DIRECTIONS, PairData, plausible_range, standardise

__all__ = ["EFFORTS", "MAX_REFINED_ERROR", "Effort", "Settings", "fit_map", "kernel_map", "learn", "search"]

SEARCH_COMPONENTS = 32  # of the target, while settings are searched
AFFINE_VARIANCE = 1.0  # prior variance of the affine part, in units of the target's
KERNEL_ROUNDING = 1e-6  # relative errors of kernel maps below this are rounding and extrapolation
EXACT_ERROR = 1e-6  # a relative error below which an affine map is final
MIN_HALVED_SAMPLES = 600  # samples below which all are taken
MAX_REFINED_ERROR = 0.2  # relative errors above this are not worth all samples
MIN_FALL = 0.1  # where doubling the samples lowers the mean square by less than this share
MIN_RIDGE = 1e-10  # below, rounding rules
RIDGES = (1e-9, 1e-6, 1e-3, 0.3)  # candidates, in units of the target's variance


class Effort(NamedTuple):
    r"""Equations, values and derivatives together, that a regression takes."""

    search: int  # while kernel and metric are searched
    tuning: int  # when length scale and ridge are chosen
    final: int


QUICK_EFFORT = Effort(400, 900, 3000)

# The second where the first leaves open what it should decide.
EFFORTS = QUICK_EFFORT, Effort(1000, 2400, 7500)


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


def fit_map(
    source: Tensor,
    target: Tensor,
    source_frames: Tensor | None,
    target_frames: Tensor | None,
    seed: int = 0,
    effort: Effort = QUICK_EFFORT,
    draws: Draws | None = None,
) -> Fit:
    r"""The best map that could be learned, with errors of independent draws that were left out.

    Candidates are maps with no or few parameters, affine least squares, and Hermite kernel ridge regression, whose
    settings minimise the error of draws left out on a part of the samples.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, shape `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`; None: no derivative data.
        target_frames: B's frames along the same directions of the input space, `(n, d_b, m)`.
        seed: Seeds the choice of directions and of subsamples.
        effort: How many equations are solved.
        draws: Which samples are one independent draw; None: each is one.

    Returns:
        The fit. With more samples than the largest solve takes, T is learned from a part of them; and judged by this
        part where several samples are one draw, for every draw has some in it.
    """
    source, target = source.double(), target.double()
    generator = torch.Generator().manual_seed(seed)
    draws = draws or Draws.single(len(source), source.device)
    order = draws.order(generator)
    m = 0 if source_frames is None or target_frames is None else source_frames.shape[2]
    most = effort.final // (1 + min(m, MAX_DIRECTIONS))

    if not draws.independent and len(order) > most:
        some = order[:most].sort().values
        slopes_a, slopes_b = (None if each is None else each[some] for each in (source_frames, target_frames))
        found = fit_map(source[some], target[some], slopes_a, slopes_b, seed, effort, draws.subset(some))

        return replace(found, judged=some)

    data = standardise(source, target, source_frames, target_frames, generator, draws)

    if not data.basis.any() or not data.spread.isfinite():
        return mean_fit(source, target, draws, generator)

    fits: list[Fit] = []

    for fit in (*simple_fits(source, target, draws, generator), least_squares(data)):
        if fit is not None and fit.squared.mean() < EXACT_ERROR**2:
            return fit

        fits += [] if fit is None else [fit]

    learned = _final(data, search(data, order, effort), order, effort)
    fits += [] if learned is None else [learned]

    if not fits:
        return _undefined(mean_fit(source, target, draws, generator))

    return min(fits, key=lambda fit: fit.squared.mean().item())


def _undefined(fit: Fit) -> Fit:
    r"""Stands where no system could be solved: an error of NaN, which no verdict accepts."""
    return replace(fit, squared=fit.squared * torch.nan, half=fit.half * torch.nan, description="unsolved")


def _scaled(data: PairData, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    r"""Points and directions in length scales, and the factor `(k,)` that does it."""
    factor = (data.scale / data.scale[0]).pow(-settings.whitening)
    distance = (2 * (factor * data.scale).square().sum()).sqrt()
    factor = factor / (distance * settings.length)
    directions = data.directions if settings.slope < torch.inf else data.directions[:, :0]

    return data.values * factor, directions * factor, factor


def _solve(data: PairData, settings: Settings, ridges: tuple[float, ...]) -> tuple[float, Solution | None]:
    r"""The ridge with the smallest leave-one-out error, and its solution."""
    points, directions, _ = _scaled(data, settings)
    n, r, _ = directions.shape
    matrix = gram(settings.kind, points, directions, AFFINE_VARIANCE)
    noise = points.new_ones(n, 1 + r)

    if r:
        noise[:, 1:] = settings.slope * directions.square().sum(dim=2).mean().clamp_min(1e-12)

    rows = torch.cat([data.target[:, None], data.slopes[:, :r]], dim=1).flatten(0, 1)
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
    few = data.subset(order[: max(effort.search // (1 + r), 30)], r).compressed(SEARCH_COMPONENTS)
    more = data.subset(order[: max(effort.tuning // (1 + r), 30)], r).compressed(SEARCH_COMPONENTS)
    start = [Settings(kind, length=h) for kind in PROFILES for h in (0.5, 1.0, 2.0)]
    found = _best(few, start, RIDGES, (torch.inf, Settings(ridge=RIDGES[-1])))
    best = found[1]
    whitened = [replace(best, whitening=w, length=h * best.length) for w in (0.5, 1.0) for h in (1.0, 2.0)]
    found = _best(few, whitened, _around(best.ridge), found)
    best = found[1]

    if r:
        slopes = [replace(best, slope=slope) for slope in (1.0, 1e4, torch.inf)]
        best = _best(few, slopes, _around(best.ridge), found)[1]

    lengths = [replace(best, length=h * best.length) for h in (0.7, 1.0, 1.4)]
    # Whitened and with derivatives the other kernel may be the better one after all.
    lengths += [replace(best, kind=kind, length=1.4 * best.length) for kind in PROFILES if kind != best.kind]
    found = _best(more, lengths, (best.ridge,), (torch.inf, best))

    return _best(more, [found[1]], _around(best.ridge)[::2], found)[1]


def _best(
    data: PairData, candidates: list[Settings], ridges: tuple[float, ...], incumbent: tuple[float, Settings]
) -> tuple[float, Settings]:
    r"""Mean square leave-one-out error and settings of the best candidate, or the incumbent."""
    for candidate in candidates:
        ridge, solution = _solve(data, candidate, ridges)

        if solution is not None and solution.score < incumbent[0]:
            incumbent = solution.score, replace(candidate, ridge=ridge)

    return incumbent


def _around(ridge: float) -> tuple[float, ...]:
    return tuple(max(factor * ridge, MIN_RIDGE) for factor in (0.1, 1.0, 10.0))


def _final(data: PairData, settings: Settings, order: Tensor, effort: Effort) -> Fit | None:
    learned = learn(data, settings, order, effort)

    if learned is None:
        return None

    part, settings, solution, half = learned
    n, r, _ = part.directions.shape
    map_ = kernel_map(part, settings, solution.coefficients)
    # What rounding makes of T: at the samples it should leave the residual ridge * c.
    some = slice(0, 200)
    fitted = part.target[some] - settings.ridge * solution.coefficients.view(n, 1 + r, -1)[some, 0]
    fitted = fitted.clamp(*plausible_range(part.target))
    rounding = ((map_.evaluate(map_.points[some]) - data.middle) / data.spread - fitted).square()
    missed = torch.empty_like(data.target)
    missed[order[:n]] = solution.errors
    rest = order[n:]

    if len(rest):
        lengths = _scaled(part, settings)[2]
        missed[rest] = (
            data.target[rest] - (map_.evaluate(data.values[rest] * lengths) - data.middle) / data.spread
        )

    squared = missed.square().sum(dim=1)
    squared[order[:n]] += rounding.sum(dim=1).mean()

    return Fit(
        map_,
        squared,
        squared.new_full((1,), torch.nan) if half is None else half.errors.square().sum(dim=1),
        f"{settings.kind} kernel, length {settings.length:.2g}, whitening {settings.whitening:g}, ridge "
        f"{settings.ridge:.0e}, slope noise {settings.slope:g}, {n * (1 + r)} equations",
        KERNEL_ROUNDING,
        missed * data.spread,
        draws=data.draws,
    )


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
    half = _loo(data.subset(fewer, r), settings)
    quarter = _loo(data.subset(order[: n // 4], r), settings) if single and n >= MIN_HALVED_SAMPLES else None
    solution = None

    if half is not None and quarter is not None and _settled(half, quarter):
        # Twice the samples would cost eight times as much and leave the error where it is.
        n, solution, half = n // 2, half, quarter

    part = data.subset(order[:n], r)

    for factor in (1.0, 10.0, 100.0, 1000.0):
        if solution is None:
            settings = replace(settings, ridge=settings.ridge * factor)
            _, solution = _solve(part, settings, (settings.ridge,))

    return None if solution is None else (part, settings, solution, half)


def _loo(data: PairData, settings: Settings) -> Solution | None:
    return _solve(data, settings, (settings.ridge,))[1]


def _settled(half: Solution, quarter: Solution) -> bool:
    r"""Whether the error is large and hardly fell when the samples were doubled."""
    late, early = (solution.errors.square().sum(dim=1).mean().item() for solution in (half, quarter))

    return late > MAX_REFINED_ERROR**2 and late > (1 - MIN_FALL) * early


def kernel_map(data: PairData, settings: Settings, coefficients: Tensor) -> KernelMap:
    r"""T with coefficients c of all equations, shape `(N, d_b)`."""
    points, directions, factor = _scaled(data, settings)
    coefficients = coefficients.view(len(data), 1 + directions.shape[1], -1)
    low, high = plausible_range(data.target)
    # The linear kernel's part of all terms, added up.
    weight = points.T @ coefficients[:, 0] + torch.einsum("nrk,nrd->kd", directions, coefficients[:, 1:])

    return KernelMap(
        settings.kind,
        data.center,
        data.basis * factor,
        data.middle + data.spread * AFFINE_VARIANCE * coefficients[:, 0].sum(dim=0),
        data.spread * AFFINE_VARIANCE * weight,
        points,
        directions,
        data.spread * coefficients,
        data.middle + data.spread * low,
        data.middle + data.spread * high,
        points,
        typical_radius(points),
    )
