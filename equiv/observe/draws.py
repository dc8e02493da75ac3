r"""Which samples are one independent draw, so that they are left out, counted and resampled together.

Errors of held-out samples say what errors on fresh inputs will be only where the held-out unit is what fresh inputs
come in: a recording, a picture with its augmentations, a text with its tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Draws", "rows_of"]


@dataclass(frozen=True)
class Draws:
    r"""The independent draws that samples come from.

    Attributes:
        units: The draw of each sample, `(n,)`, int64; along a path consecutive numbers are consecutive stretches.
        reach: How many units on either side of one are left out with it: 0, or 1 along a path, whose stretches touch.
        said: What is known of them, and how, in words.
    """

    units: Tensor
    reach: int = 0
    said: str = "each sample is a draw of its own"

    @staticmethod
    def single(n: int, device: torch.device | None = None) -> Draws:
        r"""Samples that are a draw each."""
        return Draws(torch.arange(n, device=device))

    def __len__(self) -> int:
        return len(self.units)

    @property
    def count(self) -> int:
        r"""Number of draws: the effective number of samples."""
        return len(self.units.unique())

    @property
    def independent(self) -> bool:
        r"""Whether each sample is a draw of its own."""
        return self.reach == 0 and self.count == len(self.units)

    def subset(self, index: Tensor) -> Draws:
        r"""Those of some samples."""
        return replace(self, units=self.units[index])

    def order(self, generator: torch.Generator) -> Tensor:
        r"""Samples in random order, of which any first ones hold as many draws as can be, `(n,)`."""
        order = torch.randperm(len(self.units), generator=generator).to(self.units.device)

        if self.independent:
            return order

        turn = torch.empty_like(order)

        for rows in rows_of(self.units[order]):
            turn[rows] = torch.arange(len(rows), device=order.device)

        return order[turn.argsort(stable=True)]

    def half(self) -> Tensor:
        r"""The samples of the first half of the draws, in the order in which they first come, as indices."""
        units, first = self._first()
        some = units[first.argsort()][: len(units) // 2]

        return torch.isin(self.units, some).nonzero()[:, 0]

    def firsts(self) -> Tensor:
        r"""The first sample of each draw, in the order of the samples, as indices `(count,)`."""
        return self._first()[1].sort().values

    def _first(self) -> tuple[Tensor, Tensor]:
        units, place = self.units.unique(return_inverse=True)
        first = torch.full_like(units, len(place))
        first.scatter_reduce_(0, place, torch.arange(len(place), device=place.device), "amin")

        return units, first

    def left_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        r"""For each draw the samples that are left out, and which of these are judged, as indices of the first."""
        places = self.units.unique(return_inverse=True)[1] if self.reach == 0 else self.units

        for rows in rows_of(places):
            if self.reach == 0:
                yield rows, torch.arange(len(rows), device=rows.device)
            else:
                unit = self.units[rows[0]]
                out = ((self.units - unit).abs() <= self.reach).nonzero()[:, 0]
                yield out, (self.units[out] == unit).nonzero()[:, 0]

    def totals(self, squared: Tensor) -> Tensor:
        r"""One number a draw whose mean is that over all samples, `(n, ...)` to `(count, ...)`, as `firsts` come."""
        if self.independent:
            return squared

        units, first = self._first()
        place = torch.searchsorted(units, self.units)
        sums = squared.new_zeros(len(units), *squared.shape[1:]).index_add_(0, place, squared)

        return sums[first.argsort()] * (len(units) / len(squared))


def rows_of(labels: Tensor) -> list[Tensor]:
    r"""For each label in ascending order the indices that have it, ascending."""
    order = labels.argsort(stable=True)
    counts = labels[order].unique_consecutive(return_counts=True)[1]

    return list(order.split(counts.tolist()))
