r"""Where the image of a chart crosses itself: F(u) = F(v) for u and v far apart."""

import torch
from torch import Tensor

from equiv.coordinates.lattice import lattice_images
from equiv.coordinates.smooth_fit import SmoothFit, in_blocks

__all__ = ["count_crossings"]


def count_crossings(
    values: Tensor, coordinates: Tensor, spacing: Tensor, fit: SmoothFit, limit: int = 2000
) -> tuple[int, float]:
    r"""Number of places, among pairs of samples near in value and far in coordinates, where sheets meet.

    From each such pair Gauss-Newton minimises :math:`|F(u) - F(v)|^2` over u and v. Sheets that only come
    near keep a distance; sheets that cross reach zero within the cloud.

    Arguments:
        values: Weighted values, `(n, d)`.
        coordinates: `(n, m)`.
        spacing: Distance of each sample to its neighbours in coordinates, `(n,)`.
        fit: F.
        limit: At most so many pairs are followed.

    Returns:
        Number of pairs that end in a crossing, and the smallest gap found, in units of the local distance
        between neighbouring values; infinity where no two sheets come near.
    """
    from scipy.spatial import KDTree

    k = min(9, len(values) - 1)
    distance, near = KDTree(values.numpy()).query(values.numpy(), k=k + 1)
    near = torch.from_numpy(near[:, 1:]).long()
    local = torch.from_numpy(distance[:, -1])
    images = lattice_images(fit.basis.periods, coordinates.shape[1])
    gap = coordinates[near] - coordinates[:, None]
    apart = torch.stack([(gap - image).norm(dim=2) for image in images]).amin(dim=0)
    far = apart > 6 * torch.maximum(spacing[:, None], spacing[near])
    first, column = far.nonzero(as_tuple=True)

    if len(first) == 0:
        return 0, torch.inf

    pick = torch.arange(0, len(first), max(1, len(first) // limit))
    first, second = first[pick], near[first[pick], column[pick]]
    u, v = coordinates[first], coordinates[second]
    reach = 0.5 * (spacing[first] + spacing[second])
    m = u.shape[1]

    for _ in range(12):
        at_u, slope_u = in_blocks(fit, u)
        at_v, slope_v = in_blocks(fit, v)
        jacobian = torch.cat([slope_u, -slope_v], dim=2)  # (p, d, 2 m)
        gram = jacobian.mT @ jacobian
        ridge = (
            1e-6 * gram.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None] * torch.eye(2 * m, dtype=u.dtype)
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
    valid = (apart_left > 4 * reach) & (to_sample < 2 * reach) & (halfway > local[first])

    if not bool(valid.any()):
        return 0, torch.inf

    return int((valid & (gap_left < 1e-3)).sum()), float(gap_left[valid].min())
