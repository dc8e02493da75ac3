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

from equiv.metric.row_distances import distances, log_ratios, row_order
from equiv.observe.draws import Draws, distinct_samples

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
# Dimension that neighbours show, over that of the frames, below which rows in order are a path.
# [dimensionless; chosen: between a curve and a plane]
PATH_DIMENSION = 0.6
# Neighbours at which the dimension of a path is read off, with twice as many.
# [samples; chosen: noise raises it at the nearest, bends of the path at far ones]
PATH_NEIGHBOURS = (2, 4)
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

    distinct = values if rows.all else values[rows.first]
    apart = distances(distinct[:MAX_LINKED_SAMPLES])
    found = _sets(distinct, apart, rank) if len(distinct) >= MIN_SETS else None

    doubted = []

    if found is not None:
        labels, sure = found
        draws = given_draws(labels.to(rows.place.device)[rows.place])
        draws = replace(draws, said=f"{draws.count} groups of near-copies, found")

        if sure:
            return draws, None

        doubted.append(draws)

    some = rows.place[:MAX_LINKED_SAMPLES]  # distinct samples are numbered as they first come
    path = _path(values[: len(some)], apart if rows.all else apart[some][:, some], rank)

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
    from scipy.special import chdtr

    sizes = counts.double()
    mean = sizes.mean().item()

    if len(sizes) < 4 or mean <= 1.01:
        return 1.0

    rate = mean

    for _ in range(200):  # of the Poisson law that has this mean once zeros are left out
        rate = mean * (1 - math.exp(-rate))

    dispersion = (sizes - mean).square().sum().item() / max(mean * (1 + rate - mean), 1e-12)

    return float(chdtr(len(sizes) - 1, dispersion))


def _sets(values: Tensor, apart: Tensor, rank: int | None) -> tuple[Tensor, bool] | None:
    r"""Sets of samples apart from all others, `(n,)` labels, and whether they are sure to be one draw each.

    Arguments:
        values: All samples, `(n, d)`.
        apart: Distances between the first of them, of which the sets are formed.
        rank: As of `find_draws`.
    """
    n = len(apart)

    if len(values) > n:
        found = _sets(values[:n], apart, rank)

        return None if found is None else _extended(values, apart, *found)

    merges = _single_linkage(apart)
    doubted = None

    for ratio in APART:
        labels = _labels(merges, n, ratio, max(2, n // 4)).to(values.device)
        counts = labels.bincount()
        excess = (counts[labels] > 1).double().mean().item() - APART_SHARE

        if len(counts) < 4 or excess <= 0:
            continue

        firsts = Draws(labels).firsts()
        shown = _two_neighbour_dimension(apart[firsts][:, firsts])
        chance = PAIR_EXCESS * ratio ** -min(max(shown, 0.5), rank or math.inf)

        if excess <= min(1.0, chance):
            continue

        if _evenness(counts) < EVEN_LEVEL:
            return labels, True

        if len(counts) >= MIN_SETS and counts.double().mean() <= MAX_DOUBTED_SIZE:
            doubted = doubted or (labels, False)

    return doubted


def _extended(values: Tensor, apart: Tensor, labels: Tensor, sure: bool) -> tuple[Tensor, bool]:
    r"""Labels of all samples where those of the first were found: the set of the nearest, if as near as its own are."""
    known = values[: len(labels)]
    every = [labels]
    own = apart.topk(2, largest=False).values[:, 1].median()
    fresh = int(labels.max()) + 1

    for rows in values[len(labels) :].split(512):
        distance, nearest = torch.cdist(rows, known).min(dim=1)
        alone = fresh + torch.arange(len(rows), device=labels.device)
        every.append(torch.where(distance <= 4 * own, labels[nearest], alone))
        fresh += len(rows)

    return torch.cat(every), sure


def _single_linkage(apart: Tensor) -> list[tuple[int, int, float]]:
    r"""Merges of sets in ascending order of distance: the two that merge, by number, and at what distance."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    pairs = squareform(apart.cpu().numpy(), checks=False)

    return [(int(a), int(b), height) for a, b, height, _ in linkage(pairs, "single").tolist()]


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


def _two_neighbour_dimension(apart: Tensor) -> float:
    r"""The dimension by the ratio of the distances to the second and the first neighbour, from distances `(n, n)`.

    References:
        | Estimating the intrinsic dimension of datasets by a minimal neighborhood information (Facco et al., 2017)
        | https://doi.org/10.1038/s41598-017-11873-y
    """
    if len(apart) < MIN_SETS:
        return 2.0

    logs = log_ratios(apart, 1)[0].sort().values
    kept = logs[: max(int(0.9 * len(logs)), 2)]  # far samples would decide the mean
    trimmed = (1 - 0.1 * (1 + math.log(10))) / 0.9  # what the trimming leaves of an exponential law's mean

    return trimmed / max(kept.mean().item(), 1e-9)


def _path(values: Tensor, apart: Tensor, rank: int | None) -> tuple[int, bool] | None:
    r"""Rows a stretch where the order of the rows is one in space, and whether they are sure to follow a path.

    A stretch ends where the correlation of rows has fallen to 1 / e of that of next ones: what differs from row to row
    says nothing of how long the rest stays.
    """
    from scipy.special import digamma, ndtri

    n = len(values)

    if n < 2 * MIN_SETS or row_order(apart) < -ndtri(ORDER_LEVEL):
        return None

    centred = values - values.mean(dim=0)
    alike = ((centred[lag:] * centred[:-lag]).sum(dim=1).mean().item() for lag in range(1, n // 2))
    start = next(alike)
    stretch = next((lag for lag, left in enumerate(alike, 2) if left < start / math.e), n // 2)
    shown = min(
        float(digamma(2 * k) - digamma(k)) / max(ratios.mean().item(), 1e-9)
        for k, ratios in zip(PATH_NEIGHBOURS, log_ratios(apart, *PATH_NEIGHBOURS), strict=True)
    )

    # Without frames a curve of a one-dimensional space and a path through a wider one are the same set.
    return (stretch, rank is not None) if rank is None or shown < PATH_DIMENSION * rank else None
