r"""Frames from the given inputs alone: local principal directions and a regression on them."""

import torch
from torch import Tensor

from equiv.observe.bursts import gap_dimension
from equiv.observe.draws import distinct_samples
from equiv.observe.hooks import Inputs, input_tensors

__all__ = ["neighbour_frames"]


# Neighbours for each unknown of a local quadratic fit.
# [samples; chosen: fewer fit noise, more reach farther and are curved]
NEIGHBOURS_PER_UNKNOWN = 2.0

# Neighbours whose differences show the dimension of the inputs.
# [samples; chosen: above twice the dimension of ordinary inputs, and still local]
NEIGHBOURS_FOR_DIMENSION = 16

# Samples at a time whose distances to all others are formed.
# [samples; chosen: bounds the memory]
BLOCK_SAMPLES = 1024


def neighbour_frames(inputs: Inputs, values: Tensor, dimension: int | None) -> Tensor:
    r"""Frames of the manifold on which the inputs lie, estimated from nearest neighbours among them.

    Around each input :math:`x_i` the leading m principal directions :math:`T_i` of its neighbours'
    differences span the tangent space, orthonormal in input units. The activations' differences are then
    fitted by weighted least squares to a quadratic in the tangent coordinates :math:`t_j = T_i^\top (x_j -
    x_i)`,

    .. math:: y_j - y_i \approx J_i t_j + \tfrac12 t_j^\top H_i t_j,

    whose slope :math:`J_i` is the frame: the quadratic takes up what would bias it where the neighbours lie
    to one side. With fewer samples than the quadratic needs, a linear fit.

    Arguments:
        inputs: `n` samples; all floating inputs are flattened and concatenated. Equal ones count once.
        values: Activations, shape `(n, d)`.
        dimension: m; None: `equiv.observe.bursts.gap_dimension` of the local spectra.

    Returns:
        Frames, shape `(n, d, m)`, float64, in activation units per input unit.

    Raises:
        ValueError: If there are fewer than m + 2 samples that differ, or m is larger than the inputs' number of
            entries.
    """
    flat = [t.reshape(len(t), -1) for t in input_tensors(inputs)]
    # Copies of an input would be its nearest neighbours, in no direction.
    distinct = distinct_samples(torch.cat([t.double() for t in flat], dim=1))
    x = torch.cat([t.double() for t in flat if t.is_floating_point()], dim=1)[distinct.first]
    values = values[distinct.first.to(values.device)]
    x, y = x - x.mean(dim=0), values.to(x.device).double()

    if dimension is not None and dimension > x.shape[1]:
        raise ValueError(
            f"'dimension' should be at most the inputs' number of entries, {x.shape[1]}, got {dimension}; lower it."
        )

    m = dimension or gap_dimension(_local_directions(x, _neighbours(x, NEIGHBOURS_FOR_DIMENSION))[1].square())
    quadratic = m * (m + 1) // 2
    k = int(NEIGHBOURS_PER_UNKNOWN * (m + quadratic)) + 2

    if k >= len(x):
        k, quadratic = len(x) - 1, 0

    if k < m + 1:
        raise ValueError(
            f"'inputs' should hold at least m + 2 = {m + 2} samples for frames from neighbours, "
            f"got {len(x)} that differ; add samples, or give a smaller 'dimension'."
        )

    near = _neighbours(x, k)
    directions = _local_directions(x, near)[0][:, :, :m]
    t = (x[near] - x[:, None]) @ directions  # (n, k, m)
    square = t.square().sum(dim=2)
    weight = (-square / square.amax(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)).exp()
    terms = [t]

    if quadratic:
        rows, columns = torch.triu_indices(m, m, device=x.device)
        # In units of the neighbourhood, so that the least squares problem is well scaled.
        terms.append(t[:, :, rows] * t[:, :, columns] / square.amax(dim=1).sqrt()[:, None, None])

    root = weight.sqrt()[:, :, None]
    design, target = root * torch.cat(terms, dim=2), root * (y[near] - y[:, None])

    return (torch.linalg.pinv(design) @ target)[:, :m].mT[distinct.place]


def _neighbours(x: Tensor, k: int) -> Tensor:
    r"""Indices of the k nearest other samples, shape `(n, k)`."""
    near = []

    for start in range(0, len(x), BLOCK_SAMPLES):
        distance = torch.cdist(x[start : start + BLOCK_SAMPLES], x)
        index = torch.arange(start, start + len(distance), device=x.device)
        distance[index - start, index] = torch.inf
        near.append(distance.topk(min(k, len(x) - 1), dim=1, largest=False).indices)

    return torch.cat(near)


def _local_directions(x: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    r"""Principal directions `(n, D, r)` and singular values `(n, r)` of the neighbours' differences."""
    _, scale, directions = torch.linalg.svd(x[near] - x[:, None], full_matrices=False)

    return directions.mT, scale
