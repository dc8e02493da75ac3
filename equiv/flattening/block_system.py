r"""Symmetric systems of small blocks: one block alone, or sparse with one for each sample and each edge."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from equiv.coordinates.motion import skew_matrix
from equiv.coordinates.smooth_fit import farthest_points

__all__ = ["BlockPattern", "BlockSystem", "Factorisation", "rigid_motions", "skew_basis", "solve_positive"]


# Samples up to which a system is factorised, by dimension: a factorisation fills in little for a curve, n log n for a
# surface, too much beyond.
# [samples; chosen: it trades time and memory alone, as either way leads to the same solution]
LARGEST_FACTORISED = {1: 1_000_000, 2: 12_000, 3: 1_000}

# Likewise in more dimensions.
# [samples; chosen: nearly every sample is then within a few pairs of every other, and the factor is full]
LARGEST_FACTORISED_BEYOND = 500

# Added to the diagonal before a factorisation, as the rigid motions are no unknowns.
# [share of the diagonal; chosen: above the rounding of the factor, and iterations correct for it]
SHIFT = 1e-7

# Added to the diagonal besides, for samples none of whose pairs count.
# [one over squared input units; chosen: below any diagonal entry of a sample that has pairs]
SMALLEST_SHIFT = 1e-14

# Added to blocks before they are inverted one by one.
# [share of their mean diagonal; derived: some thousand times the rounding of float64]
BLOCK_SHIFT = 1e-12

# Pivots of systems solved by `solve_positive` that are below this vanish.
# [share of the largest diagonal entry; derived: some fifty times the rounding of float64]
SMALLEST_PIVOT = 1e-14

# Iterations after which an earlier factorisation is given up for a new one.
# [iterations; chosen: a factorisation takes as long]
PATIENCE = 10

# Iterations with a factorisation of the system itself.
# [iterations; chosen: a few are enough, but for rounding]
FACTORISED_ITERATIONS = 100

# Iterations with the inverses of the diagonal blocks alone.
# [iterations; chosen: each reaches one pair farther, and graphs of many thousand samples are some tens wide]
BLOCK_ITERATIONS = 2000

# Aggregates of samples, which move as rigid bodies where errors of long waves are taken away.
# [aggregates; chosen: their system is then factorised at the cost of few iterations]
AGGREGATES = 100

# Added to the diagonal of the system of aggregates, as the rigid motions of all are no unknowns.
# [share of the mean diagonal; chosen: above rounding, far below what the stiffness of any two aggregates is]
AGGREGATE_SHIFT = 1e-9

# With a factorisation systems are solved at least as accurately as this.
# [share in the norm of the energy; chosen: it costs one iteration more]
FACTORISED_TOLERANCE = 1e-4


class BlockPattern:
    r"""Where the blocks of a graph stand in compressed row storage; found once for all steps."""

    def __init__(self, n: int, i: Tensor, j: Tensor) -> None:
        nodes = torch.arange(n)
        rows, columns = torch.cat([nodes, i, j]), torch.cat([nodes, j, i])
        self.n = n
        self.order = (rows * n + columns).argsort()
        self.indices = columns[self.order].int().numpy()
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), rows.bincount(minlength=n).cumsum(0)])
        self.indptr = starts.int().numpy()


class Factorisation:
    r"""The last factorisation of a series of systems that change little from one to the next."""

    def __init__(self) -> None:
        self.solve: Callable[[Any], Any] | None = None


class BlockSystem:
    r"""The matrix with `diagonal` blocks, and `cross` blocks at (i, j) and transposed at (j, i).

    It is positive semidefinite, with the rigid motions in its null space, and is solved by conjugate gradients:
    preconditioned by the factorisation of an earlier system as long as that serves, else of its own, and, where a
    factorisation would be too large, by the inverses of the diagonal blocks and rigid motions of aggregates of samples.

    Arguments:
        pattern: Of the graph.
        diagonal: `(n, b, b)`.
        cross: `(E, b, b)`.
        dimension: m, which decides whether to factorise.
        known: An earlier factorisation, if there is one; replaced by a new one.
        motions: What each of c rigid motions does to a sample, `(n, b, c)`; None where there are none: curved spaces.
        aggregates: Which one each sample is in, `(n,)`.

    References:
        | Smoothed aggregation for second and fourth order elliptic problems (Vanek, Mandel and Brezina, 1996)
    """

    def __init__(
        self,
        pattern: BlockPattern,
        diagonal: Tensor,
        cross: Tensor,
        dimension: int,
        known: Factorisation,
        motions: Tensor | None = None,
        aggregates: Tensor | None = None,
    ) -> None:
        self.shape = (pattern.n * diagonal.shape[1],) * 2
        self.pattern, self.diagonal, self.cross, self.known = pattern, diagonal, cross, known
        self.motions, self.aggregates = motions, aggregates
        self.matrix = self._assembled(diagonal)
        self.direct = pattern.n <= LARGEST_FACTORISED.get(dimension, LARGEST_FACTORISED_BEYOND)

    def solve(self, right: Tensor, tolerance: float) -> Tensor:
        r"""Solutions for right-hand sides `(n b, r)`, up to `tolerance` of them in the norm of the energy."""
        if not self.direct:
            return self._conjugate_gradients(right, tolerance, self._by_blocks(), BLOCK_ITERATIONS)[0]

        tolerance = min(tolerance, FACTORISED_TOLERANCE)

        if self.known.solve is not None:
            solution, settled = self._conjugate_gradients(right, tolerance, self._by_factor, PATIENCE)
            if settled:
                return solution

        self._factorise()

        return self._conjugate_gradients(right, tolerance, self._by_factor, FACTORISED_ITERATIONS)[0]

    def _assembled(self, diagonal: Tensor) -> Any:
        from scipy.sparse import bsr_matrix

        blocks = torch.cat([diagonal, self.cross, self.cross.mT])[self.pattern.order]

        return bsr_matrix((blocks.numpy(), self.pattern.indices, self.pattern.indptr), shape=self.shape)

    def _factorise(self) -> None:
        from scipy.sparse.linalg import splu

        shift = SHIFT * self.diagonal.diagonal(dim1=1, dim2=2) + SMALLEST_SHIFT
        factor = splu(
            self._assembled(self.diagonal + torch.diag_embed(shift)).tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        self.known.solve = factor.solve

    def _by_factor(self, right: Tensor) -> Tensor:
        assert self.known.solve is not None

        return torch.from_numpy(self.known.solve(right.numpy()))

    def _by_blocks(self) -> Callable[[Tensor], Tensor]:
        # A sample none of whose pairs count has a block of zeros: a little of its trace more, or 1.
        size = self.diagonal.diagonal(dim1=1, dim2=2).mean(dim=1)
        shift = torch.where(size > 0, BLOCK_SHIFT * size, 1.0)[:, None, None]
        inverse = torch.linalg.inv(
            self.diagonal + shift * torch.eye(self.diagonal.shape[1], dtype=self.diagonal.dtype)
        )
        n, b = self.diagonal.shape[:2]
        coarse = None if self.motions is None else self._of_aggregates(self.motions)

        def precondition(right: Tensor) -> Tensor:
            fine = (inverse @ right.reshape(n, b, -1)).reshape(right.shape)

            return fine if coarse is None else fine + coarse(right)

        return precondition

    def _of_aggregates(self, motions: Tensor) -> Callable[[Tensor], Tensor]:
        from scipy.linalg import cho_factor, cho_solve
        from scipy.sparse import bsr_matrix

        assert self.aggregates is not None
        n, b, c = motions.shape
        columns = (int(self.aggregates.max()) + 1) * c
        spread = bsr_matrix(
            (motions.numpy(), self.aggregates.numpy(), range(n + 1)), shape=(n * b, columns)
        ).tocsr()
        system = (spread.T @ (self.matrix @ spread)).toarray()
        system[range(columns), range(columns)] += AGGREGATE_SHIFT * system.trace() / columns
        factor = cho_factor(system)

        return lambda right: torch.from_numpy(spread @ cho_solve(factor, spread.T @ right.numpy()))

    def _conjugate_gradients(
        self, right: Tensor, tolerance: float, precondition: Callable[[Tensor], Tensor], steps: int
    ) -> tuple[Tensor, bool]:
        r"""For all right-hand sides side by side: solutions, and whether they are as good as wanted."""
        solution, residual = torch.zeros_like(right), right
        image = precondition(residual)
        direction = image
        energy = (residual * image).sum(dim=0)
        target = tolerance**2 * energy

        for _ in range(steps):
            if not bool((energy > target).any()):
                return solution, True
            applied = torch.from_numpy(self.matrix @ direction.numpy())
            curvature = (direction * applied).sum(dim=0)
            step = torch.where(curvature > 0, energy / curvature, 0.0)
            solution = solution + step * direction
            residual = residual - step * applied
            image = precondition(residual)
            last, energy = energy, (residual * image).sum(dim=0)
            direction = image + torch.where(last > 0, energy / last, 0.0) * direction

        return solution, False


def solve_positive(matrices: Tensor, right: Tensor) -> Tensor:
    r"""Solves positive definite systems `(E, m, m)` for `(E, m, r)`: Cholesky factorisation unrolled over m."""
    m = matrices.shape[-1]
    # A vanishing pivot means that both frames are singular along one direction: leave it undetermined.
    floor = SMALLEST_PIVOT * matrices.diagonal(dim1=1, dim2=2).amax(dim=1).clamp_min(1e-300)
    factor: list[list[Tensor]] = []

    for row in range(m):
        factor.append([])
        for column in range(row + 1):
            entry = matrices[:, row, column]
            for inner in range(column):
                entry = entry - factor[row][inner] * factor[column][inner]
            factor[row].append(
                torch.maximum(entry, floor).sqrt() if row == column else entry / factor[column][column]
            )

    forward: list[Tensor] = []
    for row in range(m):
        value = right[:, row]
        for column in range(row):
            value = value - factor[row][column][:, None] * forward[column]
        forward.append(value / factor[row][row][:, None])

    backward: list[Tensor] = forward
    for row in reversed(range(m)):
        value = backward[row]
        for column in range(row + 1, m):
            value = value - factor[column][row][:, None] * backward[column]
        backward[row] = value / factor[row][row][:, None]

    return torch.stack(backward, dim=1)


@functools.cache
def skew_basis(m: int) -> Tensor:
    r"""The :math:`m(m-1)/2` generators of SO(m), `(m(m-1)/2, m, m)`."""
    turns = [skew_matrix(m, first, second) for first, second in itertools.combinations(range(m), 2)]

    return torch.stack(turns) if turns else torch.zeros(0, m, m, dtype=torch.float64)


def rigid_motions(coordinates: Tensor) -> tuple[Tensor, Tensor]:
    r"""Moves and turns of each sample as all shift or turn, `(n, m + m(m-1)/2, m + m(m-1)/2)`, and its aggregate."""
    from scipy.spatial import KDTree

    n, m = coordinates.shape
    skew = skew_basis(m)
    points = coordinates.numpy()
    middles = points[farthest_points(coordinates, AGGREGATES).numpy()]
    aggregates = torch.from_numpy(KDTree(middles).query(points)[1])
    motions = torch.eye(m + len(skew), dtype=coordinates.dtype).expand(n, -1, -1).clone()
    # Of two frames that turn alike with their coordinates the equations see nothing.
    motions[:, :m, m:] = -torch.einsum("na,qba->nbq", coordinates - coordinates.mean(dim=0), skew)

    return motions, aggregates
