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
from equiv.similarity.side import Side, centred_pair, evenly

__all__ = ["Measures"]

# The measures are taken on at most so many samples, evenly spread.
# [samples; chosen: they change by less than a hundredth with more, and cost a tenth of the comparison at most]
MAX_MEASURED_SAMPLES = 2000

# Those that rank or transform the distances of all pairs are taken on at most so many.
# [samples; chosen: as above, their cost grows with the square of the samples]
MAX_DISTANCE_SAMPLES = 500

# What they take whatever the samples,
# [bytes; measured: 30 MiB at 400 and 800 samples]
LEAST_BYTES = 2**25

# and for each pair of those that they are taken on.
# [bytes a pair; measured: 69 to 85 at 800 to 2,000 samples]
MEASURED_BYTES = 80


def measures_bytes(n: int) -> float:
    r"""What the measures of so many samples take, in bytes."""
    return LEAST_BYTES + MEASURED_BYTES * min(n, MAX_MEASURED_SAMPLES) ** 2


class Measures:
    r"""The usual measures of two networks' samples.

    PWCCA weighs by the activations of one network: `pwcca_a` by those of A, `pwcca_b` by those of B.

    Arguments:
        a: A's activations, shape `(n, d_a)`.
        b: B's activations at the same inputs, `(n, d_b)`.
    """

    def __init__(self, a: Tensor, b: Tensor) -> None:
        self._many, self._few = (
            evenly(len(a), most, a.device) for most in (MAX_MEASURED_SAMPLES, MAX_DISTANCE_SAMPLES)
        )
        self._sides = _pair(a[self._many], b[self._many])
        all_few = len(self._few) == len(self._many)
        self._fewer = self._sides if all_few else _pair(a[self._few], b[self._few])

    def usual(self) -> dict[str, float]:
        r"""The measures of `equiv.baselines` by name; NaN where one is not defined: constant neurons, few samples."""
        return {
            "linear_cka": _defined(linear_cka, self._sides),
            "debiased_cka": _defined(debiased_cka, self._sides),
            "rbf_cka": _defined(rbf_cka, self._fewer),
            "svcca": _defined(svcca, self._sides),
            "pwcca_a": _defined(pwcca, self._sides),
            "pwcca_b": _defined(pwcca, self._sides and self._sides[::-1]),
            "procrustes": _defined(procrustes, self._sides),
            "rsa": _defined(rsa, self._fewer),
            "mutual_knn": _defined(mutual_knn, self._sides),
        }

    def by_chance(self, draws: Draws, seed: int = 0) -> dict[str, dict[str, float]]:
        r"""What they say of samples paired at random, by name: `mean`, and `high`, exceeded by one in 20.

        Measures that are not defined are left out, and PWCCA of many components, which would take too long.

        Arguments:
            draws: The independent draws of the samples, which are exchanged whole.
            seed: Of the pairings.
        """
        generator = torch.Generator().manual_seed(seed)
        found: dict[str, Chance] = {}

        for measures, sides, some in (
            (components_by_chance, self._sides, self._many),
            (neighbours_by_chance, self._sides, self._many),
            (distances_by_chance, self._fewer, self._few),
        ):
            if sides is not None:
                with contextlib.suppress(ValueError, RuntimeError):  # what is not defined is not told
                    found |= measures(*sides, draws.subset(some), generator)

        return {name: chance._asdict() for name, chance in found.items()}


def _pair(a: Tensor, b: Tensor) -> tuple[Side, Side] | None:
    r"""Both sides; None where no measure is defined."""
    try:
        return centred_pair(a, b)
    except ValueError:
        return None


def _defined(measure: Callable[[Side, Side], float], sides: tuple[Side, Side] | None) -> float:
    try:
        return math.nan if sides is None else measure(*sides)
    except (ValueError, torch.linalg.LinAlgError):
        return math.nan
