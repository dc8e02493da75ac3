r"""Flat charts: solved for, without the pairs that do not fit, and samples that lie in a wrong place set down anew.

Around jumps a frame may have been turned or mirrored wrongly, and its sample lies where few of its pairs fit. Where its
neighbours agree, each of them says by its own frame alone where the sample lies.
"""

from dataclasses import replace

import torch
from torch import Tensor

from equiv.flattening.pair_equations import PairEquations
from equiv.flattening.synchronization import (
    LARGEST_MISFIT,
    Flattening,
    PairSolution,
    misfit,
    synchronise,
    torn_pairs,
)

__all__ = ["largest_misfit", "resettled", "solve_flat"]


# Misfit of most pairs over which that of a pair may lie before the pair is rejected.
# [median misfit; chosen: where all fit badly, as with noisy frames, only those far off are false neighbours]
USUAL_MISFITS = 8.0

# How often pairs are rejected and the rest is solved for again.
# [rounds; chosen: the second finds what the first one's false neighbours had hidden]
REJECTIONS = 2

# Steps where pairs with large misfits count little, whose convergence is slower.
# [steps; chosen: twice the usual]
ROBUST_STEPS = 20

# A sample lies wrong if more than this share of its pairs does not fit.
# [share of its pairs; chosen: a majority, as single false neighbours leave a sample where it belongs]
WRONG_PAIRS = 0.5

# A pair does not fit where it misses by more than this.
# [share of its length; chosen: half way to what a sample set down anywhere misses by]
WRONG_MISFIT = 0.5


def largest_misfit(share: Tensor) -> float:
    r"""The largest misfit of a pair that still counts as a neighbour's, from those of all, `(E,)`."""
    return max(LARGEST_MISFIT, USUAL_MISFITS * float(share.median()))


def solve_flat(equations: PairEquations, start: Tensor, rotations: Tensor) -> Flattening:
    r"""Solves; where pairs do not fit, solves so that they count little, rejects them and solves again.

    Arguments:
        equations: Of all pairs.
        start: Coordinates, `(n, m)`.
        rotations: `(n, m, m)`.
    """
    kept = torch.ones(len(equations.i), dtype=torch.bool)
    solution = synchronise(equations, start, rotations)

    for _ in range(REJECTIONS):
        share = misfit(solution, equations.subset(kept))
        if solution.converged and float(share.max()) <= largest_misfit(share):
            break
        robust = _robust(equations, solution)
        moved = resettled(equations, robust)
        if moved is not robust:
            robust = _robust(equations, moved)
        share = misfit(robust, equations)
        good = share <= largest_misfit(share)
        if equations.graph.subset(good).components()[0] > 1:
            break
        kept = good
        solution = synchronise(equations.subset(kept), robust.coordinates, robust.rotations)

    part = equations if bool(kept.all()) else equations.subset(kept)
    solution = replace(solution, residual=part.mismatch(solution.coordinates, solution.rotations))

    return Flattening(solution, part, None, int((~kept).sum()), torn_pairs(solution, equations))


def _robust(equations: PairEquations, start: PairSolution) -> PairSolution:
    return synchronise(
        equations,
        start.coordinates,
        start.rotations,
        max_steps=ROBUST_STEPS,
        robust=True,
    )


def resettled(equations: PairEquations, solution: PairSolution) -> PairSolution:
    r"""The solution with samples that lie wrong set down anew, turned and mirrored as fits best; not solved again."""
    missed = (solution.residual.norm(dim=1) > WRONG_MISFIT * equations.lengths).double()
    ends, others = torch.cat([equations.i, equations.j]), torch.cat([equations.j, equations.i])
    n = equations.n
    wrong = ends.bincount(missed.repeat(2), minlength=n) > WRONG_PAIRS * ends.bincount(minlength=n)

    if not bool(wrong.any()):
        return solution

    seen_i, seen_j = equations.views()
    u, rotations = solution.coordinates.clone(), solution.rotations.clone()
    own = torch.cat([seen_i, -seen_j])
    # What the other end sees of the way to it.
    seen = (rotations[others].mT @ torch.cat([seen_j, -seen_i])[:, :, None])[:, :, 0]
    proposed = u[others] - seen

    for node in wrong.nonzero().flatten().tolist():
        pairs = (ends == node).nonzero().flatten()
        right = pairs[~wrong[others[pairs]]]

        if len(right) > equations.m:
            u[node] = proposed[right].median(dim=0).values
            left, _, back = torch.linalg.svd(own[right].T @ (u[others[right]] - u[node]))
            rotations[node] = left @ back

    return replace(solution, coordinates=u, rotations=rotations, residual=equations.mismatch(u, rotations))
