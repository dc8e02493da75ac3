r"""Information of pairs: what each says of the way from one sample to the other, and how surely, along which direction.

What the trapezoid rule misses of a pair, by curvature, jumps of derivatives or noise,

.. math:: e_{ij} = y_j - y_i - c_{ij} - \bar J_{ij} (u_j - u_i), \qquad
    \operatorname{Cov} e_{ij} = s_{ij}^2 \Sigma_{ij},

is of the size of what the change K of the frames amounts to,

.. math:: \Sigma = \operatorname{diag}(K u)^2 + |u|^2 K K^\top + \epsilon^2 |K u|^2 I,

the first where single neurons change, the second where all do alike. Least squares generalised by it reads the way
from what of the values does not change, and the information of the way is
:math:`W_{ij} = \bar J_{ij}^\top \Sigma_{ij}^{-1} \bar J_{ij} / s_{ij}^2`: directions that the neurons hardly see count
as little as they should. The scales :math:`s_{ij}` are those of Student's t, about one for all pairs, which the
residuals tell.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.coordinates.kriging import correlation_length, krige_along, nearest_nodes
from equiv.flattening.jumps import around_corners
from equiv.flattening.synchronization import Flattening, synchronise

__all__ = ["Informed", "solve_by_information", "solved_again"]


# Degrees of freedom of the residuals.
# [degrees; chosen: heavy tails, as kinks lie in some pairs and not in others]
FREEDOM = 3.0

# Variance of neurons whose frames do not change, where those of others do.
# [mean of the variances of all neurons; chosen: single neurons are not known to change much less than that]
UNCHANGED_VARIANCE = 0.01

# What is added to variances that frames let expect, whose change may vanish.
# [mean of them; chosen: far below what a usual pair has]
SMALLEST_VARIANCE = 1e-6

# Variance that a correction leaves, where nothing normal to the frames is left.
# [share of the change of the frames; chosen: corrections take away more than this where they are right]
LEFT_BY_CORRECTION = 0.05

# Solutions with weights from the last one: at first, and after each correction.
# [rounds; chosen: weights change little after so many]
ROUNDS, ROUNDS_CORRECTED = 3, 2

# Corrections.
# [corrections; chosen: they follow from frames, which coordinates hardly change, and a third gains nothing]
CORRECTIONS = 2

# Least cosine of a correction with what is missed, both normal to the frames, where no coordinates explain it away.
# [dimensionless; chosen: of what points elsewhere no multiple leaves much less than all]
LEAST_COSINE = 0.5

# A correction is taken up to so many times.
# [dimensionless; chosen: where more would fit, something else is missed]
LARGEST_GAIN = 1.2

# Added to the diagonal of information.
# [mean diagonal entry; chosen: far above rounding, far below what counts]
SMALLEST_INFORMATION = 1e-9

# Steps of Gauss-Newton with the same weights.
# [steps; chosen: these change before more would count]
STEPS = 2

# Pairs of values nearer than this are taken for so far apart, as what they miss is rounding.
# [median distance of pairs; chosen: it touches samples that nearly coincide alone]
SHORTEST = 0.01

# Numbers that corrections gather at a time.
# [float64 numbers; chosen: a trade of memory alone]
GATHERED = 4_000_000


@dataclass(frozen=True)
class Informed:
    r"""Coordinates that solve the equations of all pairs, weighed by their information.

    Attributes:
        found: Coordinates and their equations.
        missed: What the corrected trapezoid rule misses of each pair over the difference of values, `(E,)`.
        moved: How far the last correction moved the coordinates, over their spread.
        excess: Root mean square of what is missed over what jumps anywhere between two samples would leave.
    """

    found: Flattening
    missed: Tensor
    moved: float
    excess: float


def solve_by_information(values: Tensor, found: Flattening) -> Informed:
    r"""Solves by the trapezoid rule, then by what frames around each pair say besides.

    Arguments:
        values: `(n, d)`.
        found: A start that is nearly right, with the equations of all pairs.
    """
    missed = _Pairs.of(values, found).missed
    found = _settled(values, found, torch.zeros_like(missed), torch.ones_like(missed[:, 0]), ROUNDS)

    for _ in range(CORRECTIONS):
        pairs, last = _Pairs.of(values, found), found
        correction, left = pairs.gated(_along_lines(values, found))
        prior = LEFT_BY_CORRECTION + left.square().mean(dim=1) / pairs.changed
        found = _settled(values, found, correction, prior, ROUNDS_CORRECTED)

    pairs = _Pairs.of(values, found)
    left = pairs.missed - correction
    u = found.solution.coordinates
    length = (values[found.equations.j] - values[found.equations.i]).norm(dim=1)

    return Informed(
        found,
        left.norm(dim=1) / length.clamp_min(SHORTEST * float(length.median())),
        float((u - last.solution.coordinates).norm() / u.norm()),
        float((12 * left.square().mean() / pairs.changed.mean()).sqrt()),
    )


@dataclass(frozen=True)
class _Pairs:
    r"""Pairs at given coordinates.

    Attributes:
        middle: :math:`\bar J_{ij}`, `(E, d, m)`.
        missed: What the trapezoid rule misses, `(E, d)`.
        changed: Mean square of what the change of the frames amounts to, `(E,)`.
        single: Variances that neurons have if each changes for itself, `(E, d)`.
        common: What all have in common if they change alike, :math:`|u| K`, `(E, d, m)`.
    """

    middle: Tensor
    missed: Tensor
    changed: Tensor
    single: Tensor
    common: Tensor

    @classmethod
    def of(cls, values: Tensor, found: Flattening) -> "_Pairs":
        i, j, steps = found.equations.i, found.equations.j, found.steps[:, :, None]
        frames = found.equations.frames @ found.solution.rotations
        middle, change = (frames[i] + frames[j]) / 2, frames[j] - frames[i]
        square = (change @ steps)[:, :, 0].square()
        changed = square.mean(dim=1)
        least = SMALLEST_VARIANCE * changed.mean()

        return cls(
            middle,
            values[j] - values[i] - (middle @ steps)[:, :, 0],
            changed + least,
            square + UNCHANGED_VARIANCE * changed[:, None] + least,
            change * steps.norm(dim=1, keepdim=True),
        )

    def whitened(self, vectors: Tensor) -> Tensor:
        r""":math:`\Sigma^{-1}` times vectors `(E, d, k)`: of a diagonal matrix changed in few directions (Woodbury)."""
        scaled = self.common / self.single[:, :, None]
        alone = vectors / self.single[:, :, None]
        eye = torch.eye(scaled.shape[2], dtype=vectors.dtype)

        return alone - scaled @ torch.linalg.solve(eye + self.common.mT @ scaled, self.common.mT @ alone)

    def gated(self, correction: Tensor) -> tuple[Tensor, Tensor]:
        r"""How much of a correction what is missed normal to the frames bears out, and what of that is left.

        No coordinates explain away what is normal to the frames.
        """
        along = torch.linalg.qr(self.middle).Q
        missed, said = (
            each - (along @ (along.mT @ each[:, :, None]))[:, :, 0] for each in (self.missed, correction)
        )
        product, square = (missed * said).sum(dim=1), said.square().sum(dim=1)
        borne_out = product > LEAST_COSINE * (square * missed.square().sum(dim=1)).sqrt()
        gain = torch.where(borne_out, (product / square.clamp_min(1e-300)).clamp_max(LARGEST_GAIN), 0.0)

        return gain[:, None] * correction, missed - gain[:, None] * said


def _settled(values: Tensor, found: Flattening, correction: Tensor, prior: Tensor, rounds: int) -> Flattening:
    for _ in range(rounds):
        pairs = _Pairs.of(values, found)
        left = (pairs.missed - correction)[:, :, None]
        square = (left * pairs.whitened(left)).mean(dim=(1, 2))
        # Pairs between which nothing changes are exact, and tell nothing of the others.
        scale = (square / prior)[pairs.changed >= pairs.changed.mean()].median() + SMALLEST_VARIANCE
        variance = (FREEDOM * scale * prior + square) / (FREEDOM + 1)
        whitened = pairs.whitened(pairs.middle)
        information = pairs.middle.mT @ whitened
        floor = SMALLEST_INFORMATION * information.diagonal(dim1=1, dim2=2).mean(dim=1)
        eye = torch.eye(information.shape[1], dtype=values.dtype)
        information = information + floor[:, None, None] * eye
        # Of what is left, all but what generalised least squares reads as a move.
        read = pairs.middle @ torch.linalg.solve(information, whitened.mT @ left)
        unread = correction + (left - read)[:, :, 0]
        found = solved_again(
            found, unread, STEPS, torch.linalg.cholesky(information / variance[:, None, None]).mT
        )

    return found


def solved_again(
    found: Flattening, correction: Tensor, steps: int, roots: Tensor | None = None
) -> Flattening:
    r"""Coordinates that solve the same equations less a correction `(E, d)`, from those that were found.

    Arguments:
        found: What was found before.
        correction: What the trapezoid rule is taken to miss.
        steps: Of Gauss-Newton, at most.
        roots: Roots of the weights, `(E, m, m)`; None: those of the equations.
    """
    last = found.solution
    solution = synchronise(
        found.equations,
        last.coordinates,
        last.rotations,
        correction=found.equations.project(correction),
        windings=found.windings,
        periods=last.periods,
        max_steps=steps,
        roots=roots,
    )

    return replace(found, solution=solution)


def _along_lines(values: Tensor, found: Flattening) -> Tensor:
    r"""What kriging of frames, or one corner of a curve, says along each pair, less the trapezoid rule, `(E, d)`."""
    i, steps, u = found.equations.i, found.steps, found.solution.coordinates
    frames = found.equations.frames @ found.solution.rotations
    periods = u[:0] if found.solution.periods is None else found.solution.periods
    length = correlation_length(u)
    head = frames[found.equations.j]
    middle = (frames[i] + head) / 2
    parts = []
    rows = max(1, GATHERED // (16 * frames[0].numel()))

    for some in torch.arange(len(i)).split(rows):
        half = steps[some] / 2
        near, offsets = nearest_nodes(u[i[some]] + half, u, periods)
        slopes = frames[near] - middle[some, None]
        parts.append(krige_along(-half, half, offsets, slopes, length))

    said = torch.cat(parts)

    if u.shape[1] > 1:
        return said

    difference = values[found.equations.j] - values[i]
    way, single = around_corners(frames[i][:, :, 0], head[:, :, 0], difference)

    return torch.where(single[:, None], difference - way[:, None] * middle[:, :, 0], said)
