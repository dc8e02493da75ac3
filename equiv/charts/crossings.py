r"""Where the image of a chart crosses itself: F(u) = F(v) for u and v far apart."""

import torch
from torch import Tensor

from equiv.coordinates.lattice import lattice_images
from equiv.coordinates.smooth_fit import SmoothFit, in_blocks

__all__ = ["count_crossings"]


# Nearest values among which pairs are sought that are far apart in coordinates.
# [neighbours; chosen: across a crossing at a right angle half of them are of the other sheet]
NEIGHBORS = 9

# Pairs are far apart in coordinates from so many times the spacing of samples on.
# [spacings of samples; chosen: neighbours on one sheet are at most two apart]
FAR_APART = 6.0

# At most so many pairs are followed.
# [pairs; chosen: a trade of time, where there are more some of each crossing are among them]
MAX_PAIRS = 2000

# Gauss-Newton steps of both ends of a pair.
# [steps; chosen: each moves up to a spacing, and the ends are few of them away from a crossing]
STEPS = 12

# What is added to the diagonal of the equations, over its sum.
# [dimensionless; chosen: where sheets are tangent the step stays short]
RIDGE = 1e-6

# Ends of a pair that have come nearer to each other than this in coordinates are one place.
# [spacings of samples; chosen: less than they start with]
STILL_APART = 4.0

# Sheets meet where the gap between them is below this.
# [distances of neighbouring values; chosen: sheets that only come near keep a hundred times as much]
MEETING_GAP = 1e-3


def count_crossings(
    values: Tensor, coordinates: Tensor, spacing: Tensor, fit: SmoothFit
) -> tuple[int, float]:
    r"""Number of places, among pairs of samples near in value and far in coordinates, where sheets meet.

    From each such pair Gauss-Newton minimises :math:`|F(u) - F(v)|^2` over u and v. Sheets that only come
    near keep a distance; sheets that cross reach zero within the cloud.

    Arguments:
        values: Weighted values, `(n, d)`.
        coordinates: `(n, m)`.
        spacing: Distance of each sample to its neighbours in coordinates, `(n,)`.
        fit: F.

    Returns:
        Number of pairs that end in a crossing, and the smallest gap found, in units of the local distance
        between neighbouring values; infinity where no two sheets come near.
    """
    from scipy.spatial import KDTree

    k = min(NEIGHBORS, len(values) - 1)
    distance, near = KDTree(values.numpy()).query(values.numpy(), k=k + 1)
    near = torch.from_numpy(near[:, 1:]).long()
    local = torch.from_numpy(distance[:, -1])
    images = lattice_images(fit.basis.periods, coordinates.shape[1])
    gap = coordinates[near] - coordinates[:, None]
    apart = torch.stack([(gap - image).norm(dim=2) for image in images]).amin(dim=0)
    far = apart > FAR_APART * torch.maximum(spacing[:, None], spacing[near])
    first, column = far.nonzero(as_tuple=True)

    if len(first) == 0:
        return 0, torch.inf

    pick = torch.arange(0, len(first), max(1, len(first) // MAX_PAIRS))
    first, second = first[pick], near[first[pick], column[pick]]
    u, v = coordinates[first], coordinates[second]
    reach = 0.5 * (spacing[first] + spacing[second])
    m = u.shape[1]

    for _ in range(STEPS):
        at_u, slope_u = in_blocks(fit, u)
        at_v, slope_v = in_blocks(fit, v)
        jacobian = torch.cat([slope_u, -slope_v], dim=2)  # (p, d, 2 m)
        gram = jacobian.mT @ jacobian
        ridge = (
            RIDGE * gram.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None] * torch.eye(2 * m, dtype=u.dtype)
        )
        step = torch.linalg.solve(gram + ridge, jacobian.mT @ (at_v - at_u)[:, :, None])[:, :, 0]
        step = step * (reach / step.norm(dim=1).clamp_min(1e-300)).clamp_max(1.0)[:, None]
        u, v = u + step[:, :m], v + step[:, m:]

    gap_left = (in_blocks(fit, u)[0] - in_blocks(fit, v)[0]).norm(dim=1) / local[first]
    apart_left = torch.stack([(u - v - image).norm(dim=1) for image in images]).amin(dim=0)
    samples = KDTree(torch.cat([coordinates + image for image in images]).numpy())
    to_sample = torch.maximum(*(torch.from_numpy(samples.query(point.numpy())[0]) for point in (u, v)))
    # Where F is flat, the way from u to v stays at one place: a singular frame, no second sheet.
    halfway = (in_blocks(fit, (u + v) / 2)[0] - in_blocks(fit, u)[0]).norm(dim=1)
    valid = (apart_left > STILL_APART * reach) & (to_sample < 2 * reach) & (halfway > local[first])

    if not bool(valid.any()):
        return 0, torch.inf

    return int((valid & (gap_left < MEETING_GAP)).sum()), float(gap_left[valid].min())
