r"""Bootstrap bounds of a relative RMS error."""

import torch
from torch import Tensor

from equiv.verdict import Interval

__all__ = ["relative_rms"]

TRIM = 2  # largest errors that the lower bound leaves out
TAIL = 3  # errors of the size of the largest that the upper bound adds


def relative_rms(
    squared: Tensor,
    confidence: float = 0.95,
    seed: int = 0,
    draws: int = 1000,
    possible: Tensor | None = None,
) -> Interval:
    r"""RMS of relative held-out errors, with bounds from resampling the samples.

    The bounds are percentiles of the bootstrapped mean square, made safe for heavy tails, which resampling
    alone does not see: the lower one is that of the sample without its `TRIM` largest errors (had they not
    been drawn), the upper one adds `TAIL` further errors as large as the largest (had they been).

    Arguments:
        squared: Squared held-out errors over the target's mean square spread, shape `(n,)`.
        confidence: Level of the bounds, in (0, 1).
        seed: Seeds the resampling.
        draws: Number of resamples.
        possible: Squared errors that were not met but may be, shape `(n,)`; where they are larger they replace
            `squared` in the upper bound. None: none.

    References:
        | An Introduction to the Bootstrap, section 13.3 (Efron and Tibshirani, 1993)
    """
    n = len(squared)
    squared = squared.double()
    worst = squared if possible is None else torch.maximum(squared, possible)
    generator = torch.Generator().manual_seed(seed)
    tail = (1 - confidence) / 2
    bounds = []

    for sample, quantile in ((squared.sort().values[: max(n - TRIM, 1)], tail), (worst, 1 - tail)):
        index = torch.randint(len(sample), (draws, len(sample)), generator=generator).to(squared.device)
        bounds.append(torch.quantile(sample[index].mean(dim=1), quantile).item() * len(sample) / n)

    estimate = squared.mean().item()
    low = min(bounds[0], estimate)
    high = max(bounds[1] + TAIL * squared.max().item() / n, estimate)

    return Interval(estimate**0.5, low**0.5, high**0.5)
