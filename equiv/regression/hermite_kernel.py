r"""Radial kernels for values and directional derivatives (Hermite data)."""

import torch
from torch import Tensor

__all__ = ["PROFILES", "gram", "profile"]

PROFILES = ("gaussian", "matern")


def profile(kind: str, squared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""A radial kernel :math:`\kappa(t)`, :math:`t = |z - z'|^2 / 2`, and its first two derivatives in t.

    * gaussian: :math:`\kappa = e^{-t}`;
    * matern (smoothness 5/2): :math:`\kappa = (1 + r + r^2/3) e^{-r}`, :math:`r = \sqrt{10 t}`.

    Arguments:
        kind: One of `PROFILES`.
        squared: Squared distances :math:`|z - z'|^2 \ge 0` in length scales, any shape.

    Returns:
        :math:`\kappa, \kappa', \kappa''`, each of the shape of `squared`.

    References:
        | Gaussian Processes for Machine Learning, equation 4.17 (Rasmussen and Williams, 2006)
    """
    if kind == "gaussian":
        value = torch.exp(-0.5 * squared)

        return value, -value, value

    # The clamp keeps the gradient of the square root finite where a query is a training point.
    radius = (5 * squared).clamp_min(1e-24).sqrt()
    decay = torch.exp(-radius)

    return (
        (1 + radius + radius.square() / 3) * decay,
        (-5 / 3) * (1 + radius) * decay,
        (25 / 3) * decay,
    )


def gram(kind: str, points: Tensor, directions: Tensor, linear: float) -> Tensor:
    r"""Covariances of values and directional derivatives of one Gaussian process at all points.

    The kernel is :math:`k(z, z') = \kappa(|z - z'|^2 / 2) + \ell (1 + z^\top z')`. With :math:`v_{ia}`
    the a-th direction at point i, :math:`\delta = z_i - z_j`,

    .. math:: \partial_{v_{jb}} k = -\kappa' \delta^\top v_{jb} + \ell z_i^\top v_{jb}, \qquad
        \partial_{v_{ia}} \partial_{v_{jb}} k = (\ell - \kappa') v_{ia}^\top v_{jb}
            - \kappa'' (\delta^\top v_{ia}) (\delta^\top v_{jb}).

    Arguments:
        kind: One of `PROFILES`.
        points: :math:`z_i`, shape `(n, k)`, in length scales.
        directions: :math:`v_{ia}`, shape `(n, r, k)`; r = 0 for values alone.
        linear: :math:`\ell`, the prior variance of the affine part, at least 0.

    Returns:
        Shape `(n (1 + r), n (1 + r))`, sample by sample: the value, then its r derivatives.

    References:
        | Derivative observations in Gaussian process models of dynamic systems (Solak et al., 2003)
    """
    n, r, k = directions.shape
    inner = points @ points.T
    norm = inner.diagonal()
    squared = (norm[:, None] + norm - 2 * inner).clamp_min_(0).fill_diagonal_(0)
    value, first, second = profile(kind, squared)

    if r == 0:
        return value + linear * (inner + 1)

    flat = directions.reshape(n * r, k)
    projected = (points @ flat.T).view(n, n, r)  # z_i . v_jb
    along = projected - projected.diagonal().T  # (z_i - z_j) . v_jb
    block = points.new_empty(n, 1 + r, n, 1 + r)
    block[:, 0, :, 0] = value + linear * (inner + 1)
    block[:, 0, :, 1:] = linear * projected - first[:, :, None] * along
    block[:, 1:, :, 0] = block[:, 0, :, 1:].permute(1, 2, 0)
    block[:, 1:, :, 1:] = (flat @ flat.T).view(n, r, n, r)

    for a in range(r):
        # Row i, direction a: (z_i - z_j) . v_ia = -along[j, i, a].
        weighted = second * along[:, :, a].T
        block[:, 1 + a, :, 1:] *= (linear - first)[:, :, None]
        block[:, 1 + a, :, 1:] += weighted[:, :, None] * along

    return block.view(n * (1 + r), n * (1 + r))
