r"""Synthesised tones: the hidden states of which networks hear the pitch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Tones"]

#: Samples a second, and in a frame.
RATE, FRAME = 16_000, 1024
#: Partials of a tone, all below half the sampling rate up to 990 Hz.
PARTIALS = 8
#: Octaves that a change of the brightness by 1 counts as: partials k fall as k to the power of minus the brightness.
#: So few that neighbours among the samples are near in the pitch, of which a few cents turn a network's tangents.
OCTAVES_PER_BRIGHTNESS = 0.025
#: The least and the largest brightness, where it changes; and where it does not.
DARK, BRIGHT, PLAIN = 0.5, 1.5, 1.0
#: Highest pitch in Hz whose partials are all below half the sampling rate.
HIGHEST = RATE / 2 / PARTIALS


class Tones:
    r"""What a network hears of a hidden state: a tone of 64 ms with 8 partials, in phase in its middle.

    There, and not at its beginning, so that its ends change as little as may be when the pitch does.

    A state is the pitch in octaves above `lowest`, and the brightness if it is asked for: partial k has amplitude
    k to the power of minus it, so that 0 is bright, and 1 counts as a fortieth of an octave.

    Arguments:
        range: Octaves from the lowest pitch to the highest.
        lowest: Pitch of state 0, in Hz.
        brightness: Whether it is a second coordinate of the states.

    Raises:
        ValueError: If the range is not positive, or partials of the highest pitch would be folded back.
    """

    def __init__(self, range: float = 0.5, lowest: float = 110.0, brightness: bool = False) -> None:
        if not range > 0 or lowest <= 0 or lowest * 2**range > HIGHEST:
            raise ValueError(
                f"'range' should be above 0 and end by {HIGHEST:g} Hz, where the {PARTIALS}th partial is half the "
                f"sampling rate, got {range} octaves above {lowest} Hz; lower dataset.a.lowest."
            )

        self.lowest = lowest
        self.low, self.high = [0.0], [float(range)]

        if brightness:
            self.low.append(-BRIGHT * OCTAVES_PER_BRIGHTNESS)
            self.high.append(-DARK * OCTAVES_PER_BRIGHTNESS)

    def sees(self, states: Tensor) -> Tensor:
        r"""Frames of mean 0 and variance 1, `(n, 1024)`, in float32, at states `(n, m)`."""
        pitch = self.lowest * 2 ** states[:, :1]
        fall = (
            states[:, 1:] / OCTAVES_PER_BRIGHTNESS if states.shape[1] > 1 else torch.full_like(pitch, -PLAIN)
        )
        partials = torch.arange(1, PARTIALS + 1, dtype=states.dtype)
        phase = 2 * torch.pi * pitch * ((torch.arange(FRAME, dtype=states.dtype) - (FRAME - 1) / 2) / RATE)
        waves = torch.cos(phase[:, None] * partials[:, None])  # (n, partials, samples)
        sound = (waves * partials[:, None] ** fall[:, :, None]).sum(dim=1)
        sound = sound - sound.mean(dim=1, keepdim=True)

        return (sound / sound.square().mean(dim=1, keepdim=True).sqrt()).float()
