r"""Bootstrap bounds of a relative RMS error."""

import torch
from torch import Tensor

from equiv.verdict import Interval

__all__ = ["relative_rms"]


def relative_rms(
    squared: Tensor, spread: Tensor, confidence: float = 0.95, seed: int = 0, draws: int = 1000
) -> Interval:
    r"""RMS error over RMS spread, with bounds from resampling the samples.

    .. math:: e = \Big( \sum_i \epsilon_i^2 \Big/ \sum_i |y_i - \bar y|^2 \Big)^{1/2}

    The bounds are of the studentised bootstrap of :math:`\log e^2`: squared errors have heavy upper tails,
    and percentiles of the plain bootstrap miss them on the right.

    Arguments:
        squared: Squared held-out errors :math:`\epsilon_i^2`, shape `(n,)`.
        spread: Squared distances of the targets from their mean, shape `(n,)`.
        confidence: Level of the bounds, in (0, 1).
        seed: Seeds the resampling.
        draws: Number of resamples.

    References:
        | An Introduction to the Bootstrap, section 12.5 (Efron and Tibshirani, 1993)
    """
    n = len(squared)
    total = spread.sum()
    squared = squared.double()
    estimate = (squared.sum() / total).sqrt().item()

    if squared.max() == 0:
        return Interval(0.0, 0.0, 0.0)

    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(n, (draws, n), generator=generator).to(squared.device)
    drawn, weight = squared[index], spread.double()[index]
    ratio = drawn.sum(dim=1) / weight.sum(dim=1)
    logarithm = (ratio / (squared.sum() / total)).log()
    scale = _log_error(squared, spread.double())
    studentised = logarithm / _log_error(drawn, weight).clamp_min(0.2 * scale)
    tail = (1 - confidence) / 2
    lower, upper = torch.quantile(studentised, studentised.new_tensor([tail, 1 - tail])).tolist()
    low = estimate * torch.exp(-0.5 * max(upper, 0.0) * scale).item()
    high = estimate * torch.exp(-0.5 * min(lower, 0.0) * scale).item()

    return Interval(estimate, low, high)


def _log_error(squared: Tensor, spread: Tensor) -> Tensor:
    r"""Standard error of the log of the ratio of two means over the last axis (delta method)."""
    relative = squared / squared.mean(dim=-1, keepdim=True) - spread / spread.mean(dim=-1, keepdim=True)

    return (relative.square().mean(dim=-1) / squared.shape[-1]).sqrt()
