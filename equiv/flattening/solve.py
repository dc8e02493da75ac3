r"""From pairs of neighbours to coordinates: the starts that there are, tried in turn until one fits."""

from collections.abc import Iterator

import torch

from equiv.flattening.closed import closing, find_lattice, solve_closed
from equiv.flattening.development import develop
from equiv.flattening.flat import solve_flat
from equiv.flattening.pair_equations import PairEquations
from equiv.flattening.synchronization import Flattening, PairSolution, misfit, synchronise, torn_pairs
from equiv.metric.geodesics import landmark_scaling, shortest_paths, tree_potential

__all__ = ["flatten"]


# Steps after which a start is judged.
# [steps; chosen: folds and curvature stay after any number, and all else has come near by then]
STEPS_OF_A_START = 4

# A start is folded if then half of the pairs miss by more than this.
# [level of misfits that fits; chosen: spheres leave three times as much, charts that are right a tenth of it]
FOLDED_MISFIT = 2.0

# Coordinates do not fit where more than this share of the pairs is rejected, whatever the noise.
# [share of the pairs; chosen: false neighbours of good charts are fewer, a cut through a surface rejects more]
REJECTED_SHARE = 0.01

# The level of misfits that fits is divided by this for the share where frames are noisy or jump.
# [dimensionless; chosen: the noisier the frames, the more pairs miss by chance; exact ones have a level of 0.05]
LEVEL_OVER_REJECTED_SHARE = 5.0

# One pair in so many may be torn.
# [pairs; chosen: single samples set down in a wrong place; the shortest tear takes more]
PAIRS_FOR_ONE_TORN = 500


def flatten(equations: PairEquations, level: float) -> Flattening:
    r"""Solves the pair equations from the starts that there are, and keeps the best.

    A flat chart is tried first, from scaled geodesics. Only where it does not fit are the coordinates
    developed from a disc and the loops searched for periods. A start that most pairs still miss after a few steps, as
    scaling folds a torus, is left as it is: where all are, as on a sphere, there is no flat chart.

    Arguments:
        equations: Of all pairs.
        level: Root mean square misfit up to which a solution fits, dimensionless: noise of the frames.
    """
    found: list[Flattening] = []

    if equations.m > 1:
        scaled = synchronise(
            equations, landmark_scaling(equations.graph, equations.m), max_steps=STEPS_OF_A_START
        )
        found.append(_solved(equations, scaled, level))
        if _fits(found[-1], level):
            return found[-1]

    for developed in _developments(equations):
        mismatch = -developed.residual
        lattice = find_lattice(mismatch, equations.graph.squared)
        if lattice is None and equations.m == 1:
            lattice = closing(mismatch, developed.coordinates)

        if lattice is not None:
            found.append(solve_closed(equations, developed, *lattice))
        else:
            begun = synchronise(
                equations, developed.coordinates, developed.rotations, max_steps=STEPS_OF_A_START
            )
            found.append(_solved(equations, begun, level))
        if _fits(found[-1], level):
            return found[-1]

    return min(found, key=lambda one: (one.rejected + one.torn) / one.pairs + float(one.misfit.mean()))


def _solved(equations: PairEquations, begun: PairSolution, level: float) -> Flattening:
    r"""The flat chart that a start leads to; the start itself where most pairs miss it."""
    if float(misfit(begun, equations).median()) > FOLDED_MISFIT * level:
        return Flattening(begun, equations, None, 0, torn_pairs(begun, equations))

    return solve_flat(equations, begun.coordinates, begun.rotations)


def _fits(found: Flattening, level: float) -> bool:
    return (
        found.rejected / found.pairs < max(REJECTED_SHARE, level / LEVEL_OVER_REJECTED_SHARE)
        and found.torn <= max(1, found.pairs // PAIRS_FOR_ONE_TORN)
        and found.root_mean_square < level
    )


def _developments(equations: PairEquations) -> Iterator[PairSolution]:
    r"""Coordinates developed along a curve, or else from two roots at most, the second far from the first."""
    if equations.m == 1:
        identity = torch.ones(equations.n, 1, 1, dtype=torch.float64)
        start = tree_potential(equations.graph, equations.displacements(identity)[0])
        yield PairSolution(start, identity, None, equations.mismatch(start, identity), True)
        return

    root = 0
    for _ in range(2):
        developed = develop(equations, root)
        if developed is not None:
            yield developed
        root = int(shortest_paths(equations.graph, root)[0].argmax())
