r"""Which samples are one independent draw, so that they are left out, counted and resampled together.

Errors of held-out samples say what errors on fresh inputs will be only where the held-out unit is what fresh inputs
come in: a recording, a picture with its augmentations, a text with its tokens.

Equal samples are one for all that is geometry: a row that occurs twice adds no neighbour, no point of a support and no
eigenfunction, however often it was probed. What is a measure counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from equiv.observe.observations import Observations

__all__ = ["DistinctSamples", "Draws", "distinct_samples", "rows_of"]


# Metrics of two samples with equal values that differ by less are the same, and the samples copies.
# [squares of the metric; chosen: next to rounding]
EQUAL_METRICS = 1e-12

# Numbers of which keys are made at once.
# [numbers; chosen: they stay in the processor's cache, decides speed and memory alone]
NUMBERS_AT_ONCE = 2**18


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

    @cached_property
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

    @cached_property
    def left_out_alike(self) -> list[tuple[Tensor, Tensor]]:
        r"""`left_out`, draws of as many samples stacked: `(g, l)` and `(g, j)`."""
        stacks: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}

        for out, judged in self.left_out():
            stacks.setdefault((len(out), len(judged)), []).append((out, judged))

        return [
            (torch.stack([out for out, _ in parts]), torch.stack([judged for _, judged in parts]))
            for parts in stacks.values()
        ]

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


@dataclass(frozen=True)
class DistinctSamples:
    r"""Samples without their copies.

    Attributes:
        first: The first of each set of equal samples, ascending, as indices `(l,)`.
        place: Each sample's place among these, `(n,)`, int64.
        counts: How often each occurs, `(l,)`, int64.
    """

    first: Tensor
    place: Tensor
    counts: Tensor

    @property
    def all(self) -> bool:
        r"""Whether no sample is a copy of another."""
        return len(self.first) == len(self.place)

    def of(self, observations: Observations) -> Observations:
        r"""The distinct ones of the observations that these were found in: the very same where all are."""
        return observations if self.all else observations.subset(self.first)

    def total(self, numbers: Tensor) -> Tensor:
        r"""Sums `(l,)` over copies of a number for each sample, `(n,)`."""
        return numbers.new_zeros(len(self.first)).index_add_(0, self.place, numbers)


def distinct_samples(values: Tensor, frames: Tensor | None = None) -> DistinctSamples:
    r"""Finds the copies: equal values, and the same :math:`J J^\top` where there are frames.

    Arguments:
        values: Activations, of all networks side by side, `(n, d)`.
        frames: Frames, `(n, d, m)`; None: values alone are compared.
    """
    n, device = len(values), values.device
    keys = _keys(values)
    order = keys.argsort(stable=True)
    copied = torch.zeros(
        n, dtype=torch.bool, device=device
    )  # whether a sample, in this order, repeats the one before
    same = (keys[order[1:]] == keys[order[:-1]]).nonzero()[:, 0]

    if frames is not None and len(same):
        # Within equal values, by a number that equal metrics share: copies are then next to each other.
        sizes = values.new_zeros(n, dtype=torch.float64)
        repeated = order[torch.cat([same, same + 1]).unique()]
        sizes[repeated] = _metric_key(frames[repeated])
        order = sizes.argsort(stable=True)
        order = order[keys[order].argsort(stable=True)]
        same = (keys[order[1:]] == keys[order[:-1]]).nonzero()[:, 0]

    one, other = order[same + 1], order[same]
    equal = (values[one] == values[other]).all(dim=1)

    if frames is not None:
        equal &= _equal_metrics(frames[one], frames[other])

    copied[same + 1] = equal
    labels = torch.empty_like(order)
    labels[order] = (~copied).cumsum(dim=0) - 1
    counts = labels.bincount()
    first = torch.full_like(counts, n).scatter_reduce_(0, labels, torch.arange(n, device=device), "amin")
    rank = first.argsort()

    return DistinctSamples(first[rank], rank.argsort()[labels], counts[rank])


def _keys(values: Tensor) -> Tensor:
    r"""A number for each row that equal rows share, exactly, and others hardly ever, `(n,)`, int64."""
    generator = torch.Generator().manual_seed(0)
    factors = torch.randint(-(2**62), 2**62, (values.shape[1],), generator=generator).to(values.device)
    factors = 2 * factors + 1
    keys = []

    for few in values.split(max(1, NUMBERS_AT_ONCE // max(values.shape[1], 1))):
        bits = (few.double() + 0.0).contiguous().view(torch.int64)  # of -0.0 those of 0.0
        # Products of integers wrap around, and the low digits of short numbers are all zero.
        keys.append(((bits ^ (bits >> 32)) * factors).sum(dim=1))

    return torch.cat(keys)


def _metric_key(frames: Tensor) -> Tensor:
    r""":math:`|J^\top v|^2` for one vector v, `(n,)`."""
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(frames.shape[1], generator=generator, dtype=torch.float64).to(frames.device)

    return torch.einsum("d,ndm->nm", vector, frames.double()).square().sum(dim=1)


def _equal_metrics(frames: Tensor, others: Tensor) -> Tensor:
    r"""Which of two samples' :math:`C = J J^\top` are the same, `(n,)`, without forming either."""
    one, other = frames.double(), others.double()
    own, theirs = (one.mT @ one).square().sum(dim=(1, 2)), (other.mT @ other).square().sum(dim=(1, 2))
    apart = own + theirs - 2 * (one.mT @ other).square().sum(dim=(1, 2))  # |C - C'|^2

    return apart <= EQUAL_METRICS * (own + theirs)
