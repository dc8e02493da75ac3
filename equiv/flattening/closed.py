r"""Periods of closed manifolds: sums of the synchronised displacements around loops."""

import torch
from torch import Tensor

from equiv.coordinates.lattice import reduce_lattice

__all__ = ["closing", "find_lattice"]


def find_lattice(mismatch: Tensor, squared: Tensor) -> tuple[Tensor, Tensor] | None:
    r"""Lattice vectors around which the mismatches of edges gather.

    Arguments:
        mismatch: :math:`z_{ij} - (u_j - u_i)` of coordinates developed along a tree, `(E, m)`.
        squared: Squared lengths of the edges, `(E,)`.

    Returns:
        Reduced periods T, `(p, m)`, and the integers of each edge, `(E, p)`; None where no mismatch is far
        longer than the edges, or the long ones do not gather.
    """
    far = mismatch.norm(dim=1) > 3 * squared.sqrt().quantile(0.95)
    pool = mismatch[far]
    found: list[Tensor] = []

    while len(pool) > max(2, 0.1 * far.sum()) and len(found) < mismatch.shape[1]:
        centers = pool[:: max(1, len(pool) // 300)]
        # The vector, of either sign, that most mismatches agree with.
        apart = torch.minimum(torch.cdist(centers, pool), torch.cdist(-centers, pool))
        agreeing = apart < 0.15 * centers.norm(dim=1, keepdim=True)
        center = centers[int(agreeing.sum(dim=1).argmax())]
        same = (pool - center).norm(dim=1) < 0.15 * center.norm()
        opposite = (pool + center).norm(dim=1) < 0.15 * center.norm()
        found.append(torch.cat([pool[same], -pool[opposite]]).median(dim=0).values)
        periods = torch.stack(found)
        rest = pool - (pool @ torch.linalg.pinv(periods)).round() @ periods
        pool = pool[rest.norm(dim=1) > 0.2 * periods.norm(dim=1).min()]

    if not found:
        return None

    if len(pool) > 0.2 * far.sum():
        return None

    periods = reduce_lattice(torch.stack(found))

    return periods, (mismatch @ torch.linalg.pinv(periods)).round()


def closing(mismatch: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor] | None:
    r"""The period of a curve whose ends a few edges join, as around a corner.

    Arguments:
        mismatch: As of `find_lattice`, `(E, 1)`.
        coordinates: The developed coordinates, `(n, 1)`.

    Returns:
        As `find_lattice`; None where no edge spans the curve: false neighbours span a part of it.
    """
    longest = mismatch[mismatch.abs().argmax()]

    if float(longest.abs()) < float(coordinates.max() - coordinates.min()):
        return None

    return longest.abs()[None], (mismatch / longest.abs()).round()
