r"""Where a cloud of samples lives, whatever its density: membership, and the outline of the support."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiv.coordinates.lattice import lattice_images, minimum_image
from equiv.supports.edges import looseness_of_edges, unseen_depth
from equiv.supports.limits import NEIGHBORS

__all__ = ["Outline", "inside", "outline", "share_inside"]

# Simplices whose circumscribed sphere has a larger radius bridge a gap.
# [distances to the sixth neighbour; chosen: smaller ones leave holes by chance, larger ones close true ones]
GAP_RADIUS = 2.0

# Above this dimension Delaunay triangulations are too large.
# [dimensions; chosen: a trade of memory, in five dimensions there are some 200 simplices for each sample]
MAX_TRIANGULATED_DIMENSION = 4

# More samples than this are thinned out before they are triangulated.
# [samples; chosen: a trade of time, edges are then known to a hundredth of the spread in the plane]
MAX_TRIANGULATED_SAMPLES = 20_000

# Points of an outline.
# [points; chosen: a trade of time, each is compared with the other outline in every step]
OUTLINE_POINTS = 400

# Points of an outline at least for each facet: outlines are compared by their nearest points, which must lie as dense,
# in distances of samples, whatever the number of samples.
# [points; chosen: misfits of one support are then the same in three dimensions for all numbers of samples]
POINTS_PER_FACET = 2.2

# Samples at an end whose depths tell where it is: this power of their number, and at least so many.
# [dimensionless, samples; chosen: so few that densities are powers of depths, these are then known to an eighth]
DEPTHS_POWER, LEAST_DEPTHS = 3 / 4, 16


def inside(points: Tensor, cloud: Tensor, periods: Tensor | None = None) -> Tensor:
    r"""Whether points lie within the support that a cloud of samples shows.

    A point is inside when it is in a simplex of the alpha shape, or as near to a sample as samples are to
    their nearest: the true boundary lies about that far outside the samples. Where coordinates are periodic,
    or of more than four dimensions, it is inside when its nearest sample c is not farther than the
    `NEIGHBORS`-th nearest of c, by which a share of about :math:`e^{-6}` of the support is missed.

    Arguments:
        points: Points, shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
        periods: Lattice of both, shape `(p, m)`, or None.

    Returns:
        Bool, shape `(q,)`.
    """
    from scipy.spatial import cKDTree

    m = cloud.shape[1]
    open_ended = periods is None and m <= MAX_TRIANGULATED_DIMENSION
    cells = (minimum_image(cloud, periods)[None] + lattice_images(periods, m)[:, None]).reshape(-1, m)
    tree = cKDTree(cells.numpy())
    k = min(NEIGHBORS, len(cloud) - 1)
    distance, nearest = tree.query(minimum_image(points, periods).numpy())
    radius = tree.query(cells.numpy()[nearest], k + 1)[0][:, -1]

    if not open_ended:
        return torch.from_numpy(distance <= radius)

    return torch.from_numpy(distance <= radius / k ** (1 / m)) | _Shape(cloud).holds(points)


def share_inside(points: Tensor, cloud: Tensor, periods: Tensor | None = None) -> float:
    r"""Share of the distribution of `points` that lies in the support of that of `cloud`, in `[0, 1]`.

    The samples' support falls short of the true one near its boundary, the more so the more dimensions: by
    :math:`O(n^{-1/m})`. How far short shows when one half of the cloud is held against the other.

    Arguments:
        points: Shape `(q, m)`, in input units.
        cloud: Samples, shape `(n, m)`.
        periods: Lattice of both, shape `(p, m)`, or None.
    """
    n, m = cloud.shape
    share = inside(points, cloud, periods).double().mean().item()

    if n < 4 * NEIGHBORS or m == 1:
        return share

    # Halves that are the same in whatever order the samples come.
    order = torch.from_numpy(np.lexsort(cloud.numpy().T[::-1]))
    order = order[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    known = inside(cloud[order[: n // 2]], cloud[order[n // 2 :]], periods).double().mean().item()
    short = (1 - known) / 2 ** (1 / m)

    return min(share / (1 - short), 1.0)


@dataclass(frozen=True)
class Outline:
    r"""The boundary of a support, as points spread evenly over it.

    Attributes:
        points: Shape `(s, m)`, in input units.
        normals: Outward unit normals there, shape `(s, m)`.
        scale: How far outside the true boundary may lie there, shape `(s,)`: about as far as samples are apart,
            and farther where their density vanishes.
        vanishing: How many times less far off it would be of uniform density, shape `(s,)`, at least 1.
        samples: Number of samples on the boundary.
    """

    points: Tensor
    normals: Tensor
    scale: Tensor
    vanishing: Tensor
    samples: int

    @cached_property
    def tree(self) -> Any:
        r"""For the points nearest to others."""
        from scipy.spatial import cKDTree

        return cKDTree(self.points.numpy())


def outline(cloud: Tensor, gap: float = GAP_RADIUS) -> Outline:
    r"""The boundary of the alpha shape of a cloud, its radius a multiple of the local distance of samples.

    Arguments:
        cloud: Samples, shape `(n, m)`, m at most 4.
        gap: Radius of the ball that rolls around the shape, in distances to the sixth neighbour. Small: all
            features; large: the outermost samples alone, which are nearer to the true boundary.

    References:
        | On the shape of a set of points in the plane (Edelsbrunner, Kirkpatrick and Seidel, 1983)
        | https://doi.org/10.1109/TIT.1983.1056714
    """
    shape = _Shape(cloud, gap)
    cloud, spacing = shape.cloud, shape.spacing
    m = cloud.shape[1]

    if m == 1:
        return _ends(cloud[:, 0].sort().values)

    facets, normals = shape.boundary()
    corners = cloud[facets]
    spanned = corners[:, 1:] - corners[:, :1]
    size = torch.linalg.det(spanned @ spanned.mT).clamp_min(0).sqrt()
    total = max(OUTLINE_POINTS, round(POINTS_PER_FACET * len(facets)))
    counts = (total * size / size.sum()).round().long().clamp(1, total)
    facet = torch.arange(len(facets)).repeat_interleave(counts)
    within = torch.arange(len(facet)) - (counts.cumsum(dim=0) - counts).repeat_interleave(counts)
    share = _simplex_points(m, total)[within]  # (s, m)

    points, outward = torch.einsum("sv,svm->sm", share, corners[facet]), normals[facet]
    apart = (share * spacing[facets][facet]).sum(dim=1)

    vanishing = looseness_of_edges(cloud, points, outward)

    return Outline(points, outward, apart * vanishing, vanishing, len(facets.unique()))


def _ends(line: Tensor) -> Outline:
    r"""The outline of an interval, `(n,)` in ascending order."""
    last = min(max(round(len(line) ** DEPTHS_POWER), LEAST_DEPTHS), len(line) - 1)
    ends = line[[0, -1]]
    depths = torch.stack([line[: last + 1] - line[0], line[-1] - line.flip(0)[: last + 1]])
    normals = torch.tensor([[-1.0], [1.0]], dtype=line.dtype)

    unseen = unseen_depth(depths)

    return Outline(ends[:, None], normals, unseen, unseen / (depths[:, -1] / last), 2)


#: The number of BLAS threads belongs to the process: who lowers it is alone until it is restored.
_LIMITED = threading.Lock()


class _Shape:
    r"""The alpha shape of a cloud: the simplices of its Delaunay triangulation that bridge no gap.

    Attributes:
        simplices: Shape `(s, m + 1)`, indices of samples.
    """

    def __init__(self, cloud: Tensor, gap: float = GAP_RADIUS) -> None:
        from scipy.spatial import Delaunay, cKDTree

        cloud = cloud[:: math.ceil(len(cloud) / MAX_TRIANGULATED_SAMPLES)]
        n, m = cloud.shape
        self.cloud = cloud
        self.neighbors = min(NEIGHBORS, n - 1)
        reach = cKDTree(cloud.numpy()).query(cloud.numpy(), self.neighbors + 1)[0][:, -1]
        self.radius = torch.from_numpy(reach)

        if m == 1:
            self.order = cloud[:, 0].argsort()
            self.simplices = torch.stack([self.order[:-1], self.order[1:]], dim=1)
        else:
            self.triangulation = Delaunay(cloud.numpy(), qhull_options="QJ")
            self.simplices = torch.from_numpy(self.triangulation.simplices).long()

        corners = cloud[self.simplices]  # (s, m + 1, m)
        edges = corners[:, 1:] - corners[:, :1]
        flat = torch.linalg.det(edges).abs() <= 1e-9 * edges.norm(dim=2).prod(dim=1)
        edges[flat] = torch.eye(m, dtype=cloud.dtype)
        centre = torch.linalg.solve(edges, edges.square().sum(dim=2)[:, :, None] / 2)[:, :, 0]
        self.kept = (centre.norm(dim=1) <= gap * self.radius[self.simplices].mean(dim=1)) & ~flat

    @property
    def spacing(self) -> Tensor:
        r"""The distance within which one neighbour is expected, at each sample, shape `(n,)`."""
        return self.radius / self.neighbors ** (1 / self.cloud.shape[1])

    def holds(self, points: Tensor) -> Tensor:
        r"""Whether points lie in a simplex, shape `(q,)`."""
        if self.cloud.shape[1] == 1:
            right = torch.searchsorted(self.cloud[self.order, 0].contiguous(), points[:, 0].contiguous())
            between = (right > 0) & (right < len(self.cloud))

            return between & self.kept[(right - 1).clamp(0, len(self.kept) - 1)]

        found = torch.from_numpy(self._inverted.find_simplex(points.numpy())).long()

        return (found >= 0) & self.kept[found]

    @cached_property
    def _inverted(self) -> Any:
        r"""The triangulation once each simplex is inverted, which is what points are located by.

        SciPy inverts them one by one; threads of BLAS that wait for each other in every one of 600 triangles take 5 s
        instead of 1 ms where another program is busy.
        """
        from threadpoolctl import threadpool_limits

        with _LIMITED, threadpool_limits(limits=1, user_api="blas"):
            _ = self.triangulation.transform

        return self.triangulation

    def boundary(self) -> tuple[Tensor, Tensor]:
        r"""Facets `(f, m)`, as indices of samples, and their outward unit normals `(f, m)`."""
        m = self.cloud.shape[1]
        simplices = self.simplices[self.kept]
        # Facet `a` of a simplex leaves out its corner `a`.
        rest = torch.tensor([[c for c in range(m + 1) if c != a] for a in range(m + 1)])
        facets = simplices[:, rest].sort(dim=2).values.reshape(-1, m)
        opposite = simplices.reshape(-1)
        _, inverse, counts = facets.unique(dim=0, return_inverse=True, return_counts=True)
        outer = counts[inverse] == 1
        facets, opposite = facets[outer], opposite[outer]

        spanned = self.cloud[facets[:, 1:]] - self.cloud[facets[:, :1]]  # (f, m - 1, m)
        normals = torch.linalg.svd(spanned)[2][:, -1]
        inward = ((self.cloud[opposite] - self.cloud[facets[:, 0]]) * normals).sum(dim=1, keepdim=True) > 0

        return facets, torch.where(inward, -normals, normals)


def _simplex_points(corners: int, count: int) -> Tensor:
    r"""Barycentric coordinates that fill a simplex evenly, however many are taken: `(count, corners)`."""
    uniform = torch.quasirandom.SobolEngine(corners - 1).draw(count, dtype=torch.float64)
    cuts = torch.cat([torch.zeros(count, 1), uniform.sort(dim=1).values, torch.ones(count, 1)], dim=1)

    return cuts.diff(dim=1)
