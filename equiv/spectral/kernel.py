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

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Normalisation", "heat_kernel", "heat_kernel_", "normalise"]


def heat_kernel(distances: Tensor, epsilon: float) -> Tensor:
    r"""The weights :math:`\exp(-d^2 / (4 \epsilon))`.

    Arguments:
        distances: Squared distances, any shape, in squared input units; infinite ones give 0.
        epsilon: In squared input units, positive.
    """
    # Powers of two are several times faster than of e where they underflow.
    return (distances * _exponent(epsilon)).exp2()


def heat_kernel_(distances: Tensor, epsilon: float) -> Tensor:
    r"""`heat_kernel` in place."""
    return distances.mul_(_exponent(epsilon)).exp2_()


def _exponent(epsilon: float) -> float:
    return -0.25 / (epsilon * math.log(2))


@dataclass(frozen=True)
class Normalisation:
    r"""The diagonal factors that turn a kernel into a Markov matrix.

    Attributes:
        density: :math:`c_j^{1 - \alpha} q_j^{-\alpha}` of a row that occurs c times, shape `(n,)`.
        degree: :math:`D_i`, shape `(n,)`.
        conjugate: w with :math:`S = \mathrm{diag}(w) K \mathrm{diag}(w)` the symmetric conjugate of P, shape
            `(n,)`.
    """

    density: Tensor
    degree: Tensor
    conjugate: Tensor


def normalise(product: Callable[[Tensor], Tensor], counts: Tensor, alpha: float) -> Normalisation:
    r"""The factors for a symmetric kernel.

    Arguments:
        product: Rows times K, `(b, n) -> (b, n)`; K is non-negative with a positive diagonal.
        counts: How many equal samples each row stands for, shape `(n,)`, of the kernel's dtype and device.
        alpha: 1 for the Laplacian whatever the sampling density, 0 for none. Dimensionless, in `[0, 1]`.
    """
    # The density of the rows times their counts is that of the samples, of which the power 1 - alpha is to be left.
    density = counts.pow(1 - alpha) * product(torch.ones_like(counts)[None])[0].pow(-alpha)
    degree = density * product(density[None])[0]

    return Normalisation(density, degree, density / degree.sqrt())
