r"""Frames estimated from samples: bursts around each input, and neighbours among the inputs."""

import torch
from torch import Tensor

from equiv.checks import check_finite

__all__ = ["burst_frames", "gap_dimension"]


# A smaller ratio of consecutive eigenvalues is no gap between dimensions of the inputs and noise.
# [ratio of variances; chosen: a factor of three in length, tangents are rarely stretched so unevenly]
SMALLEST_GAP = 10.0

# Eigenvalues below this power of the rounding unit, over the largest, count as zero.
# [dimensionless; chosen: a margin above rounding, for the differences that variances are made of]
ROUNDING_POWER = 0.75

# A logarithm nearer to that of the floor than this stands at the floor.
# [dimensionless; chosen: rounding of logarithms]
FLOOR_MARGIN = 1e-6


def gap_dimension(spectra: Tensor) -> int:
    r"""The number of large eigenvalues, by the widest gap in the typical spectrum.

    The median over samples of each log eigenvalue is taken, with a floor at the rounding error of the
    largest; the dimension is where the ratio of consecutive ones is largest. Without a ratio above
    `SMALLEST_GAP`, all eigenvalues above the floor count.

    Arguments:
        spectra: Eigenvalues of local covariances, descending, shape `(n, r)`, any units.
    """
    floor = torch.finfo(spectra.dtype).eps ** ROUNDING_POWER
    typical = (spectra / spectra[:, :1].clamp(min=torch.finfo(spectra.dtype).tiny)).clamp(min=floor).log()
    levels = typical.median(dim=0).values
    alive = int((levels > levels.new_tensor(floor).log() + FLOOR_MARGIN).sum())

    if alive < len(levels):
        levels = levels[: alive + 1]

    drops = levels[:-1] - levels[1:]

    if len(drops) == 0 or drops.max() < torch.tensor(SMALLEST_GAP).log():
        return max(alive, 1)

    return int(drops.argmax()) + 1


def burst_frames(values: Tensor, burst_std: float, dimension: int | None) -> Tensor:
    r"""Frames :math:`U S` of the leading part of the sample covariances :math:`C_i = U S^2 U^\top`.

    .. math:: C_i = \frac{1}{(b - 1) \sigma^2} \sum_k (y_{ik} - \bar y_i)(y_{ik} - \bar y_i)^\top

    is an unbiased estimate of :math:`J J^\top` up to the map's curvature; it is never formed (d x d).

    Arguments:
        values: Activations of the bursts, shape `(n, b, d)`.
        burst_std: :math:`\sigma`, the bursts' standard deviation along each unit direction, in input units.
        dimension: m; None: `gap_dimension` of the spectra.

    Returns:
        Frames, shape `(n, d, m)`, float64, in activation units per input unit.
    """
    values = values.double()
    b = values.shape[1]
    centred = (values - values.mean(dim=1, keepdim=True)) / ((b - 1) ** 0.5 * burst_std)
    check_finite(centred, "network(bursts) / burst_std")
    _, scale, basis = torch.linalg.svd(centred, full_matrices=False)  # (n, r), (n, r, d)
    m = gap_dimension(scale.square()) if dimension is None else dimension
    leading = (basis[:, :m] * scale[:, :m, None]).mT

    return torch.nn.functional.pad(leading, (0, m - leading.shape[2]))
