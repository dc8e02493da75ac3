r"""Two networks' samples at the same inputs, as one direction of their comparison sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from equiv.observe.draws import DistinctSamples, Draws, distinct_samples
from equiv.observe.memory import check_memory, held_bytes, regression_bytes
from equiv.observe.observations import Observations
from equiv.paired.measures import measures_bytes
from equiv.regression.kernel_search import EFFORTS
from equiv.regression.pair_data import along

__all__ = ["Pairs", "check_pairs", "distinct_pairs"]

# What a comparison of which the maps are kept holds beside a next one.
# [bytes a number; measured: 50 at 100 samples of 20,000 neurons together]
KEPT_BYTES = 48


@dataclass(frozen=True)
class Pairs:
    r"""Samples of a source and of a target at the same inputs.

    Attributes:
        source: Observations of the network that a map starts from, n samples.
        target: Those of the network that it leads to.
        frames: Frames of both along the same directions, `(n, d_s, m)` and `(n, d_t, m)`; None where there are none.
        coordinates: Coordinates `(n, m)` of both, integrated from the frames; None for a side that has none.
        local: A few other samples of both with frames along the same directions, where the others have none.
        draws: Which samples are one independent draw.
    """

    source: Observations
    target: Observations
    frames: tuple[Tensor, Tensor] | None = None
    coordinates: tuple[Tensor | None, Tensor | None] = (None, None)
    local: tuple[Observations, Observations] | None = None
    draws: Draws | None = None

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def distinct(self) -> bool:
        r"""Whether no pair occurs twice."""
        return distinct_pairs(self.source, self.target).all

    @property
    def common(self) -> bool:
        r"""Whether the frames of both are along the same directions by where they come from."""
        return self.source.oriented and self.target.oriented

    @property
    def taken(self) -> Tensor | None:
        r"""Directions that the inputs take, `(m, k)`, where the frames of both are along all entries of an input."""
        observed = (self.source, self.target) if self.local is None else self.local

        return observed[0].taken if observed[1].taken is not None else None

    @cached_property
    def along(self) -> tuple[Tensor, Tensor] | None:
        r"""Frames of both along the directions that the inputs take, where these are known."""
        if self.frames is None or self.taken is None:
            return self.frames

        return along(self.taken, *self.frames)

    @property
    def derivatives(self) -> tuple[Tensor, Tensor] | None:
        r"""What a regression learns from beside values, `(n, d, r)` each: frames, or slopes along a few directions."""
        if self.frames is None and self.source.slopes is not None and self.target.slopes is not None:
            return self.source.slopes, self.target.slopes

        return self.frames

    @property
    def reversed(self) -> Pairs:
        r"""The same pairs, seen from the target."""
        return Pairs(
            self.target,
            self.source,
            None if self.frames is None else self.frames[::-1],
            self.coordinates[::-1],
            None if self.local is None else self.local[::-1],
            self.draws,
        )


def distinct_pairs(a: Observations, b: Observations) -> DistinctSamples:
    r"""The pairs of samples without copies: of those with equal values on both sides one each."""
    return distinct_samples(torch.cat([a.values.double(), b.values.double()], dim=1))


def check_pairs(argument: str, observed: Sequence[Observations], to_keep: int = 0, kept: int = 0) -> None:
    r"""Refuses networks seen at the same inputs where to compare the two widest would take more than memory may.

    A thorough map is counted where it is tried: what does not fit then is left out.

    Arguments:
        argument: The arguments that hold them, in quotes, for the error.
        observed: Observations of each, at least one, equally many samples.
        to_keep: Comparisons that will be kept beside, with their maps.
        kept: Those that are.

    Raises:
        Unaffordable: If it would.
    """
    n, device = len(observed[0]), observed[0].device
    neurons = sum(sorted(obs.values.shape[1] for obs in observed)[-2:])
    directions = max(0 if obs.frames is None else obs.frames.shape[2] for obs in observed)
    regression = regression_bytes(n, neurons, EFFORTS[0].equations(n, directions), directions)
    measured = held_bytes(n, neurons, directions) + measures_bytes(n)
    comparison = KEPT_BYTES * n * neurons
    check_memory(
        max(regression, measured) + comparison * to_keep,
        argument,
        f"comparisons at {n} samples of {neurons} neurons together with {directions} directions each",
        "take fewer samples or neurons, or leave the frames out",
        device,
        comparison * kept,
    )
