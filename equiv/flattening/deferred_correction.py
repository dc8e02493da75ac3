r"""Deferred correction: coordinates corrected for what the trapezoid rule misses, as a fit y = F(u) shows it.

Where networks are smooth and the samples resolve them, F is a smooth fit of the values. With few samples the frames,
too, are needed to fit F. Across jumps F says nothing, and the change of the frames takes its place
(`equiv.flattening.information`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.hermite_fit import HermiteFit, fit_hermite
from equiv.coordinates.lift import RESOLVED_ERROR, Lift, best_lift, left_out, relative_error
from equiv.coordinates.smooth_fit import SmoothFit, fit_smooth, in_blocks
from equiv.flattening.information import solve_by_information, solved_again
from equiv.flattening.synchronization import LARGEST_MISFIT, Flattening, PairSolution, torn_pairs

__all__ = ["Corrected", "correct"]


# Corrections of a curve, at most.
# [corrections; chosen: each leaves a small part of what the one before left, and it ends earlier where that settles]
ROUNDS_OF_CURVES = 8

# Corrections of all else, at most.
# [corrections; chosen: as above, and each costs more]
ROUNDS = 4

# Move of a curve's coordinates below which they have settled.
# [share of their spread; chosen: curves are found to nearly all digits, at little cost]
SETTLED_CURVES = 1e-8

# Likewise of all else.
# [share of their spread; chosen: about the error that good charts are left with]
SETTLED = 1e-5

# Steps of Gauss-Newton after each correction.
# [steps; chosen: corrections are small, and the next one starts where these end]
STEPS_A_ROUND = 2

# Functions of a fit where noise rules the error.
# [functions; chosen: more would follow what noise makes the coordinates off by]
FUNCTIONS_ON_NOISE = 40

# Functions of a first fit, to coordinates of the trapezoid rule alone, in up to two dimensions.
# [functions; chosen: half of what the next fits have, so that it does not follow what the coordinates are off by]
FIRST_FUNCTIONS = 150

# Likewise in three dimensions and more.
# [functions; chosen: somewhat more than half of what the next fits have]
FIRST_FUNCTIONS_OF_MORE = 300

# Functions of a fit, at most.
# [functions; chosen: more resolve more, and the cost of a fit grows with their square]
MAX_FUNCTIONS = 1000

# Largest correction by a fit: what fits of rough coordinates say may be wild.
# [share of the displacement; chosen: where the trapezoid rule misses more, samples do not resolve the manifold]
LARGEST_CORRECTION = 0.2

# Misfit of the pairs above which all else is tried beside smooth fits.
# [share of the lengths of pairs; chosen: smooth fits that resolve the manifold leave less]
COARSE_MISFIT = 1e-3

# Misfit of the pairs above which no correction leads to a flat chart, so that none with frames is tried.
# [share of the lengths; chosen: spheres leave 0.5, charts that corrections mended a tenth at most]
HOPELESS_MISFIT = 0.3

# Corrections by fits to values and frames, at most.
# [corrections; chosen: it ends earlier where coordinates settle]
ROUNDS_WITH_FRAMES = 8

# Narrower width of the Gaussians for values and frames; cross-validation chooses.
# [spacings of the centres; chosen: for what jumps and bends sharply]
NARROW_WIDTH = 2.0

# Wider one.
# [spacings of the centres; chosen: twice the other, for what is smooth]
WIDE_WIDTH = 4.0

# A smooth F leaves less than this of the misfit of most pairs; one that jumps spoil adds to it.
# [share of the median misfit; chosen: between a small part and more than the whole]
LEFT_BY_A_FIT = 0.7


@dataclass(frozen=True)
class Corrected:
    r"""Coordinates that solve the corrected equations.

    Attributes:
        solution: Coordinates, rotations and periods.
        lift: F.
        residual: Root mean square misfit of the pairs over their lengths, in the activations where their information
            weighs them.
        rejected: How many pairs do not fit.
        torn: How many of these have become much longer, where jumps explain others; all elsewhere.
        refinement: Root mean square move of the last correction over the spread of the coordinates.
        excess: RMS residual of the pairs over what jumps explain, where derivatives jump; None elsewhere.
            Dimensionless.
    """

    solution: PairSolution
    lift: Lift
    residual: float
    rejected: int
    torn: int
    refinement: float
    excess: float | None = None


def correct(
    values: Tensor, found: Flattening, every: Flattening, *, rough: bool, exact: bool, jumping: bool
) -> Corrected:
    r"""Subtracts what the trapezoid rule misses, and solves again, until that settles.

    Arguments:
        values: `(n, d)`.
        found: Coordinates by the trapezoid rule alone, with the equations of the pairs that fit.
        every: The same with those of all pairs.
        rough: Whether noise of the frames rules the error.
        exact: Whether the frames have no noise.
        jumping: Whether frames change between neighbours by more than the trapezoid rule can follow.
    """
    ways = [
        lambda: None if jumping else _without_frames(values, found, rough, exact),
        lambda: _with_frames(values, found),
        lambda: _by_information(values, every, jumping) if jumping or found.equations.m > 1 else None,
    ]
    tried = []

    for way in ways:
        one = way()
        if one is None:
            continue
        hopeless = way is ways[0] and one.residual > HOPELESS_MISFIT
        if not exact or hopeless or one.residual <= COARSE_MISFIT:
            return one
        tried.append(one)

    return min(tried, key=lambda each: _left_out(each.solution, values, found))


def _left_out(solution: PairSolution, values: Tensor, found: Flattening) -> float:
    r"""What most values that are left out in turn are missed by, as far as coordinates contradict values and frames."""
    frames, u = found.equations.frames @ solution.rotations, solution.coordinates
    periods = u[:0] if solution.periods is None else solution.periods

    return float(left_out(u, values, frames, periods).norm(dim=1).median())


def _without_frames(values: Tensor, found: Flattening, rough: bool, exact: bool) -> Corrected:
    m, periods = found.equations.m, found.solution.periods
    count = FUNCTIONS_ON_NOISE if rough else FIRST_FUNCTIONS if m < 3 else FIRST_FUNCTIONS_OF_MORE
    fit = fit_smooth(found.solution.coordinates, values, periods, count, wide=True)
    finer = None
    refinement = torch.inf

    for _ in range(1 if rough else ROUNDS_OF_CURVES if m == 1 else ROUNDS):
        found, refinement = _solved(found, _trapezoid_defect(fit, found))
        u, periods = found.solution.coordinates, found.solution.periods
        if rough:
            fit = fit_smooth(u, values, periods, count, wide=True)
        else:
            fit = fit_smooth(u, values, periods, finer, noisy=not exact)
            if m > 1 and relative_error(_missed(fit, u, values), values) > RESOLVED_ERROR:
                finer = min(2 * len(fit.basis.centers), MAX_FUNCTIONS)
        if refinement < (SETTLED_CURVES if m == 1 else SETTLED):
            break

    lift = _lift(fit, _missed(fit, found.solution.coordinates, values), values, found)

    return _without_jumps(found, lift, refinement)


def _with_frames(values: Tensor, found: Flattening) -> Corrected | None:
    r"""None where such a fit explains little of the misfits."""
    most = LEFT_BY_A_FIT * float(found.misfit.median())
    refinement = torch.inf
    width = WIDE_WIDTH

    for turn in range(ROUNDS_WITH_FRAMES):
        tried = (NARROW_WIDTH, WIDE_WIDTH) if turn == 0 else (width,)
        fits = [_fit_hermite(values, found, each) for each in tried]
        best = min(fits, key=lambda fitted: fitted.score)
        # The width that cross-validation chooses is that of the second round, too; later ones take the wide one.
        width = WIDE_WIDTH if best is fits[-1] else NARROW_WIDTH
        found, refinement = _solved(found, _trapezoid_defect(best.fit, found))
        if turn == 0 and not float(found.misfit.median()) <= most:
            return None
        if refinement < SETTLED:
            break

    best = _fit_hermite(values, found, width)

    return _without_jumps(found, _lift(best.fit, best.missed, values, found), refinement)


def _without_jumps(found: Flattening, lift: Lift, refinement: float) -> Corrected:
    return Corrected(found.solution, lift, found.root_mean_square, found.rejected, found.rejected, refinement)


def _by_information(values: Tensor, every: Flattening, jumping: bool) -> Corrected:
    informed = solve_by_information(values, every)
    found = informed.found
    best = _fit_hermite(values, found, NARROW_WIDTH)
    lift = _lift(best.fit, best.missed, values, found)
    residual = float(informed.missed.square().mean().sqrt())
    rejected = int((informed.missed > LARGEST_MISFIT).sum())
    torn, excess = (
        (torn_pairs(found.solution, found.equations), informed.excess) if jumping else (rejected, None)
    )

    return Corrected(found.solution, lift, residual, rejected, torn, informed.moved, excess)


def _lift(fit: SmoothFit, missed: Tensor, values: Tensor, found: Flattening) -> Lift:
    solution = found.solution

    return best_lift(fit, missed, solution.coordinates, values, found.equations.frames @ solution.rotations)


def _fit_hermite(values: Tensor, found: Flattening, width: float) -> HermiteFit:
    r"""F fitted to values and to frames turned as the coordinates have them."""
    solution = found.solution
    frames = found.equations.frames @ solution.rotations

    return fit_hermite(solution.coordinates, values, frames, solution.periods, width)


def _solved(found: Flattening, defect: Tensor) -> tuple[Flattening, float]:
    r"""Coordinates that solve the equations less `defect`, `(E, d)`, and how far they moved, over their spread."""
    again, last = solved_again(found, defect, STEPS_A_ROUND), found.solution.coordinates
    coordinates = again.solution.coordinates

    return again, float((coordinates - last).norm() / coordinates.norm())


def _missed(fit: SmoothFit, coordinates: Tensor, values: Tensor) -> Tensor:
    return values - in_blocks(fit, coordinates)[0]


def _trapezoid_defect(fit: SmoothFit, found: Flattening) -> Tensor:
    r""":math:`F(u_j) - F(u_i) - (DF_i + DF_j)(u_j - u_i) / 2` along each pair, `(E, d)`.

    Where frames are nearly singular little of it moves much: it is held against the displacement that it makes.
    """
    equations, rotations = found.equations, found.solution.rotations
    i, j = equations.i, equations.j
    values, slope = in_blocks(fit, found.solution.coordinates)
    defect = values[j] - values[i] - 0.5 * torch.einsum("edm,em->ed", slope[i] + slope[j], found.steps)
    plain, corrected = (
        equations.displacements(rotations, each)[0] for each in (None, equations.project(defect))
    )
    share = LARGEST_CORRECTION * plain.norm(dim=1) / (plain - corrected).norm(dim=1).clamp_min(1e-300)

    return share.clamp_max(1.0)[:, None] * defect
