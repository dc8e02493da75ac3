r"""What the usual measures say of two networks at common inputs, given all pairs, which they need."""

import torch
from torch import Tensor

from equiv.baselines import linear_cka
from lightning_modules.evaluations.finding import relative_error

__all__ = ["ridge_error", "usual_measures"]

#: Penalties tried, over the mean variance of the neurons.
PENALTIES = (1e-10, 1e-8, 1e-6, 1e-4, 1e-2)


def usual_measures(values_a: Tensor, values_b: Tensor) -> dict[str, float]:
    r"""Linear CKA, and the errors of ridge regression in both directions, at paired samples `(n, d)`."""
    return {
        "linear_cka": linear_cka(values_a, values_b),
        "ridge_error_a_to_b": ridge_error(values_a, values_b),
        "ridge_error_b_to_a": ridge_error(values_b, values_a),
    }


def ridge_error(source: Tensor, target: Tensor) -> float:
    r"""Error on one half of the pairs of a linear map learned from the other, over the target's spread.

    The penalty is the one with the least error on that very half, which no one could choose: a bound for them all.
    """
    half = len(source) // 2
    x, y = source.double(), target.double()
    centre, goal = x[:half].mean(dim=0), y[:half].mean(dim=0)
    moved = x[:half] - centre
    gram, cross = moved.T @ moved, moved.T @ (y[:half] - goal)
    scale = gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    maps = [torch.linalg.lstsq(gram + p * scale, cross, driver="gelsd").solution for p in PENALTIES]

    return min(relative_error((x[half:] - centre) @ each + goal, y[half:]) for each in maps)
