r"""The usual measures of similarity, on paired samples, so that a report can say what each would have said.

All take activations `(n, d_a)` and `(n, d_b)` of two networks at the same inputs and return a number that is
1 for representations that the measure holds to be the same, and smaller otherwise. None says whether a map
exists.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer, check_number

__all__ = ["linear_cka", "mutual_knn", "procrustes", "pwcca", "rbf_cka", "rsa", "svcca"]

# Activations whose spread is below this share of their size do not vary.
# [share of the size; chosen: a hundred times the rounding of float64]
MIN_SPREAD = 1e-14

# Principal components with smaller scales are rounding.
# [share of the largest scale; chosen: between the rounding of float64 and of float32]
MIN_SCALE = 1e-10

# A share of the variance that is missed by less is held.
# [share of the variance; chosen: a thousand times the rounding of the sums]
SHARE_ROUNDING = 1e-12


def linear_cka(a: Any, b: Any) -> float:
    r"""Linear centred kernel alignment, :math:`|A^\top B|_F^2 / (|A^\top A|_F\, |B^\top B|_F)`, centred.

    Arguments:
        a: Activations, shape `(n, d_a)`.
        b: Activations at the same inputs, shape `(n, d_b)`.

    Returns:
        In `[0, 1]`; 1 for the same up to rotation and scale.

    Raises:
        TypeError, ValueError: If the arrays do not hold the same n >= 3 samples, or one does not vary.

    References:
        | Similarity of neural network representations revisited, equation (4) (Kornblith et al., 2019)
        | https://arxiv.org/abs/1905.00414
    """
    a, b = _paired(a, b)
    a, b = a / a.norm(), b / b.norm()

    if len(a) < max(a.shape[1], b.shape[1]):
        return _alignment(a @ a.mT, b @ b.mT)

    return ((a.mT @ b).square().sum() / ((a.mT @ a).norm() * (b.mT @ b).norm())).item()


def rbf_cka(a: Any, b: Any, width: float = 0.5) -> float:
    r"""Centred kernel alignment with Gaussians :math:`\exp(-|y - y'|^2 / (2 \sigma^2))`.

    Arguments, result and errors as of `linear_cka`; 1 for the same up to rotation and scale.

    Arguments:
        a: Activations, shape `(n, d_a)`.
        b: Activations at the same inputs, shape `(n, d_b)`.
        width: :math:`\sigma` in units of the median distance between samples. Positive.

    References:
        | Similarity of neural network representations revisited, section 4 (Kornblith et al., 2019)
    """
    width = check_number(width, "width")
    kernels = []

    for values in _paired(a, b):
        squared = torch.cdist(values, values).square()
        median = squared[*torch.triu_indices(len(values), len(values), 1)].median()
        kernels.append(torch.exp(-squared / (2 * width**2 * median)))

    return _alignment(*(k - k.mean(dim=0) - k.mean(dim=1)[:, None] + k.mean() for k in kernels))


def svcca(a: Any, b: Any, variance: float = 0.99) -> float:
    r"""Mean canonical correlation of the leading principal components that hold a share of the variance.

    Arguments, result and errors as of `linear_cka`; 1 for the same up to an invertible linear map of them.

    Arguments:
        a: Activations, shape `(n, d_a)`.
        b: Activations at the same inputs, shape `(n, d_b)`.
        variance: Share of the variance kept, in `(0, 1]`.

    References:
        | SVCCA: Singular vector canonical correlation analysis (Raghu et al., 2017)
        | https://arxiv.org/abs/1706.05806
    """
    variance = check_number(variance, "variance", 0.0, 1.0 + SHARE_ROUNDING)
    a, b = (_principal(values, variance)[0] for values in _paired(a, b))

    return torch.linalg.svdvals(a.mT @ b).clamp(max=1).mean().item()


def pwcca(a: Any, b: Any) -> float:
    r"""Canonical correlations weighted by how much of A's activations each canonical variable accounts for.

    :math:`\sum_i \alpha_i \rho_i / \sum_i \alpha_i,\ \alpha_i = \sum_j |\langle h_i, a_j \rangle|`, with
    :math:`h_i` A's canonical variables; not symmetric. Arguments, result and errors as of `linear_cka`.

    References:
        | Insights on representational similarity in neural networks with canonical correlation, section 2
        | (Morcos et al., 2018), https://arxiv.org/abs/1806.05759
    """
    a, b = _paired(a, b)
    basis_a, basis_b = (_principal(values, 1.0)[0] for values in (a, b))
    rotation, correlation, _ = torch.linalg.svd(basis_a.mT @ basis_b, full_matrices=False)
    weights = ((basis_a @ rotation).mT @ a).abs().sum(dim=1)

    return ((weights * correlation.clamp(max=1)).sum() / weights.sum()).item()


def procrustes(a: Any, b: Any) -> float:
    r"""One less half the squared distance after the best rotation: the nuclear norm :math:`|A^\top B|_*`.

    Both are centred and scaled to unit Frobenius norm, so that the squared distance is
    :math:`2 - 2 |A^\top B|_*`. Arguments, result and errors as of `linear_cka`.

    References:
        | A generalized solution of the orthogonal Procrustes problem (Schönemann, 1966)
        | https://doi.org/10.1007/BF02289451
    """
    a, b = _paired(a, b)
    # Through the principal components the product is small even for wide layers.
    (basis_a, scale_a), (basis_b, scale_b) = _principal(a / a.norm(), 1.0), _principal(b / b.norm(), 1.0)

    return torch.linalg.matrix_norm(scale_a[:, None] * (basis_a.mT @ basis_b) * scale_b, ord="nuc").item()


def rsa(a: Any, b: Any) -> float:
    r"""Rank correlation (Spearman's) of the distances between samples.

    Distances are one less the correlation of two samples' activations; of a single neuron, the difference.
    Arguments and errors as of `linear_cka`; the result is in `[-1, 1]`.

    References:
        | Representational similarity analysis (Kriegeskorte et al., 2008)
        | https://doi.org/10.3389/neuro.06.004.2008
    """
    a, b = (_checked(values, name) for values, name in ((a, "a"), (b, "b")))
    _paired(a, b)
    i, j = torch.triu_indices(len(a), len(a), 1)
    ranks = []

    for values in (a.double(), b.double()):
        if values.shape[1] == 1:
            distance = (values[i] - values[j]).abs()[:, 0]
        else:
            centred = values - values.mean(dim=1, keepdim=True)
            unit = centred / centred.norm(dim=1, keepdim=True).clamp(min=1e-300)
            distance = 1 - (unit @ unit.mT)[i, j]
        ranks.append(_ranks(distance))

    return torch.corrcoef(torch.stack(ranks))[0, 1].item()


def mutual_knn(a: Any, b: Any, k: int = 10) -> float:
    r"""Mean share of a sample's k nearest neighbours in A that are so in B as well.

    Arguments, result and errors as of `linear_cka`; chance gives k / (n - 1).

    Arguments:
        a: Activations, shape `(n, d_a)`.
        b: Activations at the same inputs, shape `(n, d_b)`.
        k: Neighbours, less than n.

    References:
        | The platonic representation hypothesis, section 3 (Huh et al., 2024), https://arxiv.org/abs/2405.07987
    """
    k = check_integer(k, "k")
    near = []

    for values in _paired(a, b):
        if k >= len(values):
            raise ValueError(f"'k' should be less than the {len(values)} samples, got {k}; lower it.")

        distance = torch.cdist(values, values).fill_diagonal_(torch.inf)
        order = distance.topk(k, dim=1, largest=False).indices
        near.append(torch.zeros_like(distance, dtype=torch.bool).scatter_(1, order, True))

    return ((near[0] & near[1]).sum() / (k * len(near[0]))).item()


def _checked(values: Any, name: str) -> Tensor:
    values = as_floating(values, name, "(n, d)", 2)
    check_finite(values, name)

    return values.detach()


def _paired(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    r"""Both, centred, float64."""
    a, b = _checked(a, "a").double(), _checked(b, "b").double()

    if len(a) != len(b) or len(a) < 3:
        raise ValueError(
            f"'a' and 'b' should hold the same 3 or more samples, got {len(a)} and {len(b)}; "
            "observe both networks at the same inputs."
        )

    centred = []

    for values, name in ((a, "a"), (b, "b")):
        centred.append(values - values.mean(dim=0))
        if not centred[-1].norm() > MIN_SPREAD * values.norm():
            raise ValueError(
                f"'{name}' should vary from sample to sample, got equal rows; check the network."
            )

    return centred[0], centred[1]


def _alignment(a: Tensor, b: Tensor) -> float:
    return ((a * b).sum() / (a.norm() * b.norm())).item()


def _principal(values: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    r"""Orthonormal principal components `(n, r)` that hold this share of the variance, and their scales."""
    basis, scale, _ = torch.linalg.svd(values, full_matrices=False)
    held = scale.square().cumsum(dim=0) / scale.square().sum()
    kept = int((held < variance * (1 - SHARE_ROUNDING)).sum()) + 1
    kept = min(kept, int((scale > MIN_SCALE * scale[0]).sum()))

    return basis[:, :kept], scale[:kept]


def _ranks(values: Tensor) -> Tensor:
    r"""Ranks, ties sharing their mean."""
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(dim=0).double()

    return (last - 0.5 * (counts - 1))[inverse]
