r"""Orientation of tangent spaces: which of two mirror images each frame is."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiv.flattening.curve_ends import MEETING_MISS, along_both
from equiv.metric.neighbors import NeighborGraph

__all__ = ["orient"]


# Cosine of two tangents of a curve below which there may be a corner in between.
# [dimensionless; chosen: smooth curves turn less than 18 degrees between neighbours that resolve them]
TURNED_COSINE = 0.95

# What tangent spaces alone say of the orientation of two neighbours with a jump in between.
# [what the chord says; chosen: enough to decide where the chord says nothing, too little to outvote it]
TANGENCY = 0.05

# Least that a pair's evidence counts as in the spanning tree: less is none.
# [dimensionless; chosen: such a pair costs 14 usual lengths more, and a tree takes it where there is no other]
SMALLEST_EVIDENCE = 1e-6

# Accuracy of the leading eigenvector, of which the signs alone are used.
# [share of the eigenvalue; chosen: signs differ where entries nearly vanish, and these are undecided anyway]
EIGENVECTOR_TOLERANCE = 1e-4


def orient(
    values: Tensor, basis: Tensor, graph: NeighborGraph, *, jumping: bool = False
) -> tuple[Tensor, Tensor]:
    r"""Signs that make neighbouring tangent bases agree in orientation.

    First along a spanning tree, then, where that agrees with more of the edges' evidence, by the leading eigenvector
    of the graph's signed adjacency matrix, whose entries are :math:`\det(U_i^\top U_j)`. Along a curve both tangents
    are held against the chord, :math:`(U_i^\top c)(U_j^\top c) / |c|^2`, as they may be at any angle around a
    corner; around jumps of surfaces the direction in which two tangent spaces differ most is.

    Arguments:
        values: Of the samples, `(n, d)`.
        basis: Orthonormal bases U of the tangent spaces, `(n, d, m)`.
        graph: Connected.
        jumping: Whether tangent spaces may turn between neighbours by more than a right angle.

    Returns:
        Signs, `(n,)`, by which to multiply each basis's first column, and for each edge whether its ends then
        agree, `(E,)`. All do on an orientable manifold that is sampled well enough.

    References:
        | Orientability and diffusion maps (Singer and Wu, 2011), https://doi.org/10.1016/j.acha.2010.10.001
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    i, j, n = graph.i, graph.j, graph.n
    similarity = _similarity(values, basis, i, j, jumping)
    # Trust edges that are short and whose ends have nearly the same tangent space.
    cost = (
        (graph.squared / graph.squared.median()).sqrt()
        - similarity.abs().clamp_min(SMALLEST_EVIDENCE).log()
        + 1e-9
    )
    tree = minimum_spanning_tree(coo_matrix((cost.numpy(), (i.numpy(), j.numpy())), shape=(n, n)))
    order, parents = breadth_first_order(tree + tree.T, 0, directed=False)
    child = torch.from_numpy(order[1:]).long()
    parent = torch.from_numpy(parents[order[1:]]).long()
    turned = (_similarity(values, basis, child, parent, jumping) < 0).tolist()
    signs = [1.0] * n

    for node, above, turn in zip(child.tolist(), parent.tolist(), turned, strict=True):
        signs[node] = -signs[above] if turn else signs[above]

    sign = torch.tensor(signs, dtype=basis.dtype)
    agree = sign[i] * sign[j] * similarity >= 0

    if bool(agree.all()):
        return sign, agree

    signed = coo_matrix((similarity.numpy(), (i.numpy(), j.numpy())), shape=(n, n)).tocsr()
    signed = signed + signed.T
    found = max(
        (sign, _voted(signed, sign)), key=lambda signs: float((signs[i] * signs[j] * similarity).sum())
    )

    return found, found[i] * found[j] * similarity >= 0


def _voted(signed: Any, start: Tensor) -> Tensor:
    r"""Signs of the leading eigenvector of the signed adjacency matrix, divided by the degrees."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    root = diags(np.asarray(abs(signed).sum(axis=1)).ravel().clip(1e-300) ** -0.5)
    try:
        vector = eigsh(root @ signed @ root, k=1, which="LA", v0=start.numpy(), tol=EIGENVECTOR_TOLERANCE)[1][
            :, 0
        ]
    except ArpackNoConvergence:
        return start

    return torch.where(torch.from_numpy(vector) < 0, -1.0, 1.0).to(start.dtype)


def _similarity(values: Tensor, basis: Tensor, i: Tensor, j: Tensor, jumping: bool) -> Tensor:
    r"""Positive where the bases of two neighbours agree in orientation, at most about 1 in size, `(E,)`."""
    chord = values[j] - values[i]

    if basis.shape[2] == 1:
        return _around_corners(basis[i][:, :, 0], basis[j][:, :, 0], chord)

    if not jumping:
        return torch.linalg.det(basis[i].mT @ basis[j])

    return _around_jumps(basis[i], basis[j], chord)


def _around_corners(tail: Tensor, head: Tensor, chord: Tensor) -> Tensor:
    r"""Orientation of two unit tangents of a curve: whether both see the chord alike.

    Where the chord goes along both in turn, :math:`c = s\,t + r\,t'`, as around one corner however sharp, the signs of
    s and r say it exactly.
    """
    size, cosine = chord.square().sum(dim=1).clamp_min(1e-300), (tail * head).sum(dim=1)
    first, second = (tail * chord).sum(dim=1), (head * chord).sum(dim=1)
    one = torch.ones_like(cosine)
    s, r = along_both(one, one, cosine, first, second)
    rest = chord - s[:, None] * tail - r[:, None] * head
    corner = (cosine.abs() < TURNED_COSINE) & (rest.square().sum(dim=1) < MEETING_MISS**2 * size)

    return torch.where(corner, (s * r / size).clamp(-1.0, 1.0), first * second / size)


def _around_jumps(tail: Tensor, head: Tensor, chord: Tensor) -> Tensor:
    r"""Orientation of two tangent spaces that share all directions but one, along which the chord goes on.

    With q and q' the principal vectors that differ most, their angle below 90 degrees, and
    :math:`c = \beta q + \gamma q' + \dots`, a path with one jump goes on along q' after q where
    :math:`\beta \gamma > 0`, and along :math:`-q'` where it is negative: what a fit of the other sign
    misses, :math:`(1 - (q^\top q')^2) \min(\beta^2, \gamma^2)`, says how surely.
    """
    left, cosines, right = torch.linalg.svd(tail.mT @ head)
    parity = torch.linalg.det(left) * torch.linalg.det(right)
    q = (tail @ left[:, :, -1:])[:, :, 0]
    other = (head @ right[:, -1, :, None])[:, :, 0]
    cosine = cosines[:, -1].clamp_max(1.0)
    first, second = (q * chord).sum(dim=1), (other * chord).sum(dim=1)
    sine = (1 - cosine.square()).clamp_min(1e-12)
    beta, gamma = (first - cosine * second) / sine, (second - cosine * first) / sine
    missed = sine * torch.minimum(beta.square(), gamma.square()) / chord.square().sum(dim=1).clamp_min(1e-300)
    onward = TANGENCY * cosine + (beta * gamma).sign() * missed.clamp_max(1.0)

    return parity * cosines[:, :-1].prod(dim=1) * onward
