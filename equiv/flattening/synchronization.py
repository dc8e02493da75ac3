r"""Synchronisation of frames: coordinates and rotations that make every pair of neighbours fit.

A frame is known up to a rotation, :math:`J_i R_i` with :math:`R_i \in O(m)` unknown. Between neighbours the
trapezoid rule holds, :math:`y_j - y_i = \bar J_{ij} (u_j - u_i) + O(|u_j - u_i|^3)` with
:math:`\bar J_{ij} = (J_i R_i + J_j R_j) / 2`, so coordinates u and rotations R minimise

.. math:: \sum_{ij} w_{ij} |u_j - u_i + k_{ij} T - \bar J_{ij}^+ (y_j - y_i - c_{ij})|^2,

where the integers :math:`k_{ij}` count the periods T crossed (closed manifolds only) and :math:`c_{ij}` is a
correction of the trapezoid rule, zero at first.
"""

import torch
from torch import Tensor

from equiv.flattening.block_system import BlockPattern, BlockSystem, Factorisation, solve_positive

__all__ = ["PairEquations", "PairSolution"]


# A step after which the sum of squares is larger by more than this factor, and this share of the lengths, is halved, so
# often at most.
RISE = 1.01
RESOLVED = 1e-12
HALVINGS = 5


def _objective(residual: Tensor, weights: Tensor) -> float:
    return (weights * residual.square().sum(dim=1)).sum().item()


def _skew_basis(m: int) -> Tensor:
    r"""The :math:`m(m-1)/2` generators of SO(m), `(m(m-1)/2, m, m)`."""
    rows, columns = torch.triu_indices(m, m, offset=1)
    basis = torch.zeros(len(rows), m, m, dtype=torch.float64)
    index = torch.arange(len(rows))
    basis[index, rows, columns] = -1.0
    basis[index, columns, rows] = 1.0

    return basis


class PairEquations:
    r"""The pair equations of a graph and their Gauss-Newton solution.

    Arguments:
        values: Observed values, `(n, d)`, float64.
        frames: Consistently oriented frames, `(n, d, m)`.
        i, j: Edges, `i < j`, `(E,)` each.
        squared: Squared lengths in the Mahalanobis metric, `(E,)`; weights are one over them.
    """

    def __init__(self, values: Tensor, frames: Tensor, i: Tensor, j: Tensor, squared: Tensor) -> None:
        self.i, self.j, self.squared = i, j, squared
        self.n, _, self.m = frames.shape
        self.skew = _skew_basis(self.m)
        difference = values[j] - values[i]
        self.frames = frames
        self.gram = frames.mT @ frames  # (n, m, m)
        self.cross = torch.einsum("eda,edb->eab", frames[i], frames[j])
        self.left = torch.einsum("eda,ed->ea", frames[i], difference)
        self.right = torch.einsum("eda,ed->ea", frames[j], difference)
        self.weights = 1 / (squared + 1e-3 * squared.median())
        # What misfits are measured by: those of samples that nearly coincide are their rounding.
        self.lengths = (squared + 1e-4 * squared.median()).sqrt()
        # The largest correction of a displacement, as a share of it: what fits of rough coordinates say may be wild.
        self.reach = 0.2
        self.pattern = BlockPattern(self.n, i, j)
        self.factorisation = Factorisation()

    def subset(self, kept: Tensor) -> "PairEquations":
        r"""The same equations on some of the edges."""
        other = object.__new__(PairEquations)
        other.__dict__.update(self.__dict__)
        for name in ("i", "j", "squared", "cross", "left", "right", "weights", "lengths"):
            setattr(other, name, getattr(self, name)[kept])
        other.pattern = BlockPattern(other.n, other.i, other.j)

        return other

    def induced(self, nodes: Tensor) -> "PairEquations":
        r"""The equations among some of the samples, which are numbered anew in the order given."""
        position = torch.full((self.n,), -1, dtype=torch.int64)
        position[nodes] = torch.arange(len(nodes))
        other = self.subset((position[self.i] >= 0) & (position[self.j] >= 0))
        other.n, other.frames, other.gram = len(nodes), self.frames[nodes], self.gram[nodes]
        other.i, other.j = position[other.i], position[other.j]
        other.pattern = BlockPattern(other.n, other.i, other.j)
        other.factorisation = Factorisation()

        return other

    def views(self) -> tuple[Tensor, Tensor]:
        r"""The displacement of each edge as its ends see it, `(E, m)` each.

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
        r"""Procrustes rotations: :math:`R_i` carries :math:`u_j - u_i` to :math:`J_i^+ (y_j - y_i)`."""
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
        r"""Displacements :math:`z_{ij} = \bar J_{ij}^+ (y_j - y_i - c_{ij})` and their response to rotations.

        Returns:
            z, `(E, m)`, and :math:`\bar J^+ J_i R_i / 2`, :math:`\bar J^+ J_j R_j / 2`, `(E, m, m)` each.
        """
        rotation_i, rotation_j = rotations[self.i], rotations[self.j]
        own = rotations.mT @ self.gram @ rotations
        cross = rotation_i.mT @ self.cross @ rotation_j
        half_i = 0.25 * (own[self.i] + cross.mT)
        half_j = 0.25 * (cross + own[self.j])
        total = half_i + half_j
        total = 0.5 * (total + total.mT)
        project = lambda a, b: 0.5 * (rotation_i.mT @ a[:, :, None] + rotation_j.mT @ b[:, :, None])  # noqa: E731
        columns = [project(self.left, self.right), half_i, half_j]
        if correction is not None:
            columns.append(project(*correction))

        solved = solve_positive(total, torch.cat(columns, dim=2))
        m = self.m
        z = solved[:, :, 0]

        if correction is not None:
            defect = solved[:, :, -1]
            share = self.reach * z.norm(dim=1) / defect.norm(dim=1).clamp_min(1e-300)
            z = z - defect * share.clamp_max(1.0)[:, None]

        return z, solved[:, :, 1 : 1 + m], solved[:, :, 1 + m : 1 + 2 * m]

    def project(self, edge_vectors: Tensor) -> tuple[Tensor, Tensor]:
        r""":math:`J_i^\top c_{ij}` and :math:`J_j^\top c_{ij}` of vectors `(E, d)`, for `displacements`."""
        return (
            torch.einsum("eda,ed->ea", self.frames[self.i], edge_vectors),
            torch.einsum("eda,ed->ea", self.frames[self.j], edge_vectors),
        )

    def solve(
        self,
        coordinates: Tensor,
        rotations: Tensor | None = None,
        *,
        correction: tuple[Tensor, Tensor] | None = None,
        windings: Tensor | None = None,
        periods: Tensor | None = None,
        steps: int = 10,
        tolerance: float = 1e-5,
        robust: bool = False,
    ) -> "PairSolution":
        r"""Gauss-Newton from a start.

        Arguments:
            coordinates: Start, `(n, m)`.
            rotations: Start, `(n, m, m)`; None: Procrustes from the coordinates, redone after two steps.
            correction: Projected corrections of the trapezoid rule, as `project` returns them.
            windings: Integers :math:`k_{ij}`, `(E, p)`, with `periods` `(p, m)`: the periods are unknowns
                too.
            steps: Most steps.
            tolerance: Stop when the coordinates move less than this share of their spread.
            robust: Whether edges with large misfits count little.
        """
        fresh = rotations is None
        current = self.rotations(coordinates) if rotations is None else rotations
        converged = False
        linearised = self._linearised(coordinates, current, correction, windings, periods)

        for step in range(steps):
            if fresh and step == 2 and self.m > 1:
                current = self.rotations(coordinates)
                linearised = self._linearised(coordinates, current, correction, windings, periods)

            weights = self._robust_weights(linearised[0]) if robust else self.weights
            move, turn, stretch = self._step(*linearised, weights, windings, 1e-3)
            if self.m > 1:
                move, turn, stretch = self._without_rotation(coordinates, periods, move, turn, stretch)
            before = _objective(linearised[0], weights)
            share = 1.0

            for _ in range(HALVINGS):
                nearer = coordinates + share * move
                nearer = nearer - nearer.mean(dim=0)
                turned = current
                if self.m > 1:
                    turned = current @ torch.matrix_exp(torch.einsum("nq,qab->nab", share * turn, self.skew))
                stretched = None if periods is None else periods + share * stretch
                ahead = self._linearised(nearer, turned, correction, windings, stretched)
                # Frames that cancel each other would fit anything, far away.
                if _objective(ahead[0], weights) <= RISE * before + RESOLVED * len(weights):
                    break
                share /= 2

            # Periods that no edge fixes lead anywhere: what was found before stands.
            if not bool(ahead[0].isfinite().all()):
                break
            coordinates, current, periods, linearised = nearer, turned, stretched, ahead
            spread = coordinates.square().mean().sqrt().item()
            moved = share * move.square().mean().sqrt().item()
            if moved < tolerance * spread and not (fresh and step < 2 and self.m > 1):
                converged = True
                break

        residual = linearised[0]

        return PairSolution(coordinates, current, periods, residual, converged)

    def _robust_weights(self, residual: Tensor) -> Tensor:
        r"""Cauchy weights: edges with a misfit far above the median count little."""
        share = residual.square().sum(dim=1) / self.squared.clamp_min(1e-300)
        typical = share.median().clamp_min(1e-12)

        return self.weights / (1 + share / (9 * typical))

    def _linearised(
        self,
        coordinates: Tensor,
        rotations: Tensor,
        correction: tuple[Tensor, Tensor] | None,
        windings: Tensor | None,
        periods: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        r"""Residuals `(E, m)` and their derivatives by the turns at both ends, `(E, m, m(m-1)/2)` each."""
        z, response_i, response_j = self.displacements(rotations, correction)
        residual = coordinates[self.j] - coordinates[self.i] - z
        if windings is not None and periods is not None:
            residual = residual + windings @ periods
        turned = torch.einsum("qbc,ec->ebq", self.skew, z)

        return residual, response_i @ turned, response_j @ turned

    def _step(
        self,
        residual: Tensor,
        turn_i: Tensor,
        turn_j: Tensor,
        weights: Tensor,
        windings: Tensor | None,
        tolerance: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        m, n, q = self.m, self.n, len(self.skew)
        size = m + q
        eye = torch.eye(m, dtype=residual.dtype).expand(len(residual), m, m)
        root = weights.sqrt()[:, None, None]
        block_i = root * torch.cat([-eye, turn_i], dim=2)
        block_j = root * torch.cat([eye, turn_j], dim=2)
        weighted = root[:, :, 0] * residual

        diagonal = torch.zeros(n, size, size, dtype=residual.dtype)
        diagonal.index_add_(0, self.i, block_i.mT @ block_i)
        diagonal.index_add_(0, self.j, block_j.mT @ block_j)
        cross = block_i.mT @ block_j
        gradient = torch.zeros(n, size, dtype=residual.dtype)
        gradient.index_add_(0, self.i, torch.einsum("eab,ea->eb", block_i, weighted))
        gradient.index_add_(0, self.j, torch.einsum("eab,ea->eb", block_j, weighted))

        system = BlockSystem(self.pattern, diagonal, cross, m, self.factorisation)
        right = -gradient.reshape(-1, 1)

        if windings is None:
            solution = system.solve(right, tolerance).reshape(n, size)
            return solution[:, :m], solution[:, m:], torch.zeros(0, m, dtype=residual.dtype)

        p = windings.shape[1]
        border = torch.zeros(n, size, p * m, dtype=residual.dtype)
        kron = torch.einsum("ep,ab->eapb", windings, torch.eye(m, dtype=residual.dtype)) * root[:, :, :, None]
        kron = kron.reshape(len(residual), m, p * m)
        border.index_add_(0, self.i, block_i.mT @ kron)
        border.index_add_(0, self.j, block_j.mT @ kron)
        corner = torch.einsum("eab,eac->bc", kron, kron)
        right_period = -torch.einsum("eab,ea->b", kron, weighted)
        border = border.reshape(n * size, p * m)
        solved = system.solve(torch.cat([right, border], dim=1), tolerance)
        schur = corner - border.T @ solved[:, 1:]
        stretch = torch.linalg.solve(schur, right_period - border.T @ solved[:, 0])
        solution = (solved[:, 0] - solved[:, 1:] @ stretch).reshape(n, size)

        return solution[:, :m], solution[:, m:], stretch.reshape(p, m)

    def _without_rotation(
        self, coordinates: Tensor, periods: Tensor | None, move: Tensor, turn: Tensor, stretch: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        r"""A step without its part that turns everything alike, which no equation sees."""
        velocity = torch.einsum("na,qba->qnb", coordinates - coordinates.mean(dim=0), self.skew)
        flat = velocity.reshape(len(self.skew), -1)
        rate = torch.linalg.pinv(flat @ flat.T, hermitian=True) @ (flat @ move.flatten())
        move, turn = move - torch.einsum("q,qnb->nb", rate, velocity), turn + rate
        if periods is not None:
            stretch = stretch - torch.einsum("q,pa,qba->pb", rate, periods, self.skew)

        return move, turn, stretch


class PairSolution:
    r"""What Gauss-Newton found: coordinates, rotations, periods, and the residuals of the edges."""

    def __init__(
        self,
        coordinates: Tensor,
        rotations: Tensor,
        periods: Tensor | None,
        residual: Tensor,
        converged: bool,
    ) -> None:
        self.coordinates, self.rotations, self.periods = coordinates, rotations, periods
        self.residual, self.converged = residual, converged
