r"""The sides of a comparison, observed: frames of all samples, or of few where there would be too many numbers.

Full Jacobians of wide layers by many inputs do not fit into memory, 2,000 samples of 512 neurons by 784 pixels take
6 GB. What only they can tell, whether B moves in a direction that A does not see, they tell at a few samples as well;
and a regression takes derivatives along a few directions at each sample, other ones everywhere, and no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from equiv.observe.observations import Observations
from equiv.probing.derivatives import taken_directions, without_derivative
from equiv.probing.hooks import Reader
from equiv.probing.inputs import Inputs, batch_of, input_tensors, moving_tensors, with_tensors
from equiv.probing.networks import as_network, network_inputs
from equiv.probing.probe import probe

__all__ = ["Probing", "observe_alone", "observe_pairs"]


# Numbers that the frames of one network may hold in a paired comparison; with more, few samples have frames.
# [numbers; chosen: 32 MiB in float64]
FRAME_NUMBERS_PAIRED = 2**22

# Directions along which all samples have derivatives where not all have frames.
# [directions; chosen: as many as a regression takes of each sample]
FEW_DIRECTIONS = 4

# Samples with frames, where not all have them, below which none has.
# [samples; chosen: fewer would say nothing of the others]
FEWEST_WITH_FRAMES = 4

# Samples with frames, where not all have them.
# [samples; chosen: enough to see directions that a network is blind to, and so little to hold]
LARGEST_WITH_FRAMES = 64

# Directions of the inputs in an unpaired comparison, which finds a chart of them.
# [dimensions; chosen: in more, no number of samples that can be afforded has near neighbours]
MAX_DIRECTIONS_UNPAIRED = 8


@dataclass(frozen=True)
class Probing:
    r"""A side of a comparison: a network with arguments of `equiv.probe`, or observations of one.

    Nothing is checked before it is observed.

    Attributes:
        network: The network, a callable, or observations: then the others are None, and `frames` its default.
        inputs: Its inputs, as in `equiv.probe`; likewise `layers`, `neurons` and `positions`.
        frames: The argument `frames` of `equiv.probe`, or a dict of its arguments `frames`, `dimension`,
            `burst_std`, `batch_size`.
    """

    network: nn.Module | Callable[..., Any] | Observations
    inputs: Any = None
    layers: Sequence[str] | None = None
    neurons: Sequence[Any] | None = None
    frames: Any = "jacobian"
    positions: str | None = None

    @property
    def recorded(self) -> bool:
        r"""Whether this is observations, not a network."""
        return isinstance(self.network, Observations)

    @property
    def options(self) -> dict[str, Any]:
        r"""The frame arguments of `equiv.probe`."""
        return self.frames if isinstance(self.frames, dict) else {"frames": self.frames}

    @property
    def prepared(self) -> Probing:
        r"""The same with a network that is a module, and inputs that are tensors."""
        if self.recorded:
            return self

        network = as_network(self.network, self.inputs)

        return replace(self, network=network, inputs=network_inputs(network, self.inputs))

    @cached_property
    def jacobian(self) -> bool:
        r"""Whether frames along all input entries are asked for, and can be had; of a prepared side."""
        frames = self.options.get("frames", "jacobian")

        if not isinstance(self.network, nn.Module) or not isinstance(frames, str) or frames != "jacobian":
            return False

        return without_derivative(Reader(self.network, self.layers), self.inputs) is None

    @cached_property
    def shape(self) -> tuple[int, int]:
        r"""Activations (at all positions) and input entries of the Jacobian of one sample; zeros for none."""
        if not self.jacobian:
            return 0, 0

        few = self.subset(slice(0, 2))
        entries = sum(t[0].numel() for t in moving_tensors(self.inputs))

        return few.observed(frames=None).values.numel() // _samples(few), entries

    def entries(self, n: int) -> Tensor | None:
        r"""Floating entries of the inputs, `(n, m)`; None with observations, and where not each sample has some."""
        if self.recorded or self.inputs is None:
            return None

        parts = [tensor.flatten(1) for tensor in moving_tensors(self.prepared.inputs)]

        return torch.cat(parts, dim=1) if parts and len(parts[0]) == n else None

    def subset(self, some: slice) -> Probing:
        r"""The network at some of its inputs; of a prepared side."""
        return replace(self, inputs=batch_of(self.inputs, some))

    def observed(self, **options: Any) -> Observations:
        r"""Observations, of a network with the frames that are asked for unless `options` say otherwise."""
        if isinstance(self.network, Observations):
            return self.network

        return probe(
            self.network,
            self.inputs,
            layers=self.layers,
            neurons=self.neurons,
            positions=self.positions,
            **self.options | options,
        )


def observe_pairs(sides: Sequence[Probing]) -> tuple[list[Observations], list[Observations] | None]:
    r"""Observes all sides at the same inputs.

    Arguments:
        sides: Two or more, whose i-th samples show the same hidden state.

    Returns:
        The observations, with the frames that were asked for; and None, or, where the Jacobians of a network hold
        more than 2^22 numbers, observations of all sides without any frames, though with derivatives along a few
        directions where all are differentiated by the same inputs, and the same of a few samples, spread over all,
        with frames (None again where even these are too many).
    """
    sides = [side.prepared for side in sides]
    sizes = [math.prod(side.shape) for side in sides]
    n = max((_samples(side) for side in sides if side.jacobian), default=0)

    if n * max(sizes) <= FRAME_NUMBERS_PAIRED:
        return [side.observed() for side in sides], None

    directions = _few_directions(sides, n * max(max(side.shape) for side in sides))
    seen = [side.observed(frames=directions) if side.jacobian else side.observed() for side in sides]
    values = [
        Observations(
            obs.values,
            groups=obs.groups,
            slopes=None if directions is None else obs.frames,
            unframed=obs.unframed,
        )
        for obs in seen
    ]
    count = min(LARGEST_WITH_FRAMES, n, FRAME_NUMBERS_PAIRED // max(sizes))
    without = any(obs.frames is None and not side.jacobian for side, obs in zip(sides, seen, strict=True))

    if count < FEWEST_WITH_FRAMES or without or len({len(obs) for obs in seen}) > 1:
        return values, None

    some = slice(None, None, -(-n // count))
    rows = _rows_of(some, n, sides, seen)
    local = [
        side.subset(some).observed() if side.jacobian else obs.subset(rows.to(obs.device))
        for side, obs in zip(sides, seen, strict=True)
    ]

    for side, obs in zip(sides, local, strict=True):
        if side.jacobian:  # few samples do not show which directions the inputs take
            obs.taken = taken_directions(side.inputs)

    return values, local


def _few_directions(sides: Sequence[Probing], numbers: int) -> Inputs | None:
    r"""Random directions that the inputs take, `(n, *input_shape, r)` in the structure of the inputs, or None.

    Arguments:
        sides: All sides; None is returned unless they are differentiated by the same inputs.
        numbers: What derivatives or directions of all samples hold for each direction.
    """
    first = sides[0].inputs
    count = min(FEW_DIRECTIONS, FRAME_NUMBERS_PAIRED // numbers)

    if count == 0 or not all(side.jacobian and _equal(side.inputs, first) for side in sides):
        return None

    taken = taken_directions(first)

    if taken is None:
        return None

    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(
        _samples(sides[0]), taken.shape[1], min(count, taken.shape[1]), generator=generator, dtype=taken.dtype
    )
    along = taken @ torch.linalg.qr(drawn)[0].to(taken.device)
    parts = iter(along.split([t[0].numel() for t in moving_tensors(first)], dim=1))

    return with_tensors(
        first,
        [
            next(parts).reshape(*t.shape, -1).to(t.dtype) if t.is_floating_point() else t
            for t in input_tensors(first)
        ],
    )


def _equal(inputs: Any, others: Any) -> bool:
    tensors, given = input_tensors(inputs), input_tensors(others)

    return len(tensors) == len(given) and all(
        t is other or (t.shape == other.shape and bool((t == other.to(t.device)).all()))
        for t, other in zip(tensors, given, strict=True)
    )


def _rows_of(some: slice, n: int, sides: Sequence[Probing], seen: Sequence[Observations]) -> Tensor:
    r"""Which rows of the observations are of some of the n inputs: where each position is one, several of each."""
    chosen = torch.arange(n)[some]
    of_input = next(
        (
            obs.groups
            for side, obs in zip(sides, seen, strict=True)
            if side.positions == "each" and not side.recorded
        ),
        None,
    )

    return chosen if of_input is None else torch.isin(of_input.cpu(), chosen).nonzero()[:, 0]


def observe_alone(side: Probing, name: str) -> Observations:
    r"""Observes a side of an unpaired comparison with the frames that were asked for.

    Arguments:
        side: The side.
        name: "a" or "b", for the error.

    Raises:
        ValueError: If it has no frames, or they span too many directions for a chart.
    """
    side = side.prepared

    if side.jacobian:
        _check_directions(name, min(side.shape), f"the Jacobian by {side.shape[1]} input entries")

    observed = side.observed()

    if observed.frames is None:
        reason = "" if observed.unframed is None else f", since {observed.unframed}"
        raise ValueError(
            f"'{name}' should have frames in an unpaired comparison, got values alone{reason}; give frames "
            f"(frames_{name}='jacobian', tangents or bursts), or say that row i of both shows the same input "
            "(paired=True, --paired)."
        )

    assert observed.rank is not None
    _check_directions(name, int(observed.rank.median()), f"frames of {observed.frames.shape[2]} directions")

    return observed


def _check_directions(name: str, directions: int, came: str) -> None:
    if directions > MAX_DIRECTIONS_UNPAIRED:
        raise ValueError(
            f"'frames_{name}' should span at most {MAX_DIRECTIONS_UNPAIRED} directions without pairs, got {came}, "
            f"{directions} of which the neurons tell apart: so many have no chart; show both networks the same inputs "
            "(paired=True), or give tangents or bursts of what varies in them, or, of many samples, 'neighbors' with "
            "its 'dimension'."
        )


def _samples(side: Probing) -> int:
    return len(input_tensors(side.inputs)[0])
