r"""Two rules that make neurons comparable whatever their scale: by their spread, and by their steepest slope."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "CONSTANT_DEVIATION",
    "centred",
    "mean_square",
    "slope_weights",
    "spread_weights",
    "squared_lengths",
    "unit_spread",
]


# Neurons that deviate from their mean by less than this share of their largest value are constant.
# [share of the largest value; derived: some thousand times the rounding of a mean in float64; sums of many samples
# leave less]
CONSTANT_DEVIATION = 1e-12

# Neurons nearer to each other than this, each of unit spread, up to sign, are copies.
# [spreads; chosen: rounding in float32 leaves a few 1e-7 between copies, and independent neurons differ by about 1]
COPY_DISTANCE = 3e-5

# Numbers that are squared at once.
# [numbers; chosen: they stay in the processor's cache, decides speed and memory alone]
SQUARED_NUMBERS = 2**18

# Random projections of each neuron by which copies are told.
# [dimensionless; derived: of unrelated pairs of neurons a share of about 5e-20 then comes as near by chance]
PROJECTIONS = 4


def centred(values: Tensor) -> Tensor:
    r"""Values less the mean of each neuron, `(n, d)`, exactly 0 for neurons that do not change, however large."""
    deviation = values - values.mean(dim=0)
    alive = _reach(deviation) > CONSTANT_DEVIATION * _reach(values)

    return deviation if bool(alive.all()) else torch.where(alive, deviation, 0.0)


def unit_spread(values: Tensor) -> Tensor:
    r"""Values centred, over their RMS distance from the mean, `(n, d)`."""
    deviation = centred(values)

    return deviation / mean_square(deviation).sqrt().clamp_min(1e-300)


def squared_lengths(values: Tensor) -> Tensor:
    r"""Sums of squares of each row, `(n, d)` to `(n,)`; the squares of few rows are held at once."""
    rows = max(1, SQUARED_NUMBERS // max(values.shape[1], 1))

    return torch.cat([few.square().sum(dim=1) for few in values.split(rows)])


def mean_square(deviation: Tensor) -> Tensor:
    r"""Mean over the samples of the squared distance from the mean, of values that are centred, `(n, d)` to `()`."""
    return squared_lengths(deviation).mean()


def spread_weights(values: Tensor) -> Tensor:
    r"""One over the spread of each neuron and the root of its number of copies, `(d,)`; 0 where constant.

    With them, rescaled, repeated and dead neurons change nothing. Copies may be rescaled, mirrored and shifted.
    They are told by a few random projections of each neuron: linear in the neurons, where all pairs are not.

    Arguments:
        values: Activations, shape `(n, d)`, float64.

    Raises:
        ValueError: If no neuron varies.
    """
    from scipy.spatial import KDTree

    deviation = values - values.mean(dim=0)
    spread = deviation.square().mean(dim=0).sqrt()
    alive = spread > CONSTANT_DEVIATION * values.abs().amax(dim=0).clamp_min(1e-300)

    if not bool(alive.any()):
        raise ValueError("'obs' should hold neurons that vary, got constant values; probe other neurons.")

    generator = torch.Generator().manual_seed(0)
    random = torch.randn(PROJECTIONS, len(values), generator=generator, dtype=values.dtype).to(values.device)
    marks = (random @ deviation[:, alive] / spread[alive]).T.cpu().numpy() / len(values) ** 0.5
    tree = KDTree(marks)
    copies = sum(tree.query_ball_point(side, COPY_DISTANCE, return_length=True) for side in (marks, -marks))
    weights = torch.zeros_like(spread)
    weights[alive] = 1 / (spread[alive] * torch.from_numpy(copies).to(spread).sqrt())

    return weights


def slope_weights(values: Tensor, frames: Tensor | None = None) -> Tensor:
    r"""Factors that make neurons comparable whatever their scale, 0 for dead ones, `(d,)`.

    With frames, one over each neuron's steepest slope :math:`\max_i |j_{il}|`; without, one over its largest
    distance from its mean. Standard deviations would not do: a ReLU neuron that is active at few samples
    would tear these away from all others.

    Arguments:
        values: Activations, shape `(n, d)`.
        frames: Frames, shape `(n, d, m)`, or None.
    """
    reach = _reach(centred(values))
    alive = reach > 0
    reach = torch.where(alive, reach, 1.0)

    if frames is None:
        return torch.where(alive, 1 / reach, 0.0)

    slope = frames.double().square().sum(dim=2).amax(dim=0).sqrt()
    moving = alive & (slope > 0)

    if not moving.any():
        return torch.where(alive, 1 / reach, 0.0)

    # Neurons that vary but have no slope anywhere are brought to the typical extent of the others.
    extent = (reach / torch.where(moving, slope, 1.0))[moving].median()

    return torch.where(moving, 1 / torch.where(moving, slope, 1.0), torch.where(alive, extent / reach, 0.0))


def _reach(values: Tensor) -> Tensor:
    r"""The largest size of each neuron, `(d,)`, without the sizes of all."""
    return torch.maximum(values.amax(dim=0), -values.amin(dim=0))
