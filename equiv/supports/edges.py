r"""How far the edge of a support may lie beyond the outermost samples, by how the depths of others below these grow.

A density that ends at once leaves the first of n samples about one gap from the edge. One that vanishes there leaves it
farther off, the farther the faster it vanishes, and one with a tail says nothing of where it ends.
"""

import math

import torch
from torch import Tensor

__all__ = ["looseness_of_edges", "unseen_depth"]

# Likelihood of the farthest edge, and of uniform density where it is not contradicted, in terms of that of the best.
# [natural logarithm; derived: uniform samples know their end to one gap, at which the likelihood is 1 / e]
LIKELIHOOD_DROP = 1.0

# Edges that are tried, evenly on a logarithmic scale.
# [edges; chosen: steps of 6 %, far below what samples tell]
TRIED_EDGES = 200

# The nearest of them, and the farthest, where the edge is not seen at all.
# [depths of the deepest sample; chosen: a tenth of the gaps of a hundred samples, and far above all lengths]
NEAREST_EDGE, FARTHEST_EDGE = 1e-3, 1e2

# Samples nearest to a point of an outline, and those of them least far aside, by whose depths the density is judged.
# [samples; chosen: of fewer powers of depths scatter more, wider windows reach round corners and holes]
SAMPLES_NEAR, SAMPLES_BELOW = 80, 48

# The shallowest of these that count.
# [share; chosen: the others lie where the ball that holds them all gets narrow, as if their density fell]
SHALLOW_SHARE = 0.75

# Points of an outline where the density is judged; others are as the nearest of these.
# [points; chosen: as many as outlines of some hundred samples have edges]
JUDGED_POINTS = 100

# Normals are means over this part of the ball that holds these samples.
# [radii; chosen: single facets of an outline are turned by half a radian at random]
SMOOTHED_SHARE = 0.5


def unseen_depth(depths: Tensor) -> Tensor:
    r"""How far beyond the outermost samples the edge may lie.

    Near an edge a distance :math:`\delta` beyond them the density is :math:`(y + \delta)^{1/a - 1}` at depth y, with a
    of 1 where it ends at once and below where it vanishes. Of k depths below the deepest, :math:`y_k`, and the best
    a for each :math:`\delta`, the logarithm of the likelihood is

    .. math:: -k \log a + \left( \tfrac{1}{a} - 1 \right) \sum_i \log \frac{y_i + \delta}{y_k + \delta}
        - k \log(y_k + \delta), \quad a = \min\left( 1, -\tfrac{1}{k} \sum_i \log \frac{y_i + \delta}{y_k + \delta}
        \right).

    Arguments:
        depths: In ascending order, shape `(q, k + 1)`, in input units: none is negative, the last positive.

    Returns:
        :math:`y_k / k`, one gap, where uniform density is about as likely as any other, else the farthest
        :math:`\delta` that is about as likely as the best, and no less: shape `(q,)`, in input units.

    References:
        | On estimating the endpoint of a distribution (Hall, 1982)
        | https://doi.org/10.1214/aos/1176345796
    """
    farthest, gain, gap = _farthest(depths)

    return torch.where(gain > LIKELIHOOD_DROP, farthest, gap)


def _farthest(depths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""The farthest likely :math:`\delta`, what the likelihood gains by it over uniform density, and one gap."""
    k = depths.shape[1] - 1
    steps = torch.logspace(
        math.log10(NEAREST_EDGE), math.log10(FARTHEST_EDGE), TRIED_EDGES, dtype=depths.dtype
    )
    delta = steps * depths[:, -1:]  # (q, t)
    top = depths[:, -1:] + delta
    logs = torch.stack([(depths[:, :-1] + each[:, None]).log().sum(dim=1) for each in delta.T], dim=1)
    logs = logs - k * top.log()
    power = (-logs / k).clamp_max(1.0)
    likelihood = -k * power.log() + (1 / power - 1) * logs - k * top.log()
    best = likelihood.amax(dim=1, keepdim=True)
    gap = depths[:, -1] / k
    farthest = torch.where(likelihood >= best - LIKELIHOOD_DROP, delta, 0.0).amax(dim=1)

    return farthest.maximum(gap), best[:, 0] + k * depths[:, -1].log(), gap


def looseness_of_edges(cloud: Tensor, points: Tensor, normals: Tensor) -> Tensor:
    r"""How many times farther off than of uniform density the edge may lie at points of an outline.

    Depths of samples nearby are told along the mean normal. By their powers the first sample is so many gaps from the
    edge; in m dimensions distances of samples are the m-th root of gaps.

    Arguments:
        cloud: Samples, shape `(n, m)`, m above 1, in input units.
        points: Spread evenly over the outline, shape `(s, m)`.
        normals: Outward unit normals there, shape `(s, m)`.

    Returns:
        Shape `(s,)`, dimensionless, at least 1.
    """
    from scipy.spatial import cKDTree

    n, m = cloud.shape
    judged = points[:: max(1, len(points) // JUDGED_POINTS)]
    reach, near = cKDTree(cloud.numpy()).query(judged.numpy(), min(SAMPLES_NEAR, n))
    radius = torch.from_numpy(reach[:, -1:])
    around = torch.cdist(judged, points) <= SMOOTHED_SHARE * radius  # (j, s)
    mean = torch.nn.functional.normalize(around.to(points) @ normals, dim=1)
    height, aside = _seen_from(judged, mean, cloud[near])
    # Edges bend: round holes samples aside stand above the edge.
    edge_height, edge_aside = _seen_from(judged, mean, points.expand(len(judged), -1, -1))
    bend = (around * edge_height * edge_aside.square()).sum(dim=1) / (around * edge_aside**4).sum(dim=1)
    height = height - bend[:, None] * aside.square()
    below = aside.topk(min(SAMPLES_BELOW, n), largest=False).indices
    height = height.gather(1, below)
    # The outermost of the less far aside: what stands above it is across a hole.
    outermost = height[:, : height.shape[1] // 2].amax(dim=1, keepdim=True)
    depths = (outermost - height).clamp_min(0).sort(dim=1).values
    depths = depths[:, : 1 + round(SHALLOW_SHARE * (depths.shape[1] - 1))]
    farthest, gain, gap = _farthest(depths)
    # Few samples tell little of a power: what balls that touch say is pooled.
    touching = (torch.cdist(judged, judged) <= radius).to(points)
    touching = touching / touching.sum(dim=1, keepdim=True)
    factor = (touching @ (farthest / gap).log() / m).exp()
    factor = torch.where(touching @ gain > LIKELIHOOD_DROP, factor, 1.0)

    return factor[cKDTree(judged.numpy()).query(points.numpy())[1]]


def _seen_from(places: Tensor, directions: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    r"""How far points `(j, k, m)` are from places `(j, m)` along directions `(j, m)`, and how far aside of these."""
    offset = points - places[:, None]
    along = torch.einsum("jkm,jm->jk", offset, directions)

    return along, (offset - along[:, :, None] * directions[:, None]).norm(dim=2)
