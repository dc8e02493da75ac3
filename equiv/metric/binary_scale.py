r"""Scales at which no square overflows or vanishes: powers of two, which change no digit.

A scale belongs to a neuron, and says nothing of what networks have learned. Squares of 1e160 are infinite and those of
1e-165 are 0, so that samples whose numbers leave the middle of float64's range are brought there before anything is
computed, and what was found is brought back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred
from equiv.observe.observations import Observations

__all__ = ["BinaryScale", "binary_scale", "binary_scales"]

# Deviations and frames from 2 to the power of minus this up to 2 to the power of this are left as they are.
# [binary orders; derived: the eighth powers of both ends stay within float64, whose exponents end at 1023]
ORDINARY_EXPONENT = 64

# Neurons that are too faint beside the largest are brought up to so much below it.
# [binary orders; chosen: as targets they add a millionth to errors at most, and frames keep their rank]
FAINT_EXPONENT = 20

# No factor is farther from 1.
# [binary orders; derived: factors and their inverses are ordinary numbers then]
LARGEST_EXPONENT = 1000


@dataclass(frozen=True)
class BinaryScale:
    r"""Powers of two that the numbers of one side are multiplied by.

    Attributes:
        neurons: For each neuron, `(d,)`, float64, on the CPU.
        activations: For distances between activations: that of all neurons but constant and faint ones.
        lengths: For lengths in the input space.
    """

    neurons: Tensor
    activations: float
    lengths: float

    @property
    def plain(self) -> bool:
        r"""Whether nothing is changed."""
        return self.lengths == 1 and bool((self.neurons == 1).all())

    def values(self, values: Tensor) -> Tensor:
        r"""Activations `(q, d)` as they are computed with; differentiable, in the dtype given."""
        return values if self.plain else (values.double() * self.neurons.to(values.device)).to(values.dtype)

    def frames(self, frames: Tensor) -> Tensor:
        r"""Frames `(q, d, m)` as they are computed with, in the dtype given."""
        if self.plain:
            return frames

        return (frames.double() * (self.neurons / self.lengths).to(frames.device)[:, None]).to(frames.dtype)

    def observations(self, obs: Observations) -> Observations:
        r"""Observations as they are computed with; they themselves where nothing is changed."""
        if self.plain:
            return obs

        return Observations(
            self.values(obs.values),
            None if obs.frames is None else self.frames(obs.frames),
            obs.groups,
            burst_size=obs.burst_size,
            oriented=obs.oriented,
            taken=None if obs.taken is None else obs.taken * self.lengths,
            slopes=None if obs.slopes is None else self.values(obs.slopes.mT).mT,
            unframed=obs.unframed,
        )


def binary_scale(values: Tensor, frames: Tensor | None = None) -> BinaryScale:
    r"""The scale of one side; arguments as of `equiv.Observations`."""
    return binary_scales([(values, frames)])[0]


def binary_scales(sides: Sequence[tuple[Tensor, Tensor | None]]) -> list[BinaryScale]:
    r"""The scales of sides that show the same inputs, whose lengths are scaled alike.

    The neurons of a side get one factor, since errors weigh them against each other, but for those that are constant,
    and for such as are so faint that their squares would vanish beside those of the largest.

    Arguments:
        sides: Activations `(n, d)` and frames `(q, d, m)`, or None, of each.
    """
    exponents = [_exponents(values) for values, _ in sides]
    steepest = [
        _steepest(frames, neurons)
        for (_, frames), (neurons, _) in zip(sides, exponents, strict=True)
        if frames is not None and bool((frames != 0).any())
    ]
    length = max(-LARGEST_EXPONENT, min(max(steepest, default=0), LARGEST_EXPONENT))
    lengths = math.ldexp(1.0, length if abs(length) > ORDINARY_EXPONENT else 0)

    return [
        BinaryScale(torch.as_tensor(np.ldexp(1.0, neurons.numpy())), math.ldexp(1.0, joint), lengths)
        for neurons, joint in exponents
    ]


def _exponents(values: Tensor) -> tuple[Tensor, int]:
    r"""Binary exponents of the factors of neurons, `(d,)`, int64, and the joint one; 0 where all are ordinary."""
    size = _exponent(values.abs().amax(dim=0)).clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT).cpu()
    deviation = (
        centred(values.double() * torch.as_tensor(np.ldexp(1.0, -size.numpy())).to(values.device))
        .abs()
        .amax(dim=0)
        .cpu()
    )
    varying = deviation > 0
    spread = torch.where(varying, size + _exponent(deviation), 0)
    factors = torch.where(varying | (size.abs() <= ORDINARY_EXPONENT), 0, -size)

    if not bool((spread.abs() > ORDINARY_EXPONENT).any()):
        return factors, 0

    largest = int(spread[varying].max().clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT))
    faint = spread < largest - ORDINARY_EXPONENT
    raised = torch.where(faint, -spread - FAINT_EXPONENT, -largest)

    return torch.where(varying, raised, factors).clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT), -largest


def _steepest(frames: Tensor, neurons: Tensor) -> int:
    r"""The binary exponent of the largest entry of frames `(q, d, m)`, some not 0, times two to these powers `(d,)`."""
    size = frames.abs().amax(dim=0).amax(dim=1).cpu()

    return int((_exponent(size) + neurons)[size > 0].max())


def _exponent(sizes: Tensor) -> Tensor:
    r"""Binary exponents, int64; 0 of 0."""
    return torch.frexp(sizes.double()).exponent.long()
