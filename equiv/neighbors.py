r"""Nearest neighbours in the Mahalanobis-like metric, tangent at both ends."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["NeighborGraph", "neighbor_graph"]


@dataclass(frozen=True)
class NeighborGraph:
    r"""An undirected graph on n samples.

    Attributes:
        i, j: Ends of the edges, `(E,)` each, int64, `i < j`, each pair once.
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
) -> NeighborGraph:
    r"""The symmetrised graph of the `k` nearest tangent neighbours.

    .. math:: d_{ij}^2 = \tfrac12 (|L_i^\top (y_j - y_i)|^2 + |L_j^\top (y_j - y_i)|^2), \quad L = U S^{-1}.

    A pair counts only where the tangent spaces differ by a sine of at most `max_sine`
    (:math:`\sqrt{m - |U_i^\top U_j|_F^2}`) and the part of the difference normal to either is at most
    `max_normal` of it: the metric sees the tangent part alone, and far sheets would look near.

    Arguments:
        values: `(n, d)`, float64.
        basis: Orthonormal bases U of the tangent spaces, `(n, d, m)`.
        scale: Singular values S of the frames, `(n, m)`, positive.
        k: Neighbours of each sample.
    """
    n, d = values.shape
    m = basis.shape[2]
    whitening = basis / scale[:, None]
    offset = torch.einsum("nda,nd->na", whitening, values)
    offset_basis = torch.einsum("nda,nd->na", basis, values)
    square = values.square().sum(dim=1)
    rows = max(1, 4_000_000 // n)
    sources, targets, lengths = [], [], []
    # Towards the later end the tests run over the other's columns: d2[i, j] = (a[i, j] + a[j, i]) / 2 with
    # a[i, j] = |L_i^T (y_j - y_i)|^2, both computed for a block of rows i.
    flat = whitening.permute(2, 0, 1).contiguous()
    flat_basis = basis.permute(2, 0, 1).contiguous()

    for start in range(0, n, rows):
        block = slice(start, min(start + rows, n))
        distance = torch.zeros(block.stop - start, n, dtype=values.dtype)
        tangent_i = torch.zeros_like(distance)
        tangent_j = torch.zeros_like(distance)
        cosine = torch.zeros_like(distance)
        for a in range(m):
            distance += (flat[a, block] @ values.T - offset[block, a, None]).square_()
            distance += (values[block] @ flat[a].T - offset[:, a]).square_()
            if d > m:
                tangent_i += (flat_basis[a, block] @ values.T - offset_basis[block, a, None]).square_()
                tangent_j += (values[block] @ flat_basis[a].T - offset_basis[:, a]).square_()
                for b in range(m):
                    cosine += (flat_basis[a, block] @ flat_basis[b].T).square_()
        distance *= 0.5
        if d > m:
            whole = (square[block, None] + square - 2 * values[block] @ values.T).clamp_min_(0)
            normal = 1 - torch.minimum(tangent_i, tangent_j) / whole  # squared share of the normal part
            # Rounding of near-equal points must not cut them off: what is short to rounding is tangent.
            normal[whole <= 1e-14 * (square[block, None] + square)] = 0.0
            score = distance * (1 + 100 * normal.clamp_min_(0))
            score[(normal > max_normal**2) | (m - cosine > max_sine**2)] = torch.inf
        else:
            score = distance
        index = torch.arange(start, block.stop)
        score[index - start, index] = torch.inf
        best, order = score.topk(min(k, n - 1), dim=1, largest=False)
        near = distance.gather(1, order)
        kept = best.isfinite()
        sources.append(index[:, None].expand_as(order)[kept])
        targets.append(order[kept])
        lengths.append(near[kept])

    source, target, length = torch.cat(sources), torch.cat(targets), torch.cat(lengths)
    low, high = torch.minimum(source, target), torch.maximum(source, target)
    key, inverse = torch.unique(low * n + high, return_inverse=True)
    squared = torch.zeros(len(key), dtype=values.dtype).scatter_(0, inverse, length)

    return NeighborGraph(key // n, key % n, squared, n)
