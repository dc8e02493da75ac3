r"""The usual measures of similarity, on paired samples, so that a report can say what each would have said.

All take activations `(n, d_a)` and `(n, d_b)` of two networks at the same inputs and return a number that is
1 for representations that the measure holds to be the same, and smaller otherwise. None says whether a map
exists.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer, check_number

__all__ = ["debiased_cka", "linear_cka", "mutual_knn", "procrustes", "pwcca", "rbf_cka", "rsa", "svcca"]

# Neurons whose deviations are below this share of their size do not vary.
# [share of the size; chosen: a hundred times the rounding of float64]
MIN_SPREAD = 1e-14

# Principal components with smaller scales are rounding.
# [share of the largest scale; chosen: between the rounding of float64 and of float32]
MIN_SCALE = 1e-10

# Distances that differ by less are equal, and a share of the variance that is missed by less is held.
# [share of the mean square distance, of the variance; chosen: a thousand times the rounding of float64]
ROUNDING = 1e-12


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
    a, b = centred_pair(a, b)
    a, b = a / a.norm(), b / b.norm()

    if len(a) < max(a.shape[1], b.shape[1]):
        return _alignment(a @ a.mT, b @ b.mT)

    return ((a.mT @ b).square().sum() / ((a.mT @ a).norm() * (b.mT @ b).norm())).item()


def debiased_cka(a: Any, b: Any) -> float:
    r"""Linear centred kernel alignment by unbiased estimates: near 0 for independent networks however wide they are.

    .. math:: \frac{\langle K, L \rangle}{\sqrt{\langle K, K \rangle \langle L, L \rangle}}, \qquad
        \langle K, L \rangle = \sum_{i \ne j} \tilde{K}_{ij} \tilde{L}_{ij}

    with Gram matrices whose rows sum to 0 without their diagonals. The biased measure of independent samples grows
    with the number of neurons over that of samples. Arguments and errors as of `linear_cka`; the result is
    in `[-1, 1]`, NaN of 3 samples and where only one differs.

    References:
        | Do wide and deep networks learn the same things?, section 2 (Nguyen et al., 2021)
        | https://arxiv.org/abs/2010.15327
    """
    grams = []

    for values in centred_pair(a, b):
        n = len(values)
        gram = (values @ values.mT).fill_diagonal_(0.0)
        rows = gram.sum(dim=1) / (n - 2)
        gram += rows.sum() / (n - 1) - rows - rows[:, None]
        gram.fill_diagonal_(0.0)

        if n < 4 or not gram.norm() > MIN_SPREAD * values.square().sum():
            return math.nan

        grams.append(gram)

    return _alignment(*grams)


def rbf_cka(a: Any, b: Any, width: float = 0.5) -> float:
    r"""Centred kernel alignment with Gaussians :math:`\exp(-|y - y'|^2 / (2 \sigma^2))`.

    Arguments, result and errors as of `linear_cka`; 1 for the same up to rotation and scale.

    Arguments:
        width: :math:`\sigma` in units of the median distance between samples that differ. Positive.

    References:
        | Similarity of neural network representations revisited, section 4 (Kornblith et al., 2019)
    """
    width = check_number(width, "width")

    return _alignment(*(gaussian_kernel(values, width) for values in centred_pair(a, b)))


def gaussian_kernel(values: Tensor, width: float = 0.5) -> Tensor:
    r"""The centred kernel of `rbf_cka`, `(n, n)`."""
    squared = _squared_distances(values)
    apart = squared[*torch.triu_indices(len(values), len(values), 1)]
    median = apart[apart > 0].median()  # equal samples tell of no scale
    k = torch.exp(-squared / (2 * width**2 * median))

    return k - k.mean(dim=0) - k.mean(dim=1)[:, None] + k.mean()


def svcca(a: Any, b: Any, variance: float = 0.99) -> float:
    r"""Mean canonical correlation of the leading principal components that hold a share of the variance.

    Arguments, result and errors as of `linear_cka`; 1 for the same up to an invertible linear map of them.

    Arguments:
        variance: Share of the variance kept, in `(0, 1]`.

    References:
        | SVCCA: Singular vector canonical correlation analysis (Raghu et al., 2017)
        | https://arxiv.org/abs/1706.05806
    """
    variance = check_number(variance, "variance", 0.0, 1.0 + ROUNDING)
    a, b = (principal(values, variance)[0] for values in centred_pair(a, b))

    return torch.linalg.svdvals(a.mT @ b).clamp(max=1).mean().item()


def pwcca(a: Any, b: Any) -> float:
    r"""Canonical correlations weighted by how much of A's activations each canonical variable accounts for.

    :math:`\sum_i \alpha_i \rho_i / \sum_i \alpha_i,\ \alpha_i = \sum_j |\langle h_i, a_j \rangle|`, with
    :math:`h_i` A's canonical variables; not symmetric. Arguments, result and errors as of `linear_cka`.

    References:
        | Insights on representational similarity in neural networks with canonical correlation, section 2
        | (Morcos et al., 2018), https://arxiv.org/abs/1806.05759
    """
    a, b = centred_pair(a, b)
    basis_a, basis_b = (principal(values, 1.0)[0] for values in (a, b))
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
    a, b = centred_pair(a, b)
    # Through the principal components the product is small even for wide layers.
    (basis_a, scale_a), (basis_b, scale_b) = principal(a / a.norm(), 1.0), principal(b / b.norm(), 1.0)

    return torch.linalg.matrix_norm(scale_a[:, None] * (basis_a.mT @ basis_b) * scale_b, ord="nuc").item()


def rsa(a: Any, b: Any) -> float:
    r"""Rank correlation (Spearman's) of the distances between samples.

    Distances are one less the correlation of two samples' varying neurons; of a single one, the difference. Arguments
    and errors as of `linear_cka`; the result is in `[-1, 1]`, NaN where all samples are equally far apart.

    References:
        | Representational similarity analysis (Kriegeskorte et al., 2008)
        | https://doi.org/10.3389/neuro.06.004.2008
    """
    return torch.corrcoef(torch.stack(distance_ranks(a, b)))[0, 1].item()


def distance_ranks(a: Any, b: Any) -> list[Tensor]:
    r"""The ranks of `rsa` of both, each `(n (n - 1) / 2,)`, as pairs stand in `torch.triu_indices`."""
    a, b = (_checked(values, name).double() for values, name in ((a, "a"), (b, "b")))
    i, j = torch.triu_indices(len(a), len(a), 1)
    ranks = []

    for values, varying in zip((a, b), centred_pair(a, b), strict=True):
        seen = values[:, (varying != 0).any(dim=0)]
        seen = seen / seen.abs().max()

        if seen.shape[1] == 1:
            distance = (seen[i] - seen[j]).abs()[:, 0]
        else:
            centred = seen - seen.mean(dim=1, keepdim=True)
            length = centred.norm(dim=1, keepdim=True)
            # A sample at which all neurons are equal correlates with none.
            centred[length[:, 0] <= MIN_SPREAD * seen.norm(dim=1)] = 0.0
            unit = centred / length.clamp(min=1e-300)
            distance = 1 - (unit @ unit.mT)[i, j]

        ranks.append(_ranks((distance / ROUNDING).round()))

    return ranks


def mutual_knn(a: Any, b: Any, k: int = 10) -> float:
    r"""Mean share of a sample's k nearest neighbours in A that are so in B as well.

    Of samples at equal distances, of which k takes in some alone, each counts as the same part of a neighbour.
    Arguments, result and errors as of `linear_cka`; chance gives k / (n - 1).

    Arguments:
        k: Neighbours, less than n.

    References:
        | The platonic representation hypothesis, section 3 (Huh et al., 2024), https://arxiv.org/abs/2405.07987
    """
    k = check_integer(k, "k")
    a, b = centred_pair(a, b)

    if k >= len(a):
        raise ValueError(f"'k' should be less than the {len(a)} samples, got {k}; lower it.")

    return torch.cosine_similarity(neighbour_weights(a, k), neighbour_weights(b, k), dim=1).mean().item()


def neighbour_weights(values: Tensor, k: int) -> Tensor:
    r"""1 for the k nearest of each sample, shared evenly by those that are equally far as the last, `(n, n)`."""
    distance = _squared_distances(values)
    same = ROUNDING * distance.mean()
    distance.fill_diagonal_(torch.inf)
    last = distance.topk(k, dim=1, largest=False).values[:, -1:]
    nearer = distance < last - same
    tied = (distance <= last + same) & ~nearer
    share = (k - nearer.sum(dim=1, keepdim=True)) / tied.sum(dim=1, keepdim=True)

    return nearer.double() + tied * share


def _squared_distances(values: Tensor) -> Tensor:
    r"""Squared distances between samples, `(n, n)`, exactly 0 between equal ones."""
    squared = torch.cdist(values, values).square()

    return torch.where(squared > ROUNDING * squared.mean(), squared, 0.0)


def _checked(values: Any, name: str) -> Tensor:
    values = as_floating(values, name, "(n, d)", 2)
    check_finite(values, name)

    return values.detach()


def centred_pair(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    r"""Both, centred, float64, at most 1 in size; neurons that do not vary are exactly 0, however large they were."""
    a, b = _checked(a, "a").double(), _checked(b, "b").double()

    if len(a) != len(b) or len(a) < 3:
        raise ValueError(
            f"'a' and 'b' should hold the same 3 or more samples, got {len(a)} and {len(b)}; "
            "observe both networks at the same inputs."
        )

    centred = []
    for values, name in ((a, "a"), (b, "b")):
        size = values.abs().amax(dim=0).clamp_min(1e-300)
        deviation = values / size - (values / size).mean(dim=0)
        varying = deviation.abs().amax(dim=0) > MIN_SPREAD

        if not varying.any():
            raise ValueError(f"'{name}' should vary from sample to sample, got equal rows; probe others.")

        size = torch.where(varying, size, 0.0)
        centred.append(deviation * (size / size.max()))

    return centred[0], centred[1]


def _alignment(a: Tensor, b: Tensor) -> float:
    return ((a * b).sum() / (a.norm() * b.norm())).item()


def principal(values: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    r"""Orthonormal principal components `(n, r)` that hold this share of the variance, and their scales."""
    basis, scale, _ = torch.linalg.svd(values, full_matrices=False)
    held = scale.square().cumsum(dim=0) / scale.square().sum()
    kept = int((held < variance * (1 - ROUNDING)).sum()) + 1
    kept = min(kept, int((scale > MIN_SCALE * scale[0]).sum()))

    return basis[:, :kept], scale[:kept]


def _ranks(values: Tensor) -> Tensor:
    r"""Ranks, ties sharing their mean."""
    _, inverse, counts = torch.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum(dim=0).double()

    return (last - 0.5 * (counts - 1))[inverse]
