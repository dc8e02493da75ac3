r"""Coordinates of paired samples on both sides, in one frame of reference."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.neuron_scale import unit_spread
from equiv.observe.frames import invert_frames, sensitivity_cut
from equiv.paired.neighbors import all_nearest

__all__ = ["canonical_coordinates", "integrated_coordinates"]

# Each sample has steps to so many of its nearest.
# [steps; chosen: enough to connect samples of up to six dimensions, and few steps that bend]
STEPS_PER_SAMPLE = 8

# Coordinates are those of a flat space if they leave no more of the steps than this.
# [share of the squared steps; chosen: steps that do not add up leave about half]
MAX_UNCLOSED = 0.05

# What is added to the diagonal of the system fixes the mean of every connected part.
# [weights of an edge; chosen: far below the weight of an edge, far above rounding]
MEAN_SHIFT = 1e-9

# Principal directions with smaller singular values are rounding, and no canonical variables.
# [share of the largest singular value; chosen: between the rounding of float64 and of float32]
MIN_SINGULAR_VALUE = 1e-9

# Inverse frames are gathered for so many edges at a time that they hold this many entries.
# [numbers; chosen: they stay in the processor's cache, decides speed alone]
CACHED_NUMBERS = 2**18


def integrated_coordinates(
    source: Tensor, target: Tensor, source_frames: Tensor, target_frames: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    r"""Integrates parallel frames along a graph of neighbours.

    Where all frames belong to the same directions of a flat input space (Jacobians do), steps between
    neighbours are :math:`du_{ij} = (J_i^+ + J_j^+)(y_j - y_i) / 2` up to third order, and coordinates solve
    :math:`\min_u \sum_{ij} |u_j - u_i - du_{ij}|^2`, one sparse system for all. Directions that a side does
    not see stay zero on that side.

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations at the same inputs, `(n, d_b)`.
        source_frames: A's frames, `(n, d_a, m)`.
        target_frames: B's frames along the same directions, `(n, d_b, m)`.

    Returns:
        Centred coordinates of A and of B, `(n, m)` each, in input units; None for a side whose steps do not add up
        (frames that are not parallel, closed manifolds, samples too few to resolve what bends).
    """
    from scipy.sparse import coo_matrix, identity
    from scipy.sparse.linalg import splu

    tail, head = _edges(torch.cat([unit_spread(source.double()), unit_spread(target.double())], dim=1))
    n = len(source)
    row, left, right = torch.arange(len(tail)).numpy(), tail.cpu().numpy(), head.cpu().numpy()
    shape = (len(tail), n)
    ones = torch.ones(len(tail), dtype=torch.float64).numpy()
    difference = (coo_matrix((ones, (row, right)), shape) - coo_matrix((ones, (row, left)), shape)).tocsc()
    solve = splu((difference.T @ difference + MEAN_SHIFT * identity(n)).tocsc()).solve
    found: list[Tensor | None] = []

    for values, frames in (
        (source.double(), source_frames.double()),
        (target.double(), target_frames.double()),
    ):
        steps = _steps(values, frames, tail, head)
        u = solve(difference.T @ steps.cpu().numpy())
        rest = steps.cpu() - torch.from_numpy(difference @ u)

        if rest.square().sum() > MAX_UNCLOSED * steps.square().sum().cpu():
            found.append(None)

            continue

        coordinates = torch.from_numpy(u).to(source.device)
        found.append(coordinates - coordinates.mean(dim=0))

    return found[0], found[1]


def canonical_coordinates(source: Tensor, target: Tensor, m: int) -> tuple[Tensor, Tensor]:
    r"""The m leading canonical variables of each side, of unit mean square (Hotelling, 1936).

    Arguments:
        source: A's activations, shape `(n, d_a)`.
        target: B's activations, `(n, d_b)`.
        m: How many; fewer where there are not as many neurons.

    Returns:
        The variables of A and of B, `(n, m)` each, float64.

    References:
        | Relations between two sets of variates (Hotelling, 1936), https://doi.org/10.1093/biomet/28.3-4.321
    """
    bases = []

    for values in (source.double(), target.double()):
        left, singular, _ = torch.linalg.svd(values - values.mean(dim=0), full_matrices=False)
        bases.append(left * (singular > MIN_SINGULAR_VALUE * singular[0].clamp_min(1e-300)))

    u, _, v = torch.linalg.svd(bases[0].T @ bases[1], full_matrices=False)
    scale = len(source) ** 0.5

    return scale * bases[0] @ u[:, :m], scale * bases[1] @ v[:m].T


def _edges(joint: Tensor) -> tuple[Tensor, Tensor]:
    r"""Each sample with its nearest others, every edge once, `(e,)` and `(e,)`."""
    nearest = all_nearest(joint, STEPS_PER_SAMPLE)
    own = torch.arange(len(joint), device=joint.device).repeat_interleave(nearest.shape[1])
    edges = torch.stack([own, nearest.flatten()]).sort(dim=0).values.unique(dim=1)

    return edges[0], edges[1]


def _steps(values: Tensor, frames: Tensor, tail: Tensor, head: Tensor) -> Tensor:
    r"""Steps along edges as one side's frames see them, `(e, m)`, in input units."""
    inverse = invert_frames(frames, sensitivity_cut(frames))
    steps = values.new_empty(len(tail), frames.shape[2])

    # In blocks that stay in the processor's cache: the frames of all edges are many times those of all samples.
    for edges in torch.arange(len(tail), device=values.device).split(
        max(1, CACHED_NUMBERS // inverse[0].numel())
    ):
        dy = values[head[edges]] - values[tail[edges]]
        mean = inverse[tail[edges]] + inverse[head[edges]]
        steps[edges] = (mean @ dy[:, :, None])[:, :, 0] / 2

    return steps
