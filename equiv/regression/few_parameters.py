r"""Maps with no or few parameters: honest candidates whatever the number of neurons.

A bfloat16 copy of 1,000 neurons is told from 20 samples by the identity; no regression on 20 samples finds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred, mean_square, squared_lengths
from equiv.observe.draws import Draws
from equiv.regression.kernel_map import Fit
from equiv.transformation import Map, check_activations, outside, savable

__all__ = ["NeuronMap", "least_of_simple", "mean_fit", "simple_fits"]

# Parts of the draws of which each is left out once.
# [folds; chosen: with ten, maps of two parameters a neuron lose nothing that could be seen]
FOLDS = 10
# Bits that a chosen neuron has to show beyond those that its choice among all of them takes.
# [bits; derived: chance shows as many in one of 2^10 neurons]
SPARE_BITS = 10.0
# Rows of which the bits of a neuron's order are counted first.
# [samples; derived: without ties 64 rows have 296 bits]
ORDERED_ROWS = 64
# Correlations of neurons above so many multiplications take too long.
# [multiplications; chosen: some seconds of one core]
MAX_MATCHING_COST = 4e10
# Neurons whose deviations are held at once.
# [neurons; chosen: those of a hundred samples stay in the processor's cache, decides speed and memory alone]
NEURONS_AT_ONCE = 4096
# Relative errors below this are rounding.
# [share of the target's spread; derived: a thousand roundings of float64 at values of a million spreads]
NEURONWISE_ROUNDING = 1e-9


@savable
class NeuronMap(Map):
    r"""Each neuron of the target from one of the source: :math:`T(y)_l = o_l + w_l\, y_{s(l)}`.

    Arguments:
        chosen: s, the neuron of the source for each of the target, `(d_b,)`, int64.
        weight: w, `(d_b,)`.
        offset: o, `(d_b,)`.
        low: Smallest activations of the source that were seen, `(d_a,)`.
        high: Largest, likewise.
    """

    chosen: Tensor
    weight: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, chosen: Tensor, weight: Tensor, offset: Tensor, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.register_tensors(chosen=chosen, weight=weight, offset=offset, low=low, high=high)

    def forward(self, values: Tensor) -> Tensor:
        r"""Activations `(q, d_a)` to activations `(q, d_b)`, in the dtype given.

        Raises:
            TypeError: If `values` is no floating tensor.
            ValueError: If it has another shape.
        """
        check_activations(values, len(self.low))

        return (self.offset + self.weight * values[:, self.chosen].double()).to(values.dtype)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where some neuron lies outside the range that was seen by half of that range or more, `(q,)`, bool."""
        margin = 0.5 * (self.high - self.low)
        low, high = self.low - margin, self.high + margin

        return outside(values, len(self.low), lambda seen: ~((seen >= low) & (seen <= high)).all(dim=1))

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors: nothing."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> NeuronMap:
        r"""The inverse of `config` and `state_dict`."""
        return cls(**tensors)


@dataclass(frozen=True, eq=False)
class Shown:
    r"""Samples by which a rule chooses.

    Attributes:
        source: All activations of the source, `(n, d_a)`.
        target: All of the target, `(n, d_b)`.
        rows: Which of the samples are shown, `(k,)`.
    """

    source: Tensor
    target: Tensor
    rows: Tensor

    @cached_property
    def means(self) -> tuple[Tensor, Tensor]:
        r"""Means of both, `(d_a,)` and `(d_b,)`."""
        return self.source[self.rows].mean(dim=0), self.target[self.rows].mean(dim=0)

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        r"""Sums of products of deviations, and of squares of the source's, of each neuron, `(d,)` each."""
        products, squares = [], []

        for few, others in zip(
            self.source.split(NEURONS_AT_ONCE, 1), self.target.split(NEURONS_AT_ONCE, 1), strict=True
        ):
            a, b = centred(few[self.rows]), centred(others[self.rows])
            products.append((a * b).sum(dim=0))
            squares.append(a.square().sum(dim=0))

        return torch.cat(products), torch.cat(squares)


# From samples that are shown to s, w and o.
Rule = Callable[[Shown], tuple[Tensor, Tensor, Tensor]]


def _identity(shown: Shown) -> tuple[Tensor, Tensor, Tensor]:
    target = shown.target

    return _every(shown), target.new_ones(target.shape[1]), target.new_zeros(target.shape[1])


def _one_scale(shown: Shown) -> tuple[Tensor, Tensor, Tensor]:
    (products, squares), (source, target) = shown.moments, shown.means
    scale = products.sum() / squares.sum().clamp_min(1e-300)

    return _every(shown), scale.expand(len(target)), target - scale * source


def _each_scale(shown: Shown) -> tuple[Tensor, Tensor, Tensor]:
    (products, squares), (source, target) = shown.moments, shown.means
    scale = products / squares.clamp_min(1e-300)

    return _every(shown), scale, target - scale * source


def _every(shown: Shown) -> Tensor:
    return torch.arange(shown.target.shape[1], device=shown.target.device)


def _matched(shown: Shown) -> tuple[Tensor, Tensor, Tensor]:
    r"""Each target neuron from the source neuron that it correlates best with, if by more than chance.

    A correlation of r in n samples is :math:`-\tfrac{n - 2}{2} \log_2 (1 - r^2)` bits of evidence, and no more than
    the :math:`\log_2` of the number of orders of the target's values; that the neuron was chosen among d_a takes
    :math:`\log_2 d_a` of them.
    """
    source, target = shown.source[shown.rows], shown.target[shown.rows]
    (a, length), (b, size) = _unit_columns(source), _unit_columns(target)
    correlation = a.T @ b
    best, chosen = correlation.abs().max(dim=0)
    bits = -(len(source) - 2) / 2 * torch.log2((1 - best.square()).clamp_min(1e-300))
    needed = math.log2(max(source.shape[1], 1)) + SPARE_BITS
    seen = torch.zeros_like(best, dtype=torch.bool)
    told = bits > needed

    # Further rows only add to the bits of an order: few of them mostly show enough, where sorting all would take long.
    for rows in (target[:ORDERED_ROWS], target):
        short = (told & ~seen).nonzero()[:, 0]
        seen[short] = _bits_of_orders(rows[:, short]) > needed

    told &= seen
    slope = correlation.gather(0, chosen[None])[0] * size / length[chosen].clamp_min(1e-300)
    weight = torch.where(told, slope, 0.0)

    return chosen, weight, target.mean(dim=0) - weight * source.mean(dim=0)[chosen]


def _unit_columns(values: Tensor) -> tuple[Tensor, Tensor]:
    r"""Centred neurons of length 1, or of 0 where they never change, and their lengths before."""
    deviation = centred(values)
    length = deviation.norm(dim=0)

    return torch.where(length > 0, deviation / length.clamp_min(1e-300), 0.0), length


def _admits_matching(source: Tensor, target: Tensor) -> bool:
    return len(source) * source.shape[1] * target.shape[1] * (FOLDS + 1) <= MAX_MATCHING_COST


def _bits_of_orders(values: Tensor) -> Tensor:
    r""":math:`\log_2 (n! / \prod_v c_v!)` for each neuron, `(d,)`, :math:`c_v` how often it takes the value v."""
    ordered = values.sort(dim=0).values
    fresh = torch.cat([torch.ones_like(ordered[:1], dtype=torch.bool), ordered[1:] != ordered[:-1]])
    counts = torch.zeros_like(ordered).scatter_add_(
        0, fresh.long().cumsum(dim=0) - 1, torch.ones_like(ordered)
    )

    return (math.lgamma(len(values) + 1) - torch.lgamma(counts + 1).sum(dim=0)) / math.log(2)


def simple_fits(source: Tensor, target: Tensor, draws: Draws, generator: torch.Generator) -> Iterator[Fit]:
    r"""Identity, one scale, a scale for each neuron, and matched neurons with scales, as far as the widths admit.

    Everything that a rule chooses, neurons included, it chooses in each fold without the samples that judge it.

    Arguments:
        source: A's activations, `(n, d_a)`, float64.
        target: B's, `(n, d_b)`.
        draws: Which samples are one independent draw.
        generator: Draws the folds.
    """
    rules: dict[str, Rule] = {}

    if source.shape[1] == target.shape[1]:
        rules = {"identity": _identity, "one scale": _one_scale, "a scale for each neuron": _each_scale}

    if _admits_matching(source, target):
        rules["a neuron for each neuron"] = _matched

    split = _split(source, target, draws, generator)

    for name, rule in rules.items():
        yield _fit(rule, split, draws, name)


def least_of_simple(source: Tensor, target: Tensor) -> float:
    r"""Mean squared error, over the target's spread, that none of the maps of `simple_fits` falls below; inf: none is.

    Each neuron of the target is told by one of the source: no better, at these samples, than by that which it
    correlates best with.
    """
    (a, _), (b, size) = _unit_columns(source), _unit_columns(target)

    if _admits_matching(source, target):
        best = (a.T @ b).abs().amax(dim=0)
    elif a.shape == b.shape:
        best = (a * b).sum(dim=0).abs()
    else:
        return math.inf

    return ((1 - best.square()).clamp_min(0) @ size.square() / size.square().sum()).item()


def mean_fit(source: Tensor, target: Tensor, draws: Draws, generator: torch.Generator) -> Fit:
    r"""The target's mean, whatever the source says; arguments as of `simple_fits`."""
    split = _split(source, target, draws, generator)

    return _fit(_mean, split, draws, "the target's mean, of a constant source")


def _mean(shown: Shown) -> tuple[Tensor, Tensor, Tensor]:
    every, target = _every(shown), shown.means[1]

    return torch.zeros_like(every), torch.zeros_like(target), target


class Split(NamedTuple):
    r"""Samples that are shown, and those that are judged for it."""

    every: Shown
    folds: list[tuple[Shown, Tensor]]  # each with the samples that are judged, once in all
    half: tuple[Shown, Tensor]


def _split(source: Tensor, target: Tensor, draws: Draws, generator: torch.Generator) -> Split:
    n, half = len(source), draws.half()
    rest = torch.ones(n, dtype=torch.bool, device=source.device)
    rest[half] = False
    folds = [(Shown(source, target, kept), judged) for kept, judged in _folds(draws, generator)]
    every = Shown(source, target, torch.arange(n, device=source.device))

    return Split(every, folds, (Shown(source, target, half), rest.nonzero()[:, 0]))


def _fit(rule: Rule, split: Split, draws: Draws, name: str) -> Fit:
    source, target = split.every.source, split.every.target
    spread = mean_square(centred(target)).sqrt()
    spread = torch.where(spread > 0, spread, torch.nan)  # of a constant target there is nothing to measure
    errors = torch.empty_like(target)

    for shown, judged in split.folds:
        errors.index_copy_(0, judged, _missed(shown, judged, rule))

    return Fit(
        NeuronMap(*rule(split.every), source.amin(dim=0), source.amax(dim=0)),
        squared_lengths(errors) / spread.square(),
        squared_lengths(_missed(*split.half, rule)) / spread.square(),
        name,
        NEURONWISE_ROUNDING,
        errors,
        draws=draws,
    )


def _missed(shown: Shown, judged: Tensor, rule: Rule) -> Tensor:
    r"""The target less its image at samples that are judged, `(j, d)`."""
    chosen, weight, offset = rule(shown)
    image = shown.source[judged][:, chosen].mul_(weight)

    return shown.target[judged].sub_(offset).sub_(image)


def _folds(draws: Draws, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    r"""Samples that are kept and those that are judged, each draw judged once; with a draw its neighbours are out."""
    units, place = draws.units.unique(return_inverse=True)
    count = min(FOLDS, len(units))

    if draws.reach:  # stretches of a path that follow each other are left out together
        fold = torch.arange(len(units)) * count // len(units)
    else:
        fold = torch.randperm(len(units), generator=generator) % count

    fold = fold.to(place.device)

    for index in range(count):
        judged = fold[place] == index
        out = judged

        if draws.reach:
            ends = units[fold == index]
            out = (draws.units >= ends.min() - draws.reach) & (draws.units <= ends.max() + draws.reach)

        yield (~out).nonzero()[:, 0], judged.nonzero()[:, 0]
