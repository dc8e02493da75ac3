r"""Deferred correction: coordinates corrected for what the trapezoid rule misses, as a fit y = F(u) shows it.

Where networks are smooth and the samples resolve them, F is a smooth fit of the values. With few samples the frames,
too, are needed to fit F. Across kinks F says nothing, and the jump of the frames takes its place
(`equiv.flattening.jumps`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.hermite_fit import fit_hermite
from equiv.coordinates.smooth_fit import SmoothFit, fit_smooth, in_blocks
from equiv.flattening.jumps import displacements_across_jumps
from equiv.flattening.solve import Flattening, misfit
from equiv.flattening.synchronization import PairEquations, PairSolution

__all__ = ["Corrected", "Jumps", "correct", "fit_error"]


# Deferred corrections: at most so many, until the coordinates move by less than this share of their spread.
# Those of curves, and of all else.
ROUNDS = (8, 4)
SETTLED = (1e-8, 1e-5)

# The fit gets twice as many functions while it misses the values by more than this share of their spread.
RESOLVED = 1e-5
MOST_FUNCTIONS = 1000

# Corrections across kinks: at most so many, until the coordinates move by less than this share of their spread; and the
# largest of a displacement, of which around a corner the trapezoid rule may give a small part.
ROUNDS_ACROSS_JUMPS = 8
SETTLED_ACROSS_JUMPS = 5e-4
REACH = 5.0

# Above this misfit of the pairs, over their lengths, frames are fitted as well.
COARSE = 1e-3
COARSE_ROUNDS = 8

# Widths of the Gaussians for values and frames, over their spacing.
NARROW, WIDE = 2.0, 4.0

# A smooth F takes more than this share off the misfit of most pairs; one that kinks spoil adds to it.
EXPLAINED = 0.7


@dataclass(frozen=True)
class Jumps:
    r"""What is known of coordinates where networks have kinks.

    Attributes:
        missed: What the fit misses of each value left out, `(n, d)`.
        excess: RMS residual of the pairs over what kinks explain. Dimensionless.
    """

    missed: Tensor
    excess: float


@dataclass(frozen=True)
class Corrected:
    r"""Coordinates that solve the corrected equations.

    Attributes:
        solution: Coordinates, rotations and periods.
        fit: F.
        residual: Root mean square misfit of the pairs over their lengths.
        refinement: Root mean square move of the last correction over the spread of the coordinates.
        jumps: Of networks with kinks; None elsewhere.
    """

    solution: PairSolution
    fit: SmoothFit
    residual: float
    refinement: float
    jumps: Jumps | None = None


def correct(values: Tensor, found: Flattening, *, rough: bool, exact: bool, jumping: bool) -> Corrected:
    r"""Subtracts what the trapezoid rule misses, and solves again, until that settles.

    Arguments:
        values: `(n, d)`.
        found: Coordinates by the trapezoid rule alone, with their equations.
        rough: Whether noise of the frames rules the error.
        exact: Whether the frames have no noise.
        jumping: Whether frames change between neighbours by more than the trapezoid rule can follow.
    """
    coarse = _with_frames(values, found) if jumping else None

    if jumping and coarse is None:
        return _across_jumps(values, found)

    smooth = _without_frames(values, found, rough, exact)

    if not exact or smooth.residual <= COARSE:
        return smooth

    coarse = coarse or _with_frames(values, found)

    return smooth if coarse is None or coarse.residual >= smooth.residual else coarse


def _without_frames(values: Tensor, found: Flattening, rough: bool, exact: bool) -> Corrected:
    solution, equations = found.solution, found.equations
    count = 40 if rough else 150 if equations.m < 3 else 300
    fit = fit_smooth(solution.coordinates, values, solution.periods, count, wide=True)
    finer = None
    refinement = torch.inf
    beyond = int(equations.m > 1)

    for _ in range(1 if rough else ROUNDS[beyond]):
        last = solution.coordinates
        solution = _solved(found, solution, _trapezoid_defect(fit, equations, solution, found.windings))
        if rough:
            fit = fit_smooth(solution.coordinates, values, solution.periods, count, wide=True)
        else:
            fit = fit_smooth(solution.coordinates, values, solution.periods, finer, noisy=not exact)
            if beyond and fit_error(fit, solution.coordinates, values) > RESOLVED:
                finer = min(2 * len(fit.basis.centers), MOST_FUNCTIONS)
        refinement = _moved(solution, last)
        if refinement < SETTLED[beyond]:
            break

    return Corrected(solution, fit, _root_mean_square(solution, equations), refinement)


def _with_frames(values: Tensor, found: Flattening) -> Corrected | None:
    r"""None where such a fit explains little of the misfits."""
    solution, equations = found.solution, found.equations
    least = EXPLAINED * float(misfit(solution, equations).median())
    refinement = torch.inf
    width = WIDE

    for turn in range(COARSE_ROUNDS):
        last = solution.coordinates
        fits = [
            fit_hermite(last, values, equations.frames @ solution.rotations, solution.periods, scale)
            for scale in ((NARROW, WIDE) if turn == 0 else (width,))
        ]
        best = min(fits, key=lambda fitted: fitted.score)
        width = WIDE if best is fits[-1] else NARROW
        solution = _solved(found, solution, _trapezoid_defect(best.fit, equations, solution, found.windings))
        refinement = _moved(solution, last)
        if turn == 0 and not float(misfit(solution, equations).median()) <= least:
            return None
        if refinement < SETTLED[1]:
            break

    frames = equations.frames @ solution.rotations
    fit = fit_hermite(solution.coordinates, values, frames, solution.periods, width).fit

    return Corrected(solution, fit, _root_mean_square(solution, equations), refinement)


def _across_jumps(values: Tensor, found: Flattening) -> Corrected:
    solution, equations = found.solution, found.equations
    equations.reach = REACH
    refinement = torch.inf

    for _ in range(ROUNDS_ACROSS_JUMPS):
        last = solution.coordinates
        steps = _steps(equations, solution, found.windings)
        defect, variance = displacements_across_jumps(values, equations, solution.rotations, steps)
        equations.weights = 1 / variance
        solution = _solved(found, solution, defect)
        refinement = _moved(solution, last)
        if refinement < SETTLED_ACROSS_JUMPS:
            break

    frames = equations.frames @ solution.rotations
    best = fit_hermite(solution.coordinates, values, frames, solution.periods, NARROW)
    excess = float((solution.residual.square().mean(dim=1) * equations.weights).mean().sqrt())

    return Corrected(
        solution,
        best.fit,
        _root_mean_square(solution, equations),
        refinement,
        Jumps(best.missed, excess),
    )


def _solved(found: Flattening, solution: PairSolution, defect: Tensor) -> PairSolution:
    return found.equations.solve(
        solution.coordinates,
        solution.rotations,
        correction=found.equations.project(defect),
        windings=found.windings,
        periods=solution.periods,
        steps=2,
        tolerance=1e-4,
    )


def _moved(solution: PairSolution, last: Tensor) -> float:
    return float((solution.coordinates - last).norm() / solution.coordinates.norm())


def _root_mean_square(solution: PairSolution, equations: PairEquations) -> float:
    return float(misfit(solution, equations).square().mean().sqrt())


def fit_error(fit: SmoothFit, coordinates: Tensor, values: Tensor) -> float:
    r"""Root mean square misfit of the fit over the spread of the values."""
    return float((in_blocks(fit, coordinates)[0] - values).norm() / (values - values.mean(dim=0)).norm())


def _trapezoid_defect(
    fit: SmoothFit, equations: PairEquations, solution: PairSolution, windings: Tensor | None
) -> Tensor:
    r""":math:`F(u_j) - F(u_i) - (DF_i + DF_j)(u_j - u_i) / 2` along each edge, `(E, d)`."""
    i, j = equations.i, equations.j
    step = _steps(equations, solution, windings)
    values, slope = in_blocks(fit, solution.coordinates)

    return values[j] - values[i] - 0.5 * torch.einsum("edm,em->ed", slope[i] + slope[j], step)


def _steps(equations: PairEquations, solution: PairSolution, windings: Tensor | None) -> Tensor:
    r""":math:`u_j - u_i` along each edge, `(E, m)`."""
    step = solution.coordinates[equations.j] - solution.coordinates[equations.i]

    return step if windings is None or solution.periods is None else step + windings @ solution.periods
