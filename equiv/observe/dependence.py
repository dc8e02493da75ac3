r"""Samples that are no independent draws, found where nobody said so: copies, near-copies, trials, and paths.

Independent draws in m dimensions have a nearest sample and a next one at distances whose ratio exceeds t with
probability t^-m, whatever their density. Sets of samples that are far nearer to each other than to all others are more
than that; so are rows that follow each other along a curve where the frames tell of more dimensions. Without frames
rows that are nearer to the next ones than in any other order may be a path, or draws that were sorted.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from equiv.observe.draws import Draws, distinct_samples, rows_of

__all__ = ["find_draws", "given_draws"]

# Distances at which a set joins others, over those at which it formed, from which on it counts as apart.
# [dimensionless; chosen: from what independent draws in a few dimensions hardly show to what rounding leaves]
APART = (4.0, 8.0, 20.0, 60.0, 200.0)
# Share of the samples that may lie in such sets beyond those of independent draws.
# [share of the samples; chosen: fewer near-copies than one in five change errors by less than their bounds allow]
APART_SHARE = 0.2
# Isolated pairs among independent draws, over t^-m: both of a pair have to be the other's nearest.
# [dimensionless; measured: uniform, normal and heavy-tailed draws in one to six dimensions]
PAIR_EXCESS = 1.6
# Probability below which counts are too even for draws from atoms, or neighbours in a row too many for chance.
# [probability; chosen: one false alarm in a thousand comparisons]
EVEN_LEVEL = 1e-3
# Likewise for rows in order, by a normal law: of chance, whose law is skewed, one in thirty thousand goes beyond it.
# [probability; chosen: orders are seldom a matter of degree]
ORDER_LEVEL = 1e-6
# Rows on either side of one whose nearness tells whether rows are in order.
# [samples; chosen: a path visits its next samples before and after]
ROWS_NEAR = 3
# Dimension that neighbours show, over that of the frames, below which rows in order are a path.
# [dimensionless; chosen: between a curve and a plane]
PATH_DIMENSION = 0.6
# Samples among which all distances are looked at; of more, as many in one stretch of rows.
# [samples; chosen: a quarter of a second of one core]
MAX_LINKED_SAMPLES = 2000
# Sets of samples that are needed for their number to say anything.
# [draws; chosen: fewer cannot be told from clusters]
MIN_SETS = 8
# Samples a set, on average, up to which sets are copies rather than clusters of a kind.
# [samples; chosen: augmentations and trials are few, classes are large]
MAX_DOUBTED_SIZE = 6.0


def given_draws(groups: Tensor) -> Draws:
    r"""Draws as the user names them, `(n,)` integer labels."""
    units = groups.unique(return_inverse=True)[1]
    draws = Draws(units)

    return draws if draws.independent else replace(draws, said=f"{draws.count} groups, as given")


def find_draws(values: Tensor, rank: int | None = None) -> tuple[Draws, Draws | None]:
    r"""The independent draws that samples seem to come from, and those that they may come from.

    Equal rows count as often as they occur, unless their numbers are more even than independent draws from atoms
    would have them: then each distinct row is one draw.

    Arguments:
        values: What is observed at the samples, of all networks side by side, `(n, d)`, float64, in comparable units.
        rank: Dimension of the input space as frames tell it; None: no frames.

    Returns:
        Draws that hold, and draws that cannot be told from such, where an answer has to hold for both; None otherwise.
    """
    n = len(values)
    single = Draws.single(n, values.device)
    rows = distinct_samples(values)
    repeated = (rows.counts[rows.place] > 1).double().mean().item()

    if repeated > APART_SHARE and _evenness(rows.counts) < EVEN_LEVEL:
        return replace(given_draws(rows.place), said=f"{len(rows.counts)} groups of equal rows, found"), None

    distinct = values[rows.first]
    found = _sets(distinct, rank) if len(distinct) >= MIN_SETS else None

    doubted = []

    if found is not None:
        labels, sure = found
        draws = given_draws(labels.to(rows.place.device)[rows.place])
        draws = replace(draws, said=f"{draws.count} groups of near-copies, found")

        if sure:
            return draws, None

        doubted.append(draws)

    path = _path(values, rank)

    if path is not None:
        stretch, sure = path
        units = torch.arange(n, device=values.device) // stretch
        draws = Draws(units, 1, f"stretches of {stretch} rows along a path, found")

        if sure:
            return draws, None

        doubted.append(draws)

    return single, min(doubted, key=lambda draws: draws.count, default=None)


def _evenness(counts: Tensor) -> float:
    r"""How likely independent draws from atoms, each seen once at least, give counts as even as these."""
    from scipy.stats import chi2

    sizes = counts.double()
    mean = sizes.mean().item()

    if len(sizes) < 4 or mean <= 1.01:
        return 1.0

    rate = mean

    for _ in range(200):  # of the Poisson law that has this mean once zeros are left out
        rate = mean * (1 - math.exp(-rate))

    dispersion = (sizes - mean).square().sum().item() / max(mean * (1 + rate - mean), 1e-12)

    return float(chi2.cdf(dispersion, len(sizes) - 1))


def _sets(values: Tensor, rank: int | None) -> tuple[Tensor, bool] | None:
    r"""Sets of samples apart from all others, `(n,)` labels, and whether they are sure to be one draw each."""
    n = len(values)

    if n > MAX_LINKED_SAMPLES:
        found = _sets(values[:MAX_LINKED_SAMPLES], rank)

        return None if found is None else _extended(values, *found)

    merges = _single_linkage(values)
    doubted = None

    for ratio in APART:
        labels = _labels(merges, n, ratio, max(2, n // 4))
        counts = labels.bincount()
        firsts = torch.stack([rows[0] for rows in rows_of(labels)])
        dimension = min(max(_two_neighbour_dimension(values[firsts]), 0.5), rank or math.inf)
        chance = PAIR_EXCESS * ratio**-dimension
        excess = (counts[labels] > 1).double().mean().item() - APART_SHARE - min(1.0, chance)

        if len(counts) < 4 or excess <= 0:
            continue

        if _evenness(counts) < EVEN_LEVEL:
            return labels, True

        if len(counts) >= MIN_SETS and counts.double().mean() <= MAX_DOUBTED_SIZE:
            doubted = doubted or (labels, False)

    return doubted


def _extended(values: Tensor, labels: Tensor, sure: bool) -> tuple[Tensor, bool]:
    r"""Labels of all samples where those of the first were found: the set of the nearest, if as near as its own are."""
    known = values[: len(labels)]
    every = [labels]
    own = torch.cdist(known, known).fill_diagonal_(torch.inf).amin(dim=1).median()
    fresh = int(labels.max()) + 1

    for rows in values[len(labels) :].split(512):
        distance, nearest = torch.cdist(rows, known).min(dim=1)
        alone = fresh + torch.arange(len(rows), device=labels.device)
        every.append(torch.where(distance <= 4 * own, labels[nearest], alone))
        fresh += len(rows)

    return torch.cat(every), sure


def _single_linkage(values: Tensor) -> list[tuple[int, int, float]]:
    r"""Merges of sets in ascending order of distance: the two that merge, by number, and at what distance."""
    from scipy.cluster.hierarchy import linkage

    apart = torch.pdist(values.cpu()).numpy()

    return [(int(a), int(b), float(height)) for a, b, height, _ in linkage(apart, "single")]


def _labels(merges: list[tuple[int, int, float]], n: int, ratio: float, largest: int) -> Tensor:
    r"""The largest sets that join others at more than `ratio` times the distance at which they formed, `(n,)`."""
    size, height, parent = [1] * n, [0.0] * n, [-1] * (2 * n - 1)

    for index, (a, b, distance) in enumerate(merges):
        size.append(size[a] + size[b])
        height.append(distance)
        parent[a] = parent[b] = n + index

    label, fresh = [-1] * (2 * n - 1), 0

    for node in range(2 * n - 2, -1, -1):
        above = parent[node]

        if above >= 0 and label[above] >= 0:
            label[node] = label[above]
        elif node < n or (above >= 0 and size[node] <= largest and height[above] > ratio * height[node]):
            label[node], fresh = fresh, fresh + 1

    return torch.tensor(label[:n])


def _two_neighbour_dimension(values: Tensor) -> float:
    r"""The dimension by the ratio of the distances to the second and the first neighbour.

    References:
        | Estimating the intrinsic dimension of datasets by a minimal neighborhood information (Facco et al., 2017)
        | https://doi.org/10.1038/s41598-017-11873-y
    """
    if len(values) < MIN_SETS:
        return 2.0

    logs = _log_ratios(values, 1).sort().values
    kept = logs[: max(int(0.9 * len(logs)), 2)]  # far samples would decide the mean
    trimmed = (1 - 0.1 * (1 + math.log(10))) / 0.9  # what the trimming leaves of an exponential law's mean

    return trimmed / max(kept.mean().item(), 1e-9)


def _log_ratios(values: Tensor, k: int) -> Tensor:
    r"""log of the distance to the 2k-th neighbour over that to the k-th, `(n,)`."""
    few = values[:MAX_LINKED_SAMPLES]
    near = torch.cdist(few, few).topk(2 * k + 1, largest=False).values.clamp_min(1e-150)

    return (near[:, 2 * k] / near[:, k]).log()


def _path(values: Tensor, rank: int | None) -> tuple[int, bool] | None:
    r"""Rows a stretch where the order of the rows is one in space, and whether they are sure to follow a path.

    A stretch ends where the correlation of rows has fallen to 1 / e of that of next ones: what differs from row to row
    says nothing of how long the rest stays.
    """
    from scipy.special import digamma
    from scipy.stats import norm

    few = values[:MAX_LINKED_SAMPLES]
    n = len(few)

    if n < 2 * MIN_SETS or _in_order(few) < norm.isf(ORDER_LEVEL):
        return None

    centred = few - few.mean(dim=0)
    alike = ((centred[lag:] * centred[:-lag]).sum(dim=1).mean().item() for lag in range(1, n // 2))
    start = next(alike)
    stretch = next((lag for lag, left in enumerate(alike, 2) if left < start / math.e), n // 2)
    shown = min(
        float(digamma(2 * k) - digamma(k)) / max(_log_ratios(few, k).mean().item(), 1e-9) for k in (2, 4)
    )

    # Without frames a curve of a one-dimensional space and a path through a wider one are the same set.
    return (stretch, rank is not None) if rank is None or shown < PATH_DIMENSION * rank else None


def _in_order(values: Tensor) -> float:
    r"""How much nearer rows are to the next ones than rows in any order, in standard deviations of all orders.

    Near is :math:`r_{ij}^{-1/2} + r_{ji}^{-1/2}`, j the :math:`r_{ij}`-th neighbour of i: what is near by some
    neurons alone shows in the first ranks, what drifts slowly in all of them, and outliers have ranks as any other.
    Mean and deviation over all orders of the rows are exact.

    References:
        | The detection of disease clustering and a generalized regression approach (Mantel, 1967)
        | https://aacrjournals.org/cancerres/article/27/2_Part_1/209
    """
    n = len(values)
    order = torch.cdist(values, values).fill_diagonal_(-1.0).argsort(dim=1)
    weight = torch.arange(n, dtype=values.dtype, device=values.device).clamp_min(1).rsqrt()
    near = torch.empty_like(order, dtype=values.dtype).scatter_(1, order, weight.expand(n, n))
    near = (near + near.mT).fill_diagonal_(0.0)
    rows = torch.arange(n, device=values.device)
    beside = ((rows[:, None] - rows).abs() <= ROWS_NEAR).to(values.dtype).fill_diagonal_(0.0)
    of_near, of_beside = _pair_sums(near), _pair_sums(beside)
    mean = of_near[0] * of_beside[0] / (n * (n - 1))
    ways = (n * (n - 1) / 2, n * (n - 1) * (n - 2) / 4, n * (n - 1) * (n - 2) * (n - 3))
    square = sum(a * b / way for a, b, way in zip(of_near[1:], of_beside[1:], ways, strict=True))

    return ((near * beside).sum().item() - mean) / max(square - mean**2, 1e-300) ** 0.5


def _pair_sums(matrix: Tensor) -> tuple[float, float, float, float]:
    r"""Sums over pairs of rows: of entries, their squares, products of two that share one row, and that share none.

    The matrix `(n, n)` is symmetric and has a zero diagonal.
    """
    rows = matrix.sum(dim=1)
    total, same = rows.sum().item(), matrix.square().sum().item()
    common = rows.square().sum().item() - same

    return total, same, common, total**2 - 4 * common - 2 * same
