r"""Pair equations: what the frames of two neighbours say of the way from one to the other.

A frame is known up to a rotation, :math:`J_i R_i` with :math:`R_i \in O(m)` unknown. Between neighbours the
trapezoid rule holds, :math:`y_j - y_i = \bar J_{ij} (u_j - u_i) + O(|u_j - u_i|^3)` with
:math:`\bar J_{ij} = (J_i R_i + J_j R_j) / 2`, so that coordinates u, rotations R and, of a closed manifold, periods T
should satisfy

.. math:: u_j - u_i + k_{ij} T = z_{ij}, \qquad z_{ij} = \bar J_{ij}^+ (y_j - y_i - c_{ij}),

where the integers :math:`k_{ij}` count the periods crossed and :math:`c_{ij}` is a correction of the trapezoid rule,
zero at first.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from equiv.flattening.block_system import BlockPattern, Factorisation, solve_positive
from equiv.metric.neighbors import NeighborGraph

__all__ = ["PairEquations"]


# Added to the squared lengths of pairs before these weigh them: of the shortest, rounding is the larger part.
# [median squared length; chosen: it bounds weights to a thousand times the usual one, which few pairs come near]
WEIGHT_FLOOR = 1e-3

# Added to the squared lengths of pairs before misfits are measured by them.
# [median squared length; chosen: smaller than the above, as it touches coinciding samples alone]
LENGTH_FLOOR = 1e-4


@dataclass(frozen=True)
class PairEquations:
    r"""The pair equations of a graph.

    Attributes:
        graph: The pairs (i, j) and their squared lengths in the Mahalanobis metric.
        frames: J, consistently oriented, `(n, d, m)`.
        gram: :math:`J_i^\top J_i`, `(n, m, m)`.
        cross: :math:`J_i^\top J_j`, `(E, m, m)`.
        left: :math:`J_i^\top (y_j - y_i)`, `(E, m)`.
        right: :math:`J_j^\top (y_j - y_i)`, `(E, m)`.
        weights: Of the pairs, one over their squared lengths, `(E,)`.
        lengths: What misfits are measured by, `(E,)`: those of samples that nearly coincide are their rounding.
        factorisation: Of an earlier linear system, which serves a later one; shared by parts with the same samples.
    """

    graph: NeighborGraph
    frames: Tensor
    gram: Tensor
    cross: Tensor
    left: Tensor
    right: Tensor
    weights: Tensor
    lengths: Tensor
    factorisation: Factorisation

    @classmethod
    def of_graph(cls, values: Tensor, frames: Tensor, graph: NeighborGraph) -> "PairEquations":
        r"""The equations of all pairs of a graph.

        Arguments:
            values: y, `(n, d)`, float64.
            frames: J, consistently oriented, `(n, d, m)`.
            graph: The pairs.
        """
        i, j, squared = graph.i, graph.j, graph.squared
        difference = values[j] - values[i]

        return cls(
            graph=graph,
            frames=frames,
            gram=frames.mT @ frames,
            cross=torch.einsum("eda,edb->eab", frames[i], frames[j]),
            left=torch.einsum("eda,ed->ea", frames[i], difference),
            right=torch.einsum("eda,ed->ea", frames[j], difference),
            weights=1 / (squared + WEIGHT_FLOOR * squared.median()),
            lengths=(squared + LENGTH_FLOOR * squared.median()).sqrt(),
            factorisation=Factorisation(),
        )

    @property
    def i(self) -> Tensor:
        return self.graph.i

    @property
    def j(self) -> Tensor:
        return self.graph.j

    @property
    def n(self) -> int:
        return self.graph.n

    @property
    def m(self) -> int:
        return self.frames.shape[2]

    @cached_property
    def pattern(self) -> BlockPattern:
        r"""Where the blocks of a linear system of all samples stand."""
        return BlockPattern(self.n, self.i, self.j)

    def subset(self, kept: Tensor) -> "PairEquations":
        r"""The same equations on some of the pairs."""
        return replace(
            self,
            graph=self.graph.subset(kept),
            cross=self.cross[kept],
            left=self.left[kept],
            right=self.right[kept],
            weights=self.weights[kept],
            lengths=self.lengths[kept],
        )

    def induced(self, nodes: Tensor) -> "PairEquations":
        r"""The equations among some of the samples, which are numbered anew in the order given.

        Either end of a pair may then have the smaller number.
        """
        position = torch.full((self.n,), -1, dtype=torch.int64)
        position[nodes] = torch.arange(len(nodes))
        part = self.subset((position[self.i] >= 0) & (position[self.j] >= 0))
        graph = NeighborGraph(position[part.i], position[part.j], part.graph.squared, len(nodes))

        return replace(
            part,
            graph=graph,
            frames=self.frames[nodes],
            gram=self.gram[nodes],
            factorisation=Factorisation(),
        )

    def views(self) -> tuple[Tensor, Tensor]:
        r"""The displacement of each pair as its ends see it, `(E, m)` each.

        They are :math:`J_i^+ (y_j - y_i)` and :math:`J_j^+ (y_j - y_i)`.
        """
        return (
            solve_positive(self.gram[self.i], self.left[:, :, None])[:, :, 0],
            solve_positive(self.gram[self.j], self.right[:, :, None])[:, :, 0],
        )

    def mismatch(self, coordinates: Tensor, rotations: Tensor) -> Tensor:
        r""":math:`u_j - u_i - z_{ij}`, `(E, m)`."""
        return coordinates[self.j] - coordinates[self.i] - self.displacements(rotations)[0]

    def steps(self, coordinates: Tensor, periods: Tensor | None = None) -> Tensor:
        r""":math:`u_j - u_i`, the shortest modulo the periods, `(E, m)`."""
        step = coordinates[self.j] - coordinates[self.i]

        return step if periods is None else step - (step @ torch.linalg.pinv(periods)).round() @ periods

    def rotations(self, coordinates: Tensor, periods: Tensor | None = None) -> Tensor:
        r"""Procrustes rotations: :math:`R_i` carries :math:`u_j - u_i` to :math:`J_i^+ (y_j - y_i)`, `(n, m, m)`."""
        i, j = self.i, self.j
        step = self.steps(coordinates, periods) * self.weights[:, None]
        seen_i, seen_j = self.views()
        moment = torch.zeros(self.n, self.m, self.m, dtype=coordinates.dtype)
        moment.index_add_(0, i, seen_i[:, :, None] * step[:, None])
        moment.index_add_(0, j, seen_j[:, :, None] * step[:, None])
        left, _, right = torch.linalg.svd(moment)
        # One determinant for all: frames are oriented, coordinates may be mirrored as a whole.
        determinant = torch.linalg.det(left @ right)
        left[:, :, -1] *= (determinant * (1.0 if determinant.sum() >= 0 else -1.0))[:, None]

        return left @ right

    def displacements(
        self, rotations: Tensor, correction: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        r"""Displacements z and their response to rotations.

        Arguments:
            rotations: R, `(n, m, m)`.
            correction: c, as `project` returns it; None: zero.

        Returns:
            z, `(E, m)`, and :math:`\bar J^+ J_i R_i / 2`, :math:`\bar J^+ J_j R_j / 2`, `(E, m, m)` each.
        """
        rotation_i, rotation_j = rotations[self.i], rotations[self.j]

        def seen_in_the_middle(from_i: Tensor, from_j: Tensor) -> Tensor:
            return 0.5 * (rotation_i.mT @ from_i[:, :, None] + rotation_j.mT @ from_j[:, :, None])

        own = rotations.mT @ self.gram @ rotations
        cross = rotation_i.mT @ self.cross @ rotation_j
        half_i = 0.25 * (own[self.i] + cross.mT)
        half_j = 0.25 * (cross + own[self.j])
        total = half_i + half_j
        total = 0.5 * (total + total.mT)
        columns = [seen_in_the_middle(self.left, self.right), half_i, half_j]

        if correction is not None:
            columns.append(seen_in_the_middle(*correction))

        solved = solve_positive(total, torch.cat(columns, dim=2))
        m = self.m
        z = solved[:, :, 0] if correction is None else solved[:, :, 0] - solved[:, :, -1]

        return z, solved[:, :, 1 : 1 + m], solved[:, :, 1 + m : 1 + 2 * m]

    def project(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        r""":math:`J_i^\top c_{ij}` and :math:`J_j^\top c_{ij}` of vectors c, `(E, d)`, for `displacements`."""
        return (
            torch.einsum("eda,ed->ea", self.frames[self.i], vectors),
            torch.einsum("eda,ed->ea", self.frames[self.j], vectors),
        )
