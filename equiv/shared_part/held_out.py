r"""Held-out samples of a target beside their images, and what they say without another regression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.metric.neuron_scale import centred
from equiv.observe.draws import Draws
from equiv.regression.kernel_map import Fit
from equiv.verdict import Interval

__all__ = ["HeldOut", "share_of_draws"]

# An image is looked for among its own partner and so many others.
# [samples; chosen: a fixed crowd, since the nearest of all n is the harder to find the more there are]
OTHERS = 99

# At most so many images are looked for,
# [images; chosen: their share is then known to two percent]
MAX_IMAGES = 1000

# among at most so many samples.
# [samples; chosen: with the images above a tenth of what a regression on as many takes]
MAX_CROWD = 2000


# Neurons whose errors are squared at once.
# [neurons; chosen: those of a hundred samples stay in the processor's cache, decides speed and memory alone]
NEURONS_AT_ONCE = 4096

# Images are drawn near the targets that their map was learned from, so that of n draws this over n of the misses may
# be due to it.
# [draws; measured: shares on fresh inputs in benchmarks/shared_part.py]
DRAWN_NEAR = 60


@dataclass(frozen=True, eq=False)
class HeldOut:
    r"""Samples of a target and what maps that were learned without them miss of each.

    Attributes:
        target: Activations of the target, `(n, d)`, float64.
        missed: These less their images, `(n, d)`; NaN where no map could be learned.
        draws: Which samples are one independent draw.
    """

    target: Tensor
    missed: Tensor
    draws: Draws

    @classmethod
    def of(cls, fit: Fit, target: Tensor) -> HeldOut:
        r"""The judged samples of a fit; `target` holds all that were given, `(n, d)`."""
        assert fit.missed is not None
        # A copy: what is learned later is not to follow changes of the samples.
        values = (target if fit.judged is None else target[fit.judged]).to(torch.float64, copy=True)
        draws = fit.draws or Draws.single(len(values), values.device)
        unknown = fit.squared.isnan()

        return cls(
            values, fit.missed.masked_fill(unknown[:, None], math.nan) if unknown.any() else fit.missed, draws
        )

    def subset(self, index: Tensor) -> HeldOut:
        r"""Some samples, as ascending indices; these themselves where they are all."""
        if len(index) == len(self.target):
            return self

        return HeldOut(self.target[index], self.missed[index], self.draws.subset(index))

    @property
    def image(self) -> Tensor:
        r"""Images of the source's samples, each by a map that was not shown the target there, `(n, d)`."""
        return self.target - self.missed

    @property
    def by_neuron(self) -> Tensor:
        r"""RMS error of each neuron over its own spread, `(d,)`; NaN for one that never changes."""
        return torch.cat(
            [
                _over_spread(missed, target)
                for missed, target in zip(
                    self.missed.split(NEURONS_AT_ONCE, 1), self.target.split(NEURONS_AT_ONCE, 1), strict=True
                )
            ]
        )

    def identification(self, confidence: float) -> Interval:
        r"""Share of images that are nearer to their own partner than to those of 99 others, drawn again and again.

        With r of the n others no farther from the image than its partner, the chance that none of 99 of them is among
        these is :math:`\binom{n - r}{99} / \binom{n}{99}`, so that nothing need be drawn. Others are samples of other
        draws; NaN where these are fewer than 99. The map was learned from them, so that images come somewhat nearer to
        them than to fresh ones: the estimate is on the careful side, and the upper bound allows for it.
        """
        unknown = Interval(math.nan, math.nan, math.nan)

        if self.draws.count <= OTHERS or not self.missed.isfinite().all():
            return unknown

        some, crowd = (
            _spread(len(self.target), most).to(self.target.device) for most in (MAX_IMAGES, MAX_CROWD)
        )
        units = self.draws.units
        own = (self.missed[some].square()).sum(dim=1).sqrt()
        foreign = units[some][:, None] != units[crowd]
        nearer = ((torch.cdist(self.image[some], self.target[crowd]) <= own[:, None]) & foreign).sum(dim=1)
        others = foreign.sum(dim=1)
        steps = torch.arange(OTHERS, device=nearer.device)
        # The product of the chances that one drawn after another is not among the nearer ones.
        chance = (1 - nearer[:, None] / (others[:, None] - steps).clamp_min(1)).clamp_min(0).prod(dim=1)

        found = share_of_draws(chance, self.draws.subset(some), confidence)

        return found._replace(high=1 - (1 - found.high) * (1 - DRAWN_NEAR / self.draws.count))


def _over_spread(missed: Tensor, target: Tensor) -> Tensor:
    r"""RMS error of some neurons over their own spread, `(d,)`."""
    spread = centred(target).square().mean(dim=0).sqrt()

    return missed.square().mean(dim=0).sqrt() / torch.where(spread > 0, spread, torch.nan)


def share_of_draws(found: Tensor, draws: Draws, confidence: float) -> Interval:
    r"""The mean of numbers in [0, 1], `(n,)`, with Wilson's bounds for as many samples as there are draws.

    References:
        | Probable inference, the law of succession, and statistical inference (Wilson, 1927)
        | https://doi.org/10.1080/01621459.1927.10502953
    """
    share, count = found.double().mean().item(), draws.count
    z = torch.special.ndtri(torch.tensor((1 + confidence) / 2, dtype=torch.float64)).item()
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    half = z * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / scale

    return Interval(share, max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share)))


def _spread(n: int, most: int) -> Tensor:
    r"""At most so many of n samples, evenly spread, as indices."""
    count = min(n, most)

    return torch.arange(count) * n // count
