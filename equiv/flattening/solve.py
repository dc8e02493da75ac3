r"""From pairs of neighbours to coordinates: start, solve, reject the pairs that do not fit, find periods."""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.flattening.closed import closing, find_lattice
from equiv.flattening.development import develop
from equiv.flattening.flat import resettled
from equiv.flattening.geodesics import landmark_scaling, shortest_paths, tree_potential
from equiv.flattening.synchronization import PairEquations, PairSolution
from equiv.metric.neighbors import NeighborGraph

__all__ = ["Flattening", "flatten", "misfit", "torn"]


# Share of the samples that may be set down in a wrong place.
FEW = 0.01

# A start is folded if after a few steps half of the pairs miss by more than so many times what fits.
FOLDED = 2.0

# Coordinates are torn where edges are so many times as long as their metric says; one in so many may be.
TORN = 2.0
FEW_TORN = 500


@dataclass
class Flattening:
    r"""Coordinates, with the equations that they solve.

    Attributes:
        solution: Coordinates, rotations and periods.
        equations: The pair equations that were kept.
        windings: How often each edge kept crosses each period, `(E, p)`, or None without periods.
        rejected: Number of edges that fit no flat coordinates.
        torn: Number of edges, of all, that have become much longer than their metric says.
    """

    solution: PairSolution
    equations: PairEquations
    windings: Tensor | None
    rejected: int
    torn: int

    @property
    def edges(self) -> int:
        return self.rejected + len(self.equations.i)

    @property
    def rejected_share(self) -> float:
        return self.rejected / self.edges


def misfit(solution: PairSolution, equations: PairEquations) -> Tensor:
    r"""Residual of each edge over its length, `(E,)`."""
    return solution.residual.norm(dim=1) / equations.lengths


def torn(solution: PairSolution, equations: PairEquations) -> int:
    r"""Number of edges whose ends lie much farther from each other than their metric says."""
    step = equations.steps(solution.coordinates, solution.periods)

    return int((step.norm(dim=1) > TORN * equations.lengths).sum())


def flatten(equations: PairEquations, graph: NeighborGraph, level: float) -> Flattening:
    r"""Solves the pair equations from the starts that there are, and keeps the best.

    A flat chart is tried first, from scaled geodesics. Only where it does not fit are the coordinates
    developed from a disc and the loops searched for periods. Where after a few steps most pairs still miss it, as
    on a torus, which scaling folds, the rest of these steps comes last.

    Arguments:
        equations: Of all edges.
        graph: The same edges.
        level: Root mean square misfit up to which a solution fits, dimensionless: noise of the frames.
    """
    flat: list[Flattening] = []
    folded: PairSolution | None = None

    if equations.m > 1:
        begun = equations.solve(landmark_scaling(graph, equations.m), tolerance=1e-4, steps=4)

        if float(misfit(begun, equations).median()) > FOLDED * level:
            folded = begun
        else:
            flat.append(_solve_flat(equations, graph, begun.coordinates, begun.rotations))
            if _fits(flat[0], level):
                return flat[0]

    for developed in _developments(equations, graph):
        mismatch = -developed.residual
        lattice = find_lattice(mismatch, equations.squared)
        if lattice is None and equations.m == 1:
            lattice = closing(mismatch, developed.coordinates)

        if lattice is None:
            flat.append(_solve_flat(equations, graph, developed.coordinates, developed.rotations))
        else:
            closed = _solve_closed(equations, graph, developed, *lattice)
            if _fits(closed, level):
                return closed
            flat.append(closed)

        if _fits(flat[-1], level):
            return flat[-1]

    if folded is not None:
        flat.append(_solve_flat(equations, graph, folded.coordinates, folded.rotations))

    return min(
        flat,
        key=lambda found: (
            (found.rejected + found.torn) / found.edges
            + float(misfit(found.solution, found.equations).mean())
        ),
    )


def _fits(found: Flattening, level: float) -> bool:
    rms = misfit(found.solution, found.equations).square().mean().sqrt()

    return (
        found.rejected_share < max(0.01, level / 5)
        and found.torn <= max(1, found.edges // FEW_TORN)
        and bool(rms < level)
    )


def _developments(equations: PairEquations, graph: NeighborGraph):  # type: ignore[no-untyped-def]
    r"""Coordinates developed from two roots at most."""
    if equations.m == 1:
        identity = torch.ones(graph.n, 1, 1, dtype=torch.float64)
        displacements = equations.displacements(identity)[0]
        start = tree_potential(graph, displacements)
        yield PairSolution(start, identity, None, equations.mismatch(start, identity), True)
        return

    root = 0
    for _ in range(2):
        developed = develop(equations, graph, root)
        if developed is not None:
            yield developed
        root = int(shortest_paths(graph, root)[0].argmax())


def _largest(share: Tensor) -> float:
    r"""The largest misfit of an edge that still counts as a neighbour's."""
    return max(0.3, 8 * float(share.median()))


def _solve_flat(
    equations: PairEquations, graph: NeighborGraph, start: Tensor, rotations: Tensor
) -> Flattening:
    r"""Solves; where edges do not fit, solves so that they count little, rejects them and solves again."""
    kept = torch.ones(len(graph.i), dtype=torch.bool)
    solution = equations.solve(start, rotations, tolerance=1e-4)

    for _ in range(2):
        share = misfit(solution, equations.subset(kept))
        if solution.converged and float(share.max()) <= _largest(share):
            break
        robust = equations.solve(
            solution.coordinates, solution.rotations, tolerance=1e-4, steps=20, robust=True
        )
        moved = resettled(equations, robust)
        if moved is not robust:
            robust = equations.solve(
                moved.coordinates, moved.rotations, tolerance=1e-4, steps=20, robust=True
            )
        share = misfit(robust, equations)
        good = share <= _largest(share)
        if graph.subset(good).components()[0] > 1:
            break
        kept = good
        solution = equations.subset(kept).solve(robust.coordinates, robust.rotations, tolerance=1e-4)

    part = equations if bool(kept.all()) else equations.subset(kept)
    solution.residual = part.mismatch(solution.coordinates, solution.rotations)

    return Flattening(solution, part, None, int((~kept).sum()), torn(solution, equations))


def _joined(graph: NeighborGraph, good: Tensor) -> Tensor:
    r"""The good edges, and all those of few samples that good ones do not join to the rest: set down in a wrong place,
    they are moved as one by a solution that keeps these.
    """
    labels = graph.subset(good).components()[1]
    apart = labels != labels.bincount().argmax()

    return good | apart[graph.i] | apart[graph.j] if float(apart.double().mean()) < FEW else good


def _solve_closed(
    equations: PairEquations, graph: NeighborGraph, start: PairSolution, periods: Tensor, windings: Tensor
) -> Flattening:
    r"""Solves for coordinates, rotations and periods together, without the edges that fit no winding."""
    solution = start
    kept = torch.ones(len(graph.i), dtype=torch.bool)
    mismatch = equations.mismatch(start.coordinates, start.rotations) + windings @ periods
    good = _joined(graph, mismatch.norm(dim=1) < 0.3 * periods.norm(dim=1).min())

    for _ in range(3):
        if graph.subset(good).components()[0] > 1:
            break
        kept = good
        solution = equations.subset(kept).solve(
            solution.coordinates,
            solution.rotations,
            windings=windings[kept],
            periods=periods,
            tolerance=1e-5,
        )
        assert solution.periods is not None
        periods = solution.periods
        bare = equations.mismatch(solution.coordinates, solution.rotations)
        windings = -(bare @ torch.linalg.pinv(periods)).round()
        residual = (bare + windings @ periods).norm(dim=1) / equations.lengths
        good = _joined(graph, residual <= _largest(residual[kept]))
        if bool((good == kept).all()):
            break

    part = equations.subset(kept)

    return Flattening(solution, part, windings[kept], int((~kept).sum()), torn(solution, equations))
