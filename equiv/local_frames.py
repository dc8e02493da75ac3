r"""Observing networks for a paired comparison: frames of all samples, or of few where there are too many numbers.

Full Jacobians of wide layers by many inputs do not fit into memory, 2,000 samples of 512 neurons by 784 pixels take
6 GB, and at so many directions derivatives add little to a regression on values. What only frames can tell, whether B
moves in a direction that A does not see, they tell at a few samples as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from equiv.hooks import batch_of, input_tensors
from equiv.observations import Observations
from equiv.probe import probe
from equiv.probe_arguments import checked_inputs

__all__ = ["Probing", "observe_alone", "observe_pairs"]

# Numbers in the frames of one network, and the least and the largest number of samples where not all have frames.
MOST_NUMBERS = 2**22
FEWEST, MOST = 4, 64
# Numbers in the frames of an unpaired comparison, which cannot do without: 1 GiB.
MOST_UNPAIRED = 2**27


@dataclass(frozen=True)
class Probing:
    r"""A side of a paired comparison: a network with the arguments of `equiv.probe`, or observations of one."""

    side: nn.Module | Observations
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

        return not isinstance(self.side, Observations) and isinstance(frames, str) and frames == "jacobian"

    def observed(self, **options: Any) -> Observations:
        r"""Observations, of a network as it is asked for unless `options` say otherwise."""
        if isinstance(self.side, Observations):
            return self.side

        given = {"layers": self.layers, "neurons": self.neurons} | self.options | options

        return probe(self.side, given.pop("inputs", self.inputs), **given)


def observe_pairs(sides: Sequence[Probing]) -> tuple[list[Observations], list[Observations] | None]:
    r"""Observes all sides at the same inputs.

    Arguments:
        sides: Two or more, whose i-th samples show the same hidden state.

    Returns:
        The observations, with the frames that were asked for; and None, or, where the Jacobians of a network hold
        more than 2^22 numbers, observations of all sides without any frames, and the same of a few samples, spread
        over all, with frames (None again where even these are too many).
    """
    values = [side.observed(frames=None) if side.jacobian else None for side in sides]
    entries = [_entries(side) if side.jacobian else 0 for side in sides]
    sizes = [0 if v is None else v.values.shape[1] * m for v, m in zip(values, entries, strict=True)]
    n = max((len(v) for v in values if v is not None), default=0)

    if n * max(sizes) <= MOST_NUMBERS:
        return [side.observed() for side in sides], None

    seen = [side.observed() if v is None else v for side, v in zip(sides, values, strict=True)]
    count = min(MOST, n, MOST_NUMBERS // max(sizes))

    if count < FEWEST or len({len(obs) for obs in seen}) > 1:
        return [Observations(obs.values) for obs in seen], None

    some = slice(None, None, -(-n // count))
    local = [
        obs.subset(torch.arange(n, device=obs.device)[some])
        if v is None
        else side.observed(inputs=batch_of(checked_inputs(side.inputs), some))
        for side, obs, v in zip(sides, seen, values, strict=True)
    ]

    return [Observations(obs.values) for obs in seen], local


def observe_alone(side: Probing, name: str) -> Observations:
    r"""Observes a side of an unpaired comparison with the frames that were asked for.

    Arguments:
        side: The side.
        name: Of its argument `frames`, for the error.

    Raises:
        ValueError: If its Jacobians would hold more than 2^27 numbers.
    """
    if side.jacobian:
        entries = _entries(side)
        values = side.observed(frames=None).values

        if values.numel() * entries > MOST_UNPAIRED:
            raise ValueError(
                f"'{name}' should span the space that the inputs fill, got 'jacobian' of {entries} input entries "
                f"for {values.shape[0]} samples of {values.shape[1]} neurons; give tangents or bursts of that "
                "space, or 'neighbors' with its dimension."
            )

    return side.observed()


def _entries(side: Probing) -> int:
    r"""How many directions the floating inputs of a network have."""
    tensors = input_tensors(checked_inputs(side.inputs))

    return sum(t[0].numel() for t in tensors if t.is_floating_point())
