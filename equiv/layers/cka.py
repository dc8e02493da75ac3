r"""Linear CKA, debiased, of all pairs of layers from one Gram matrix each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from equiv.metric.neuron_scale import unit_spread
from equiv.similarity.side import debiased_gram, evenly

__all__ = ["debiased_bytes", "debiased_matrix"]

# CKA is taken on at most so many samples.
# [samples; chosen: it changes by less than a hundredth with more]
MAX_SAMPLES = 2000

# What an entry of a Gram matrix takes.
# [bytes; derived: float64]
GRAM_BYTES = 8


def debiased_bytes(layers: int, n: int) -> float:
    r"""What the Gram matrices of so many layers of A take at n samples, in bytes."""
    return GRAM_BYTES * layers * min(n, MAX_SAMPLES) ** 2


def debiased_matrix(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    r"""As `equiv.baselines.debiased_cka` of each pair of layers `(n, d)`, `(L_a, L_b)`; NaN where it is not defined."""
    rows = evenly(len(a[0]), MAX_SAMPLES, a[0].device)
    grams = [_gram(values[rows.to(values.device)]) for values in a]
    columns = []

    for values in b:  # the Gram matrices of one side are held, and one of the other
        other = _gram(values[rows.to(values.device)])
        columns.append(torch.stack([(one * other).sum() for one in grams]))

    return torch.stack(columns, dim=1).cpu()


def _gram(values: Tensor) -> Tensor:
    r"""The unbiased Gram matrix without its diagonal, of norm 1."""
    gram = debiased_gram(unit_spread(values.double()))

    return gram / gram.norm()
