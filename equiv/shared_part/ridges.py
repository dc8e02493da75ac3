r"""Errors where draws are left out, of all samples and of all but a fold, from one inverse for each ridge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from equiv.observe.draws import Draws
from equiv.regression.hermite_kernel import gram
from equiv.regression.kernel_search import AFFINE_VARIANCE, Settings, scaled
from equiv.regression.pair_data import PairData

__all__ = ["RIDGES", "Regressed", "kernel_matrix", "regressed"]

# Ridges that are tried, each for whatever direction of the target it suits best.
# [variance of the target; chosen: from nearly exact data to noise, finer steps change errors by percents]
RIDGES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True, eq=False)
class Regressed:
    r"""Kernel ridge regression of several targets on some samples, with any of these left out.

    With :math:`P = (K + \lambda)^{-1}` and :math:`c = P Y`, samples G that are left out together miss
    :math:`P_{GG}^{-1} c_G`. A regression on the samples S alone, without the others T, has the same form with

    .. math:: P' = P_{SS} - W^\top W, \quad c' = c_S - W^\top L^{-1} c_T, \qquad
        L L^\top = P_{TT}, \quad W = L^{-1} P_{TS}.

    Attributes:
        inverse: P, of all samples, `(n, n)`.
        rows: S, indices `(s,)`.
        coefficients: c, or c' of a part, `(s, d)`.
        draws: Which of the samples are one independent draw.
        taken: W, `(t, s)`; t = 0 of all samples.
    """

    inverse: Tensor
    rows: Tensor
    coefficients: Tensor
    draws: Draws
    taken: Tensor

    @cached_property
    def errors(self) -> Tensor:
        r"""The targets less what the other draws predict, `(s, d)`."""
        if self.draws.independent:
            own = self.inverse.diagonal()[self.rows] - self.taken.square().sum(dim=0)

            return self.coefficients / own[:, None]

        errors = torch.empty_like(self.coefficients)

        for out, judged in self.draws.left_out_alike:
            rows = self.rows[out]  # (g, l)
            taken = self.taken.T[out]  # (g, l, t)
            blocks = self.inverse[rows[:, :, None], rows[:, None]] - taken @ taken.mT
            missed = torch.linalg.solve(blocks, self.coefficients[out])
            errors[out.gather(1, judged)] = missed[torch.arange(len(out), device=out.device)[:, None], judged]

        return errors

    def without(self, some: Tensor) -> Regressed:
        r"""The regression on all samples but T, indices `(t,)`; asked of that on all."""
        kept = torch.ones(len(self.coefficients), dtype=torch.bool, device=some.device)
        kept[some] = False
        rest = kept.nonzero()[:, 0]
        lower = torch.linalg.cholesky(self.inverse[some[:, None], some])
        taken = torch.linalg.solve_triangular(lower, self.inverse[some][:, rest], upper=False)
        passed = torch.linalg.solve_triangular(lower, self.coefficients[some], upper=False)

        return Regressed(
            self.inverse,
            rest,
            self.coefficients[rest] - taken.T @ passed,
            self.draws.subset(rest),
            taken,
        )


def regressed(matrix: Tensor, ridge: float, target: Tensor, draws: Draws) -> Regressed | None:
    r"""The regression on all samples; None where the matrix is not positive definite to rounding.

    Arguments:
        matrix: K, `(n, n)`.
        ridge: :math:`\lambda`, positive.
        target: Y, `(n, d)`.
        draws: Which samples are left out together.
    """
    shifted = matrix.clone()
    shifted.diagonal().add_(ridge)
    lower, failed = torch.linalg.cholesky_ex(shifted)

    if failed.item():
        return None

    return Regressed(
        torch.cholesky_inverse(lower),
        torch.arange(len(target), device=target.device),
        torch.cholesky_solve(target, lower),
        draws,
        target.new_zeros(0, len(target)),
    )


def kernel_matrix(data: PairData, settings: Settings) -> Tensor:
    r"""The kernel at all samples, without derivatives, `(n, n)`."""
    points, _, _ = scaled(data, settings)

    return gram(settings.kind, points, points.new_zeros(len(points), 0, points.shape[1]), AFFINE_VARIANCE)
