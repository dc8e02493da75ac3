r"""Where two samples of one plane region have their common edge, by local supporting lines.

Along a straight edge of length l the outermost of n samples lies only O(1 / n l) inside, much nearer than the
typical boundary sample, O(n^{-1/2}). The line that supports the samples in a window of the boundary shows it.
"""

import torch
from torch import Tensor

from equiv.coordinates.motion import Motion
from equiv.supports.support import Outline

__all__ = ["WINDOW", "fit_by_supporting_lines"]


# Half the length of a window.
# [distances to the sixth neighbour; chosen: longer ones hold corners, shorter ones few samples]
WINDOW = 5.0

# Slopes of a line against the outline, which is rough.
# [dimensionless; chosen: up to 31 degrees, in steps of 1.4]
SLOPES = torch.linspace(-0.6, 0.6, 49, dtype=torch.float64)

# How often the motion is fitted to the supporting lines, and these are found anew.
# [rounds; chosen: the motion is right to a fraction of the window from the start]
LINE_FITS = 4

# Gaps below this weigh as if they had it, in the least absolute ones.
# [distances to the sixth neighbour; chosen: keeps weights finite, far below what lines show]
SMALLEST_GAP = 1e-3

# Reweighted least squares for the least absolute gaps.
# [steps; chosen: a trade of time, three parameters settle fast]
REWEIGHTINGS = 30


def fit_by_supporting_lines(
    a: Tensor, b: Tensor, edge: Outline, scale: Tensor, motion: Motion, radius: float
) -> Motion:
    r"""Refines a rigid motion of the plane until the supporting lines of both samples agree.

    At each place s of the outline with normal n, the height of a sample's edge is

    .. math:: h(s) = \min_k \max_i \left( n \cdot (x_i - s) - k\, \tau \cdot (x_i - s) \right)

    over the samples within a window: that of its supporting line. The motion minimises
    :math:`\sum_s |h_A(s) - h_B(s)| / \sigma(s)`, whose minimum is that of the area of the union of both regions
    where the edge is seen equally well everywhere.

    Arguments:
        a: Samples of A near the outline, shape `(n_a, 2)`, in input units.
        b: Samples of B near the outline, shape `(n_b, 2)`.
        edge: Outline of B.
        scale: :math:`\sigma`, how far off the edge may be at its points, shape `(s,)`, in input units.
        motion: From A to B, right to a fraction of the window.
        radius: Distance to the sixth neighbour, in input units.
    """
    window = WINDOW * radius
    places, normals = edge.points, edge.normals
    tangents = torch.stack([-normals[:, 1], normals[:, 0]], dim=1)
    middle = places.mean(dim=0)
    turned = torch.stack([middle[1] - places[:, 1], places[:, 0] - middle[0]], dim=1)
    height, slope = _supporting(places, normals, tangents, b, window)

    for _ in range(LINE_FITS):
        moved_height, moved_slope = _supporting(places, normals, tangents, motion(a), window)
        normal = normals - (slope + moved_slope)[:, None] / 2 * tangents
        length = normal.norm(dim=1)
        gap, normal = (moved_height - height) / length, normal / length[:, None]
        design = torch.cat([normal, (turned * normal).sum(dim=1, keepdim=True)], dim=1)
        seen = gap.abs() < window / 2
        change = _least_absolute(design[seen], gap[seen], SMALLEST_GAP * radius, 1 / scale[seen])
        cosine, sine = change[2].cos(), change[2].sin()
        turn = torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])
        motion = Motion(turn @ motion.matrix, turn @ (motion.offset - middle) + middle + change[:2])

    return motion


def _supporting(
    places: Tensor, normals: Tensor, tangents: Tensor, cloud: Tensor, window: float
) -> tuple[Tensor, Tensor]:
    r"""Height over each place of the line that supports the samples around it, and its slope."""
    along = tangents @ cloud.T - (tangents * places).sum(dim=1, keepdim=True)  # (s, n)
    out = normals @ cloud.T - (normals * places).sum(dim=1, keepdim=True)
    out = torch.where((along.abs() < window) & (out.abs() < window), out, -torch.inf)
    highest = torch.stack([(out - slope * along).amax(dim=1) for slope in SLOPES], dim=1)
    height, best = highest.min(dim=1)

    return height, SLOPES[best]


def _least_absolute(design: Tensor, gap: Tensor, floor: float, importance: Tensor) -> Tensor:
    r"""The x of the least weighted sum of :math:`|\text{gap} + \text{design}\, x|`, by reweighted least squares."""
    change = torch.zeros(design.shape[1], dtype=design.dtype)

    for _ in range(REWEIGHTINGS):
        weight = (importance / ((gap + design @ change).abs() + floor)).sqrt()
        rows, goal = design * weight[:, None], -(gap * weight)[:, None]
        change = torch.linalg.lstsq(rows, goal, driver="gelsd").solution[:, 0]

    return change
