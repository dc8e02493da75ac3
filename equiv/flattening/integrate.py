r"""The frames of a cloud integrated to coordinates, and corrected by a fit y = F(u)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from equiv.coordinates.lift import Lift
from equiv.flattening.cloud import Cloud
from equiv.flattening.curve_ends import NEAR_ENDS, join_corners, nearest_ends
from equiv.flattening.deferred_correction import correct
from equiv.flattening.jumps import JUMPING_SHARE, unexplained_share
from equiv.flattening.orientation import orient
from equiv.flattening.pair_equations import PairEquations
from equiv.flattening.solve import flatten
from equiv.flattening.synchronization import LARGEST_MISFIT, Flattening, PairSolution, synchronise, torn_pairs
from equiv.metric.neighbors import MAX_DIFFERENCE_SINE, MAX_TANGENT_SINE, NeighborGraph, neighbor_graph

__all__ = ["Integration", "integrate", "integrate_from"]


class _Strictness(NamedTuple):
    r"""What is asked of neighbours.

    Attributes:
        multiple: Of the usual number of neighbours of a sample.
        max_tangent_sine: As of `neighbor_graph`.
        max_difference_sine: Likewise.
    """

    multiple: int
    max_tangent_sine: float
    max_difference_sine: float


# What is asked of neighbours, strictest first, until the graph hangs together: rough or thinly sampled clouds need more
# neighbours, and less strictly tangent ones.
# [multiples and sines; chosen: the first is what good charts were measured with, each other gives way in one thing]
SMOOTH = (
    _Strictness(1, MAX_TANGENT_SINE, MAX_DIFFERENCE_SINE),
    _Strictness(2, MAX_TANGENT_SINE, MAX_DIFFERENCE_SINE),
    _Strictness(1, 0.9, 0.75),
    _Strictness(2, 0.9, 0.75),
)

# Likewise where frames jump: a jump turns all tangent spaces by as much as it likes, those of neighbours too.
# [multiples and sines; chosen: tangent spaces on both sides of one jump share all directions but one, and their sine
# is at most 1; the last allows nearly any pair]
JUMPING = (_Strictness(1, 1.05, 0.7), _Strictness(2, 1.05, 0.7), _Strictness(2, 1.5, 0.9))

# Root mean square misfit of the pairs up to which coordinates fit where frames jump between neighbours.
# [share of the lengths of pairs; chosen: jumps leave 0.29 of what they change, which is mostly less than a length]
JUMPING_LEVEL = 0.25

# Unexplained share of the changes of frames above which they jump where the tangent neighbours fall into pieces.
# [dimensionless; chosen: below the share elsewhere, as few jumps lie between the neighbours that are left]
JUMPING_SHARE_APART = 0.1

# Cosine of the largest angle of tangent spaces with no jump in between.
# [dimensionless; chosen: 26 degrees, more than smooth networks turn between neighbours that resolve them]
PARALLEL_COSINE = 0.9

# Frustrated pairs are left out where they are fewer than this.
# [share of the pairs; chosen: single false neighbours; more show that there is no orientation]
FRUSTRATED_SHARE = 0.01

# Steps of Gauss-Newton from coordinates that are nearly right.
# [steps; chosen: the start is nearly right, and corrections go on from there]
STEPS_FROM_A_CHART = 3


@dataclass(frozen=True)
class Integration:
    r"""Coordinates of a cloud.

    Attributes:
        solution: Coordinates, rotations and periods.
        frames: The cloud's frames :math:`J_i R_i`, `(n, d, m)`.
        lift: F.
        edges: Number of edges of the graph.
        frustrated: Number of edges of nearly parallel tangent spaces whose ends disagree in orientation.
        rejected: Number of other edges that do not fit.
        torn: How many of the rejected ones no jump explains: edges that have become much longer.
        residual: Root mean square misfit of the edges kept. Dimensionless.
        refinement: Root mean square move of the last correction over the spread. Dimensionless.
        ends: How near ends of a curve come to each other, by `equiv.flattening.curve_ends`; infinite elsewhere.
        excess: RMS residual of the edges over what jumps of derivatives explain, where they jump; None elsewhere.
    """

    solution: PairSolution
    frames: Tensor
    lift: Lift
    edges: int
    frustrated: int
    rejected: int
    torn: int
    residual: float
    refinement: float
    ends: float
    excess: float | None


@dataclass(frozen=True)
class _Oriented:
    r"""The graph without frustrated edges, where these are few, and oriented frames.

    Attributes:
        edges: Number of edges with those left out.
        frustrated: As in `Integration`.
        ends: As in `Integration`.
        jumping: Whether frames jump between neighbours: those of piecewise linear networks do, and those of samples
            too few to resolve what bends.
    """

    graph: NeighborGraph
    frames: Tensor
    edges: int
    frustrated: int
    ends: float
    jumping: bool


def integrate(cloud: Cloud) -> Integration:
    r"""Coordinates from scratch."""
    oriented = _orient(cloud)
    equations = PairEquations.of_graph(cloud.values, oriented.frames, oriented.graph)
    level = JUMPING_LEVEL if oriented.jumping else cloud.level

    return _corrected(cloud, oriented, equations, flatten(equations, level))


def integrate_from(cloud: Cloud, start: Tensor, periods: Tensor | None) -> Integration:
    r"""Coordinates from nearly right ones, `(n, m)`, such as a chart of a part of the samples gives."""
    oriented = _orient(cloud)
    equations = PairEquations.of_graph(cloud.values, oriented.frames, oriented.graph)
    rotations = equations.rotations(start, periods)
    windings, mismatch = _windings(equations.mismatch(start, rotations), periods)
    good = mismatch.norm(dim=1) <= LARGEST_MISFIT * equations.lengths
    if oriented.graph.subset(good).components()[0] > 1:
        good = torch.ones_like(good)
    windings = None if windings is None else windings[good]
    kept = equations.subset(good)
    solution = synchronise(
        kept, start, rotations, windings=windings, periods=periods, max_steps=STEPS_FROM_A_CHART
    )
    found = Flattening(solution, kept, windings, int((~good).sum()), torn_pairs(solution, equations))

    return _corrected(cloud, oriented, equations, found)


def _neighbours(cloud: Cloud) -> tuple[NeighborGraph, float, bool]:
    r"""A graph that hangs together, how near ends of a curve come to each other in it, and whether frames jump.

    Raises:
        ValueError: If no graph that is tried hangs together.
    """
    first = None

    for graph, jumping in _graphs(cloud):
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


def _graphs(cloud: Cloud) -> Iterator[tuple[NeighborGraph, bool]]:
    r"""Graphs of neighbours, the strictest first, and whether frames jump between them."""
    frames = cloud.basis * cloud.scale[:, None]

    if cloud.noise == 0 and cloud.dimension == 1:
        for strictness in SMOOTH:
            graph = _graph(cloud, strictness)
            joined = join_corners(cloud.values, frames[:, :, 0], graph)
            yield joined, joined is not graph
        return

    strictest = _graph(cloud, SMOOTH[0])

    if cloud.noise == 0:
        # Few neurons leave large cells without any jump, in pieces where they are all that is tangent.
        least = JUMPING_SHARE if strictest.components()[0] == 1 else JUMPING_SHARE_APART
        if unexplained_share(cloud.values, frames, strictest) > least:
            for strictness in JUMPING:
                yield _graph(cloud, strictness, jumping=True), True
            return

    yield strictest, False

    for strictness in SMOOTH[1:]:
        yield _graph(cloud, strictness), False


def _graph(cloud: Cloud, strictness: _Strictness, *, jumping: bool = False) -> NeighborGraph:
    return neighbor_graph(
        cloud.values,
        cloud.basis,
        cloud.scale,
        min(strictness.multiple * cloud.neighbors, len(cloud) - 1),
        max_tangent_sine=strictness.max_tangent_sine,
        max_difference_sine=strictness.max_difference_sine,
        # Around jumps hardly any pair may be tangent, and a sample with few neighbours would come to lie anywhere.
        jumping=jumping,
    )


def _orient(cloud: Cloud) -> _Oriented:
    graph, ends, jumping = _neighbours(cloud)
    edges = len(graph.i)
    signs, agree = orient(cloud.values, cloud.basis, graph, jumping=jumping)
    frustrated = int((~agree).sum())
    if cloud.dimension > 1:
        # Of tangent spaces that are turned against each other, orientation says little.
        cosines = torch.linalg.svdvals(cloud.basis[graph.i[~agree]].mT @ cloud.basis[graph.j[~agree]])
        frustrated = int((cosines[:, -1] > PARALLEL_COSINE).sum())
    if frustrated < FRUSTRATED_SHARE * edges and graph.subset(agree).components()[0] == 1:
        graph = graph.subset(agree)

    frames = cloud.basis * cloud.scale[:, None]
    frames[:, :, 0] *= signs[:, None]

    return _Oriented(graph, frames, edges, frustrated, ends, jumping)


def _windings(mismatch: Tensor, periods: Tensor | None) -> tuple[Tensor | None, Tensor]:
    r"""How often each pair crosses each period, `(E, p)`, and its mismatch less these."""
    if periods is None:
        return None, mismatch

    windings = -(mismatch @ torch.linalg.pinv(periods)).round()

    return windings, mismatch + windings @ periods


def _corrected(cloud: Cloud, oriented: _Oriented, equations: PairEquations, found: Flattening) -> Integration:
    solution = found.solution
    mismatch = equations.mismatch(solution.coordinates, solution.rotations)
    windings, mismatch = _windings(mismatch, solution.periods)
    every = Flattening(replace(solution, residual=mismatch), equations, windings, 0, 0)
    best = correct(
        cloud.values,
        found,
        every,
        rough=cloud.rough,
        exact=cloud.noise == 0,
        jumping=oriented.jumping,
    )

    return Integration(
        solution=best.solution,
        frames=oriented.frames @ best.solution.rotations,
        lift=best.lift,
        edges=oriented.edges,
        frustrated=oriented.frustrated,
        rejected=best.rejected,
        torn=best.torn,
        residual=best.residual,
        refinement=best.refinement,
        ends=oriented.ends,
        excess=best.excess,
    )
