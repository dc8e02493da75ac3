r"""Atomic networks and the constants of their inputs, read from files of the NeuroChem format.

A folder holds `*.params`, text, and for each element `networks/ANN-X.nnf`: text in bzip2, which for each layer names
its width, its activation function, and two files of numbers in float32. Nothing in them is code.
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Constants", "read_constants", "read_network"]

#: Activation functions by NeuroChem's numbers; the last layer has none.
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"9": partial(nn.CELU, alpha=0.1), "6": nn.Identity}


@dataclass(frozen=True)
class Constants:
    r"""Of the atomic environment vectors; lengths are in angstrom.

    Attributes:
        elements: Symbols, in the order of the vectors' parts.
        radial_cutoff: Distance from which on neighbours are not seen.
        angular_cutoff: The same for pairs of neighbours.
        radial_width: :math:`\eta_R`, in 1/angstrom^2.
        radial_shifts: Distances that are asked for, `(r,)`.
        angular_width: :math:`\eta_A`, in 1/angstrom^2.
        angular_shifts: Mean distances of pairs that are asked for, `(a,)`.
        sharpness: :math:`\zeta`.
        angles: Angles that are asked for, in radians, `(z,)`.
    """

    elements: tuple[str, ...]
    radial_cutoff: float
    angular_cutoff: float
    radial_width: float
    radial_shifts: Tensor
    angular_width: float
    angular_shifts: Tensor
    sharpness: float
    angles: Tensor


def read_constants(file: Path) -> Constants:
    r"""The constants of a `.params` file.

    Raises:
        ValueError: If one is missing or no number.
    """
    rows = dict(re.findall(r"^\s*(\w+)\s*=\s*\[?([^\]\n]*)\]?\s*$", file.read_text(), re.MULTILINE))

    try:
        numbers = {
            name: torch.tensor([float(each) for each in text.split(",")], dtype=torch.float64)
            for name, text in rows.items()
            if name != "Atyp"
        }

        return Constants(
            elements=tuple(each.strip() for each in rows["Atyp"].split(",")),
            radial_cutoff=numbers["Rcr"].item(),
            angular_cutoff=numbers["Rca"].item(),
            radial_width=numbers["EtaR"].item(),
            radial_shifts=numbers["ShfR"],
            angular_width=numbers["EtaA"].item(),
            angular_shifts=numbers["ShfA"],
            sharpness=numbers["Zeta"].item(),
            angles=numbers["ShfZ"],
        )
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"'file' should hold NeuroChem's constants, Rcr = 5.2 and so on, got {str(file)!r} ({error})."
        ) from error


def read_network(file: Path) -> nn.Sequential:
    r"""The network of an `.nnf` file: layers, each with its activation function, in float32.

    Raises:
        ValueError: If the file is of another kind, or the numbers beside it are too many or too few.
    """
    held = file.read_bytes()

    try:
        text = bz2.decompress(held[held.index(b"=\n") + 2 :]).decode("ascii")
    except (ValueError, OSError) as error:
        raise ValueError(f"'file' should be a network of NeuroChem, got {str(file)!r} ({error}).") from error

    layers: list[nn.Module] = []

    for layer in re.findall(r"layer \[\n(.*?)\n\]", text, re.DOTALL):
        said = dict(re.findall(r"(\w+)=([^;]+);", layer))
        width, depth = int(said["nodes"]), int(said["blocksize"])
        linear = nn.Linear(depth, width)
        linear.weight.data = _numbers(file.parent, said["weights"], width * depth).reshape(width, depth)
        linear.bias.data = _numbers(file.parent, said["biases"], width)
        layers += [linear, ACTIVATIONS[said["activation"]]()]

    return nn.Sequential(*layers)


def _numbers(folder: Path, said: str, count: int) -> Tensor:
    r"""The float32 numbers of a file beside, called as in `FILE:name[count]`."""
    name = said.removeprefix("FILE:").partition("[")[0]
    numbers = np.frombuffer((folder / Path(name).name).read_bytes(), dtype="<f4")

    if len(numbers) != count:
        raise ValueError(f"{name!r} should hold {count} numbers for its layer, got {len(numbers)}.")

    return torch.from_numpy(numbers.astype(np.float32))
