r"""Frames from the given inputs alone: local principal directions and a regression on them."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from equiv.observe.draws import distinct_samples
from equiv.probing.bursts import gap_dimension
from equiv.probing.hooks import Inputs, input_tensors

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

# Numbers that the differences of a block of samples to their neighbours hold, in inputs and in activations.
# [numbers; chosen: 64 MiB in float64, larger blocks are hardly faster]
BLOCK_NUMBERS = 2**23

# Blocks that are held at once beside the frames, all of them in float64.
# [blocks; derived: activations, their differences, and these weighted]
HELD_BLOCKS = 3

# A number in float64.
# [bytes; derived: 64 bits]
DOUBLE = 8


def neighbour_frames(
    inputs: Inputs,
    values: Tensor,
    dimension: int | None,
    check: Callable[[Inputs, int, int, int, float], None],
) -> Tensor:
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
        dimension: m; None: `equiv.probing.bursts.gap_dimension` of the local spectra.
        check: Called with inputs, n, d, m and bytes before frames of that shape are made, to refuse them.

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
    y = values[distinct.first.to(values.device)].to(x.device)

    if dimension is not None and dimension > x.shape[1]:
        raise ValueError(
            f"'dimension' should be at most the inputs' number of entries, {x.shape[1]}, got {dimension}; lower it."
        )

    x = _turned(x - x.mean(dim=0))
    near = _neighbours(x, NEIGHBOURS_FOR_DIMENSION)
    m = dimension or gap_dimension(
        torch.cat([_local_directions(x, near, rows)[1] for rows in _blocks(x, near)]).square()
    )
    quadratic = m * (m + 1) // 2
    k = int(NEIGHBOURS_PER_UNKNOWN * (m + quadratic)) + 2

    if k >= len(x):
        k, quadratic = len(x) - 1, 0

    if k < m + 1:
        raise ValueError(
            f"'inputs' should hold at least m + 2 = {m + 2} samples for frames from neighbours, "
            f"got {len(x)} that differ; add samples, or give a smaller 'dimension'."
        )

    neurons = y.shape[1]
    held = min(BLOCK_NUMBERS, len(x) * k * (x.shape[1] + neurons))
    check(inputs, len(x), neurons, m, DOUBLE * (len(x) * neurons * m + HELD_BLOCKS * held))
    near = _neighbours(x, k)
    blocks = _blocks(torch.cat([x[:1], y[:1].to(x)], dim=1), near)
    frames = torch.cat([_local_slopes(x, y, near, rows, m, bool(quadratic)) for rows in blocks])

    return frames[distinct.place]


def _turned(x: Tensor) -> Tensor:
    r"""Centred samples `(n, D)` in coordinates of the space that they span, at most n of them: lengths stay."""
    if x.shape[1] <= len(x):
        return x

    _, scale, axes = torch.linalg.svd(x @ x.T)

    return axes.T * scale.sqrt()


def _blocks(like: Tensor, near: Tensor) -> Iterator[slice]:
    r"""Slices of samples whose differences to their neighbours, rows as those of `like`, fit into a block."""
    size = max(BLOCK_NUMBERS // (near.shape[1] * like.shape[1]), 1)

    return (slice(start, start + size) for start in range(0, len(near), size))


def _local_slopes(x: Tensor, y: Tensor, near: Tensor, rows: slice, m: int, quadratic: bool) -> Tensor:
    r"""Slopes `(b, d, m)` of the activations at some samples along the principal directions of their neighbours."""
    t = (x[near[rows]] - x[rows, None]) @ _local_directions(x, near, rows)[0][:, :, :m]  # (b, k, m)
    square = t.square().sum(dim=2)
    weight = (-square / square.amax(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)).exp()
    terms = [t]

    if quadratic:
        first, second = torch.triu_indices(m, m, device=x.device)
        # In units of the neighbourhood, so that the least squares problem is well scaled.
        terms.append(t[:, :, first] * t[:, :, second] / square.amax(dim=1).sqrt()[:, None, None])

    root = weight.sqrt()[:, :, None]
    difference = y[near[rows]].double() - y[rows, None].double()

    return (torch.linalg.pinv(root * torch.cat(terms, dim=2))[:, :m] @ (root * difference)).mT


def _neighbours(x: Tensor, k: int) -> Tensor:
    r"""Indices of the k nearest other samples, shape `(n, k)`."""
    near = []

    for start in range(0, len(x), BLOCK_SAMPLES):
        distance = torch.cdist(x[start : start + BLOCK_SAMPLES], x)
        index = torch.arange(start, start + len(distance), device=x.device)
        distance[index - start, index] = torch.inf
        near.append(distance.topk(min(k, len(x) - 1), dim=1, largest=False).indices)

    return torch.cat(near)


def _local_directions(x: Tensor, near: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    r"""Principal directions `(b, D, r)` and singular values `(b, r)` of the differences of some samples' neighbours."""
    _, scale, directions = torch.linalg.svd(x[near[rows]] - x[rows, None], full_matrices=False)

    return directions.mT, scale
