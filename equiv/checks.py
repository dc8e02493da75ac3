r"""Checks of arguments: one sentence that names the argument, the rule, what came and the likely fix."""

import difflib
import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "as_floating",
    "check_finite",
    "check_integer",
    "check_number",
    "checked_groups",
    "nearest_name",
]


# A known name is offered for one that is not known where they are at least as similar.
# [dimensionless; chosen: the ratio of difflib, whose own choice is 0.6, a wrong offer costs nothing]
NAME_SIMILARITY = 0.4

# Names that are listed where none is similar.
# [names; chosen: two lines of a terminal]
LISTED_NAMES = 12


def as_floating(value: object, name: str, shape: str, ndim: int) -> Tensor:
    r"""The array as a float32 or float64 tensor with `ndim` axes, neither copied nor promoted.

    Arguments:
        value: A tensor or a NumPy array.
        name: The argument's name, for the error.
        shape: Its shape in words, such as `(n, d)`, for the error.
        ndim: The number of axes.

    Raises:
        TypeError: If it is no array, or not of a floating dtype.
        ValueError: If it has another number of axes, or no entries.
    """
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.ascontiguousarray(value))

    if not isinstance(value, Tensor):
        raise TypeError(
            f"'{name}' should be a tensor or NumPy array of shape {shape}, got {type(value).__name__}; "
            "convert it with torch.as_tensor."
        )

    if value.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"'{name}' should be float32 or float64, got {str(value.dtype).removeprefix('torch.')}; "
            "convert it with .float() or .double()."
        )

    if value.ndim != ndim:
        raise ValueError(
            f"'{name}' should have shape {shape}, got {tuple(value.shape)}; reshape it to {ndim} axes."
        )

    if value.numel() == 0:
        raise ValueError(
            f"'{name}' should have shape {shape} without an empty axis, got {tuple(value.shape)}; add samples."
        )

    return value


def check_finite(value: Tensor, name: str) -> None:
    r"""Refuses NaN and infinity.

    Raises:
        ValueError: If an entry is NaN or infinite; it says how many samples (first axis) are, and the first.
    """
    # One sum is NaN or infinite when any entry is; it needs no mask the size of the tensor.
    if math.isfinite(value.detach().sum(dtype=torch.float64).item()):
        return

    bad = (~value.isfinite()).reshape(len(value), -1).any(dim=1).nonzero().flatten()

    if len(bad) == 0:
        return

    raise ValueError(
        f"'{name}' should be finite, got NaN or infinity in {len(bad)} of {len(value)} samples "
        f"(first: {bad[0].item()}); drop these samples or mend what produced them."
    )


def check_integer(value: object, name: str, low: int = 1) -> int:
    r"""The value as an `int` of at least `low`; a `bool` or a float is refused.

    Raises:
        TypeError: If it is not an integer.
        ValueError: If it is below `low`.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"'{name}' should be an integer of at least {low}, got {value!r}; pass an int.")

    if value < low:
        raise ValueError(f"'{name}' should be an integer of at least {low}, got {value}; raise it.")

    return int(value)


def check_number(value: object, name: str, low: float = 0.0, high: float = math.inf, fix: str = "") -> float:
    r"""The value as a finite `float` in `(low, high)`.

    Arguments:
        value: A number, or a tensor of one.
        name: The argument's name, for the error.
        low: Bound that it has to exceed.
        high: Bound that it has to stay below.
        fix: What to do, in a few words, for the error.

    Raises:
        TypeError: If it is not a real number.
        ValueError: If it is outside the open interval, or NaN.
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()

    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(
            f"'{name}' should be a number between {low:g} and {high:g}, got {value!r}; pass a float."
        )

    if not low < value < high:
        raise ValueError(
            f"'{name}' should be a number between {low:g} and {high:g}, got {value}; {fix or 'choose one there'}."
        )

    return float(value)


def nearest_name(name: str, names: Iterable[str]) -> str:
    r"""A hint such as `; did you mean 'fc1'?` for a name that is not among `names`."""
    names = [n for n in names if n]
    near = difflib.get_close_matches(name, names, n=1, cutoff=NAME_SIMILARITY)

    if near:
        return f"; did you mean '{near[0]}'?"

    return f"; choose among {', '.join(repr(n) for n in names[:LISTED_NAMES])}." if names else "."


def checked_groups(groups: object, n: int) -> Tensor:
    r"""Integer labels of n samples, `(n,)`, int64.

    Raises:
        TypeError: If they are no integers.
        ValueError: If there is not one for each sample.
    """
    labels = torch.as_tensor(groups)

    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"'groups' should hold integer labels, got {labels.dtype}; number the groups.")

    if labels.shape != (n,):
        raise ValueError(
            f"'groups' should hold one label for each of the {n} samples, got shape {tuple(labels.shape)}; repeat the "
            "label of a group for each of its samples."
        )

    return labels.long()
