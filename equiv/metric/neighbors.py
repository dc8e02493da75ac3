r"""Nearest neighbours in the Mahalanobis-like metric, tangent at both ends.

The metric sees the tangent part of a difference alone, and far sheets would look near. So the part of a
difference normal to either tangent space counts against a pair, and pairs with too much of it, or with
tangent spaces that differ too much, do not count at all.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.metric.pair_scores import JudgedPairs, PairScores
from equiv.observe.progress import further

__all__ = ["MAX_DIFFERENCE_SINE", "MAX_TANGENT_SINE", "NeighborGraph", "neighbor_graph"]


# Up to so many samples all pairs are looked at; beyond, neighbours of neighbours.
# [samples; chosen: it trades time alone, as either way finds nearly the same graph]
LARGEST_WITH_ALL_PAIRS = 2500

# Pairs that are looked at in one go.
# [pairs; derived: some five numbers of 8 bytes are said of each, 8 MB, which a core's cache holds]
PAIRS_PER_BLOCK = 200_000

# Largest sine of the angle between the tangent spaces of neighbours, root of the sum of squares over all m directions.
# [dimensionless; measured: with 12 to 16 neighbours the charts of 20 random networks R^2 -> R^5 were right to 0.004 %]
MAX_TANGENT_SINE = 0.75

# Largest sine of the angle between the difference of neighbours and the tangent space at either: stricter than what
# diffusion maps trust, whose kernel takes single false pairs less hard.
# [dimensionless; measured: with the above; its square is a quarter]
MAX_DIFFERENCE_SINE = 0.5

# The neighbour whose distance is the usual one at a sample.
# [neighbours; chosen: half of the fewest that are asked for, so that it exists nearly everywhere]
USUAL_NEIGHBOR = 6

# Longest edge, over the usual distance at either end or of most samples.
# [dimensionless; chosen: beyond the gaps that random samples of one cloud leave, below the distance of another cloud]
LONGEST_EDGE = 10.0

# Factor on the scores of pairs that do not count, where too few do: they come after all that do.
# [dimensionless; chosen: squared distances of near and far samples of one cloud differ by less]
NOT_COUNTED = 1e12

# Rounds in which neighbours of neighbours are looked at, at most.
# [rounds; chosen: each reaches farther than the one before, and it ends earlier where the lists settle]
LIST_ROUNDS = 6

# Share of the lists' entries that change in a round below which no other follows.
# [share of the entries; chosen: the graph is symmetrised, and single missing pairs are no loss]
SETTLED_SHARE = 1e-3


@dataclass(frozen=True)
class NeighborGraph:
    r"""An undirected graph on n samples.

    Attributes:
        i: One end of each edge, `(E,)`, int64, ascending.
        j: The other end, `(E,)`, `i < j`, each pair once.
        squared: Squared Mahalanobis distances, `(E,)`, in squared input units.
        n: Number of samples.
    """

    i: Tensor
    j: Tensor
    squared: Tensor
    n: int

    def subset(self, kept: Tensor) -> "NeighborGraph":
        r"""The graph with only some of its edges."""
        return NeighborGraph(self.i[kept], self.j[kept], self.squared[kept], self.n)

    def components(self) -> tuple[int, Tensor]:
        r"""Number of connected components, and the label of each sample, `(n,)`."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        ones = torch.ones(len(self.i)).numpy()
        matrix = coo_matrix((ones, (self.i.numpy(), self.j.numpy())), shape=(self.n, self.n))
        count, labels = connected_components(matrix, directed=False)

        return int(count), torch.from_numpy(labels).long()


def neighbor_graph(
    values: Tensor,
    basis: Tensor,
    scale: Tensor,
    k: int,
    *,
    max_tangent_sine: float = MAX_TANGENT_SINE,
    max_difference_sine: float = MAX_DIFFERENCE_SINE,
    jumping: bool = False,
) -> NeighborGraph:
    r"""The symmetrised graph of the `k` nearest tangent neighbours.

    .. math:: d_{ij}^2 = \tfrac12 (|L_i^\top (y_j - y_i)|^2 + |L_j^\top (y_j - y_i)|^2), \quad L = U S^{-1}.

    Neighbours are ranked by :math:`d_{ij}^2 (1 + 100 \nu^2)`, with :math:`\nu` the larger sine of the angles of
    :math:`y_j - y_i` with the tangent spaces at i and j: the share of it that is normal. Along a curve half of them
    are taken on each side, for random samples leave gaps wider than the `k` nearest reach.

    Arguments:
        values: Observed values, `(n, d)`, float64.
        basis: Orthonormal bases U of the tangent spaces, `(n, d, m)`.
        scale: Singular values S of the frames, `(n, m)`, positive.
        k: Neighbours of each sample; where fewer than two count, the three best others, or two on each side of a
            curve.
        max_tangent_sine: Largest :math:`\sqrt{m - |U_i^\top U_j|_F^2}` of a pair, in `[0, sqrt(m)]`.
        max_difference_sine: Largest :math:`\nu`, in `[0, 1]`.
        jumping: Whether tangent spaces may turn between neighbours by more than a little: the normal part then counts
            less, and every sample gets `k` / 2 neighbours, tangent or not.
    """
    n = len(values)
    pairs = PairScores(values, basis, scale, max_tangent_sine, max_difference_sine, jumping)
    fewest = k // 2 if jumping else 2
    near = (_all_pairs if n <= LARGEST_WITH_ALL_PAIRS else _neighbours_of_neighbours)(pairs, k, fewest)
    source = torch.arange(n)[:, None].expand_as(near)
    kept = near >= 0
    low, high = torch.minimum(source, near)[kept], torch.maximum(source, near)[kept]
    key = torch.unique(low * n + high)
    i, j = key // n, key % n
    squared = pairs.squared_distances(i, j)
    # Longer by far than what is usual at its ends and elsewhere: another cloud. Random samples have clusters
    # of a few, closer together by far than usual; these alone prove nothing.
    listed = pairs.squared_distances(source.reshape(-1), near.clamp_min(0).reshape(-1)).reshape(near.shape)
    listed = listed.masked_fill(~kept, torch.inf)
    usual = listed.kthvalue(min(USUAL_NEIGHBOR, near.shape[1]), dim=1).values
    usual = usual.clamp_min(float(usual.median()))
    near_enough = squared <= LONGEST_EDGE**2 * torch.minimum(usual[i], usual[j])

    return NeighborGraph(i[near_enough], j[near_enough], squared[near_enough], n)


def _best(judged: JudgedPairs, k: int, fewest: int) -> Tensor:
    r"""Columns of the `k` best that count, half of them on each side of a curve, `(r, k)`; -1 where there are fewer.

    Where fewer than `fewest` count, the best at all: as many and at least three, or two on each side.
    """
    score, excluded, ahead = judged
    few = (~excluded & score.isfinite()).sum(dim=1) < fewest
    strict = torch.where(excluded, torch.inf, score)
    strict[few] = score[few] * torch.where(excluded[few], NOT_COUNTED, 1.0)
    sides = (
        [strict]
        if ahead is None
        else [strict.masked_fill(ahead, torch.inf), strict.masked_fill(~ahead, torch.inf)]
    )
    found = []

    for side in sides:
        best, columns = side.topk(min(-(-k // len(sides)), side.shape[1]), dim=1, largest=False)
        kept = best.isfinite()
        kept[few, max(fewest, 3) if len(sides) == 1 else 2 :] = False
        found.append(torch.where(kept, columns, -1))

    return torch.cat(found, dim=1)


def _all_pairs(pairs: PairScores, k: int, fewest: int) -> Tensor:
    rows = max(1, PAIRS_PER_BLOCK // pairs.n)
    blocks = [pairs.block(slice(start, min(start + rows, pairs.n))) for start in range(0, pairs.n, rows)]

    return torch.cat([_best(judged, k, fewest) for judged in blocks])


def _neighbours_of_neighbours(pairs: PairScores, k: int, fewest: int) -> Tensor:
    r"""Starts from Euclidean neighbours and looks at neighbours of neighbours until little changes.

    References:
        | Efficient k-nearest neighbor graph construction for generic similarity measures
        | (Dong, Charikar and Li, 2011)
    """
    from scipy.spatial import KDTree

    points = pairs.values.numpy()
    found = KDTree(points).query(points, k=2 * k + 1)[1]
    candidates = torch.from_numpy(found).long()
    last = torch.empty(0, dtype=torch.int64)

    for _ in range(LIST_ROUNDS):
        near = _best_listed(pairs, candidates, k, fewest)
        settled = near.sort(dim=1).values
        if len(last) and (settled != last).double().mean() < SETTLED_SHARE:
            break
        last = settled
        second = near.clamp_min(0)[near.clamp_min(0)].reshape(pairs.n, -1)
        candidates = torch.cat([near, second], dim=1)

    return near


def _best_listed(pairs: PairScores, candidates: Tensor, k: int, fewest: int) -> Tensor:
    rows = max(1, PAIRS_PER_BLOCK // (candidates.shape[1] * pairs.d))
    near = []

    for start in range(0, pairs.n, rows):
        block = slice(start, min(start + rows, pairs.n))
        listed = candidates[block].sort(dim=1).values
        own = torch.arange(block.start, block.stop)[:, None]
        repeated = torch.zeros_like(listed, dtype=torch.bool)
        repeated[:, 1:] = listed[:, 1:] == listed[:, :-1]
        repeated |= (listed == own) | (listed < 0)
        judged = pairs.listed(block, listed.clamp_min(0))
        columns = _best(judged._replace(score=judged.score.masked_fill(repeated, torch.inf)), k, fewest)
        further()
        near.append(torch.where(columns >= 0, listed.gather(1, columns.clamp_min(0)), -1))

    return torch.cat(near)
