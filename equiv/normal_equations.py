r"""Sparse symmetric systems of small blocks, one for each sample and each edge: factorised or by conjugate gradients."""

import torch
from torch import Tensor

__all__ = ["BlockPattern", "BlockSystem"]

# A factorisation fills in: little for a curve, n log n for a surface, too much beyond.
LARGEST_FACTORISED = {1: 1_000_000, 2: 12_000, 3: 1_000}


class BlockPattern:
    r"""Where the blocks of a graph stand in compressed row storage: found once, used at each Gauss-Newton step."""

    def __init__(self, n: int, i: Tensor, j: Tensor) -> None:
        nodes = torch.arange(n)
        rows, columns = torch.cat([nodes, i, j]), torch.cat([nodes, j, i])
        self.n = n
        self.order = (rows * n + columns).argsort()
        self.indices = columns[self.order].int().numpy()
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), rows.bincount(minlength=n).cumsum(0)])
        self.indptr = starts.int().numpy()


class BlockSystem:
    r"""The matrix with `diagonal` blocks `(n, b, b)` and `cross` blocks `(E, b, b)` at (i, j), transposed at (j, i).

    Positive semidefinite with the rigid motions in its null space: a small multiple of the diagonal is added.

    Arguments:
        pattern: Of the graph.
        diagonal, cross: The blocks.
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
