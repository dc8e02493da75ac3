r"""Leading eigenpairs of a symmetric operator whose top eigenvalues crowd below 1.

Kernel matrices have :math:`\mu_k = e^{-\epsilon \lambda_k}`: the wanted ones differ by little, which costs
single-vector Lanczos many products, each of which reads the whole matrix. A block Krylov space reads it once
for a whole block, and a Rayleigh-Ritz step over *all* blocks keeps the full polynomial acceleration.

References:
    | Randomized block Krylov methods for stronger and faster approximate singular value decomposition
    | (Musco and Musco, 2015), https://arxiv.org/abs/1504.05477
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["leading_eigenpairs"]


def leading_eigenpairs(
    apply: Callable[[Tensor], Tensor],
    start: Tensor,
    count: int,
    tolerance: float = 1e-9,
    max_basis: int = 480,
    max_restarts: int = 60,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    r"""The largest eigenvalues of a symmetric operator and their eigenvectors.

    Block Lanczos with full orthogonalisation and thick restarts.

    Arguments:
        apply: The operator, `(n, b) -> (n, b)`, symmetric.
        start: Vectors to begin with, shape `(n, s)`; random ones fill the block.
        count: How many pairs.
        tolerance: Bound on the residual norms :math:`|S u - \mu u|`.
        max_basis: Restart when the basis has grown to this many vectors.
        max_restarts: Give up after this many.
        seed: Of the random vectors.

    Returns:
        Eigenvalues, descending, shape `(count,)`, and orthonormal eigenvectors, shape `(n, count)`.

    Raises:
        ValueError: If the residuals do not fall below the tolerance.
    """
    n = len(start)
    block = min(max(count + 2, 12), n)
    max_basis = min(max(max_basis, 4 * block), n)
    generator = torch.Generator(start.device).manual_seed(seed)
    fill = torch.randn(
        n, max(block - start.shape[1], 0), dtype=start.dtype, device=start.device, generator=generator
    )
    basis = torch.linalg.qr(torch.cat([start, fill], dim=1)).Q
    image = apply(basis)
    fresh = image

    for _ in range(max_restarts):
        while True:
            values, small = torch.linalg.eigh(basis.T @ image)
            values, small = values.flip(0)[:count], small.flip(1)
            vectors, images = basis @ small[:, :count], image @ small[:, :count]
            residual = (images - vectors * values).norm(dim=0).amax().item()

            if residual <= tolerance:
                return values, vectors

            if basis.shape[1] + block > max_basis:
                break

            for _ in range(2):  # twice is enough (Parlett)
                fresh = fresh - basis @ (basis.T @ fresh)
                fresh = torch.linalg.qr(fresh).Q

            basis = torch.cat([basis, fresh], dim=1)
            fresh = apply(fresh)
            image = torch.cat([image, fresh], dim=1)

        keep = min(2 * block, basis.shape[1])
        basis, image = basis @ small[:, :keep], image @ small[:, :keep]
        fresh = image[:, :block]

    raise ValueError(f"The eigenvectors should have a residual below {tolerance:g}, got {residual:.1e}.")
