r"""A layer as what others are mapped to: few columns that stand for all of its neurons."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred
from equiv.shared_part.choice import principal

__all__ = ["Target", "as_target"]

# Leading principal components of a target are columns of their own, at most so many;
# [components; chosen: they hold nearly all of the variance of a layer, and cost as much as all others]
LEADING = 32

# what they leave is told by so many random sums.
# [columns; chosen: the mean square of the rest is then known to a third of its own]
SKETCHED = 16

# Kernels are searched by so many random sums of the whole target.
# [columns; chosen: a mean square is then known to a third, and many targets choose together]
SEARCHED = 12


@dataclass(frozen=True, eq=False)
class Target:
    r"""Columns whose squared errors add up to those of the layer, over its mean square spread, on average.

    Attributes:
        columns: Centred, `(n, c)`, of unit mean square together.
        few: Fewer of them, for the search, `(n, s)`.
    """

    columns: Tensor
    few: Tensor


def as_target(values: Tensor, generator: torch.Generator) -> Target:
    r"""A layer's activations, `(n, d)`, as a target: exact up to 48 neurons, else with random sums of what is left."""
    deviation = centred(values.double())
    spread = deviation.square().sum(dim=1).mean().sqrt()
    # Of a layer that never changes there is nothing to measure.
    deviation = deviation / torch.where(spread > 0, spread, torch.nan)

    if not deviation.isfinite().all():
        return Target(deviation[:, :1], deviation[:, :1])

    if min(deviation.shape) <= LEADING + SKETCHED:
        columns = (
            deviation if deviation.shape[1] <= LEADING + SKETCHED else deviation @ principal(deviation)[0]
        )
    else:
        axes = principal(deviation)[0][:, :LEADING]
        leading = deviation @ axes
        columns = torch.cat([leading, _sums(deviation - leading @ axes.T, SKETCHED, generator)], dim=1)

    return Target(columns, columns if columns.shape[1] <= SEARCHED else _sums(columns, SEARCHED, generator))


def _sums(values: Tensor, count: int, generator: torch.Generator) -> Tensor:
    r"""Random sums of columns whose squares add up to those of all, on average, `(n, count)`."""
    turn = torch.randn(values.shape[1], count, generator=generator, dtype=torch.float64) / count**0.5

    return values @ turn.to(values.device)
