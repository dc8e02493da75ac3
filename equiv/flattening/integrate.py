r"""The frames of a cloud integrated to coordinates, and corrected by a fit y = F(u)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.smooth_fit import SmoothFit
from equiv.flattening.cloud import Cloud
from equiv.flattening.curve_ends import NEAR_ENDS, join_corners, nearest_ends
from equiv.flattening.deferred_correction import Jumps, correct
from equiv.flattening.jumps import JUMPING_SHARE, unexplained_share
from equiv.flattening.orientation import orient
from equiv.flattening.solve import Flattening, flatten, torn
from equiv.flattening.synchronization import PairEquations, PairSolution
from equiv.metric.neighbors import NeighborGraph, neighbor_graph

__all__ = ["Integration", "integrate", "integrate_from"]


# Root mean square misfit of the pairs up to which coordinates fit where frames jump between neighbours.
JUMPING_LEVEL = 0.25

# Unexplained share of the changes of frames above which they jump where the tangent neighbours fall into pieces.
JUMPING_SHARE_APART = 0.1

# Cosine of the largest angle of tangent spaces with no crease in between.
PARALLEL = 0.9


@dataclass
class Integration:
    r"""Coordinates of a cloud.

    Attributes:
        solution: Coordinates, rotations and periods.
        frames: The cloud's frames :math:`J_i R_i`, `(n, d, m)`.
        fit: F.
        edges: Number of edges of the graph.
        frustrated: Number of edges whose ends disagree in orientation.
        rejected: Number of other edges that do not fit.
        mirrored: How many of the frustrated edges no kink explains: nearly parallel tangent spaces.
        torn: How many of the rejected ones no kink explains: edges that have become much longer.
        residual: Root mean square misfit of the edges kept. Dimensionless.
        refinement: Root mean square move of the last correction over the spread. Dimensionless.
        ends: How near ends of a curve come to each other, by `equiv.flattening.curve_ends`; infinite elsewhere.
        jumps: What piecewise linear networks leave, by `equiv.flattening.deferred_correction`; None elsewhere.
    """

    solution: PairSolution
    frames: Tensor
    fit: SmoothFit
    edges: int
    frustrated: int
    rejected: int
    mirrored: int
    torn: int
    residual: float
    refinement: float
    ends: float
    jumps: Jumps | None


@dataclass(frozen=True)
class _Oriented:
    r"""The graph without frustrated edges, where these are few, and oriented frames.

    Attributes:
        edges: Number of edges with those left out.
        frustrated: How many edges are frustrated.
        mirrored: As in `Integration`.
        ends: As in `Integration`.
        jumping: Whether frames jump between neighbours: kinks, or too few samples to resolve what bends.
    """

    graph: NeighborGraph
    frames: Tensor
    edges: int
    frustrated: int
    mirrored: int
    ends: float
    jumping: bool


def integrate(cloud: Cloud) -> Integration:
    r"""Coordinates from scratch."""
    oriented = _orient(cloud)
    graph = oriented.graph
    equations = PairEquations(cloud.values, oriented.frames, graph.i, graph.j, graph.squared)

    level = JUMPING_LEVEL if oriented.jumping else cloud.level

    return _corrected(cloud, oriented, equations, flatten(equations, graph, level))


def integrate_from(cloud: Cloud, start: Tensor, periods: Tensor | None) -> Integration:
    r"""Coordinates from nearly right ones, `(n, m)`, such as a chart of a part of the samples gives."""
    oriented = _orient(cloud)
    graph = oriented.graph
    equations = PairEquations(cloud.values, oriented.frames, graph.i, graph.j, graph.squared)
    rotations = equations.rotations(start, periods)
    mismatch = equations.mismatch(start, rotations)
    windings = None

    if periods is not None:
        windings = -(mismatch @ torch.linalg.pinv(periods)).round()
        mismatch = mismatch + windings @ periods

    good = mismatch.norm(dim=1) <= 0.3 * equations.lengths
    if graph.subset(good).components()[0] > 1:
        good = torch.ones_like(good)
    windings = None if windings is None else windings[good]
    kept = equations.subset(good)
    solution = kept.solve(start, rotations, windings=windings, periods=periods, steps=3, tolerance=1e-4)
    found = Flattening(solution, kept, windings, int((~good).sum()), torn(solution, equations))

    return _corrected(cloud, oriented, equations, found)


def _neighbours(cloud: Cloud) -> tuple[NeighborGraph, float, bool]:
    r"""A graph that hangs together, how near ends of a curve come to each other in it, and whether frames jump."""
    first, jumping = None, False
    # Rough or thinly sampled clouds need more neighbours, and less strictly tangent ones, to hang together.
    tries = [(1, 0.75, 0.5), (2, 0.75, 0.5), (1, 0.9, 0.75), (2, 0.9, 0.75)]

    for more, max_tangent_sine, max_difference_sine in tries:
        k = min(more * cloud.neighbors, len(cloud) - 1)
        # Around kinks hardly any pair may be tangent, and a sample with few neighbours would come to lie anywhere.
        graph = neighbor_graph(
            cloud.values,
            cloud.basis,
            cloud.scale,
            k,
            max_tangent_sine=max_tangent_sine,
            max_difference_sine=max_difference_sine,
            jumping=jumping and cloud.dimension > 1,
        )
        if cloud.noise == 0 and cloud.dimension == 1:
            joined = join_corners(cloud.values, (cloud.basis * cloud.scale[:, None])[:, :, 0], graph)
            graph, jumping = joined, joined is not graph
        elif (more, max_tangent_sine) == tries[0][:2] and cloud.noise == 0:
            frames = cloud.basis * cloud.scale[:, None]
            # Few neurons leave large cells without any kink, in pieces where they are all that is tangent.
            least = JUMPING_SHARE if graph.components()[0] == 1 else JUMPING_SHARE_APART
            jumping = unexplained_share(cloud.values, frames, graph) > least
            if jumping:
                # A kink turns all tangent planes by as much as it likes, those of neighbours too.
                tries[1:] = [(1, 1.05, 0.7), (2, 1.05, 0.7), (2, 1.5, 0.9)]
                continue
        count, labels = graph.components()
        if count > 1:
            continue
        ends = nearest_ends(cloud.values, cloud.basis[:, :, 0], graph) if cloud.dimension == 1 else torch.inf
        if ends > NEAR_ENDS:
            return graph, ends, jumping
        first = first or (graph, ends, jumping)

    if first is not None:
        return first

    sizes = labels.bincount().sort(descending=True).values.tolist()
    raise ValueError(
        f"'obs' should be one connected cloud, got {count} that no chain of neighbours joins (of "
        f"{', '.join(map(str, sizes[:5]))} samples); fit each alone or probe more densely."
    )


def _orient(cloud: Cloud) -> _Oriented:
    graph, ends, jumping = _neighbours(cloud)
    edges = len(graph.i)
    signs, agree = orient(cloud.values, cloud.basis, graph, jumping=jumping)
    frustrated = int((~agree).sum())
    mirrored = frustrated
    if jumping and cloud.dimension > 1:
        cosines = torch.linalg.svdvals(cloud.basis[graph.i[~agree]].mT @ cloud.basis[graph.j[~agree]])
        mirrored = int((cosines[:, -1] > PARALLEL).sum())
    if frustrated < 0.01 * edges and graph.subset(agree).components()[0] == 1:
        graph = graph.subset(agree)

    frames = cloud.basis * cloud.scale[:, None]
    frames[:, :, 0] *= signs[:, None]

    return _Oriented(graph, frames, edges, frustrated, mirrored, ends, jumping)


def _corrected(cloud: Cloud, oriented: _Oriented, equations: PairEquations, found: Flattening) -> Integration:
    best = correct(
        cloud.values,
        found,
        rough=cloud.rough,
        exact=cloud.noise == 0,
        jumping=oriented.jumping,
    )

    return Integration(
        solution=best.solution,
        frames=oriented.frames @ best.solution.rotations,
        fit=best.fit,
        edges=oriented.edges,
        frustrated=oriented.frustrated,
        rejected=found.rejected,
        mirrored=oriented.mirrored,
        torn=found.rejected if best.jumps is None else torn(best.solution, equations),
        residual=best.residual,
        refinement=best.refinement,
        ends=oriented.ends,
        jumps=best.jumps,
    )
