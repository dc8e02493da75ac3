r"""Which random networks cross themselves: the truth that the embedding test is held against.

A network phi crosses itself where phi(u) = phi(v) for two hidden inputs u and v far apart. Of many hidden inputs
pairs near in phi but far in the inputs are found, and Newton's method moves them until they meet or do not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["crosses"]

NEIGHBORS = 24
CANDIDATES = 3000
# Twenty Gauss-Newton steps of two sheets that meet leave rounding.
MEET = 1e-9


def crosses(
    network: Callable[[Tensor], tuple[Tensor, Tensor]], inputs: Tensor, periods: Tensor, holds: Callable
) -> bool:
    r"""Whether two inputs far apart have the same image.

    Arguments:
        network: Inputs `(n, m)` to values `(n, d)` and Jacobians `(n, d, m)`.
        inputs: Many of them, `(n, m)`.
        periods: Lengths of the periods along the axes, 0 where an axis is not periodic, `(m,)`.
        holds: Inputs `(n, m)` to whether they belong to the input space, `(n,)` bool.
    """
    from scipy.spatial import cKDTree

    n, m = inputs.shape
    values, jacobian = network(inputs)
    nearest = torch.from_numpy(cKDTree(values.numpy()).query(values.numpy(), NEIGHBORS + 1)[1][:, 1:])
    # The distance at which a sample has a handful of neighbours among the inputs.
    extent = inputs.amax(dim=0) - inputs.amin(dim=0)
    spacing = 2 * (extent.prod() / n) ** (1 / m)
    inverse = torch.linalg.pinv(jacobian)
    pairs = []

    for column in nearest.T:
        seen = torch.einsum("nmd,nd->nm", inverse, values[column] - values).norm(dim=1)
        apart = _wrapped(inputs[column] - inputs, periods).norm(dim=1)
        far = (apart > 3 * (seen + spacing)).nonzero()[:, 0]
        pairs.append(torch.stack([far, column[far]], dim=1))

    found = torch.cat(pairs)

    if len(found) == 0:
        return False

    found = found[torch.randperm(len(found), generator=torch.Generator().manual_seed(0))[:CANDIDATES]]
    u, v = inputs[found[:, 0]], inputs[found[:, 1]]

    for _ in range(20):
        (at_u, slope_u), (at_v, slope_v) = network(u), network(v)
        both = torch.cat([slope_u, -slope_v], dim=2)  # (c, d, 2m)
        step = (torch.linalg.pinv(both, rtol=1e-8) @ (at_v - at_u)[:, :, None])[:, :, 0]
        step = step * (10 * spacing / step.norm(dim=1, keepdim=True).clamp_min(1e-300)).clamp_max(1.0)
        u, v = u + step[:, :m], v + step[:, m:]

    gap = (network(u)[0] - network(v)[0]).norm(dim=1) / (values - values.mean(dim=0)).norm(dim=1).mean()
    apart = _wrapped(u - v, periods).norm(dim=1) > 3 * spacing

    return bool(((gap < MEET) & apart & holds(u) & holds(v)).any())


def _wrapped(difference: Tensor, periods: Tensor) -> Tensor:
    length = torch.where(periods > 0, periods, torch.inf)

    return difference - (difference / length).round().nan_to_num() * periods
