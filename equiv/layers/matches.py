r"""Which layer of another network answers to a layer, where all are determined by some."""

from __future__ import annotations

from torch import Tensor

__all__ = ["answering"]


def answering(a_to_b: Tensor, b_to_a: Tensor) -> list[int | None]:
    r"""For each layer of A the layer of B that answers to it; None where none does.

    An embedding determines every layer, and a nearly constant one is determined by every other: that says nothing of
    a pair. What is left of the errors' logarithms without the means of rows and columns does, added up over both
    directions. Each layer answers to one: of all ways of pairing them that with the smallest sum is taken, and a pair
    that is worse than its row and its column let expect is none.

    Arguments:
        a_to_b: Errors of maps from A's layers to B's, `(L_a, L_b)`; NaN where there is nothing to measure.
        b_to_a: Errors of the maps back, of the same pairs, `(L_a, L_b)`.

    References:
        | The Hungarian method for the assignment problem (Kuhn, 1955), https://doi.org/10.1002/nav.3800020109
    """
    from scipy.optimize import linear_sum_assignment

    left = _without_means(a_to_b) + _without_means(b_to_a)
    costs = left.nan_to_num(nan=left.nan_to_num().max().item() + 1)
    found: list[int | None] = [None] * len(left)

    for i, j in zip(*linear_sum_assignment(costs.cpu().numpy()), strict=True):
        if left[i, j] < 0 or left.numel() == 1:
            found[i] = int(j)

    return found


def _without_means(errors: Tensor) -> Tensor:
    r"""Logarithms less the means of rows and columns, of those that are known."""
    logs = errors.clamp_min(1e-12).log()

    return logs - logs.nanmean(dim=1, keepdim=True) - logs.nanmean(dim=0) + logs.nanmean()
