r"""The map that keeps the way to every neighbour: Gauss-Newton on positions and turns.

Sought are images :math:`z_i` of A's samples on B's space and of their frames, :math:`K_i`, orthonormal there. The way
from one image to the next, :math:`\log_{z_i} z_j` in the frame :math:`K_i`, should be that from the one sample to the
other, :math:`w_{ij}`: both by `LocalMetric.logarithms`, on the same pairs of neighbours. The least-squares step over
moves :math:`\delta_i` and turns :math:`\Omega_i`, in A's frames,

.. math:: \sum_{ij} \frac{|\rho_{ij} + P_{ij} \delta_j - \delta_i - \Omega_i w_{ij}|^2}{|w_{ij}|^2},
    \qquad \rho_{ij} = \log_{z_i} z_j - w_{ij},

with :math:`P_{ij}` the parallel transport on A, has one matrix for all steps: near an isometry it is that of A itself,
wherever the images are. Nothing is oriented, so that the space may be curved, closed, or one-sided.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.coordinates.motion import skew_matrix
from equiv.flattening.block_system import BlockPattern, BlockSystem, Factorisation
from equiv.isometry.local_metric import LocalMetric, orthogonal, pseudo_inverse
from equiv.isometry.placement import grown, settled
from equiv.isometry.side import CurvedSide
from equiv.isometry.starts import Start

__all__ = ["Isometry", "System", "moved", "solve_isometry", "ways_to_anchors"]

# Misfit above which a map tears a pair of neighbours apart.
# [share of its length; chosen: noise leaves less, and across a tear it is one and more]
TORN_MISFIT = 0.3

# A tear has as many samples beside it as a hypersurface, n^((m - 1) / m), times this.
# [dimensionless; measured: maps of isometric spaces have up to 0.3 that are not well placed, those of Klein bottles to
# tori and of spheres to spheroids 1.0 to 1.4]
SHORTEST_TEAR = 0.4

# Misfits up to which a pair belongs to a piece that keeps lengths, in turn.
# [share of its length; chosen: next to a tear lengths give way, but where samples are few they are told no better]
FITTING_MISFITS = (0.1, TORN_MISFIT)

# An image belongs to a piece where more than this share of its pairs fit.
# [share of its pairs; chosen: a majority, so that images at the edge of a tear are set anew]
WELL_PLACED = 0.7

# How often a torn map is grown anew from its largest piece.
# [times; chosen: each time the piece is larger, until no other tear is left]
REGROWN = 6

# Steps of Gauss-Newton at most.
# [steps; measured: from distances to anchors on spheres four lead as far as noise allows, on SO(3) ten]
STEPS = 12

# Images have settled when half of them move by less.
# [spacings; chosen: far below what the ways to neighbours miss]
SETTLED_MOVE = 1e-3

# No image moves farther in one step.
# [spacings; chosen: beyond it another sheet may begin]
LARGEST_MOVE = 1.0

# Misfit at which a pair counts half, over the median of all.
# [dimensionless; chosen: usual for Cauchy weights]
ROBUST_SCALE = 3.0

# But no smaller, so that images in wrong places are still drawn to where they belong.
# [share of the length of a pair; measured: on spheres and SO(3) anything from 0.15 to 0.5 leads to the same]
SMALLEST_ROBUST_MISFIT = 0.15

# Weight of an anchor, over that of a pair of the usual length.
# [dimensionless; measured: on SO(3) 10 and 100 lead to the same; at 1 it drifts off them]
ANCHOR_WEIGHT = 30.0

# Accuracy of a step, as a solution of its linear system.
# [share in the norm of the energy; chosen: the next step corrects it]
LINEAR_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Isometry:
    r"""A map from A's space to B's at A's samples.

    Attributes:
        images: In B's weighted values, `(n, d)`.
        frames: Of A's frames, `(n, d, m)`.
        misfit: :math:`|\rho| / |w|` of every pair of neighbours, that of the end that sees less of it, `(E,)`.
        placed: Samples whose pairs it keeps together, all but few, `(n,)`.
        dilation: Median relative difference of the lengths of pairs, by which B's are larger.
    """

    images: Tensor
    frames: Tensor
    misfit: Tensor
    placed: Tensor
    dilation: float

    @property
    def torn(self) -> int:
        r"""How many pairs of neighbours the map tears apart."""
        return int((self.misfit > TORN_MISFIT).sum())

    @property
    def whole(self) -> bool:
        r"""Whether so few samples are not well placed that no tear runs through the space."""
        n, _, m = self.frames.shape

        return int((~self.placed).sum()) <= SHORTEST_TEAR * n ** (1 - 1 / m)

    @property
    def strain(self) -> float:
        r"""The usual misfit, the median; dimensionless."""
        return float(self.misfit.median())


def solve_isometry(a: CurvedSide, b: CurvedSide, start: Start, anchors: Tensor | None) -> Isometry:
    r"""The map from A to B near a start that comes nearest to an isometry.

    Where it is torn, its largest piece is kept and grown anew over the rest.

    Arguments:
        a: Side A.
        b: Side B, of the same dimension.
        start: Where A's samples lie on B's side, roughly.
        anchors: Pairs of sample indices, `(k, 2)`, which are held; None for none.
    """
    system = System(a, anchors)
    best = _solved(a, b, system, settled(a, b, start), anchors)

    for round_ in range(REGROWN):
        if best.whole:
            break

        piece = _largest_piece(a, best, anchors, FITTING_MISFITS[round_ % 2])

        if bool(piece.any()):
            images = grown(a, b, Start(best.images, best.frames), piece)
            best = min(best, _solved(a, b, system, images, anchors), key=lambda each: each.torn)

    return best


def _solved(a: CurvedSide, b: CurvedSide, system: System, found: Start, anchors: Tensor | None) -> Isometry:
    for _ in range(STEPS):
        residual = _ways(a, found) - a.ways
        held = None if anchors is None else ways_to_anchors(b, found, anchors)
        move, turn = system.step(_robust(a, residual), held)
        share = LARGEST_MOVE * a.spacing / move.norm(dim=1).clamp_min(1e-300)
        move = move * share.clamp_max(1)[:, None]
        found = moved(b, found, move, turn)

        if float((move.norm(dim=1) / a.spacing).median()) < SETTLED_MOVE:
            break

    ways = _ways(a, found)
    lengths = a.ways.norm(dim=1)
    misfit = ((ways - a.ways).norm(dim=1) / lengths).nan_to_num(torch.inf).reshape(2, -1).amin(dim=0)

    dilation = float((ways.norm(dim=1) / lengths - 1).median())

    return Isometry(found.images, found.frames, misfit, _well_placed(a, misfit <= TORN_MISFIT), dilation)


def _largest_piece(a: CurvedSide, found: Isometry, anchors: Tensor | None, limit: float) -> Tensor:
    r"""Samples of the piece with most anchors, of those the largest, in which the map keeps most ways, `(n,)`."""
    graph = a.graph
    fits = found.misfit <= limit
    placed = _well_placed(a, fits)
    labels = graph.subset(fits & placed[graph.i] & placed[graph.j]).components()[1]
    sizes = labels.bincount(placed.double())

    if anchors is not None:
        # An anchor in a piece that is not where it belongs is torn off it, as it is held.
        own = anchors[:, 0]
        sizes = sizes + len(a) * labels[own].bincount(placed[own].double(), minlength=len(sizes))

    piece = placed & (labels == sizes.argmax())
    core = a.i.bincount((~piece)[a.j].double(), minlength=len(a)) == 0

    return piece & core


def _well_placed(a: CurvedSide, fits: Tensor) -> Tensor:
    r"""Samples most of whose pairs fit, `(n,)`, from those of all pairs, `(E,)`."""
    return a.i.bincount(fits.double().repeat(2), minlength=len(a)) > WELL_PLACED * a.i.bincount(
        minlength=len(a)
    )


def moved(b: CurvedSide, found: Start, move: Tensor, turn: Tensor) -> Start:
    r"""Images moved along B's space by `(n, m)`, their frames turned by skew `(n, m, m)`."""
    frames = found.frames @ torch.matrix_exp(turn)
    images, there = b.charts.at(found.images + (found.frames @ move[:, :, None])[:, :, 0])

    return Start(images, there @ orthogonal(pseudo_inverse(there) @ frames))


def _ways(a: CurvedSide, found: Start) -> Tensor:
    r"""From every image to those of the neighbours, `(2 E, m)`."""
    return LocalMetric.of_neighbours(found.images, found.frames, a.i, a.j).logarithms()


def _robust(a: CurvedSide, residual: Tensor) -> Tensor:
    r"""Residuals with Cauchy weights."""
    misfit = residual.norm(dim=1) / a.ways.norm(dim=1)
    scale = max(ROBUST_SCALE * float(misfit.nanmedian()), SMALLEST_ROBUST_MISFIT)

    return (residual / (1 + (misfit / scale).square())[:, None]).nan_to_num(0.0, 0.0, 0.0)


def ways_to_anchors(b: CurvedSide, found: Start, anchors: Tensor) -> Tensor:
    r"""From the images of anchors to where they should be, `(k, m)`."""
    own, goal = anchors.unbind(dim=1)
    missed = (b.values[goal] - found.images[own])[:, :, None]
    way = (pseudo_inverse(found.frames[own]) @ missed)[:, :, 0]
    share = 2 * LARGEST_MOVE * b.spacing[goal] / way.norm(dim=1).clamp_min(1e-300)

    return way * share.clamp_max(1)[:, None]


class System:
    r"""The linear system of a step, whose matrix is that of A and of the anchors."""

    def __init__(self, a: CurvedSide, anchors: Tensor | None) -> None:
        self.i, self.j, self.n, self.m = a.i, a.j, len(a), a.m
        planes = itertools.combinations(range(a.m), 2)
        turns = [skew_matrix(a.m, *plane) for plane in planes]
        self.turns = torch.stack(turns) if turns else torch.zeros(0, a.m, a.m, dtype=torch.float64)
        size = self.size = a.m + len(turns)
        self.weights = 1 / a.ways.square().sum(dim=1).clamp_min(1e-300)
        identity = torch.eye(a.m, dtype=torch.float64)
        moved = -identity.expand(len(self.i), -1, -1)
        self.own = torch.cat([moved, -(self.turns @ a.ways[:, None, :, None])[:, :, :, 0].mT], dim=2)
        self.other = a.transports
        weights = self.weights[:, None, None]
        diagonal = torch.zeros(self.n, size, size, dtype=torch.float64)
        diagonal.index_add_(0, self.i, weights * self.own.mT @ self.own)
        block = torch.zeros(size, size, dtype=torch.float64)
        block[: a.m, : a.m] = identity
        diagonal.index_add_(0, self.j, weights * block)
        cross = torch.zeros(len(self.i), size, size, dtype=torch.float64)
        cross[:, :, : a.m] = weights * self.own.mT @ self.other
        self.anchors = None if anchors is None else anchors[:, 0]

        if self.anchors is not None:
            self.held = ANCHOR_WEIGHT / a.spacing[self.anchors].square()
            diagonal.index_add_(0, self.anchors, self.held[:, None, None] * block)

        half = len(self.i) // 2
        pattern = BlockPattern(self.n, self.i[:half], self.j[:half])
        self.system = BlockSystem(pattern, diagonal, cross[:half] + cross[half:].mT, a.m, Factorisation())

    def step(self, residual: Tensor, held: Tensor | None) -> tuple[Tensor, Tensor]:
        r"""Moves `(n, m)` and skew turns `(n, m, m)` for residuals `(2 E, m)` and ways to the anchors `(k, m)`."""
        weighted = (self.weights[:, None] * residual)[:, :, None]
        gradient = torch.zeros(self.n, self.size, dtype=torch.float64)
        gradient.index_add_(0, self.i, (self.own.mT @ weighted)[:, :, 0])
        moves = gradient[:, : self.m]
        moves.index_add_(0, self.j, (self.other.mT @ weighted)[:, :, 0])

        if self.anchors is not None and held is not None:
            moves.index_add_(0, self.anchors, -self.held[:, None] * held)

        solution = self.system.solve(-gradient.reshape(-1, 1), LINEAR_TOLERANCE).reshape(self.n, self.size)

        return solution[:, : self.m], torch.einsum("nq,qab->nab", solution[:, self.m :], self.turns)
