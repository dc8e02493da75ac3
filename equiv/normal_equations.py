r"""Symmetric systems of small blocks: one block alone, or sparse with one for each sample and each edge."""

import torch
from torch import Tensor

__all__ = ["BlockPattern", "BlockSystem", "solve_positive"]

# A factorisation fills in: little for a curve, n log n for a surface, too much beyond.
LARGEST_FACTORISED = {1: 1_000_000, 2: 12_000, 3: 1_000}


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


class BlockSystem:
    r"""The matrix with `diagonal` blocks, and `cross` blocks at (i, j) and transposed at (j, i).

    Positive semidefinite with the rigid motions in its null space: a small multiple of the diagonal is added.

    Arguments:
        pattern: Of the graph.
        diagonal: `(n, b, b)`.
        cross: `(E, b, b)`.
        dimension: m, which decides between factorisation and conjugate gradients.
    """

    def __init__(self, pattern: BlockPattern, diagonal: Tensor, cross: Tensor, dimension: int) -> None:
        from scipy.sparse import bsr_matrix

        size = diagonal.shape[1]
        shift = 1e-7 * diagonal.diagonal(dim1=1, dim2=2) + 1e-14
        diagonal = diagonal + torch.diag_embed(shift)
        blocks = torch.cat([diagonal, cross, cross.mT])[pattern.order]
        self.n, self.size = pattern.n, size
        self.matrix = bsr_matrix(
            (blocks.numpy(), pattern.indices, pattern.indptr), shape=(pattern.n * size,) * 2
        )
        self.diagonal = diagonal
        self.direct = pattern.n <= LARGEST_FACTORISED.get(dimension, 500)
        self._factor = self._factorise() if self.direct else None

    def _factorise(self):  # type: ignore[no-untyped-def]
        from scipy.sparse.linalg import splu

        return splu(
            self.matrix.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def solve(self, right: Tensor, tolerance: float = 1e-3) -> Tensor:
        r"""Solutions for right-hand sides `(n b, r)`; `tolerance` is relative and only for the iteration."""
        if self._factor is not None:
            return torch.from_numpy(self._factor.solve(right.numpy()))

        columns = [self._conjugate_gradients(column, tolerance) for column in right.T]

        return torch.stack(columns, dim=1)

    def _conjugate_gradients(self, right: Tensor, tolerance: float) -> Tensor:
        r"""Preconditioned by the inverses of the diagonal blocks."""
        inverse = torch.linalg.inv(self.diagonal)
        precondition = lambda v: torch.einsum("nab,nb->na", inverse, v.reshape(self.n, -1)).reshape(-1)  # noqa: E731
        solution = torch.zeros_like(right)
        residual = right.clone()
        image = precondition(residual)
        direction = image
        energy = residual @ image
        target = tolerance**2 * energy

        for _ in range(2000):
            if not energy > target:
                break
            applied = torch.from_numpy(self.matrix @ direction.numpy())
            step = energy / (direction @ applied)
            solution = solution + step * direction
            residual = residual - step * applied
            image = precondition(residual)
            last, energy = energy, residual @ image
            direction = image + (energy / last) * direction

        return solution


def solve_positive(matrices: Tensor, right: Tensor) -> Tensor:
    r"""Solves positive definite systems `(E, m, m)` for `(E, m, r)`: Cholesky factorisation unrolled over m."""
    m = matrices.shape[-1]
    # A vanishing pivot means that both frames are singular along one direction: leave it undetermined.
    floor = 1e-14 * matrices.diagonal(dim1=1, dim2=2).amax(dim=1).clamp_min(1e-300)
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
