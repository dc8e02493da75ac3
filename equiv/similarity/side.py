r"""What the usual measures of similarity need of one network's samples, each part reckoned once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite

__all__ = ["MIN_SPREAD", "ROUNDING", "Side", "centred_pair", "debiased_gram", "evenly"]

# Neurons whose deviations are below this share of their size do not vary.
# [share of the size; chosen: a hundred times the rounding of float64]
MIN_SPREAD = 1e-14

# Principal components with smaller scales are rounding.
# [share of the largest scale; chosen: between the rounding of float64 and of float32]
MIN_SCALE = 1e-10

# Distances that differ by less are equal, and a share of the variance that is missed by less is held.
# [share of the mean square distance, of the variance; chosen: a thousand times the rounding of float64]
ROUNDING = 1e-12


def evenly(n: int, count: int, device: torch.device) -> Tensor:
    r"""Rows of n, at most so many, evenly spread."""
    count = min(count, n)

    return torch.arange(count, device=device) * n // max(count, 1)


def debiased_gram(values: Tensor) -> Tensor:
    r"""The Gram matrix of centred activations `(n, d)` without its diagonal, whose rows then sum to 0, `(n, n)`.

    References:
        | Do wide and deep networks learn the same things?, section 2 (Nguyen et al., 2021)
        | https://arxiv.org/abs/2010.15327
    """
    n = len(values)
    gram = (values @ values.mT).fill_diagonal_(0.0)
    rows = gram.sum(dim=1) / (n - 2)
    gram += rows.sum() / (n - 1) - rows - rows[:, None]

    return gram.fill_diagonal_(0.0)


class Side:
    r"""Samples of one network, centred, and what measures are made of.

    Arguments:
        values: Centred, `(n, d)`, float64; neurons that do not vary are exactly 0.
        given: As they were given, `(n, d)`.
    """

    def __init__(self, values: Tensor, given: Tensor) -> None:
        self.values = values
        self.given = given
        self._kernels: dict[float, Tensor] = {}
        self._neighbours: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def _components(self) -> tuple[Tensor, Tensor]:
        basis, scale, _ = torch.linalg.svd(self.values, full_matrices=False)
        kept = min(_leading(scale, 1.0), int((scale > MIN_SCALE * scale[0]).sum()))

        return basis[:, :kept], scale[:kept]

    @property
    def basis(self) -> Tensor:
        r"""Orthonormal principal components that hold the variance but for rounding, `(n, r)`."""
        return self._components[0]

    @cached_property
    def squared(self) -> Tensor:
        r"""Squared lengths of the samples, `(n,)`."""
        return self.values.norm(dim=1).square()

    @cached_property
    def shares(self) -> Tensor:
        r"""Their scales, `(r,)`, over the root of the sum of all squares."""
        return self._components[1] / self.values.norm()

    @cached_property
    def loadings(self) -> Tensor:
        r"""The components' products with the neurons, `(r, d)`."""
        return self.basis.mT @ self.values

    def leading(self, variance: float) -> int:
        r"""How many components hold this share of the variance."""
        return min(_leading(self.shares, variance), len(self.shares))

    @cached_property
    def _squared_distances(self) -> Tensor:
        r"""Squared distances between samples, `(n, n)`, exactly 0 between equal ones."""
        squared = torch.cdist(self.values, self.values).square()

        return torch.where(squared > ROUNDING * squared.mean(), squared, 0.0)

    def kernel(self, width: float) -> Tensor:
        r"""The centred Gaussian kernel of `equiv.baselines.rbf_cka`, `(n, n)`."""
        if width not in self._kernels:
            squared = self._squared_distances
            apart = squared[*torch.triu_indices(len(self), len(self), 1)]
            median = apart[apart > 0].median()  # equal samples tell of no scale
            k = torch.exp(-squared / (2 * width**2 * median))
            self._kernels[width] = k - k.mean(dim=0) - k.mean(dim=1)[:, None] + k.mean()

        return self._kernels[width]

    def neighbours(self, k: int) -> Tensor:
        r"""1 for the k nearest of each sample, shared evenly by those that are equally far as the last, `(n, n)`."""
        if k not in self._neighbours:
            same = ROUNDING * self._squared_distances.mean()
            distance = self._squared_distances.clone().fill_diagonal_(torch.inf)
            last = distance.topk(k, dim=1, largest=False).values[:, -1:]
            nearer = distance < last - same
            tied = (distance <= last + same) & ~nearer
            share = (k - nearer.sum(dim=1, keepdim=True)) / tied.sum(dim=1, keepdim=True)
            self._neighbours[k] = nearer.double() + tied * share

        return self._neighbours[k]

    @cached_property
    def ranks(self) -> Tensor:
        r"""The ranks of `equiv.baselines.rsa`, `(n (n - 1) / 2,)`, as pairs stand in `torch.triu_indices`."""
        i, j = torch.triu_indices(len(self), len(self), 1)
        seen = self.given[:, (self.values != 0).any(dim=0)].double()
        seen /= seen.abs().max()

        if seen.shape[1] == 1:
            distance = (seen[i] - seen[j]).abs()[:, 0]
        else:
            centred = seen - seen.mean(dim=1, keepdim=True)
            length = centred.norm(dim=1, keepdim=True)
            # A sample at which all neurons are equal correlates with none.
            centred[length[:, 0] <= MIN_SPREAD * seen.norm(dim=1)] = 0.0
            unit = centred / length.clamp(min=1e-300)
            distance = 1 - (unit @ unit.mT)[i, j]

        return _ranks((distance / ROUNDING).round())


def centred_pair(a: Any, b: Any) -> tuple[Side, Side]:
    r"""Both, centred, float64, at most 1 in size; neurons that do not vary are exactly 0, however large they were."""
    if isinstance(a, Side) and isinstance(b, Side):
        return a, b  # what was reckoned of them serves the next measure

    a, b = _checked(a, "a"), _checked(b, "b")

    if len(a) != len(b) or len(a) < 3:
        raise ValueError(
            f"'a' and 'b' should hold the same 3 or more samples, got {len(a)} and {len(b)}; "
            "observe both networks at the same inputs."
        )

    sides = []

    for values, name in ((a, "a"), (b, "b")):
        size = values.abs().amax(dim=0).double().clamp_min(1e-300)
        deviation = values / size
        deviation -= deviation.mean(dim=0)
        varying = deviation.abs().amax(dim=0) > MIN_SPREAD

        if not varying.any():
            raise ValueError(f"'{name}' should vary from sample to sample, got equal rows; probe others.")

        size = torch.where(varying, size, 0.0)
        deviation *= size / size.max()
        sides.append(Side(deviation, values))

    return sides[0], sides[1]


def _checked(values: Any, name: str) -> Tensor:
    values = as_floating(values, name, "(n, d)", 2)
    check_finite(values, name)

    return values.detach()


def _leading(scale: Tensor, variance: float) -> int:
    held = scale.square().cumsum(dim=0) / scale.square().sum()

    return int((held < variance * (1 - ROUNDING)).sum()) + 1


def _ranks(values: Tensor) -> Tensor:
    r"""Ranks, ties sharing their mean."""
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(dim=0).double()

    return (last - 0.5 * (counts - 1))[inverse]
