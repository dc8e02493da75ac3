r"""What is read off images whose partners nobody knows, in worlds that the error of the map admits.

An error says how far images are from their partners, not in which direction, and a read-out may be blind to one and
sharp in another. So maps are made up that are as far off as T is estimated to be: along the target's manifold by smooth
displacements drawn at random, off it by multiples of what its chart misses there, and by motions that fit as well.
Each is read off at samples of which the target's own answer is known; `benchmarks/readouts.py` holds it against truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.metric.dependence import given_draws
from equiv.observe.draws import Draws
from equiv.observe.observations import Observations
from equiv.shared_part.readout import Readout, judged_answers, read_off, relative_squares
from equiv.similarity.side import evenly
from equiv.verdict import Interval

__all__ = ["Answers", "Place", "answers_without_pairs", "read_rows"]

#: RMS error of what is read off, and the share of equal largest entries; None for none.
Answers = tuple[Interval | None, Interval | None]

# Displacements that are drawn at least.
# [draws; chosen: of so many the largest is exceeded by one in thirty]
WORLDS = 32

# Samples at which each is read off.
# [samples; chosen: shares are then known to two points, which the bounds say]
READ_SAMPLES = 500

# Bumps of a displacement beside its constant and its linear part.
# [Gaussians; chosen: errors of charts are long waves, with a rough place or two]
BUMPS = 3

# How wide these are.
# [RMS distance of coordinates from their middle; chosen: as rough as errors get]
BUMP_WIDTH = 0.5

# Images miss the target's manifold by at most so many times what its chart misses at the samples it was fitted to.
# [dimensionless; derived: the largest factor of `equiv.unpaired.errors` between charts' errors and those of maps]
LARGEST_MISS = 4.5

# Steps by which a displacement is made as large as an error says.
# [steps; chosen: the relation is nearly linear, and each squares what is left of that]
STEPS = 3

# An error above this bounds nothing that is read off.
# [share of the target's spread; derived: the mean is no farther from any sample]
BOUNDLESS = 1.0

# No two sets of answers of one distribution are farther apart, whatever their order.
# [share of the spread of what is read off; derived: as `LARGEST_AMBIGUITY`]
FARTHEST = 2.0


@dataclass(frozen=True, eq=False)
class Place:
    r"""Samples of a target, and where on its manifold a map sends their partners, if it is right.

    Attributes:
        target: Activations of the target, `(n, d)`, float64.
        coordinates: Coordinates of the images, `(n, k)`, on the CPU; displacements are smooth in them.
        directions: How many a displacement has, m.
        draws: Which samples are one independent draw.
        moved: Images displaced by `(n, m)`, in input units: `(n, d)`.
    """

    target: Tensor
    coordinates: Tensor
    directions: int
    draws: Draws
    moved: Callable[[Tensor], Tensor]


def read_rows(obs: Observations) -> tuple[Tensor, Draws]:
    r"""Samples at which something is read off, at most `READ_SAMPLES`, evenly spread, with their draws."""
    rows = evenly(len(obs), READ_SAMPLES, torch.device("cpu"))
    draws = Draws.single(len(rows), obs.device)

    return rows, draws if obs.groups is None else given_draws(obs.groups[rows.to(obs.groups.device)])


def answers_without_pairs(
    places: Sequence[Place],
    ambiguity: float,
    error: Interval,
    readout: Readout,
    dtype: torch.dtype,
    confidence: float,
    seed: int,
) -> Answers:
    r"""How far what is read off the images is from the target's own answers, and how often both say the same.

    The estimate is the mean over displacements of the estimated size and over the maps that fit as well as the returned
    one. The bounds are quantiles of the same at both ends of the error's bounds, with those of so many samples.

    Arguments:
        places: The map as returned, and where each of those that fit as well is right.
        ambiguity: How far these are apart: where it is more than 0 and they are not known, the bounds hold for any.
        error: Of the map, up to these, a share of the target's spread.
        readout: From activations `(b, d)` to what the rest of the target's network makes of them.
        dtype: The target's.
        confidence: Level of the bounds.
        seed: Seeds the displacements.
    """
    if not math.isfinite(error.estimate):
        return Interval(math.nan, math.nan, math.nan), None

    unknown = ambiguity > 0 and len(places) == 1
    own = [read_off(readout, place.target, dtype) for place in places]

    if unknown:  # any other sample may be the partner
        order = torch.randperm(len(own[0]), generator=torch.Generator().manual_seed(seed))
        places, own = [places[0], places[0]], [own[0], own[0][order.to(own[0].device)]]

    boundless = not error.high <= BOUNDLESS
    low, usual, high = (
        [
            _World(read_off(readout, image, dtype), own[index], places[index].draws)
            for image, index in _worlds(places, level, seed)
        ]
        for level in (error.low, error.estimate, error.estimate if boundless else error.high)
    )
    estimate = math.sqrt(sum(world.square for world in usual) / len(usual))
    tail = (1 - confidence) / 2
    least = judged_answers(*_at(low, tail, lambda world: world.square), confidence, seed)[0].low
    most = judged_answers(*_at(high, 1 - tail, lambda world: world.square), confidence, seed)[0].high
    most = math.inf if boundless else max(most, FARTHEST) if unknown else most
    wrong = Interval(estimate, min(least, estimate), max(most, estimate))

    if own[0].shape[1] == 1:
        return wrong, None

    share = sum(world.same for world in usual) / len(usual)
    best = judged_answers(*_at(low, 1 - tail, lambda world: world.same), confidence, seed)[1]
    worst = judged_answers(*_at(high, tail, lambda world: world.same), confidence, seed)[1]

    if best is None or worst is None:  # what is read off is not finite
        return wrong, None

    fewest = 0.0 if boundless or unknown else worst.low

    return wrong, Interval(share, min(fewest, share), max(best.high, share))


class _World(NamedTuple):
    r"""What is read off images, `(n, k)`, beside the target's own answers, and which samples are one draw."""

    said: Tensor
    own: Tensor
    draws: Draws

    @property
    def square(self) -> float:
        r"""Mean square of the difference over that of the answers from their mean."""
        return relative_squares(self.said, self.own).mean().item()

    @property
    def same(self) -> float:
        r"""Share of equal largest entries."""
        return (self.said.argmax(dim=1) == self.own.argmax(dim=1)).double().mean().item()


def _at(worlds: Sequence[_World], share: float, number: Callable[[_World], float]) -> _World:
    r"""The world at a quantile of some number, the nearest one outwards."""
    place = share * (len(worlds) - 1)

    return sorted(worlds, key=number)[math.ceil(place) if share > 0.5 else math.floor(place)]


def _worlds(places: Sequence[Place], level: float, seed: int) -> Iterator[tuple[Tensor, int]]:
    r"""Images `(n, d)` of maps that are off by a level, with the place whose target they are held against."""
    generator = torch.Generator().manual_seed(seed)
    held = [_held(place) for place in places]
    size = level * _rms(places[0].target - places[0].target.mean(dim=0))

    for world in range(max(WORLDS, len(places))):
        index = world % len(places)
        place, (still, missed, miss) = places[index], held[index]
        along = _displacement(place, generator)
        off = math.sqrt(torch.rand((), generator=generator).item()) * size
        # Where the map is right, all that its images miss is its error; where another one is, this comes in addition.
        times = min(off / miss, LARGEST_MISS) if index == 0 and miss > 0 else 1.0
        left = math.sqrt(max(size**2 - (times * miss) ** 2, 0.0)) if index == 0 else size
        yield place.target + times * missed + _as_large(place, still, along, left), index


def _held(place: Place) -> tuple[Tensor, Tensor, float]:
    r"""The images where nothing is displaced, what they miss of the target, and the RMS of that."""
    still = place.moved(torch.zeros(len(place.coordinates), place.directions, dtype=torch.float64))
    missed = still - place.target

    return still, missed, _rms(missed)


def _rms(rows: Tensor) -> float:
    r"""Root of the mean square length of rows `(n, d)`."""
    return rows.square().sum(dim=1).mean().sqrt().item()


def _as_large(place: Place, still: Tensor, along: Tensor, size: float) -> Tensor:
    r"""What images move by along a displacement that is scaled until the RMS of this is as wanted."""
    moved, scale = torch.zeros_like(still), 1e-3

    for _ in range(STEPS + 1):
        moved = place.moved(scale * along) - still
        length = _rms(moved)

        if not length > 0:
            break

        scale *= size / length

    return moved * (size / length if length > 0 else 0.0)


def _displacement(place: Place, generator: torch.Generator) -> Tensor:
    r"""A smooth field drawn at random, `(n, m)`: constant, linear and bumps, each of a random weight."""
    c = place.coordinates - place.coordinates.mean(dim=0)
    c = c / c.square().sum(dim=1).mean().sqrt().clamp_min(1e-300)
    centres = c[torch.randint(len(c), (BUMPS,), generator=generator)]
    bumps = torch.exp(-torch.cdist(c, centres).square() / (2 * BUMP_WIDTH**2))
    parts = (torch.ones(len(c), 1, dtype=torch.float64), c, bumps)
    weights = torch.randn(len(parts), generator=generator, dtype=torch.float64)

    return sum(
        (
            weight
            * (part @ torch.randn(part.shape[1], place.directions, generator=generator, dtype=torch.float64))
            for weight, part in zip(weights, parts, strict=True)
        ),
        start=torch.zeros(len(c), place.directions, dtype=torch.float64),
    )
