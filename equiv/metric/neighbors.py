r"""Nearest neighbours in the Mahalanobis-like metric, tangent at both ends.

The metric sees the tangent part of a difference alone, and far sheets would look near. So the part of a
difference normal to either tangent space counts against a pair, and pairs with too much of it, or with
tangent spaces that differ too much, do not count at all.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NeighborGraph", "neighbor_graph"]


# Up to here all pairs are looked at; beyond, neighbours of neighbours.
LARGEST_DENSE = 2500

# Pairs that are looked at in one go: what is said of them fits a core's cache.
BLOCK = 200_000

# A normal part of a tenth of the difference doubles the score; across creases, of 22 hundredths.
NORMAL_PENALTY, JUMPING_NORMAL_PENALTY = 100.0, 20.0

# Longest edge in terms of the distance to the sixth neighbour, at either end or of most samples.
FARTHEST = 10.0

# Pairs that do not count come after all that do.
LAST = 1e12


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
    k: int = 12,
    *,
    max_sine: float = 0.75,
    max_normal: float = 0.5,
    jumping: bool = False,
) -> NeighborGraph:
    r"""The symmetrised graph of the `k` nearest tangent neighbours.

    .. math:: d_{ij}^2 = \tfrac12 (|L_i^\top (y_j - y_i)|^2 + |L_j^\top (y_j - y_i)|^2), \quad L = U S^{-1}.

    Neighbours are ranked by :math:`d_{ij}^2 (1 + 100 \nu^2)`, with :math:`\nu` the larger of the shares of
    :math:`y_j - y_i` that are normal to the tangent spaces at i and j. Along a curve half of them are taken
    on each side, for random samples leave gaps wider than the `k` nearest reach.

    Arguments:
        values: Observed values, `(n, d)`, float64.
        basis: Orthonormal bases U of the tangent spaces, `(n, d, m)`.
        scale: Singular values S of the frames, `(n, m)`, positive.
        k: Neighbours of each sample; where fewer than two count, the three best others, or two on each side of a
            curve.
        max_sine: Largest :math:`\sqrt{m - |U_i^\top U_j|_F^2}` of a pair, in `[0, sqrt(m)]`.
        max_normal: Largest :math:`\nu`, in `[0, 1]`.
        jumping: Whether tangent spaces may turn between neighbours by more than a little: the normal part then counts
            less, and every sample gets `k` / 2 neighbours, tangent or not.
    """
    n = len(values)
    pairs = _Pairs(
        values, basis, scale, max_sine, max_normal, JUMPING_NORMAL_PENALTY if jumping else NORMAL_PENALTY
    )
    fewest = k // 2 if jumping else 2
    near = (_all_pairs if n <= LARGEST_DENSE else _neighbours_of_neighbours)(pairs, k, fewest)
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
    usual = listed.kthvalue(min(6, near.shape[1]), dim=1).values
    usual = usual.clamp_min(float(usual.median()))
    near_enough = squared <= FARTHEST**2 * torch.minimum(usual[i], usual[j])

    return NeighborGraph(i[near_enough], j[near_enough], squared[near_enough], n)


class _Judged(NamedTuple):
    r"""What is said of pairs, `(r, c)` each: scores, whether they do not count, and the side of a curve."""

    score: Tensor
    bad: Tensor
    ahead: Tensor | None


class _Pairs:
    r"""Scores of pairs, and which of them are tangent."""

    def __init__(
        self,
        values: Tensor,
        basis: Tensor,
        scale: Tensor,
        max_sine: float,
        max_normal: float,
        penalty: float,
    ) -> None:
        self.values, self.basis, self.whitening = values, basis, basis / scale[:, None]
        self.squared_scale = scale.square()
        self.n, self.d, self.m = basis.shape
        self.max_sine, self.max_normal, self.penalty = max_sine, max_normal, penalty

    def squared_distances(self, i: Tensor, j: Tensor) -> Tensor:
        difference = self.values[j] - self.values[i]
        seen_i = torch.einsum("eda,ed->ea", self.whitening[i], difference)
        seen_j = torch.einsum("eda,ed->ea", self.whitening[j], difference)

        return 0.5 * (seen_i.square().sum(dim=1) + seen_j.square().sum(dim=1))

    def block(self, rows: slice) -> _Judged:
        r"""Some rows with all samples, `(r, n)`."""
        values, m = self.values, self.m
        mine = values[rows]
        distance = torch.zeros(len(mine), self.n, dtype=values.dtype)
        tangent_i, tangent_j, cosine = (torch.zeros_like(distance) for _ in range(3))
        ahead = None

        for a in range(m):
            own, other = self.whitening[rows, :, a], self.whitening[:, :, a]
            along = torch.addmm((own * mine).sum(dim=1, keepdim=True), own, values.T, beta=-1)
            ahead = along > 0 if m == 1 else None
            back = torch.addmm((other * values).sum(dim=1), mine, other.T, beta=-1)
            distance += along.square_()
            distance += back.square_()
            if self.d > m:
                tangent_i.addcmul_(along, self.squared_scale[rows, a, None])
                tangent_j.addcmul_(back, self.squared_scale[:, a])
                for b in range(m):
                    common = self.basis[rows, :, a] @ self.basis[:, :, b].T
                    cosine.addcmul_(common, common)

        square = values.square().sum(dim=1)
        magnitude = square[rows, None] + square
        whole = torch.addmm(magnitude, mine, values.T, alpha=-2).clamp_min_(0)
        # What is short to rounding is tangent.
        normal = torch.where(
            whole > 1e-14 * magnitude, 1 - torch.minimum(tangent_i, tangent_j) / whole, torch.zeros(())
        )
        score, bad = self._judge(distance, normal, cosine)
        index = torch.arange(self.n)[rows]
        score[index - index[0], index] = torch.inf

        return _Judged(score, bad, ahead)

    def listed(self, rows: slice, others: Tensor) -> _Judged:
        r"""Some rows with the samples listed for each, `(r, c)`."""
        mine = self.values[rows]
        difference = self.values[others] - mine[:, None]  # (r, c, d)
        whole = difference.square().sum(dim=2)
        distance, tangent_i, tangent_j, cosine = (torch.zeros_like(whole) for _ in range(4))
        ahead = None

        # Column by column, so that nothing of shape (r, c, d, m) is gathered.
        for a in range(self.m):
            along = torch.einsum("rcd,rd->rc", difference, self.whitening[rows, :, a])
            ahead = along > 0 if self.m == 1 else None
            back = torch.einsum("rcd,rcd->rc", difference, self.whitening[:, :, a][others])
            distance += along.square_()
            distance += back.square_()
            if self.d > self.m:
                other = self.basis[:, :, a][others]
                tangent_i.addcmul_(along, self.squared_scale[rows, a, None])
                tangent_j.addcmul_(back, self.squared_scale[others, a])
                cosine += (other @ self.basis[rows]).square_().sum(dim=2)

        normal = torch.where(whole > 0, 1 - torch.minimum(tangent_i, tangent_j) / whole, torch.zeros(()))

        return _Judged(*self._judge(distance, normal, cosine), ahead)

    def _judge(self, distance: Tensor, normal: Tensor, cosine: Tensor) -> tuple[Tensor, Tensor]:
        if self.d == self.m:
            return distance, torch.zeros_like(distance, dtype=torch.bool)

        score = distance * (1 + self.penalty * normal.clamp_min(0))
        bad = (normal > self.max_normal**2) | (self.m - cosine > self.max_sine**2)

        return score, bad


def _best(judged: _Judged, k: int, fewest: int) -> Tensor:
    r"""Columns of the `k` best that count, half of them on each side of a curve, `(r, k)`; -1 where there are fewer.

    Where fewer than `fewest` count, the best at all: as many and at least three, or two on each side.
    """
    score, bad, ahead = judged
    few = (~bad & score.isfinite()).sum(dim=1) < fewest
    strict = torch.where(bad, torch.inf, score)
    strict[few] = score[few] * torch.where(bad[few], LAST, 1.0)
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


def _all_pairs(pairs: _Pairs, k: int, fewest: int) -> Tensor:
    rows = max(1, BLOCK // pairs.n)
    blocks = [pairs.block(slice(start, min(start + rows, pairs.n))) for start in range(0, pairs.n, rows)]

    return torch.cat([_best(judged, k, fewest) for judged in blocks])


def _neighbours_of_neighbours(pairs: _Pairs, k: int, fewest: int) -> Tensor:
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

    for _ in range(6):
        near = _best_listed(pairs, candidates, k, fewest)
        settled = near.sort(dim=1).values
        if len(last) and (settled != last).double().mean() < 1e-3:
            break
        last = settled
        second = near.clamp_min(0)[near.clamp_min(0)].reshape(pairs.n, -1)
        candidates = torch.cat([near, second], dim=1)

    return near


def _best_listed(pairs: _Pairs, candidates: Tensor, k: int, fewest: int) -> Tensor:
    rows = max(1, BLOCK // (candidates.shape[1] * pairs.d))
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
        near.append(torch.where(columns >= 0, listed.gather(1, columns.clamp_min(0)), -1))

    return torch.cat(near)
