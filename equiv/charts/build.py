r"""From integrated coordinates to a chart."""

import torch
from torch import Tensor

from equiv.charts.chart import LARGEST_ANCHORS, Chart
from equiv.coordinates.lattice import lattice_images
from equiv.flattening.integrate import Integration

__all__ = ["anchor_indices", "build_chart"]


def anchor_indices(n: int) -> Tensor:
    r"""The samples that a chart keeps as anchors."""
    return torch.arange(0, n, -(-n // LARGEST_ANCHORS))


def build_chart(found: Integration, scaled: Tensor, values: Tensor, weights: Tensor) -> Chart:
    r"""The chart of integrated coordinates.

    Arguments:
        found: Coordinates, frames and fit of the weighted values.
        scaled: The weighted values, `(n, d)`.
        values: The values, `(n, d)`.
        weights: Weights of the neurons, `(d,)`.
    """
    from scipy.spatial import KDTree

    u, basis = found.solution.coordinates, found.fit.basis
    n, m = u.shape
    alive = weights > 0
    coefficients = found.fit.coefficients / torch.where(alive, weights, 1.0)
    coefficients[0, ~alive] = values.mean(dim=0)[~alive]  # constant neurons
    chosen = anchor_indices(n)
    anchors = u[chosen]
    copies = torch.cat([anchors + image for image in lattice_images(found.solution.periods, m)])
    k = min(5, len(anchors))
    spacing = torch.from_numpy(KDTree(copies.numpy()).query(anchors.numpy(), k=k)[0][:, -1])
    between = torch.from_numpy(KDTree(scaled[chosen].numpy()).query(scaled[chosen].numpy(), k=k)[0][:, -1])
    fitted = torch.cat([basis.evaluate(block) @ coefficients for block in u.split(8192)])
    normal = ((values - fitted) * weights).norm(dim=1)
    periods = found.solution.periods

    return Chart(
        {
            "centers": basis.centers,
            "width": basis.width,
            "free": basis.free,
            "coefficients": coefficients,
            "weights": weights,
            "anchor_values": values[chosen].clone(),
            "anchor_coordinates": anchors.clone(),
            "anchor_inverses": torch.linalg.pinv(found.frames[chosen], rtol=1e-6),
            "anchor_spacing": spacing,
            "normal_tolerance": torch.maximum(3 * normal.max(), 0.1 * between.median()),
            "periods": torch.zeros(0, m, dtype=torch.float64) if periods is None else periods,
        }
    )
