r"""What anchors and support functions leave open of a projection: turns, shifts and strains of the shadow.

Anchors in a line leave the turns about it open, anchors close together all of them. A stretched shadow is the shadow
of another turn: where it has no more extents than there are turns and strains, nothing tells which.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.coordinates.motion import Motion
from equiv.supports.outline_fit import END_LOOSENESS, Anchors
from equiv.supports.strains import AffineFreedom, Generators, covariance_of
from equiv.supports.support_functions import even_directions, support_function

__all__ = ["fit_projected_strains"]


# Directions of the plane in which the support functions are compared.
# [directions; chosen: one degree apart, those that see the same samples count as one]
DIRECTIONS = 360

# Changes of the linear part are no new ones when they are this near to those before.
# [share of the largest; chosen: far above rounding]
RANK_SHARE = 1e-9


def fit_projected_strains(
    a: Tensor,
    b: Tensor,
    motion: Motion,
    anchors: Anchors,
    anchor_error: float,
    free: Tensor | None = None,
    *,
    outlined: bool = True,
) -> AffineFreedom:
    r"""Fits an affine map to support functions and anchors, from a projection, and says how far that may be off.

    Linearised about the projection, where moving the outermost samples moves the support function.

    Arguments:
        a: Samples of A, shape `(n_a, m)`, in input units.
        b: Samples of B, shape `(n_b, p)`, p at most 2 and below m.
        motion: From A to B, nearly right, with orthonormal rows.
        anchors: Points of A and of B, `(k, m)` and `(k, p)`, that correspond; None for none.
        anchor_error: Standard deviation of the anchors' distances, per coordinate, in input units.
        free: Changes of the linear part that fit as well, and are no error, shape `(f, p, m)`; None for none.
        outlined: Whether the support functions are made use of.
    """
    generators = _generators(motion, a.mean(dim=0), free)
    rows, gaps = [], []

    if outlined:
        directions = (
            torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
            if b.shape[1] == 1
            else even_directions(DIRECTIONS)
        )
        looks = directions @ motion.matrix
        (height_a, rim_a), (height_b, rim_b) = support_function(a, looks), support_function(b, directions)
        outermost = (a @ looks.T).argmax(dim=0), (b @ directions.T).argmax(dim=0)
        # Directions in which the same sample is outermost say the same.
        alike = torch.stack([each.bincount()[each] for each in outermost]).amax(dim=0)
        weight = 1 / (END_LOOSENESS * torch.hypot(rim_a, rim_b) * alike.sqrt())
        rows.append(torch.einsum("qp,qpr->qr", directions, generators.at(a[outermost[0]])) * weight[:, None])
        gaps.append((height_b - height_a - directions @ motion.offset) * weight)

    if anchors is not None:
        rows.append(generators.at(anchors[0]).flatten(0, 1) / anchor_error)
        gaps.append((anchors[1] - motion(anchors[0])).reshape(-1) / anchor_error)

    design, missed = torch.cat(rows), torch.cat(gaps)
    mean = torch.linalg.lstsq(design, missed[:, None], driver="gelsd").solution[:, 0]

    return AffineFreedom(generators, mean, covariance_of(design.T @ design, generators.at(a)))


def _generators(motion: Motion, middle: Tensor, free: Tensor | None) -> Generators:
    r"""All entries of the linear part but for combinations that are free, and the shifts."""
    p, m = motion.matrix.shape
    entries = torch.eye(p * m, dtype=torch.float64)

    if free is not None:
        _, size, turned = torch.linalg.svd(free.flatten(1))
        entries = turned[int((size > RANK_SHARE * size[0]).sum()) :]

    entries = entries.reshape(-1, p, m)
    linear = torch.cat([torch.zeros(p, p, m, dtype=torch.float64), entries])
    shifts = torch.zeros(len(linear), p, dtype=torch.float64)
    shifts[:p] = torch.eye(p, dtype=torch.float64)

    return Generators(linear, shifts, middle)
