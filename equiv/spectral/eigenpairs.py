r"""Leading eigenpairs of a symmetric operator whose top eigenvalues crowd below 1.

Kernel matrices have :math:`\mu_k = e^{-\epsilon \lambda_k}`: the wanted ones differ by little, and Lanczos
needs hundreds of products that each read the whole matrix. Seen through :math:`(1 + \delta - S)^{-1}` they
lie far apart, and a rough inverse suffices: block Lanczos iteration with it gives a start, and block Davidson
iteration corrects that by Rayleigh-Ritz steps in the operator's own precision. Vectors are rows throughout:
blocks of them stay contiguous.

References:
    | The block Lanczos method for computing eigenvalues (Golub and Underwood, 1977)

    | The iterative calculation of a few of the lowest eigenvalues and corresponding eigenvectors of large
    | real-symmetric matrices (Davidson, 1975), https://doi.org/10.1016/0021-9991(75)90065-0
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Operator", "leading_eigenpairs"]

Operator = Callable[[Tensor], Tensor]

# Blocks of the start's Krylov space.
# [blocks; chosen: solves are cheaper than products, too many would cost more than they save]
KRYLOV_BLOCKS = 7

# Blocks are multiples of this.
# [vectors; chosen: matrix products with a few vectors are fastest so]
BLOCK_MULTIPLE = 8

# Vectors in a block beyond the eigenpairs wanted.
# [vectors; chosen: guard vectors, so that the last wanted one converges as the others do]
GUARD_VECTORS = 4

# Blocks that the basis holds before it is restarted.
# [blocks; chosen: ordinary runs never restart, and memory stays bounded]
BASIS_BLOCKS = 14

# Vectors that the basis holds at least before it is restarted.
# [vectors; chosen: as the blocks above, for few eigenpairs]
SMALLEST_CAPACITY = 200

# Blocks of Ritz vectors kept at a restart.
# [blocks; chosen: what the last steps added is kept, as in thick restarts]
KEPT_BLOCKS = 3

# Residual norms below this, times the root of the number of samples, are rounding.
# [dimensionless; chosen: 45 roundings in float64, and errors of products add at random]
RESIDUAL_ROUNDING = 1e-14

# Largest residual norm of an eigenpair, as a share of 1 - mu, that counts as converged.
# [share of 1 - mu; chosen: eigenvalues of the Laplacian are then right to its square, far below their bias]
RESIDUAL_TOLERANCE = 1e-8

# Steps after which the iteration gives up.
# [steps; chosen: an ordinary run takes far fewer, and a hopeless one ends]
LARGEST_STEP_COUNT = 300


def leading_eigenpairs(
    apply: Operator,
    precondition: Operator,
    known: Tensor,
    count: int,
    tolerance: float = RESIDUAL_TOLERANCE,
    max_steps: int = LARGEST_STEP_COUNT,
    seed: int = 0,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The largest eigenvalues of a symmetric operator with spectrum in `[-1, 1]`, and their eigenvectors.

    Arguments:
        apply: The operator S on rows, `(b, n) -> (b, n)`, in float64.
        precondition: Roughly :math:`(1 + \delta - S)^{-1}` with a small :math:`\delta > 0`, `(b, n) -> (b,
            n)`, in the precision of its argument or less.
        known: The eigenvector of eigenvalue 1, shape `(n,)`, unit norm.
        count: How many pairs, that one included.
        tolerance: Bound on the residual norms :math:`|S u - \mu u|`, as a share of :math:`1 - \mu` (beside
            rounding).
        max_steps: Give up after this many.
        seed: Of the random vectors to begin with.

    Returns:
        Eigenvalues, descending, shape `(count,)`, orthonormal eigenvectors as rows, shape `(count, n)`, and the
        operator's products with these, shape `(count, n)`.

    Raises:
        ValueError: If the residuals do not fall below the tolerance.
    """
    n = len(known)
    block = min(-(-(count + GUARD_VECTORS) // BLOCK_MULTIPLE) * BLOCK_MULTIPLE, n)
    capacity = min(max(BASIS_BLOCKS * block, SMALLEST_CAPACITY), n)
    basis, image = known.new_empty(capacity, n), known.new_empty(capacity, n)
    projected = known.new_zeros(capacity, capacity)
    generator = torch.Generator(known.device).manual_seed(seed)
    start = torch.randn(block, n, dtype=known.dtype, device=known.device, generator=generator)
    basis[0] = image[0] = known
    projected[0, 0] = 1.0
    fresh = _inverse_krylov(precondition, known, start)
    size, worst = 1, torch.inf

    for _ in range(max_steps):
        old, size = size, size + len(fresh)
        basis[old:size], image[old:size] = fresh, apply(fresh)
        projected[old:size, :size] = image[old:size] @ basis[:size].T
        projected[:old, old:size] = projected[old:size, :old].T
        values, small = torch.linalg.eigh(projected[:size, :size])  # reads the lower triangle
        values, small = values.flip(0), small.T.flip(0)
        vectors = small[:count] @ basis[:size]
        products = small[:count] @ image[:size]
        defect = products - values[:count, None] * vectors
        residuals = torch.linalg.vector_norm(defect, dim=1)
        unfinished = residuals > tolerance * (1 - values[:count]) + RESIDUAL_ROUNDING * n**0.5
        worst = residuals.max().item()

        if size >= n or not unfinished.any():
            return values[:count], vectors, products

        if size + block > capacity and capacity < n:
            keep = KEPT_BLOCKS * block
            basis[:keep], image[:keep] = small[:keep] @ basis[:size], small[:keep] @ image[:size]
            projected[:keep, :keep] = values[:keep].diag()
            size = keep

        # Two terms of (mu - S)^{-1} = M + (1 - mu) M^2 + ... with M = (1 - S)^{-1}; what the basis holds is solved.
        step = precondition(defect[unfinished])
        step -= (step @ basis[:size].T) @ basis[:size]
        step += (1 - values[:count][unfinished, None]) * precondition(step)
        fresh = _orthonormal(basis[:size], step)[: n - size]

    raise ValueError(
        f"The kernel's eigenvectors should converge, got residuals of {worst:.1e} after {max_steps} steps; "
        "ask for fewer coordinates, or give another 'epsilon'."
    )


def _inverse_krylov(precondition: Operator, known: Tensor, start: Tensor) -> Tensor:
    r"""Leading Ritz vectors of the rough inverse in its Krylov space: as many as `start` has rows, or n - 1.

    In single precision, as rough as the inverse itself; orthonormal with `known` in double precision.
    """
    n, block = len(known), len(start)
    capacity = min(1 + KRYLOV_BLOCKS * block, n)
    basis, image = (known.new_zeros(capacity, n, dtype=torch.float32) for _ in range(2))
    basis[0] = known
    size, fresh = 1, start.float()

    while size < capacity:
        fresh = _orthonormal(basis[:size], fresh)[: capacity - size]
        rows = slice(size, size + len(fresh))
        basis[rows] = fresh
        image[rows] = fresh = precondition(fresh)
        size += len(fresh)

    projected = basis[1:] @ image[1:].T
    vectors = torch.linalg.eigh(projected + projected.T).eigenvectors[:, -block:]

    return _orthonormal(known[None], (vectors.T.flip(0) @ basis[1:]).double())


def _orthonormal(basis: Tensor, vectors: Tensor) -> Tensor:
    r"""Orthonormal rows that span the rows' part orthogonal to the orthonormal rows of `basis`."""
    for _ in range(2):  # twice is enough (Parlett)
        vectors = torch.linalg.qr((vectors - (vectors @ basis.T) @ basis).T).Q.T

    return vectors
