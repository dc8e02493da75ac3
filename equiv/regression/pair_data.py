r"""Paired activations and frames, standardised for regression."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred, mean_square, slope_weights
from equiv.observe.draws import Draws

__all__ = ["PairData", "along", "plausible_range", "standardise"]

# Derivatives along so many directions are used at each sample.
# [directions; chosen: each costs as many equations as a value, and random ones show all in turn]
MAX_DIRECTIONS = 4

# Principal directions with a smaller share of the largest variance are rounding.
# [share of the largest variance; chosen: the square of 1e-7, to which float32 activations are exact]
MIN_VARIANCE = 1e-14


@dataclass(frozen=True)
class PairData:
    r"""Activations of A in principal coordinates, B's in units of its spread, and derivatives of both.

    Attributes:
        center: Mean of A's activations, `(d_a,)`.
        basis: Activations to principal coordinates of the weighted neurons, `(d_a, k)`.
        scale: Standard deviations of the principal coordinates, `(k,)`, descending.
        middle: Mean of B's activations, `(d_b,)`.
        spread: RMS distance of B's activations from their mean, `()`.
        values: A's principal coordinates, `(n, k)`.
        target: B's activations, centred, over their spread, `(n, d_b)`.
        directions: A's frames in principal coordinates, `(n, r, k)`; r = 0 without frames.
        slopes: B's frames over its spread, `(n, r, d_b)`.
        draws: Which samples are one independent draw.
    """

    center: Tensor
    basis: Tensor
    scale: Tensor
    middle: Tensor
    spread: Tensor
    values: Tensor
    target: Tensor
    directions: Tensor
    slopes: Tensor
    draws: Draws

    def __len__(self) -> int:
        return len(self.values)

    def subset(self, index: Tensor, directions: int) -> PairData:
        r"""Some samples, with at most that many derivatives of each."""
        return replace(
            self,
            values=self.values[index],
            target=self.target[index],
            directions=self.directions[index, :directions],
            slopes=self.slopes[index, :directions],
            draws=self.draws.subset(index),
        )

    def compressed(self, count: int) -> PairData:
        r"""With the target's `count` leading principal components alone."""
        if self.target.shape[1] <= count:
            return self

        if len(self) < self.target.shape[1]:  # the smaller of both Gram matrices has the same components
            variance, along = torch.linalg.eigh(self.target @ self.target.T)
            leading = self.target.T @ (along[:, -count:] / variance[-count:].clamp_min(1e-300).sqrt())
        else:
            leading = torch.linalg.eigh(self.target.T @ self.target)[1][:, -count:]

        return replace(self, target=self.target @ leading, slopes=self.slopes @ leading)


def standardise(
    source: Tensor,
    target: Tensor,
    source_frames: Tensor | None,
    target_frames: Tensor | None,
    generator: torch.Generator,
    draws: Draws | None = None,
) -> PairData:
    r"""Standardises pairs; arguments as in `equiv.regression.hermite.fit_map`.

    A's neurons are made comparable first, so that rescaling them changes nothing; dead neurons and directions
    without variance are left out. Of the directions of the input space as many random
    orthonormal ones are kept at each sample as are used: random ones favour none.
    """
    n = len(source)
    center = source.mean(dim=0)
    weight = slope_weights(source, source_frames)
    standardised = (source - center) * weight

    if n > source.shape[1]:
        variance, axes = torch.linalg.eigh(standardised.T @ standardised / n)
        variance, axes = variance.flip(0), axes.flip(1)
    else:
        singular, axes = torch.linalg.svd(standardised, full_matrices=False)[1:]
        variance, axes = singular.square() / n, axes.T

    kept = variance > MIN_VARIANCE * variance[0]
    kept[0] = True
    basis = weight[:, None] * axes[:, kept]
    del standardised, axes
    values = (source - center) @ basis
    middle = target.mean(dim=0)
    deviation = centred(target)
    spread = mean_square(deviation).sqrt()
    # Of a constant target nothing is left to scale.
    spread = torch.where(spread > 0, spread, torch.inf)
    directions = source.new_zeros(n, 0, basis.shape[1])
    slopes = source.new_zeros(n, 0, target.shape[1])

    if source_frames is not None and target_frames is not None:
        m = source_frames.shape[2]
        drawn = torch.randn(n, m, min(m, MAX_DIRECTIONS), generator=generator, dtype=torch.float64)
        turn = torch.linalg.qr(drawn)[0].to(source.device)
        directions = (source_frames.double() @ turn).mT @ basis
        slopes = (target_frames.double() @ turn).mT / spread

    return PairData(
        center,
        basis,
        variance[kept].clamp_min(0).sqrt(),
        middle,
        spread,
        values,
        deviation.div_(spread),
        directions,
        slopes,
        draws or Draws.single(n, source.device),
    )


def along(directions: Tensor, frames: Tensor, target_frames: Tensor) -> tuple[Tensor, Tensor]:
    r"""Frames `(n, d, m)` of both along other directions, `(m, k)` in terms of the present ones."""
    directions = directions.to(frames.device)

    return frames.double() @ directions, target_frames.double() @ directions


def plausible_range(target: Tensor) -> tuple[Tensor, Tensor]:
    r"""Bounds that predictions are clipped to: the range of the samples and half of it more, `(d,)` each.

    At corners of the image that no sample reaches extrapolations would be off by many times the spread.
    """
    low, high = target.amin(dim=0), target.amax(dim=0)
    margin = 0.5 * (high - low)

    return low - margin, high + margin
