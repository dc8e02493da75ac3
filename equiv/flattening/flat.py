r"""Samples that came to lie in a wrong place among neighbours that lie right, set down anew.

Around kinks a frame may have been turned or mirrored wrongly, and its sample lies where few of its pairs fit. Where its
neighbours agree, each of them says by its own frame alone where the sample lies.
"""

import torch

from equiv.flattening.synchronization import PairEquations, PairSolution

__all__ = ["resettled"]


# A sample lies wrong if so large a share of its pairs misses by so large a share of their lengths.
MOST = 0.5
MISSED = 0.5


def resettled(equations: PairEquations, solution: PairSolution) -> PairSolution:
    r"""The solution with samples that lie wrong set down anew, turned and mirrored as fits best; not solved again."""
    bad = (solution.residual.norm(dim=1) > MISSED * equations.lengths).double()
    ends, others = torch.cat([equations.i, equations.j]), torch.cat([equations.j, equations.i])
    n = equations.n
    wrong = ends.bincount(bad.repeat(2), minlength=n) > MOST * ends.bincount(minlength=n)

    if not bool(wrong.any()):
        return solution

    seen_i, seen_j = equations.views()
    u, rotations = solution.coordinates.clone(), solution.rotations.clone()
    own = torch.cat([seen_i, -seen_j])
    # What the other end sees of the way to it.
    seen = (rotations[others].mT @ torch.cat([seen_j, -seen_i])[:, :, None])[:, :, 0]
    said = u[others] - seen

    for node in wrong.nonzero().flatten().tolist():
        pairs = (ends == node).nonzero().flatten()
        right = pairs[~wrong[others[pairs]]]

        if len(right) > equations.m:
            u[node] = said[right].median(dim=0).values
            left, _, back = torch.linalg.svd(own[right].T @ (u[others[right]] - u[node]))
            rotations[node] = left @ back

    residual = equations.mismatch(u, rotations)

    return PairSolution(u, rotations, solution.periods, residual, solution.converged)
