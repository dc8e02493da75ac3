r"""Checks of arguments: one sentence that names the argument, the rule, what came and the likely fix."""

import difflib
import math
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "as_array",
    "as_floating",
    "as_names",
    "as_path",
    "check_finite",
    "check_integer",
    "check_number",
    "in_one_line",
    "nearest_name",
    "told",
    "without_controls",
]


# A known name is offered for one that is not known where they are at least as similar.
# [dimensionless; chosen: the ratio of difflib, whose own choice is 0.6, a wrong offer costs nothing]
NAME_SIMILARITY = 0.4

# Names that are listed where none is similar.
# [names; chosen: two lines of a terminal]
LISTED_NAMES = 12

# Of what came instead of a number, so much is repeated.
# [characters; chosen: within a line of a terminal, with the rule]
MOST_SAID = 60

# Of what somebody else's function says of what it cannot take, so much is passed on.
# [characters; chosen: some lines, guards of exported programs say pages]
MOST_TOLD = 300

# Numbers that are added at once where it is asked whether all are finite.
# [numbers; chosen: bounds memory alone]
SUMMED_NUMBERS = 2**20

# Whole numbers are below this.
# [dimensionless; derived: the first that int64 cannot hold]
INTEGER_END = 2**63

# What moves a terminal's cursor, turns its text around or cannot be printed: control characters, separators of lines,
# marks of direction, halves of characters.
CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


def in_one_line(value: object) -> str:
    r"""What came instead of what it should have been: its kind and shape, or itself where it is short."""
    if isinstance(value, Tensor) and value.is_nested:
        return "a nested tensor"

    if isinstance(value, Tensor | np.ndarray):
        return f"{type(value).__name__} of {str(value.dtype).removeprefix('torch.')} and shape {tuple(value.shape)}"

    said = " ".join(repr(value).split())

    return said if len(said) <= MOST_SAID else f"{type(value).__name__} {said[: MOST_SAID - 3]}..."


def without_controls(line: str) -> str:
    r"""A line of text with control characters told by their codes: names of layers may hold some."""
    return CONTROLS.sub(lambda found: ascii(found.group())[1:-1], line)


def as_array(value: object, name: str, shape: str, fix: str = "convert it with torch.as_tensor") -> Tensor:
    r"""Numbers as a dense tensor in main or device memory, of the dtype that they have.

    Nothing is copied but what torch cannot hold as it is: arrays of another byte order, with negative strides or
    read-only, and what is sparse.

    Arguments:
        value: A tensor, a NumPy array, or whatever NumPy makes one of without a guess (`__array__`).
        name: The argument's name, for the error.
        shape: Its shape in words, such as `(n, d)`, for the error.
        fix: What to do where it is none, in a few words, for the error.

    Raises:
        TypeError: If it is neither, holds no numbers, or is nested.
        ValueError: If it has no entries (a meta tensor), or some are masked.
    """
    if not isinstance(value, Tensor) and hasattr(value, "__array__"):
        value = _from_numpy(np.ma.asanyarray(value), name, shape)

    if not isinstance(value, Tensor) or value.is_nested:
        came = in_one_line(value) if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"'{name}' should be a tensor or NumPy array of shape {shape}, got {came}; {fix}.")

    if value.is_meta:
        raise ValueError(
            f"'{name}' should hold numbers, got a meta tensor of shape {tuple(value.shape)}, which has none; "
            "materialise it on a device."
        )

    return value if value.layout == torch.strided else value.to_dense()


def _from_numpy(array: np.ndarray, name: str, shape: str) -> Tensor:
    native = array.dtype.newbyteorder("=")

    if native.kind not in "biufc" or native in (np.longdouble, np.clongdouble):
        raise TypeError(
            f"'{name}' should be a tensor or NumPy array of numbers, of shape {shape}, got an array of "
            f"{array.dtype}; convert it with .astype(float)."
        )

    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(
            f"'{name}' should hold a number at each entry, got {int(np.ma.count_masked(array))} masked ones of "
            f"{array.size}; drop these samples, or fill them."
        )

    plain = np.asarray(array, dtype=native, order="C")

    return torch.from_numpy(plain if plain.flags.writeable else plain.copy())


def as_names(value: object, name: str) -> list[str]:
    r"""Names as a list of at least one.

    Raises:
        TypeError: If it is a single name, or nothing to go through.
        ValueError: If it holds none.
    """
    if isinstance(value, str):
        raise TypeError(f"'{name}' should be a list of names, got {value!r}; write [{value!r}].")

    if not isinstance(value, Iterable):
        raise TypeError(f"'{name}' should be a list of names, got {in_one_line(value)}; write ['fc1'], say.")

    names = [str(each) for each in value]

    if not names:
        raise ValueError(f"'{name}' should hold at least one name, got none; leave it out for the default.")

    return names


def as_path(value: object, name: str) -> Path:
    r"""A path.

    Raises:
        TypeError: If it is none.
    """
    if not isinstance(value, str | Path) and not isinstance(value, os.PathLike):
        raise TypeError(f"'{name}' should be a path, got {in_one_line(value)}; pass a str or a pathlib.Path.")

    return Path(os.fspath(value))


def told(error: BaseException) -> str:
    r"""What an error of somebody else's says, on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:MOST_TOLD]


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
    value = as_array(value, name, shape)

    if value.dtype not in (torch.float32, torch.float64):
        raise TypeError(
            f"'{name}' should be float32 or float64, got {str(value.dtype).removeprefix('torch.')}; "
            f"convert it with {'.dequantize()' if value.is_quantized else '.float() or .double()'}."
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
    # One sum is NaN or infinite when any entry is; it needs no mask, but in double precision a copy of what is added.
    given = torch.atleast_1d(value.detach())
    rows = max(1, SUMMED_NUMBERS * len(given) // max(given.numel(), 1))

    if all(math.isfinite(few.sum(dtype=torch.float64).item()) for few in given.split(rows)):
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
        raise TypeError(
            f"'{name}' should be an integer of at least {low}, got {in_one_line(value)}; pass an int."
        )

    if value < low:
        raise ValueError(f"'{name}' should be an integer of at least {low}, got {value}; raise it.")

    if value >= INTEGER_END:
        raise ValueError(f"'{name}' should be an integer below 2^63, got {in_one_line(value)}; lower it.")

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
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_meta:
        value = value.item()

    large = isinstance(value, int) and abs(value) >= INTEGER_END

    if large or isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(
            f"'{name}' should be a number between {low:g} and {high:g}, got {in_one_line(value)}; pass a float."
        )

    if not low < value < high:
        raise ValueError(
            f"'{name}' should be a number between {low:g} and {high:g}, got {in_one_line(value)}; "
            f"{fix or 'choose one there'}."
        )

    return float(value)


def nearest_name(name: str, names: Iterable[str]) -> str:
    r"""A hint such as `; did you mean 'fc1'?` for a name that is not among `names`."""
    names = [n for n in names if n]
    near = difflib.get_close_matches(name, names, n=1, cutoff=NAME_SIMILARITY)

    if near:
        return f"; did you mean '{near[0]}'?"

    return f"; choose among {', '.join(repr(n) for n in names[:LISTED_NAMES])}." if names else "."
