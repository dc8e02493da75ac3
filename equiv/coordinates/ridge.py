r"""Ridge regression with the ridge that generalised cross-validation prefers."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["RidgeFit", "fit_ridge"]


class RidgeFit(NamedTuple):
    r"""A ridge regression of r equations for b coefficients.

    Attributes:
        coefficients: W, `(b, d)`.
        score: Of generalised cross-validation; lower is better.
        orthogonal: Q of :math:`Z = Q R`, `(r, b)`.
        left: The left singular vectors of R, `(b, b)`; those of Z are :math:`U = Q` times them.
        share: :math:`\sigma`, how much of each singular direction the ridge leaves, `(b,)`; the hat matrix is
            :math:`U \operatorname{diag}(\sigma) U^\top`.
    """

    coefficients: Tensor
    score: float
    orthogonal: Tensor
    left: Tensor
    share: Tensor


def fit_ridge(design: Tensor, target: Tensor, ridges: list[float]) -> RidgeFit:
    r"""Ridge regression with the best of the ridges.

    .. math:: W = V \operatorname{diag}\frac{\sigma}{s} U^\top Y, \qquad \sigma = \frac{s^2}{s^2 + (\lambda s_1)^2},
        \qquad \operatorname{GCV}(\lambda) = \frac{|Y - Z W|^2}{(r - \sum \sigma)^2}.

    Arguments:
        design: Z, `(r, b)`.
        target: Y, `(r, d)`.
        ridges: The choices of :math:`\lambda`, shares of the largest singular value :math:`s_1` of Z.

    References:
        | Generalized cross-validation as a method for choosing a good ridge parameter
        | (Golub, Heath and Wahba, 1979)
    """
    orthogonal, triangular = torch.linalg.qr(design)
    left, singular, right = torch.linalg.svd(triangular, full_matrices=False)
    seen = orthogonal.mT @ target
    # What no function of the design reaches, whatever the ridge.
    unseen = float((target - orthogonal @ seen).square().sum())
    seen = left.mT @ seen  # (b, d)
    score, share = torch.inf, singular

    for ridge in ridges:
        tried = singular.square() / (singular.square() + (ridge * singular[0]).square())
        misfit = float(unseen + ((1 - tried)[:, None] * seen).square().sum())
        reached = misfit / (len(design) - float(tried.sum())) ** 2
        if reached < score:
            score, share = reached, tried

    coefficients = right.mT @ ((share / singular.clamp_min(1e-300))[:, None] * seen)

    return RidgeFit(coefficients, score, orthogonal, left, share)
