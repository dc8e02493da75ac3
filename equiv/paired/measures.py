r"""What the usual measures of similarity say of the same samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from equiv.paired.baselines import (
    debiased_cka,
    linear_cka,
    mutual_knn,
    procrustes,
    pwcca,
    rbf_cka,
    rsa,
    svcca,
)

__all__ = ["usual_measures"]

# The measures are taken on at most so many samples, evenly spread.
# [samples; chosen: they change by less than a hundredth with more, and cost a tenth of the comparison at most]
MAX_MEASURED_SAMPLES = 2000

# Those that rank or transform the distances of all pairs are taken on at most so many.
# [samples; chosen: as above, their cost grows with the square of the samples]
MAX_DISTANCE_SAMPLES = 500


def usual_measures(a: Tensor, b: Tensor) -> dict[str, float]:
    r"""The measures of `equiv.paired.baselines` by name; NaN where one is undefined (constant neurons, few samples).

    PWCCA weighs by the activations of one network: `pwcca_a` by those of A, `pwcca_b` by those of B.

    Arguments:
        a: A's activations, shape `(n, d_a)`.
        b: B's activations at the same inputs, `(n, d_b)`.
    """
    sides = _spread(a, MAX_MEASURED_SAMPLES), _spread(b, MAX_MEASURED_SAMPLES)
    few = _spread(a, MAX_DISTANCE_SAMPLES), _spread(b, MAX_DISTANCE_SAMPLES)

    return {
        "linear_cka": _defined(linear_cka, *sides),
        "debiased_cka": _defined(debiased_cka, *sides),
        "rbf_cka": _defined(rbf_cka, *few),
        "svcca": _defined(svcca, *sides),
        "pwcca_a": _defined(pwcca, *sides),
        "pwcca_b": _defined(pwcca, *sides[::-1]),
        "procrustes": _defined(procrustes, *sides),
        "rsa": _defined(rsa, *few),
        "mutual_knn": _defined(mutual_knn, *sides),
    }


def _spread(values: Tensor, count: int) -> Tensor:
    r"""At most so many of the samples, evenly spread."""
    count = min(count, len(values))

    return values[torch.arange(count, device=values.device) * len(values) // max(count, 1)]


def _defined(measure: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor) -> float:
    try:
        return measure(a, b)
    except (ValueError, torch.linalg.LinAlgError):
        return math.nan
