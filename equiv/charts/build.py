r"""From integrated coordinates to a chart."""

import torch
from torch import Tensor

from equiv.charts.chart import MAX_ANCHORS, Chart
from equiv.coordinates.lattice import lattice_images
from equiv.flattening.integrate import Integration

__all__ = ["anchor_indices", "build_chart"]


# The nearest anchor whose distance is the spacing of anchors.
# [anchors; chosen: within it a value next to an anchor lies in up to three dimensions]
SPACING_NEIGHBOR = 4

# Singular values of frames below this share of the largest are taken for zero.
# [dimensionless; chosen: far above rounding, and a direction that is seen less is next to lost]
SINGULAR_SHARE = 1e-6

# Values this far off the manifold are not beyond it, however near the samples are: a share of the distance of samples.
# [dimensionless; chosen: exact charts miss next to nothing, and other inputs of a network more than nothing]
NORMAL_SHARE = 0.1


def anchor_indices(n: int) -> Tensor:
    r"""The samples that a chart keeps as anchors."""
    return torch.arange(0, n, -(-n // MAX_ANCHORS))


def build_chart(found: Integration, scaled: Tensor, values: Tensor, weights: Tensor) -> Chart:
    r"""The chart of integrated coordinates.

    Arguments:
        found: Coordinates, frames and fit of the weighted values.
        scaled: The weighted values, `(n, d)`.
        values: The values, `(n, d)`.
        weights: Weights of the neurons, `(d,)`.
    """
    from scipy.spatial import KDTree

    u, lift = found.solution.coordinates, found.lift
    basis = lift.fit.basis
    n, m = u.shape
    alive = weights > 0
    scale = torch.where(alive, weights, 1.0)
    coefficients = lift.fit.coefficients / scale
    coefficients[0, ~alive] = values.mean(dim=0)[~alive]  # constant neurons
    chosen = anchor_indices(n)
    anchors = u[chosen]
    copies = torch.cat([anchors + image for image in lattice_images(found.solution.periods, m)])
    k = min(SPACING_NEIGHBOR + 1, len(anchors))
    spacing = torch.from_numpy(KDTree(copies.numpy()).query(anchors.numpy(), k=k)[0][:, -1])
    between = torch.from_numpy(KDTree(scaled[chosen].numpy()).query(scaled[chosen].numpy(), k=k)[0][:, -1])

    return Chart(
        {
            "centers": basis.centers,
            "width": basis.width,
            "free": basis.free,
            "coefficients": coefficients,
            "weights": weights,
            "anchor_values": values[chosen].clone(),
            "anchor_coordinates": anchors.clone(),
            "anchor_inverses": torch.linalg.pinv(found.frames[chosen], rtol=SINGULAR_SHARE),
            "anchor_spacing": spacing,
            "normal_tolerance": torch.maximum(
                3 * lift.missed.norm(dim=1).max(), NORMAL_SHARE * between.median()
            ),
            "periods": basis.periods,
            "node_coordinates": u[: len(lift.values)].clone(),
            "node_values": lift.values / scale,
            "node_slopes": lift.slopes / scale[:, None],
            "correlation_length": lift.length,
        }
    )
