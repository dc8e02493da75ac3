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

from equiv.checks import check_integer, check_number
from equiv.similarity.side import MIN_SPREAD, ROUNDING, centred_pair, debiased_gram

__all__ = ["debiased_cka", "linear_cka", "mutual_knn", "procrustes", "pwcca", "rbf_cka", "rsa", "svcca"]


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
    a, b = (side.values for side in centred_pair(a, b))

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

    for side in centred_pair(a, b):
        gram = debiased_gram(side.values)

        if len(side) < 4 or not gram.norm() > MIN_SPREAD * side.values.square().sum():
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

    return _alignment(*(side.kernel(width) for side in centred_pair(a, b)))


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
    a, b = (side.basis[:, : side.leading(variance)] for side in centred_pair(a, b))

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
    rotation, correlation, _ = torch.linalg.svd(a.basis.mT @ b.basis, full_matrices=False)
    weights = (rotation.mT @ a.loadings).abs().sum(dim=1)

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
    product = a.shares[:, None] * (a.basis.mT @ b.basis) * b.shares

    return torch.linalg.matrix_norm(product, ord="nuc").item()


def rsa(a: Any, b: Any) -> float:
    r"""Rank correlation (Spearman's) of the distances between samples.

    Distances are one less the correlation of two samples' varying neurons; of a single one, the difference. Arguments
    and errors as of `linear_cka`; the result is in `[-1, 1]`, NaN where all samples are equally far apart.

    References:
        | Representational similarity analysis (Kriegeskorte et al., 2008)
        | https://doi.org/10.3389/neuro.06.004.2008
    """
    return torch.corrcoef(torch.stack([side.ranks for side in centred_pair(a, b)]))[0, 1].item()


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

    return torch.cosine_similarity(a.neighbours(k), b.neighbours(k), dim=1).mean().item()


def _alignment(a: Tensor, b: Tensor) -> float:
    return ((a * b).sum() / (a.norm() * b.norm())).item()
