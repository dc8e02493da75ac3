r"""How wide the kernel should be, from the distances to the nearest neighbours.

The bias of diffusion maps grows with epsilon, their sampling noise with fewer neighbours under the kernel.
How many are needed depends on how regular the samples are: random ones need about twice as many as
low-discrepancy ones. Epsilon is chosen so that a row of the kernel sums to a number N of effective
neighbours,

.. math:: (4 \pi \epsilon)^{m/2} \rho = N, \qquad \rho = \frac{k}{V_m d_{(k)}^m}
          \quad\Rightarrow\quad
          \epsilon = \frac{d_{(k)}^2}{4} \left( \frac{N}{k\, \Gamma(m/2 + 1)} \right)^{2/m},

with :math:`d_{(k)}` the geometric mean distance to the k-th neighbour and m the dimension that the growth of
the distances shows, at most the rank of the frames. Regularity is :math:`r = k\, E (d_{(1)} / d_{(k)})^m`: 1
for random samples (the ratio is Beta(1, k - 1) distributed), 1.2 to 1.5 for scrambled Sobol or golden-ratio
points, more for lattices. N falls from 16 to 8 between r = 0.95 and 1.25, where the errors of the first four
eigenfunctions of interval, circle, rectangle, torus and cube were smallest.

References:
    | Maximum likelihood estimation of intrinsic dimension (Levina and Bickel, 2004), equation 8, averaged as
    in the
    | comment on it by MacKay and Ghahramani (2005), http://www.inference.org.uk/mackay/dimension/
"""

import math

from torch import Tensor

__all__ = ["DENSITY_NEIGHBOUR", "neighbour_epsilon"]


# Number k of the neighbour whose distance measures the density.
# [neighbours; chosen: far enough to average over, near enough to be local]
DENSITY_NEIGHBOUR = 8

# Effective neighbours under the kernel, N, of random samples.
# [neighbours; measured: first four eigenfunctions of interval, circle, rectangle, torus and cube, least error]
NEIGHBOURS_OF_RANDOM = 16.0

# Effective neighbours under the kernel, N, of regular samples.
# [neighbours; measured: as for random samples, on scrambled Sobol and golden-ratio points]
NEIGHBOURS_OF_REGULAR = 8.0

# Regularity r up to which samples count as random.
# [dimensionless; measured: by the same errors, r of random samples scatters about 1]
REGULARITY_OF_RANDOM = 0.95

# Regularity r from which samples count as regular.
# [dimensionless; measured: by the same errors, r of such points is 1.2 to 1.5]
REGULARITY_OF_REGULAR = 1.25

# The growth of the logarithm of the distance with that of its rank is at least this: 1 / dimension.
# [dimensionless; chosen: no frames are of rank 1000]
SMALLEST_GROWTH = 1e-3


def neighbour_epsilon(nearest: Tensor, rank: float) -> float:
    r"""The epsilon of the module's rule.

    Arguments:
        nearest: Squared distances to the `DENSITY_NEIGHBOUR` nearest other samples, ascending, shape `(n, k)`, in
            squared input units. Copies of the sample itself left out; rows with fewer neighbours padded by
            infinity count for nothing.
        rank: The frames' rank, which bounds the dimension; infinite where there are no frames.

    Returns:
        epsilon, in squared input units.

    Raises:
        ValueError: If no sample has that many neighbours.
    """
    k = nearest.shape[1]
    nearest = nearest[nearest.isfinite().all(dim=1) & (nearest[:, 0] > 0)]

    if len(nearest) == 0:
        raise ValueError(
            f"'observations' should hold samples with {k} neighbours near their tangent spaces, got none; "
            "observe neurons that vary, add samples, or give 'epsilon'."
        )

    logs = nearest.log()
    growth = 0.5 * (logs[:, -1:] - logs[:, :-1]).mean().item()
    m = min(max(round(1 / max(growth, SMALLEST_GROWTH)), 1), max(rank, 1))
    regularity = k * ((0.5 * m) * (logs[:, 0] - logs[:, -1])).exp().mean().item()
    share = (regularity - REGULARITY_OF_RANDOM) / (REGULARITY_OF_REGULAR - REGULARITY_OF_RANDOM)
    share = min(max(share, 0.0), 1.0)
    neighbours = NEIGHBOURS_OF_RANDOM ** (1 - share) * NEIGHBOURS_OF_REGULAR**share
    width = math.log(neighbours / k) - math.lgamma(0.5 * m + 1)

    return 0.25 * math.exp(logs[:, -1].mean().item() + 2 / m * width)
