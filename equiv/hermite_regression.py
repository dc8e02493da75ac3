r"""Learns the map from A's activations to B's from pairs, and from frames as derivative data.

Where T with :math:`y_B = T(y_A)` exists, the chain rule gives :math:`DT(y_A) J_A = J_B`: every sample shows
the value of T and its derivatives along the image of the input space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.hermite_kernel import PROFILES, gram
from equiv.leave_one_out import Solution, solve
from equiv.regression import KernelMap

__all__ = ["Data", "Fit", "Settings", "fit_map"]

MAX_ROWS = 3000  # equations of the final solve
SEARCH_ROWS = 400  # equations while settings are searched
TUNING_ROWS = 900  # equations when length scale and ridge are chosen
MAX_DIRECTIONS = 4  # derivatives used per sample
LINEAR = 1.0  # prior variance of the affine part, in units of the target's
EXACT = 1e-6  # a relative error below which an affine map is final
RIDGES = (1e-9, 1e-6, 1e-3, 0.3)  # candidates, in units of the target's variance


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


@dataclass(frozen=True)
class Data:
    r"""Standardised pairs: activations of A in principal coordinates, and B's in units of its spread.

    Attributes:
        values: A's principal coordinates, `(n, k)`.
        scale: Their standard deviations, `(k,)`, descending.
        target: B's activations, centred, over their RMS spread, `(n, d_b)`.
        directions: A's frames in principal coordinates, `(n, r, k)`; r = 0 without frames.
        slopes: B's frames over its RMS spread, `(n, r, d_b)`.
    """

    values: Tensor
    scale: Tensor
    target: Tensor
    directions: Tensor
    slopes: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def subset(self, index: Tensor, directions: int) -> Data:
        r"""Some samples, with at most that many derivatives of each."""
        return replace(
            self,
            values=self.values[index],
            target=self.target[index],
            directions=self.directions[index, :directions],
            slopes=self.slopes[index, :directions],
        )


@dataclass(frozen=True)
class Fit:
    r"""A map with what it gets wrong where it was not shown the answer.

    Attributes:
        map: The map.
        squared: Squared held-out errors over B's mean square spread, `(n,)`.
        half: The same of the map learned from half of the samples, `(n / 2,)`.
        settings: What was chosen; None for an affine map.
        rows: Equations in the final solve.
    """

    map: KernelMap
    squared: Tensor
    half: Tensor
    settings: Settings | None
    rows: int


def fit_map(
    source: Tensor, target: Tensor, source_frames: Tensor | None, target_frames: Tensor | None, seed: int = 0
) -> Fit:
    r"""The best map that could be learned, with leave-one-out errors.

    Candidates are affine maps (each target neuron from its best correlated source neuron; least squares) and
    Hermite kernel ridge regression, whose settings minimise the leave-one-out error on a part of the samples.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, shape `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`; None: no derivative data.
        target_frames: B's frames along the same directions of the input space, `(n, d_b, m)`.
        seed: Seeds the choice of directions and of subsamples.

    Returns:
        The fit. With more samples than the largest solve takes, T is learned from a part of them.
    """
    source, target = source.double(), target.double()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(source), generator=generator).to(source.device)
    center, basis, scale = _principal(source)
    middle = target.mean(dim=0)
    spread = (target - middle).square().sum(dim=1).mean().sqrt()
    directions, slopes = _derivatives(source_frames, target_frames, basis, spread, generator, source, target)
    data = Data((source - center) @ basis, scale, (target - middle) / spread, directions, slopes)
    affine = _affine(source, target, data, center, basis, middle, spread)

    if affine is not None and affine.squared.mean() < EXACT**2:
        return affine

    settings = search(data, order)
    kernel = _final(data, settings, order, center, basis, middle, spread)

    if kernel is None or (affine is not None and affine.squared.mean() <= kernel.squared.mean()):
        if affine is None:
            raise RuntimeError("no regression could be solved")

        return affine

    return kernel


def _principal(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Mean, map to principal coordinates of the standardised neurons, and their standard deviations.

    Neurons are divided by their standard deviation first, so that rescaling neurons changes nothing; dead
    neurons and directions without variance are left out.
    """
    center = values.mean(dim=0)
    deviation = (values - center).square().mean(dim=0).sqrt()
    alive = deviation > 1e-12 * values.abs().amax(dim=0).clamp_min(1e-300)
    weight = torch.where(alive, 1 / torch.where(alive, deviation, 1.0), 0.0)
    standardised = (values - center) * weight

    if len(values) > values.shape[1]:
        variance, axes = torch.linalg.eigh(standardised.T @ standardised / len(values))
        variance, axes = variance.flip(0), axes.flip(1)
    else:
        _, singular, axes_t = torch.linalg.svd(standardised, full_matrices=False)
        variance, axes = singular.square() / len(values), axes_t.T

    kept = variance > 1e-14 * variance[0]

    if not kept.any():
        kept[0] = True

    return center, weight[:, None] * axes[:, kept], variance[kept].clamp_min(0).sqrt()


def _derivatives(
    source_frames: Tensor | None,
    target_frames: Tensor | None,
    basis: Tensor,
    spread: Tensor,
    generator: torch.Generator,
    source: Tensor,
    target: Tensor,
) -> tuple[Tensor, Tensor]:
    n = len(source)

    if source_frames is None or target_frames is None:
        return source.new_zeros(n, 0, basis.shape[1]), source.new_zeros(n, 0, target.shape[1])

    m = source_frames.shape[2]
    r = min(m, MAX_DIRECTIONS)

    if m > 1:
        # Any orthonormal directions of the input space do; random ones favour none of them.
        mixed = torch.randn(n, m, r, generator=generator, dtype=torch.float64)
        turn = torch.linalg.qr(mixed)[0].to(source.device)
        source_frames = source_frames.double() @ turn
        target_frames = target_frames.double() @ turn

    directions = source_frames.double().mT @ basis
    slopes = target_frames.double().mT / spread

    return directions, slopes


def _scaled(data: Data, settings: Settings) -> tuple[Tensor, Tensor, Tensor]:
    r"""Points and directions in length scales, and the factor `(k,)` that does it."""
    factor = (data.scale / data.scale[0]).pow(-settings.whitening)
    distance = (2 * (factor * data.scale).square().sum()).sqrt()
    factor = factor / (distance * settings.length)
    directions = data.directions if settings.slope < torch.inf else data.directions[:, :0]

    return data.values * factor, directions * factor, factor


def _solve(data: Data, settings: Settings, ridges: tuple[float, ...]) -> tuple[float, Solution | None]:
    r"""The ridge with the smallest leave-one-out error, and its solution."""
    points, directions, _ = _scaled(data, settings)
    n, r, _ = directions.shape
    matrix = gram(settings.kind, points, directions, LINEAR)
    noise = points.new_ones(n, 1 + r)

    if r:
        noise[:, 1:] = settings.slope * directions.square().sum(dim=2).mean().clamp_min(1e-12)

    rows = torch.cat([data.target[:, None], data.slopes[:, :r]], dim=1).flatten(0, 1)
    best: tuple[float, float, Solution | None] = (torch.inf, ridges[-1], None)

    for ridge in ridges:
        solution = solve(matrix, ridge * noise.flatten(), rows, 1 + r)

        if solution is not None and solution.mean_square < best[0]:
            best = (solution.mean_square, ridge, solution)

    return best[1], best[2]


def search(data: Data, order: Tensor) -> Settings:
    r"""Settings with the smallest leave-one-out error on the first samples of `order`.

    Kernel, metric and use of derivatives are chosen on few samples; length scale and ridge again on more.
    """
    r = min(data.directions.shape[1], 2)
    few = data.subset(order[: max(SEARCH_ROWS // (1 + r), 30)], r)
    more = data.subset(order[: max(TUNING_ROWS // (1 + r), 30)], r)
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
    found = _best(more, lengths, (best.ridge,), (torch.inf, best))

    return _best(more, [found[1]], (0.1 * best.ridge, 10 * best.ridge), found)[1]


def _best(
    data: Data, candidates: list[Settings], ridges: tuple[float, ...], incumbent: tuple[float, Settings]
) -> tuple[float, Settings]:
    r"""Mean square leave-one-out error and settings of the best candidate, or the incumbent."""
    for candidate in candidates:
        ridge, solution = _solve(data, candidate, ridges)

        if solution is not None and solution.mean_square < incumbent[0]:
            incumbent = solution.mean_square, replace(candidate, ridge=ridge)

    return incumbent


def _around(ridge: float) -> tuple[float, ...]:
    return (max(0.1 * ridge, 1e-10), ridge, 10 * ridge)


def _final(
    data: Data,
    settings: Settings,
    order: Tensor,
    center: Tensor,
    basis: Tensor,
    middle: Tensor,
    spread: Tensor,
) -> Fit | None:
    r = 0 if settings.slope == torch.inf else data.directions.shape[1]
    r = min(r, max(1, MAX_ROWS // len(data) - 1)) if r else 0
    n = min(len(data), MAX_ROWS // (1 + r))
    part = data.subset(order[:n], r)
    _, half = _solve(part.subset(torch.arange(n // 2, device=order.device), r), settings, (settings.ridge,))

    for attempt in range(4):
        ridge = settings.ridge * 10.0**attempt
        _, solution = _solve(part, settings, (ridge,))

        if solution is not None:
            break
    else:
        return None

    settings = replace(settings, ridge=ridge)
    points, directions, factor = _scaled(part, settings)
    coefficients = solution.coefficients.view(n, 1 + directions.shape[1], -1)
    weight = LINEAR * points.T @ coefficients[:, 0]

    for b in range(directions.shape[1]):
        weight = weight + LINEAR * directions[:, b].T @ coefficients[:, 1 + b]

    offset = LINEAR * coefficients[:, 0].sum(dim=0)
    map_ = KernelMap(
        settings.kind,
        center,
        basis * factor,
        middle + spread * offset,
        spread * weight,
        points,
        directions,
        spread * coefficients,
        points,
        _radius(points),
    )
    # What rounding makes of T: at the samples it should leave the residual ridge * c.
    fitted = part.target - ridge * coefficients[:, 0]
    rounding = ((map_.evaluate(points) - middle) / spread - fitted).square().sum(dim=1)
    squared = solution.errors.square().sum(dim=1) + rounding
    rest = order[n:]

    if len(rest):
        missed = (map_.evaluate(data.values[rest] * factor) - middle) / spread - data.target[rest]
        squared = torch.cat([squared, missed.square().sum(dim=1)])

    return Fit(
        map_,
        squared,
        squared.new_full((1,), torch.nan) if half is None else half.errors.square().sum(dim=1),
        settings,
        n * (1 + r),
    )


def _affine(
    source: Tensor, target: Tensor, data: Data, center: Tensor, basis: Tensor, middle: Tensor, spread: Tensor
) -> Fit | None:
    r"""The better of two affine maps: least squares, or each target neuron from one source neuron."""
    n, k = data.values.shape
    candidates = []

    if n > 2 * (k + 1):
        design = torch.cat([data.values / data.scale, data.values.new_ones(n, 1)], dim=1)
        orthogonal, triangular = torch.linalg.qr(design)
        solution = torch.linalg.solve_triangular(triangular, orthogonal.T @ data.target, upper=True)
        leverage = orthogonal.square().sum(dim=1).clamp_max(1 - 1e-9)
        errors = (data.target - design @ solution) / (1 - leverage)[:, None]
        candidates.append((errors, basis, solution[:-1] / data.scale[:, None], solution[-1]))

    deviation = (source - center).square().mean(dim=0).sqrt().clamp_min(1e-300)
    standardised = (source - center) / deviation
    correlation = standardised.T @ data.target / n
    nearest = correlation.abs().argmax(dim=0)
    columns = torch.arange(target.shape[1], device=source.device)
    chosen = correlation[nearest, columns]
    errors = (data.target - standardised[:, nearest] * chosen) * (n / max(n - 2, 1))
    selection = torch.zeros_like(correlation)
    selection[nearest, columns] = chosen
    candidates.append((errors, (1 / deviation).diag(), selection, torch.zeros_like(middle)))

    errors, metric, weight, offset = min(candidates, key=lambda c: c[0].square().sum().item())
    points = (source - center) @ metric
    map_ = KernelMap(
        "gaussian",
        center,
        metric,
        middle + spread * offset,
        spread * weight,
        points[:0],
        points.new_zeros(0, 0, points.shape[1]),
        points.new_zeros(0, 1, target.shape[1]),
        points,
        _radius(points),
    )
    squared = errors.square().sum(dim=1)

    return Fit(map_, squared, squared[: n // 2], None, n)


def _radius(points: Tensor) -> Tensor:
    r"""Three times the 95th percentile of the distances from a sample to its nearest, over a subsample."""
    some = points[:2000]
    distance = torch.cdist(some, some).fill_diagonal_(torch.inf).amin(dim=1)

    return 3 * torch.quantile(distance, 0.95) if len(some) > 1 else distance.new_zeros(())
