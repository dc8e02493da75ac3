r"""Development of a manifold onto its universal cover: coordinates grown outward from a disc.

A closed manifold has no flat chart, but a disc in it has one, and it can be continued along shortest paths
until every sample has coordinates. Where two continuations meet, they differ by a period.
"""

import numpy as np
import torch
from torch import Tensor

from equiv.flattening.geodesics import landmark_scaling, shortest_paths
from equiv.flattening.synchronization import PairEquations, PairSolution
from equiv.metric.neighbors import NeighborGraph

__all__ = ["develop"]


def develop(equations: PairEquations, graph: NeighborGraph, root: int) -> PairSolution | None:
    r"""Coordinates and rotations grown from a disc around `root`, or None where no disc there is flat.

    The disc holds the samples nearest to the root along the graph: a quarter of all, or fewer until it fits.
        Its
    coordinates are continued in stages, each half as large again; after each stage all samples reached are
    solved for together, without the edges that close a loop around a period.
    """
    order = shortest_paths(graph, root)[0].argsort()

    for share in (0.25, 0.12, 0.06, 0.03):
        size = max(int(share * graph.n), min(graph.n, 40))
        solution = _solve_disc(equations, order[:size])
        if solution is not None:
            break
    else:
        return None

    coordinates = torch.zeros(graph.n, equations.m, dtype=torch.float64)
    rotations = torch.zeros(graph.n, equations.m, equations.m, dtype=torch.float64)
    coordinates[order[:size]], rotations[order[:size]] = solution.coordinates, solution.rotations
    neighbours = _Neighbours(equations)

    while size < graph.n:
        grown = min(graph.n, max(size + 1, size * 3 // 2))
        neighbours.continue_to(order[:size], order[size:grown], coordinates, rotations)
        size = grown
        nodes = order[:size]
        part = equations.induced(nodes)
        mismatch = part.mismatch(coordinates[nodes], rotations[nodes]).norm(dim=1)
        solution = part.subset(mismatch < 3 * part.lengths).solve(
            coordinates[nodes], rotations[nodes], steps=3, tolerance=1e-3
        )
        coordinates[nodes], rotations[nodes] = solution.coordinates, solution.rotations

    return PairSolution(coordinates, rotations, None, equations.mismatch(coordinates, rotations), True)


def _solve_disc(equations: PairEquations, nodes: Tensor) -> PairSolution | None:
    r"""The flat chart of some samples alone, or None where an edge does not fit it."""
    part = equations.induced(nodes)
    graph = NeighborGraph(part.i, part.j, part.squared, len(nodes))
    if graph.components()[0] > 1:
        return None

    solution = part.solve(landmark_scaling(graph, part.m, 50), tolerance=1e-3)
    share = solution.residual.norm(dim=1) / part.lengths

    return solution if float(share.quantile(0.99)) < 0.3 else None


class _Neighbours:
    r"""The displacements of each edge as either end sees them, listed by sample."""

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
        self.length = torch.cat([equations.squared, equations.squared])[order].sqrt().numpy()

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
            same = np.linalg.norm(guess - guess[first], axis=1) < 3 * self.length[entries].max()
            weight = same / (self.length[entries] + 1e-12) ** 2
            moment = np.einsum("p,pa,pb->ab", weight, self.own[entries], step)
            left, _, right = np.linalg.svd(moment)
            left[:, -1] *= np.sign(np.linalg.det(left @ right)) * handedness
            rotation[node] = left @ right
            # The mean of both ends' views: their errors of second order cancel.
            guess = u[near] + 0.5 * (step + self.own[entries] @ rotation[node])
            u[node] = weight @ guess / weight.sum()
            known[node] = True
