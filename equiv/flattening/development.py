r"""Development of a manifold onto its universal cover: coordinates grown outward from a disc.

A closed manifold has no flat chart, but a disc in it has one, and it can be continued along shortest paths
until every sample has coordinates. Where two continuations meet, they differ by a period.
"""

import numpy as np
import torch
from torch import Tensor

from equiv.flattening.pair_equations import PairEquations
from equiv.flattening.synchronization import LARGEST_MISFIT, PairSolution, misfit, synchronise
from equiv.metric.geodesics import landmark_scaling, shortest_paths

__all__ = ["develop"]


# Sizes of the disc to start from, tried in turn until one is flat.
# [shares of the samples; chosen: the largest that may be flat first, as it fixes most; each half of the one before]
DISCS = (0.25, 0.12, 0.06, 0.03)

# Fewest samples of a disc.
# [samples; chosen: some three neighbourhoods; fewer hold each other too loosely to be told from bent ones]
SMALLEST_DISC = 40

# Coordinates have settled when a step moves them by less than this.
# [share of their spread; chosen: each stage moves them again, and the last is solved for to the end later]
SETTLED_ON_THE_WAY = 1e-3

# Steps of Gauss-Newton at each stage.
# [steps; chosen: the samples of earlier stages are nearly right, and later stages move them again]
STEPS_PER_STAGE = 3

# Misfit above which a pair closes a loop around a period, or ends on another sheet of the cover.
# [lengths of the pair; chosen: errors of the trapezoid rule are parts of a length, periods many lengths]
LOOP_MISFIT = 3.0

# A disc is flat where this share of its pairs fits.
# [share of the pairs; chosen: false neighbours are fewer, while a disc that overlaps itself has many]
FITTING_SHARE = 0.99


def develop(equations: PairEquations, root: int) -> PairSolution | None:
    r"""Coordinates and rotations grown from a disc around `root`, or None where no disc there is flat.

    The disc holds the samples nearest to the root along the graph: a quarter of all, or fewer until it fits. Its
    coordinates are continued in stages, each half as large again; after each stage all samples reached are
    solved for together, without the pairs that close a loop around a period.
    """
    n = equations.n
    order = shortest_paths(equations.graph, root)[0].argsort()

    for share in DISCS:
        size = max(int(share * n), min(n, SMALLEST_DISC))
        solution = _solve_disc(equations, order[:size])
        if solution is not None:
            break
    else:
        return None

    coordinates = torch.zeros(n, equations.m, dtype=torch.float64)
    rotations = torch.zeros(n, equations.m, equations.m, dtype=torch.float64)
    coordinates[order[:size]], rotations[order[:size]] = solution.coordinates, solution.rotations
    neighbours = _Neighbours(equations)

    while size < n:
        grown = min(n, max(size + 1, size * 3 // 2))
        neighbours.continue_to(order[:size], order[size:grown], coordinates, rotations)
        size = grown
        nodes = order[:size]
        part = equations.induced(nodes)
        mismatch = part.mismatch(coordinates[nodes], rotations[nodes]).norm(dim=1)
        solution = synchronise(
            part.subset(mismatch < LOOP_MISFIT * part.lengths),
            coordinates[nodes],
            rotations[nodes],
            max_steps=STEPS_PER_STAGE,
            tolerance=SETTLED_ON_THE_WAY,
        )
        coordinates[nodes], rotations[nodes] = solution.coordinates, solution.rotations

    return PairSolution(coordinates, rotations, None, equations.mismatch(coordinates, rotations), True)


def _solve_disc(equations: PairEquations, nodes: Tensor) -> PairSolution | None:
    r"""The flat chart of some samples alone, or None where a pair does not fit it."""
    part = equations.induced(nodes)
    if part.graph.components()[0] > 1:
        return None

    solution = synchronise(part, landmark_scaling(part.graph, part.m), tolerance=SETTLED_ON_THE_WAY)

    return solution if float(misfit(solution, part).quantile(FITTING_SHARE)) < LARGEST_MISFIT else None


class _Neighbours:
    r"""The displacements of each pair as either end sees them, listed by sample."""

    def __init__(self, equations: PairEquations) -> None:
        seen_i, seen_j = equations.views()
        ends = torch.cat([equations.i, equations.j])
        order = ends.argsort(stable=True)
        counts = ends.bincount(minlength=equations.n)
        self.start = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)]).numpy()
        self.other = torch.cat([equations.j, equations.i])[order].numpy()
        # From the other end to this one, in this sample's frame and in the other's.
        self.own = torch.cat([-seen_i, seen_j])[order].numpy()
        self.others = torch.cat([-seen_j, seen_i])[order].numpy()
        self.length = equations.graph.squared.repeat(2)[order].sqrt().numpy()

    def continue_to(self, placed: Tensor, fresh: Tensor, coordinates: Tensor, rotations: Tensor) -> None:
        r"""Places `fresh` samples one by one, by neighbours that have been placed; changes the tensors."""
        u, rotation = coordinates.numpy(), rotations.numpy()
        known = np.zeros(len(u), dtype=bool)
        known[placed.numpy()] = True
        handedness = np.sign(np.linalg.det(rotation[int(placed[0])]))

        for node in fresh.tolist():
            entries = np.arange(self.start[node], self.start[node + 1])
            entries = entries[known[self.other[entries]]]
            if len(entries) == 0:
                continue
            near = self.other[entries]
            step = np.einsum("pab,pa->pb", rotation[near], self.others[entries])
            guess = u[near] + step
            first = int(self.length[entries].argmin())
            # Neighbours on another sheet of the cover would place it elsewhere.
            same = np.linalg.norm(guess - guess[first], axis=1) < LOOP_MISFIT * self.length[entries].max()
            weight = same / (self.length[entries] + 1e-12) ** 2
            moment = np.einsum("p,pa,pb->ab", weight, self.own[entries], step)
            left, _, right = np.linalg.svd(moment)
            left[:, -1] *= np.sign(np.linalg.det(left @ right)) * handedness
            rotation[node] = left @ right
            # The mean of both ends' views: their errors of second order cancel.
            guess = u[near] + 0.5 * (step + self.own[entries] @ rotation[node])
            u[node] = weight @ guess / weight.sum()
            known[node] = True
