r"""What the usual measures of similarity say of the same samples."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import torch
from torch import Tensor

from equiv.baselines import (
    debiased_cka,
    linear_cka,
    mutual_knn,
    procrustes,
    pwcca,
    rbf_cka,
    rsa,
    svcca,
)
from equiv.observe.draws import Draws
from equiv.paired.chance import Chance, components_by_chance, distances_by_chance, neighbours_by_chance

__all__ = ["measures_by_chance", "usual_measures"]

# The measures are taken on at most so many samples, evenly spread.
# [samples; chosen: they change by less than a hundredth with more, and cost a tenth of the comparison at most]
MAX_MEASURED_SAMPLES = 2000

# Those that rank or transform the distances of all pairs are taken on at most so many.
# [samples; chosen: as above, their cost grows with the square of the samples]
MAX_DISTANCE_SAMPLES = 500


def measures_by_chance(a: Tensor, b: Tensor, draws: Draws, seed: int = 0) -> dict[str, dict[str, float]]:
    r"""What the same measures say of samples paired at random, by name: `mean`, and `high`, exceeded by one in 20.

    Measures that are not defined are left out.

    Arguments:
        a: A's activations, shape `(n, d_a)`.
        b: B's activations at the same inputs, `(n, d_b)`.
        draws: The independent draws of the samples, which are exchanged whole.
        seed: Of the pairings.
    """
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Chance] = {}

    for measures, most in (
        (components_by_chance, MAX_MEASURED_SAMPLES),
        (neighbours_by_chance, MAX_MEASURED_SAMPLES),
        (distances_by_chance, MAX_DISTANCE_SAMPLES),
    ):
        some = _evenly(len(a), most, a.device)

        with contextlib.suppress(ValueError, RuntimeError):  # what is not defined is not told
            found |= measures(a[some], b[some], draws.subset(some), generator)

    return {name: chance._asdict() for name, chance in found.items()}


def usual_measures(a: Tensor, b: Tensor) -> dict[str, float]:
    r"""The measures of `equiv.baselines` by name; NaN where one is undefined (constant neurons, few samples).

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
    return values[_evenly(len(values), count, values.device)]


def _evenly(n: int, count: int, device: torch.device) -> Tensor:
    count = min(count, n)

    return torch.arange(count, device=device) * n // max(count, 1)


def _defined(measure: Callable[[Tensor, Tensor], float], a: Tensor, b: Tensor) -> float:
    try:
        return measure(a, b)
    except (ValueError, torch.linalg.LinAlgError):
        return math.nan
