r"""Synchronisation of frames: coordinates and rotations that make every pair of neighbours fit.

They minimise the weighted squares of the pair equations' residuals (`equiv.flattening.pair_equations`),

.. math:: \sum_{ij} w_{ij} |u_j - u_i + k_{ij} T - \bar J_{ij}^+ (y_j - y_i - c_{ij})|^2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from equiv.flattening.block_system import BlockSystem, rigid_motions, skew_basis
from equiv.flattening.pair_equations import PairEquations
from equiv.observe.progress import further

__all__ = ["LARGEST_MISFIT", "Flattening", "PairSolution", "misfit", "synchronise", "torn_pairs"]


# Misfit of a pair above which it does not fit, whatever the others do.
# [share of its length; chosen: false neighbours miss by about all of it, bends that samples resolve by little]
LARGEST_MISFIT = 0.3

# Stretch of a pair above which coordinates are torn there.
# [lengths of the pair; chosen: the trapezoid rule misses a small part of a length, and a tear opens by many]
TORN_STRETCH = 2.0

# Steps of Gauss-Newton at most, unless more or fewer are asked for.
# [steps; chosen: about eight converge from rough starts]
MAX_STEPS = 10

# Coordinates have settled when a step moves them by less than this, unless more or less is asked for.
# [share of their spread; chosen: the trapezoid rule, or what the next correction takes away, is off by more]
SETTLED = 1e-4

# A step after which the sum of squares is larger by more than this factor is halved.
# [dimensionless; chosen: a little more than 1, as weights and rounding move the sum without harm]
ALLOWED_RISE = 1.01

# Mean weighted square below which a rise of the sum is rounding.
# [squared share of the lengths; derived: misfits of a millionth of the lengths, far below what any chart needs]
ROUNDING = 1e-12

# How often a step is halved, at most.
# [halvings; chosen: a sixteenth of a step that leads nowhere moves little, and the next starts anew]
HALVINGS = 5

# Accuracy of a step, as a solution of its linear system.
# [share in the norm of the energy; chosen: the next step corrects it, as Gauss-Newton itself is no better]
LINEAR_TOLERANCE = 1e-3

# Misfit at which a pair's robust weight is half of its own.
# [median misfit; chosen: usual for Cauchy weights; pairs that fit keep nine tenths of theirs]
ROBUST_SCALE = 3.0


@dataclass(frozen=True)
class PairSolution:
    r"""What Gauss-Newton found.

    Attributes:
        coordinates: u, `(n, m)`.
        rotations: R, `(n, m, m)`.
        periods: T, `(p, m)`, or None where the coordinates are not periodic.
        residual: :math:`u_j - u_i + k_{ij} T - z_{ij}` of the equations that were solved, `(E, m)`.
        converged: Whether the last step was short.
    """

    coordinates: Tensor
    rotations: Tensor
    periods: Tensor | None
    residual: Tensor
    converged: bool


def misfit(solution: PairSolution, equations: PairEquations) -> Tensor:
    r"""Residual of each pair over its length, `(E,)`."""
    return solution.residual.norm(dim=1) / equations.lengths


def torn_pairs(solution: PairSolution, equations: PairEquations) -> int:
    r"""Number of pairs whose ends lie much farther from each other than their metric says."""
    step = equations.steps(solution.coordinates, solution.periods)

    return int((step.norm(dim=1) > TORN_STRETCH * equations.lengths).sum())


@dataclass(frozen=True)
class Flattening:
    r"""Coordinates, with the equations that they solve.

    Attributes:
        solution: Coordinates, rotations and periods.
        equations: The pair equations that were kept.
        windings: How often each pair kept crosses each period, `(E, p)`, or None without periods.
        rejected: Number of pairs that fit no flat coordinates.
        torn: Number of pairs, of all, that have become much longer than their metric says.
    """

    solution: PairSolution
    equations: PairEquations
    windings: Tensor | None
    rejected: int
    torn: int

    @property
    def pairs(self) -> int:
        r"""Number of pairs, kept or rejected."""
        return self.rejected + len(self.equations.i)

    @property
    def misfit(self) -> Tensor:
        r"""As of the function, of the pairs kept."""
        return misfit(self.solution, self.equations)

    @property
    def root_mean_square(self) -> float:
        r"""Of the misfit."""
        return float(self.misfit.square().mean().sqrt())

    @property
    def steps(self) -> Tensor:
        r""":math:`u_j - u_i` along each pair kept, by its windings, `(E, m)`."""
        u, periods = self.solution.coordinates, self.solution.periods
        step = u[self.equations.j] - u[self.equations.i]

        return step if self.windings is None or periods is None else step + self.windings @ periods


def synchronise(
    equations: PairEquations,
    coordinates: Tensor,
    rotations: Tensor | None = None,
    *,
    tolerance: float = SETTLED,
    correction: tuple[Tensor, Tensor] | None = None,
    windings: Tensor | None = None,
    periods: Tensor | None = None,
    max_steps: int = MAX_STEPS,
    robust: bool = False,
    roots: Tensor | None = None,
) -> PairSolution:
    r"""Gauss-Newton from a start.

    Arguments:
        equations: Of the pairs.
        coordinates: Start, `(n, m)`.
        rotations: Start, `(n, m, m)`; None: Procrustes from the coordinates, redone after two steps.
        tolerance: Stop when the coordinates move less than this share of their spread.
        correction: Projected corrections of the trapezoid rule, as `PairEquations.project` returns them.
        windings: Integers :math:`k_{ij}`, `(E, p)`, with `periods` `(p, m)`: the periods are unknowns too.
        max_steps: At most so many.
        robust: Whether pairs with large misfits count little.
        roots: Roots r of the weights, :math:`r^\top r`, `(E, m, m)`; None: those of `equations.weights`.
    """
    fresh, m = rotations is None, equations.m
    skew = skew_basis(m)
    current = equations.rotations(coordinates) if rotations is None else rotations
    converged = False
    linearised = _linearised(equations, coordinates, current, correction, windings, periods)
    motions, aggregates = rigid_motions(coordinates)

    for step in range(max_steps):
        further()

        if fresh and step == 2 and m > 1:
            current = equations.rotations(coordinates)
            linearised = _linearised(equations, coordinates, current, correction, windings, periods)

        if roots is None or robust:
            weights = _robust_weights(equations, linearised[0]) if robust else equations.weights
            roots = weights.sqrt()[:, None, None] * torch.eye(m, dtype=coordinates.dtype)
        move, turn, stretch = _step(equations, *linearised, roots, windings, motions, aggregates)
        if m > 1:
            move, turn, stretch = _without_rotation(coordinates, periods, move, turn, stretch)
        before = _objective(linearised[0], roots)
        share = 1.0

        for _ in range(HALVINGS):
            nearer = coordinates + share * move
            nearer = nearer - nearer.mean(dim=0)
            turned = current
            if m > 1:
                turned = current @ torch.matrix_exp(torch.einsum("nq,qab->nab", share * turn, skew))
            stretched = None if periods is None else periods + share * stretch
            ahead = _linearised(equations, nearer, turned, correction, windings, stretched)
            # Frames that cancel each other would fit anything, far away.
            if _objective(ahead[0], roots) <= ALLOWED_RISE * before + ROUNDING * len(roots):
                break
            share /= 2

        # Periods that no pair fixes lead anywhere: what was found before stands.
        if not bool(ahead[0].isfinite().all()):
            break
        coordinates, current, periods, linearised = nearer, turned, stretched, ahead
        spread = coordinates.square().mean().sqrt().item()
        moved = share * move.square().mean().sqrt().item()
        if moved < tolerance * spread and not (fresh and step < 2 and m > 1):
            converged = True
            break

    return PairSolution(coordinates, current, periods, linearised[0], converged)


def _objective(residual: Tensor, roots: Tensor) -> float:
    return (roots @ residual[:, :, None]).square().sum().item()


def _robust_weights(equations: PairEquations, residual: Tensor) -> Tensor:
    r"""Cauchy weights: pairs with a misfit far above the median count little."""
    share = residual.square().sum(dim=1) / equations.graph.squared.clamp_min(1e-300)
    typical = share.median().clamp_min(1e-12)

    return equations.weights / (1 + share / (ROBUST_SCALE**2 * typical))


def _linearised(
    equations: PairEquations,
    coordinates: Tensor,
    rotations: Tensor,
    correction: tuple[Tensor, Tensor] | None,
    windings: Tensor | None,
    periods: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Residuals `(E, m)` and their derivatives by the turns at both ends, `(E, m, m(m-1)/2)` each."""
    z, response_i, response_j = equations.displacements(rotations, correction)
    residual = coordinates[equations.j] - coordinates[equations.i] - z
    if windings is not None and periods is not None:
        residual = residual + windings @ periods
    turned = torch.einsum("qbc,ec->ebq", skew_basis(equations.m), z)

    return residual, response_i @ turned, response_j @ turned


def _step(
    equations: PairEquations,
    residual: Tensor,
    turn_i: Tensor,
    turn_j: Tensor,
    roots: Tensor,
    windings: Tensor | None,
    motions: Tensor,
    aggregates: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The Gauss-Newton step: moves `(n, m)`, turns `(n, m(m-1)/2)` and stretches of the periods `(p, m)`."""
    m, n, q = equations.m, equations.n, turn_i.shape[2]
    size = m + q
    block_i = torch.cat([-roots, roots @ turn_i], dim=2)
    block_j = torch.cat([roots, roots @ turn_j], dim=2)
    weighted = (roots @ residual[:, :, None])[:, :, 0]

    diagonal = torch.zeros(n, size, size, dtype=residual.dtype)
    diagonal.index_add_(0, equations.i, block_i.mT @ block_i)
    diagonal.index_add_(0, equations.j, block_j.mT @ block_j)
    cross = block_i.mT @ block_j
    gradient = torch.zeros(n, size, dtype=residual.dtype)
    gradient.index_add_(0, equations.i, torch.einsum("eab,ea->eb", block_i, weighted))
    gradient.index_add_(0, equations.j, torch.einsum("eab,ea->eb", block_j, weighted))

    system = BlockSystem(equations.pattern, diagonal, cross, m, equations.factorisation, motions, aggregates)
    right = -gradient.reshape(-1, 1)

    if windings is None:
        solution = system.solve(right, LINEAR_TOLERANCE).reshape(n, size)
        return solution[:, :m], solution[:, m:], torch.zeros(0, m, dtype=residual.dtype)

    p = windings.shape[1]
    border = torch.zeros(n, size, p * m, dtype=residual.dtype)
    kron = torch.einsum("ep,eab->eapb", windings, roots)
    kron = kron.reshape(len(residual), m, p * m)
    border.index_add_(0, equations.i, block_i.mT @ kron)
    border.index_add_(0, equations.j, block_j.mT @ kron)
    between = torch.einsum("eab,eac->bc", kron, kron)
    right_period = -torch.einsum("eab,ea->b", kron, weighted)
    border = border.reshape(n * size, p * m)
    solved = system.solve(torch.cat([right, border], dim=1), LINEAR_TOLERANCE)
    schur = between - border.T @ solved[:, 1:]
    stretch = torch.linalg.solve_ex(schur, right_period - border.T @ solved[:, 0]).result
    solution = (solved[:, 0] - solved[:, 1:] @ stretch).reshape(n, size)

    return solution[:, :m], solution[:, m:], stretch.reshape(p, m)


def _without_rotation(
    coordinates: Tensor, periods: Tensor | None, move: Tensor, turn: Tensor, stretch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    r"""A step without its part that turns everything alike, which no equation sees."""
    skew = skew_basis(coordinates.shape[1])
    velocity = torch.einsum("na,qba->qnb", coordinates - coordinates.mean(dim=0), skew)
    flat = velocity.reshape(len(skew), -1)
    rate = torch.linalg.pinv(flat @ flat.T, hermitian=True) @ (flat @ move.flatten())
    move, turn = move - torch.einsum("q,qnb->nb", rate, velocity), turn + rate
    if periods is not None:
        stretch = stretch - torch.einsum("q,pa,qba->pb", rate, periods, skew)

    return move, turn, stretch
