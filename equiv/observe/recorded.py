r"""Recorded arrays in files: activations with their frames, labels of groups, pairs of anchors."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equiv.observe.observations import Observations

__all__ = ["ARRAY_FILES", "read_arrays", "read_integers", "read_layers", "read_observations"]

# Files of arrays, by the ends of their names.
ARRAY_FILES = (".npy", ".npz", ".safetensors", ".pt")

# What observations are made of, by name.
PARTS = ("values", "frames", "groups")


def read_observations(path: str | Path) -> Observations:
    r"""Observations from a file: an array of values, samples first, or arrays named `values`, `frames`, `groups`.

    Arguments:
        path: A `.npy`, `.npz`, `.safetensors` or `.pt` file (of tensors alone). Values `(n, ...)` are flattened
            behind their samples, frames are `(n, d, m)`; half precision is read as float32.

    Raises:
        TypeError: If an array is of a dtype that is not floating.
        ValueError: If there is no such file, it holds no values, or arrays disagree.
    """
    arrays = read_arrays(path)

    if len(arrays) == 1 and not set(arrays) & set(PARTS):
        arrays = {"values": next(iter(arrays.values()))}

    if "values" not in arrays:
        raise ValueError(
            f"{str(path)!r} should hold an array named 'values', and perhaps 'frames' and 'groups', got "
            f"{', '.join(map(repr, arrays)) or 'none'}; rename one."
        )

    values, frames, groups = (arrays.get(name) for name in PARTS)
    assert values is not None

    if values.ndim == 0:
        raise ValueError(f"{str(path)!r} should hold values (n, d), got one number; record a batch.")

    return Observations(
        _whole_precision(values).reshape(len(values), -1),
        None if frames is None else _whole_precision(frames),
        groups,
    )


def read_layers(path: str | Path) -> tuple[dict[str, Tensor], Tensor | None]:
    r"""Recorded activations from a file of one array a layer, by its name, and labels of groups, if it holds `groups`.

    Arguments:
        path: As in `read_observations`; layers are `(n, ...)`, half precision is read as float32.

    Raises:
        ValueError: If there is no such file, or it cannot be read.
    """
    arrays = read_arrays(path)
    groups = arrays.pop("groups", None)

    return {name: _whole_precision(array) for name, array in arrays.items()}, groups


def _whole_precision(array: Tensor) -> Tensor:
    return array.float() if array.dtype in (torch.float16, torch.bfloat16) else array


def read_arrays(path: str | Path) -> dict[str, Tensor]:
    r"""The arrays of a file by name; of one without names, "".

    Nothing in the file is run: no pickle is opened but by torch's own reader of tensors alone.

    Raises:
        ValueError: If there is no such file, its kind is unknown, or it cannot be read.
    """
    file = Path(path)

    if file.suffix not in ARRAY_FILES:
        raise ValueError(
            f"{str(path)!r} should be a file of arrays, {', '.join(ARRAY_FILES)}, got {file.suffix or 'no ending'!r}; "
            "save it as one of these."
        )

    if not file.is_file():
        raise ValueError(f"{str(path)!r} should be a file, got none of this name; look at the path.")

    try:
        held = _read(file)
    except Exception as error:  # whatever a reader says of a file that is not what its name says
        raise ValueError(
            f"{str(path)!r} should be a {file.suffix} file of arrays, got one that cannot be read as it "
            f"({' '.join(str(error).split())[:200]}); save it again."
        ) from error

    if isinstance(held, Tensor):
        return {"": held}

    if not isinstance(held, dict) or not all(isinstance(value, Tensor) for value in held.values()):
        raise ValueError(f"{str(path)!r} should hold tensors, got {type(held).__name__}; save tensors alone.")

    return held


def _read(file: Path) -> Any:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)

    if file.suffix == ".pt":
        return torch.load(file, map_location="cpu", weights_only=True)

    with file.open("rb") as stream:
        held = np.load(stream, allow_pickle=False)

        if isinstance(held, np.ndarray):
            return torch.from_numpy(np.ascontiguousarray(held))

        return {name: torch.from_numpy(np.ascontiguousarray(held[name])) for name in held.files}


def read_integers(path: str | Path) -> Tensor:
    r"""Integers of a `.csv` file, rows of columns, a first line of words left out, or of a file of one array.

    Raises:
        ValueError: If there is no such file, it holds several arrays, or something that is no integer.
    """
    file = Path(path)

    if file.suffix != ".csv":
        arrays = read_arrays(path)

        if len(arrays) != 1:
            raise ValueError(f"{str(path)!r} should hold one array, got {len(arrays)}; save it by itself.")

        return next(iter(arrays.values()))

    if not file.is_file():
        raise ValueError(f"{str(path)!r} should be a file, got none of this name; look at the path.")

    rows = [row for row in csv.reader(file.read_text().splitlines()) if row]

    if rows and not any(cell.strip().lstrip("-").isdigit() for cell in rows[0]):
        rows = rows[1:]

    try:
        numbers = torch.tensor([[int(cell) for cell in row] for row in rows])
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} should hold rows of integers of one length, got others ({error}); write 3,17 a line, say."
        ) from error

    return numbers
