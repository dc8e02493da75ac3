r"""The heat kernel on squared distances, and its normalisation.

.. math:: K_{ij} = \exp(-d_{ij}^2 / (4 \epsilon)), \qquad
          \tilde K_{ij} = \frac{K_{ij}}{q_i^\alpha q_j^\alpha}, \quad q_i = \sum_j K_{ij}, \qquad
          P_{ij} = \tilde K_{ij} / D_i, \quad D_i = \sum_j \tilde K_{ij}.

The factor 4 makes :math:`\epsilon` the time of the heat equation :math:`\partial_t u = \Delta u`, so that
:math:`-\log(\mu) / \epsilon` of an eigenvalue :math:`\mu` of P is one of minus the Laplacian (:math:`\alpha =
1`). Other libraries have 2 or 1 in its place. The kernel matrix itself is kept as it is: both normalisations
are diagonal.

References:
    | Diffusion maps (Coifman and Lafon, 2006), section 3, https://doi.org/10.1016/j.acha.2006.04.006
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Normalisation", "components", "heat_kernel_", "normalise"]


def heat_kernel_(distances: Tensor, epsilon: float) -> Tensor:
    r"""Turns squared distances into :math:`\exp(-d^2 / (4 \epsilon))`, in place.

    Arguments:
        distances: Squared distances, any shape, in squared input units; infinite ones give 0.
        epsilon: In squared input units, positive.
    """
    return distances.mul_(-0.25 / epsilon).exp_()


@dataclass(frozen=True)
class Normalisation:
    r"""The diagonal factors that turn a kernel into a Markov matrix.

    Attributes:
        density: :math:`q_j^{-\alpha}`, shape `(n,)`.
        degree: :math:`D_i`, shape `(n,)`.
        conjugate: w with :math:`S = \mathrm{diag}(w) K \mathrm{diag}(w)` the symmetric conjugate of P, shape
            `(n,)`.
    """

    density: Tensor
    degree: Tensor
    conjugate: Tensor


def normalise(kernel: Tensor, alpha: float) -> Normalisation:
    r"""The factors for a symmetric kernel, dense or sparse, of shape `(n, n)`.

    Arguments:
        kernel: :math:`K`, non-negative with a positive diagonal.
        alpha: 1 for the Laplacian whatever the sampling density, 0 for none. Dimensionless, in `[0, 1]`.
    """
    ones = torch.ones(len(kernel), 1, dtype=kernel.dtype, device=kernel.device)
    density = (kernel @ ones)[:, 0].pow(-alpha)
    degree = density * (kernel @ density[:, None])[:, 0]

    return Normalisation(density, degree, density / degree.sqrt())


def components(kernel: Tensor, threshold: float) -> Tensor:
    r"""Labels of the connected components of a dense kernel's graph, shape `(n,)`, int64.

    Two samples are joined where the kernel is above `threshold`. Every row is read once.
    """
    n = len(kernel)
    labels = torch.full((n,), -1, device=kernel.device)
    label = 0

    while True:
        rest = (labels < 0).nonzero().flatten()

        if len(rest) == 0:
            return labels

        frontier = rest[:1]
        labels[frontier] = label

        while len(frontier):
            near = torch.zeros(n, dtype=torch.bool, device=kernel.device)

            for rows in frontier.split(256):
                near |= kernel[rows].amax(dim=0) > threshold

            frontier = (near & (labels < 0)).nonzero().flatten()
            labels[frontier] = label

        label += 1
