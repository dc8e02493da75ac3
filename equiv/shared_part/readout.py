r"""What the rest of a network makes of activations and of their images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from equiv.checks import in_one_line, told
from equiv.metric.binary_scale import BinaryScale
from equiv.metric.neuron_scale import centred
from equiv.observe.draws import Draws
from equiv.probing.networks import quiet
from equiv.regression.bounds import relative_rms
from equiv.shared_part.held_out import HeldOut, share_of_draws
from equiv.verdict import Interval

__all__ = ["Readout", "judged_answers", "judged_readout", "of_given_units", "read_off", "relative_squares"]

Readout = Callable[[Tensor], Any]

# A read-out is called on batches of so many samples.
# [samples; chosen: bounds memory alone]
BATCH = 1024


class _OfGivenUnits(nn.Module):
    r"""A read-out of activations that are computed with at another scale."""

    def __init__(self, readout: Readout, scale: BinaryScale) -> None:
        super().__init__()
        self.readout, self.scale = readout, scale

    def forward(self, values: Tensor) -> Any:
        return self.readout((values.double() / self.scale.neurons.to(values.device)).to(values.dtype))


def of_given_units(readout: Readout | None, scale: BinaryScale) -> Readout | None:
    r"""A read-out of activations as they were given as one of those that are computed with."""
    return readout if readout is None or scale.plain else _OfGivenUnits(readout, scale)


def judged_readout(
    held_out: HeldOut,
    readout: Readout,
    dtype: torch.dtype,
    confidence: float,
    seed: int,
    resolved: float = 0.0,
) -> tuple[Interval, Interval | None]:
    r"""How far the read-out of the images is from that of the target, and how often both have the same largest entry.

    Arguments:
        held_out: The target, and images of the source.
        readout: From activations `(b, d)` to what the rest of the target's network makes of them, `(b, ...)`.
        dtype: The target's; a module is called in its own.
        confidence: Level of the bounds.
        seed: Seeds resampling.
        resolved: Errors of the images below this are not told from rounding, nor are those of what is read off.

    Returns:
        RMS error over the spread of what is read off the target, and the share of equal largest entries; None where
        the read-out has a single one.

    Raises:
        TypeError: If it returns no tensor.
        ValueError: If it does not return one entry, or more, for each sample.
    """
    said, own = (read_off(readout, values, dtype) for values in (held_out.image, held_out.target))

    return judged_answers(said, own, held_out.draws, confidence, seed, resolved)


def judged_answers(
    said: Tensor, own: Tensor, draws: Draws, confidence: float, seed: int, resolved: float = 0.0
) -> tuple[Interval, Interval | None]:
    r"""The same of what was read off, `(n, k)` each: of images, and of the target itself."""
    error = relative_rms(draws.totals(relative_squares(said, own)), confidence, seed, resolved=resolved)

    if own.shape[1] == 1 or not said.isfinite().all():
        return error, None

    return error, share_of_draws(said.argmax(dim=1) == own.argmax(dim=1), draws, confidence)


def relative_squares(said: Tensor, own: Tensor) -> Tensor:
    r"""Squared differences over the mean square of what is read off the target from its mean, `(n,)`."""
    spread = centred(own).square().sum(dim=1).mean()

    # Of a read-out that says the same of all samples there is nothing to measure.
    return (said - own).square().sum(dim=1) / torch.where(spread > 0, spread, torch.nan)


def _answered(readout: Readout, batch: Tensor) -> Any:
    try:
        return readout(batch)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"'readout' should take activations such as are observed, got {in_one_line(batch)}, on which it fails "
            f"({told(error)}); let it map (n, d) to (n, k)."
        ) from error


def read_off(readout: Readout, values: Tensor, dtype: torch.dtype) -> Tensor:
    r"""What a read-out makes of activations, `(n, k)`, float64, on their device."""
    module = readout if isinstance(readout, nn.Module) else None
    weight = next((p for p in module.parameters() if p.is_floating_point()), None) if module else None
    device, dtype = (values.device, dtype) if weight is None else (weight.device, weight.dtype)
    parts = []

    with contextlib.nullcontext() if module is None else quiet(module), torch.no_grad():
        for batch in values.split(BATCH):
            part = _answered(readout, batch.to(device, dtype))

            if not isinstance(part, Tensor) or part.is_complex():
                raise TypeError(
                    f"'readout' should return a tensor of real numbers, got {in_one_line(part)}; wrap it in a function "
                    "that does."
                )

            if part.ndim == 0 or len(part) != len(batch):
                raise ValueError(
                    f"'readout' should return one row for each of {len(batch)} samples, got shape "
                    f"{tuple(part.shape)}; let it map (n, d) to (n, k)."
                )

            parts.append(part.detach().to(values).reshape(len(batch), -1))

    return torch.cat(parts)
