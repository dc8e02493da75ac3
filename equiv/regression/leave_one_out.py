r"""Leave-one-out errors of kernel ridge regression from one factorisation."""

from __future__ import annotations

import torch
from torch import Tensor

from equiv.metric.neuron_scale import squared_lengths
from equiv.observe.draws import Draws

__all__ = ["ADDED_ERRORS", "Solution", "solve", "triangular_inverse"]

# The largest error counts as if it had been met this many more times, in scores and in upper bounds.
# [samples; derived: after no worse one in n, as many may fall on n fresh ones with a chance of exp(-3) = 5 %]
ADDED_ERRORS = 3

# Triangular blocks up to this size are inverted directly.
# [rows; chosen: decides speed alone, larger ones gain from products]
MAX_DIRECT_ROWS = 256

# A solution that misses its right side by more, over the sizes of the terms that add up to it, is none.
# [dimensionless; chosen: far above rounding in float64, far below 1, by which a solution of zeros misses]
LARGEST_MISS = 1e-6


def triangular_inverse(lower: Tensor) -> Tensor:
    r"""Inverse of a lower triangular matrix `(n, n)` by halves, nearly all of it in products.

    .. math:: \begin{pmatrix} A & \\ B & C \end{pmatrix}^{-1}
        = \begin{pmatrix} A^{-1} & \\ -C^{-1} B A^{-1} & C^{-1} \end{pmatrix}
    """
    out = torch.zeros_like(lower)
    _invert_into(lower, out)

    return out


def _invert_into(lower: Tensor, out: Tensor) -> None:
    n = len(lower)

    if n <= MAX_DIRECT_ROWS:
        identity = torch.eye(n, dtype=lower.dtype, device=lower.device)
        out.copy_(torch.linalg.solve_triangular(lower, identity, upper=False))

        return

    half = n // 2
    _invert_into(lower[:half, :half], out[:half, :half])
    _invert_into(lower[half:, half:], out[half:, half:])
    out[half:, :half] = -(out[half:, half:] @ (lower[half:, :half] @ out[:half, :half]))


class Solution:
    r"""The solution of :math:`(K + \Lambda) c = Y`, and what it predicts where it was not shown.

    Attributes:
        coefficients: c, shape `(N, d)`.
        errors: Leave-one-out errors of the values, shape `(n, d)`: :math:`y_i - \hat y_i`, where the
            prediction :math:`\hat y_i` comes from all samples but the i-th, with its derivatives.
        lower: Cholesky factor of :math:`K + \Lambda`, shape `(N, N)`.
        draws: Which samples were left out together.
    """

    def __init__(self, coefficients: Tensor, errors: Tensor, lower: Tensor, draws: Draws) -> None:
        self.coefficients, self.errors, self.lower, self.draws = coefficients, errors, lower, draws

    @property
    def score(self) -> float:
        r"""Mean squared leave-one-out error had the largest been met `ADDED_ERRORS` more times: what settings minimise.

        The mean alone favours settings whose worst errors happened to fall between the samples.
        """
        squared = self.draws.totals(squared_lengths(self.errors))

        return (squared.mean() + ADDED_ERRORS * squared.max() / len(squared)).item()

    def within(self, target: Tensor, low: Tensor, high: Tensor) -> Solution:
        r"""The same with predictions clipped to `[low, high]`, each `(d,)`, as the map's are."""
        predicted = (target - self.errors).clamp_(low, high)

        return Solution(
            self.coefficients, torch.sub(target, predicted, out=predicted), self.lower, self.draws
        )

    def shares(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        r"""What leaving samples out, each alone, takes away from the coefficients: :math:`P_{\cdot i} P_{ii}^{-1} c_i`.

        Arguments:
            samples: Indices i, shape `(s,)`.

        Returns:
            :math:`P_{\cdot i}`, shape `(N, s, width)`, and :math:`P_{ii}^{-1} c_i`, `(s, width, d)`.
        """
        width = len(self.coefficients) // len(self.errors)
        rows = samples[:, None] * width + torch.arange(width, device=samples.device)
        unit = torch.zeros(len(self.lower), rows.numel(), dtype=self.lower.dtype, device=self.lower.device)
        unit[rows.flatten(), torch.arange(rows.numel(), device=rows.device)] = 1
        columns = torch.cholesky_solve(unit, self.lower).view(-1, len(samples), width)
        blocks = columns[rows, torch.arange(len(samples), device=rows.device)[:, None]]  # (s, width, width)

        return columns, solved(blocks, self.coefficients[rows])


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    r"""The solution of systems `(..., k, k)` with right sides `(..., k, d)`; NaN where it does not solve them.

    It is multiplied back: errors of 0 are what a failure would look like best.
    """
    found = torch.linalg.solve(matrix, right)
    missed = (matrix @ found - right).abs().amax(dim=(-2, -1), keepdim=True)
    sizes = [each.abs().amax(dim=(-2, -1), keepdim=True) for each in (matrix, found, right)]

    return found.masked_fill(missed > LARGEST_MISS * (sizes[0] * sizes[1] + sizes[2]), torch.nan)


def solve(
    matrix: Tensor, noise: Tensor, target: Tensor, width: int, draws: Draws | None = None
) -> Solution | None:
    r"""Solves :math:`(K + \Lambda) c = Y`, `width` rows a sample, value first.

    With :math:`P = (K + \Lambda)^{-1}`, leaving sample i out changes the residual of its rows to
    :math:`P_{ii}^{-1} c_i`, where :math:`P_{ii}` is its diagonal block; likewise for samples that are one draw.

    Arguments:
        matrix: K, shape `(N, N)`, positive semidefinite.
        noise: The diagonal of :math:`\Lambda`, shape `(N,)`, positive.
        target: Y, shape `(N, d)`.
        width: Rows per sample.
        draws: Which samples are left out together; None: each alone.

    Returns:
        The solution, or None where the matrix is not positive definite to rounding.

    References:
        | Gaussian Processes for Machine Learning, equation 5.12 (Rasmussen and Williams, 2006); here by
        groups
    """
    shifted = matrix.clone()
    shifted.diagonal().add_(noise)
    lower, failed = torch.linalg.cholesky_ex(shifted)
    del shifted

    if failed.item():
        return None

    coefficients = torch.cholesky_solve(target, lower)
    inverse = triangular_inverse(lower)

    draws = draws or Draws.single(len(noise) // width, noise.device)

    if draws.independent:
        columns = inverse.view(len(noise), -1, width).permute(1, 2, 0)
        own = coefficients.view(-1, width, target.shape[1])
        errors = solved(columns @ columns.mT, own)[:, 0]
    else:
        errors = _draw_errors(inverse, coefficients, width, draws)

    return Solution(coefficients, errors, lower, draws) if errors.isfinite().all() else None


def _draw_errors(inverse: Tensor, coefficients: Tensor, width: int, draws: Draws) -> Tensor:
    r"""Errors of the values, `(n, d)`, each draw left out whole; from the inverse of the Cholesky factor."""
    errors = coefficients.new_full((len(draws), coefficients.shape[1]), torch.nan)
    steps = torch.arange(width, device=inverse.device)

    for out, judged in draws.left_out():
        rows = (out[:, None] * width + steps).flatten()
        columns = inverse[:, rows]
        missed = solved(columns.mT @ columns, coefficients[rows])
        errors[out[judged]] = missed[::width][judged]

    return errors
