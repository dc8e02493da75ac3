r"""How wide the kernel should be.

With :math:`K_{ij} = \exp(-d_{ij}^2 / (4 \epsilon))`, a row sum of K counts the neighbours of a sample within
the kernel's reach. The bias of diffusion maps grows with epsilon, their sampling noise with fewer neighbours.
"""

import math

from torch import Tensor

__all__ = ["neighbour_epsilon"]

# Effective number of neighbours of a sample, its own weight included.
NEIGHBOURS = 16.0


def neighbour_epsilon(distances: Tensor, neighbours: float = NEIGHBOURS) -> float:
    r"""The epsilon at which a row of the kernel sums to a given number, in the mean over rows.

    Arguments:
        distances: Squared distances from some samples to all, shape `(q, n)`, in squared input units; each
            row holds the zero of its own sample. Infinite ones count as no pair.
        neighbours: The effective number of neighbours, at least 2; at most half of the pairs of finite
            distance.

    Returns:
        epsilon, in squared input units.

    Raises:
        ValueError: If all distances are zero or infinite.
    """
    positive = distances[(distances > 0) & distances.isfinite()]

    if len(positive) == 0:
        raise ValueError(
            "'observations' should hold samples that differ along their frames, got none that do; "
            "observe neurons that vary."
        )

    zeros = (distances == 0).sum().item() / len(distances)
    reach = len(positive) / len(distances)
    wanted = zeros + min(max(neighbours - 1, 1.0), 0.5 * reach)
    low, high = positive.min().log().item() - 4, positive.max().log().item() + 4

    for _ in range(40):
        middle = 0.5 * (low + high)
        count = zeros + positive.mul(-0.25 * math.exp(-middle)).exp_().sum().item() / len(distances)
        low, high = (middle, high) if count < wanted else (low, middle)

    return math.exp(0.5 * (low + high))
