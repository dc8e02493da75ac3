r"""Orientation of tangent spaces: which of two mirror images each frame is."""

import torch
from torch import Tensor

from equiv.neighbors import NeighborGraph

__all__ = ["orient"]


def orient(values: Tensor, basis: Tensor, graph: NeighborGraph) -> tuple[Tensor, Tensor]:
    r"""Signs that make neighbouring tangent bases agree in orientation.

    First along a spanning tree, then by iterated majority: the leading eigenvector of the graph's signed
    adjacency matrix, whose entries are :math:`\det(U_i^\top U_j)`. Along a curve both tangents are held against
    the chord, :math:`(U_i^\top c)(U_j^\top c) / |c|^2`, as they may be at right angles around a corner.

    Arguments:
        values: Of the samples, `(n, d)`.
        basis: Orthonormal bases U of the tangent spaces, `(n, d, m)`.
        graph: Connected.

    Returns:
        Signs, `(n,)`, by which to multiply each basis's first column, and for each edge whether its ends then
        agree, `(E,)`. All do on an orientable manifold that is sampled well enough.

    References:
        | Orientability and diffusion maps (Singer and Wu, 2011), https://doi.org/10.1016/j.acha.2010.10.001
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    i, j, n = graph.i, graph.j, graph.n
    similarity = _similarity(values, basis, i, j)
    # Trust edges that are short and whose ends have nearly the same tangent space.
    cost = (graph.squared / graph.squared.median()).sqrt() - similarity.abs().clamp_min(1e-6).log() + 1e-9
    tree = minimum_spanning_tree(coo_matrix((cost.numpy(), (i.numpy(), j.numpy())), shape=(n, n)))
    order, parents = breadth_first_order(tree + tree.T, 0, directed=False)
    child = torch.from_numpy(order[1:]).long()
    parent = torch.from_numpy(parents[order[1:]]).long()
    turned = (_similarity(values, basis, child, parent) < 0).tolist()
    signs = [1.0] * n

    for node, above, turn in zip(child.tolist(), parent.tolist(), turned, strict=True):
        signs[node] = -signs[above] if turn else signs[above]

    sign = torch.tensor(signs, dtype=basis.dtype)
    agree = sign[i] * sign[j] * similarity >= 0

    if bool(agree.all()):
        return sign, agree

    signed = coo_matrix((similarity.numpy(), (i.numpy(), j.numpy())), shape=(n, n))
    signed = (signed + signed.T).tocsr()
    degree = torch.from_numpy(abs(signed).sum(axis=1)).reshape(-1)
    vote = sign.clone()

    for _ in range(300):
        vote = 0.5 * (vote + torch.from_numpy(signed @ vote.numpy()) / degree)
        vote = vote / vote.abs().max()

    voted = torch.where(vote < 0, -1.0, 1.0).to(sign.dtype)
    voted_agree = voted[i] * voted[j] * similarity >= 0

    return (voted, voted_agree) if voted_agree.sum() > agree.sum() else (sign, agree)


def _similarity(values: Tensor, basis: Tensor, i: Tensor, j: Tensor) -> Tensor:
    r"""Positive where the bases of two neighbours agree in orientation, at most 1 in size, `(E,)`."""
    if basis.shape[2] > 1:
        return torch.linalg.det(basis[i].mT @ basis[j])

    chord = values[j] - values[i]
    seen_i, seen_j = ((basis[k][:, :, 0] * chord).sum(dim=1) for k in (i, j))

    return seen_i * seen_j / chord.square().sum(dim=1).clamp_min(1e-300)
