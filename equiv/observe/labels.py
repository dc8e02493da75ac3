r"""Whole numbers: labels of groups, and which samples, neurons or anchors are meant."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from equiv.checks import as_array, in_one_line

__all__ = ["as_integers", "checked_groups", "checked_index"]


def as_integers(value: object, name: str, shape: str, fix: str, booleans: bool = False) -> Tensor:
    r"""Whole numbers of a tensor, an array or nested lists, as int64, a mask as it is; of nothing an empty tensor.

    Arguments:
        value: The numbers.
        name: The argument's name, for the error.
        shape: What they are and their shape, in words, for the error.
        fix: What to do, in a few words, for the error.
        booleans: Whether a mask does as well.

    Raises:
        TypeError: If they are no numbers, or no whole ones.
        ValueError: As of `as_array`.
    """
    if isinstance(value, list | tuple | range):
        try:
            value = np.asarray(value) if len(value) else torch.empty(0, dtype=torch.int64)
        except (ValueError, TypeError, RuntimeError) as error:
            raise TypeError(
                f"'{name}' should hold {shape}, got rows of different lengths or kinds; {fix}."
            ) from error

    found = as_array(value, name, shape)

    if found.is_floating_point() or found.is_complex() or (found.dtype == torch.bool and not booleans):
        raise TypeError(f"'{name}' should hold {shape}, got {in_one_line(found)}; {fix}.")

    return found if found.dtype == torch.bool else found.long()


def checked_groups(groups: object, n: int) -> Tensor:
    r"""Integer labels of n samples, `(n,)`, int64.

    Raises:
        TypeError: If they are no integers.
        ValueError: If there is not one for each sample.
    """
    labels = as_integers(groups, "groups", "integer labels (n,)", "number the groups")

    if labels.shape != (n,):
        raise ValueError(
            f"'groups' should hold one label for each of the {n} samples, got shape {tuple(labels.shape)}; repeat the "
            "label of a group for each of its samples."
        )

    return labels


def checked_index(index: object, name: str, n: int) -> Tensor:
    r"""Which of n samples, `(k,)`, int64 or a mask, k of at least 1.

    Raises:
        TypeError: If it holds neither integers nor booleans.
        ValueError: If it has another shape, chooses no sample, or one that there is not.
    """
    rule, fix = f"indices below {n} of at least one sample, or a mask ({n},)", "count samples from 0"
    some = as_integers(index, name, rule, fix, booleans=True)
    chosen = some.nonzero()[:, 0] if some.dtype == torch.bool and some.shape == (n,) else some

    if (
        chosen.dtype == torch.bool
        or chosen.ndim != 1
        or len(chosen) == 0
        or not -n <= chosen.min() <= chosen.max() < n
    ):
        raise ValueError(f"'{name}' should hold {rule}, got {in_one_line(some)}; {fix}.")

    return some
