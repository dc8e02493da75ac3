r"""The sides of a comparison, observed: frames of all samples, or of few where there would be too many numbers.

Full Jacobians of wide layers by many inputs do not fit into memory, 2,000 samples of 512 neurons by 784 pixels take
6 GB, and at so many directions derivatives add little to a regression on values. What only frames can tell, whether B
moves in a direction that A does not see, they tell at a few samples as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from equiv.observe.arguments import checked_inputs
from equiv.observe.hooks import batch_of, input_tensors
from equiv.observe.observations import Observations
from equiv.observe.probe import probe, taken_directions

__all__ = ["Probing", "observe_alone", "observe_pairs"]


# Numbers that the frames of one network may hold in a paired comparison; with more, few samples have frames.
# [numbers; chosen: 32 MiB in float64, and with more derivatives for each sample a regression gains little by them]
FRAME_NUMBERS_PAIRED = 2**22

# Samples with frames, where not all have them, below which none has.
# [samples; chosen: fewer would say nothing of the others]
FEWEST_WITH_FRAMES = 4

# Samples with frames, where not all have them.
# [samples; chosen: enough to see directions that a network is blind to, and so little to hold]
LARGEST_WITH_FRAMES = 64

# Numbers that the frames may hold in an unpaired comparison, which cannot do without.
# [numbers; chosen: 1 GiB in float64]
FRAME_NUMBERS_UNPAIRED = 2**27


@dataclass(frozen=True)
class Probing:
    r"""A side of a comparison: a network with arguments of `equiv.probe`, or observations of one.

    Nothing is checked before it is observed.

    Attributes:
        network: The network, or observations of it: then the others are None, and `frames` its default.
        inputs: Its inputs, as in `equiv.probe`; likewise `layers` and `neurons`.
        frames: The argument `frames` of `equiv.probe`, or a dict of its arguments `frames`, `dimension`,
            `burst_std`, `batch_size`.
    """

    network: nn.Module | Observations
    inputs: Any = None
    layers: Sequence[str] | None = None
    neurons: Sequence[Any] | None = None
    frames: Any = "jacobian"

    @property
    def options(self) -> dict[str, Any]:
        r"""The frame arguments of `equiv.probe`."""
        return self.frames if isinstance(self.frames, dict) else {"frames": self.frames}

    @property
    def jacobian(self) -> bool:
        r"""Whether frames along all input entries are asked for."""
        frames = self.options.get("frames", "jacobian")

        return not isinstance(self.network, Observations) and isinstance(frames, str) and frames == "jacobian"

    @property
    def shape(self) -> tuple[int, int]:
        r"""Neurons and input entries of the Jacobian of one sample; zeros where none is asked for."""
        if not self.jacobian:
            return 0, 0

        entries = sum(
            t[0].numel() for t in input_tensors(checked_inputs(self.inputs)) if t.is_floating_point()
        )

        return self.subset(slice(0, 2)).observed(frames=None).values.shape[1], entries

    @property
    def entries(self) -> Tensor | None:
        r"""Floating entries of the inputs, `(n, m)`; None where there are none, and with observations."""
        if isinstance(self.network, Observations) or self.inputs is None:
            return None

        parts = [t.flatten(1) for t in input_tensors(checked_inputs(self.inputs)) if t.is_floating_point()]

        return torch.cat(parts, dim=1) if parts else None

    def subset(self, some: slice) -> Probing:
        r"""The network at some of its inputs."""
        return replace(self, inputs=batch_of(checked_inputs(self.inputs), some))

    def observed(self, **options: Any) -> Observations:
        r"""Observations, of a network with the frames that are asked for unless `options` say otherwise."""
        if isinstance(self.network, Observations):
            return self.network

        return probe(
            self.network, self.inputs, layers=self.layers, neurons=self.neurons, **self.options | options
        )


def observe_pairs(sides: Sequence[Probing]) -> tuple[list[Observations], list[Observations] | None]:
    r"""Observes all sides at the same inputs.

    Arguments:
        sides: Two or more, whose i-th samples show the same hidden state.

    Returns:
        The observations, with the frames that were asked for; and None, or, where the Jacobians of a network hold
        more than 2^22 numbers, observations of all sides without any frames, and the same of a few samples, spread
        over all, with frames (None again where even these are too many).
    """
    sizes = [math.prod(side.shape) for side in sides]
    n = max((_samples(side) for side in sides if side.jacobian), default=0)

    if n * max(sizes) <= FRAME_NUMBERS_PAIRED:
        return [side.observed() for side in sides], None

    seen = [side.observed(frames=None) if side.jacobian else side.observed() for side in sides]
    values = [Observations(obs.values, groups=obs.groups) for obs in seen]
    count = min(LARGEST_WITH_FRAMES, n, FRAME_NUMBERS_PAIRED // max(sizes))

    if count < FEWEST_WITH_FRAMES or len({len(obs) for obs in seen}) > 1:
        return values, None

    some = slice(None, None, -(-n // count))
    local = [
        side.subset(some).observed()
        if side.jacobian
        else obs.subset(torch.arange(n, device=obs.device)[some])
        for side, obs in zip(sides, seen, strict=True)
    ]

    for side, obs in zip(sides, local, strict=True):
        if side.jacobian:  # few samples do not show which directions the inputs take
            obs.taken = taken_directions(checked_inputs(side.inputs))

    return values, local


def observe_alone(side: Probing, name: str) -> Observations:
    r"""Observes a side of an unpaired comparison with the frames that were asked for.

    Arguments:
        side: The side.
        name: Of its argument `frames`, for the error.

    Raises:
        ValueError: If its Jacobians would hold more than 2^27 numbers.
    """
    neurons, entries = side.shape
    n = _samples(side) if side.jacobian else 0

    if n * neurons * entries > FRAME_NUMBERS_UNPAIRED:
        raise ValueError(
            f"'{name}' should span the space that the inputs fill, got 'jacobian' of {entries} input entries "
            f"for {n} samples of {neurons} neurons; give tangents or bursts of that "
            "space, or 'neighbors' with its dimension."
        )

    return side.observed()


def _samples(side: Probing) -> int:
    return len(input_tensors(checked_inputs(side.inputs))[0])
