r"""Small molecules in two or three internal coordinates: the hidden states of which potentials know the energy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["MOLECULES", "Molecule"]

#: Bonds are measured in tenths of an angstrom and angles in tens of degrees: about as far as heat moves either.
ANGSTROM, DEGREE = 10.0, 0.1

#: Internal coordinates `(n, m)` in angstrom and radians to positions `(n, atoms, 3)` in angstrom.
Geometry = Callable[[Tensor], Tensor]


def _water(bonds: Tensor, angle: Tensor) -> Tensor:
    r"""O at the origin, H and H at these distances `(n, 2)`, with this angle between."""
    first = torch.stack([bonds[:, 0], 0 * angle, 0 * angle], dim=1)
    second = bonds[:, 1:] * torch.stack([angle.cos(), angle.sin(), 0 * angle], dim=1)

    return torch.stack([torch.zeros_like(first), first, second], dim=1)


def _water_2d(x: Tensor) -> Tensor:
    r"""One bond and the angle; the other bond stays."""
    return _water(torch.stack([x[:, 0], torch.full_like(x[:, 0], 0.96)], dim=1), x[:, 1])


def _water_3d(x: Tensor) -> Tensor:
    r"""Both bonds and the angle."""
    return _water(x[:, :2], x[:, 2])


def _peroxide(x: Tensor) -> Tensor:
    r"""The bond between the oxygens and its angle with the first one's hydrogen; then the second one's hydrogen."""
    length, bend = x.unbind(dim=1)
    bond, nought = 0.97, torch.zeros_like(length)
    other, dihedral = (torch.tensor(angle, dtype=x.dtype).deg2rad() for angle in (100.0, 112.0))
    oxygens = [torch.stack([along, nought, nought], dim=1) for along in (nought, length)]
    first = bond * torch.stack([bend.cos(), bend.sin(), nought], dim=1)
    around = other.sin() * torch.stack([dihedral.cos(), dihedral.sin()])
    second = torch.cat([(length - bond * other.cos())[:, None], (bond * around).expand(len(x), 2)], dim=1)

    return torch.stack([*oxygens, first, second], dim=1)


def _ammonia(x: Tensor) -> Tensor:
    r"""The length of all bonds, and their angle with the axis, from the nitrogen's free side."""
    length, polar = x.unbind(dim=1)
    around = torch.arange(3, dtype=x.dtype) * (2 * torch.pi / 3)
    off = (length * polar.sin())[:, None]
    hydrogens = [off * around.cos(), off * around.sin(), (length * polar.cos())[:, None].expand(-1, 3)]
    nitrogen = torch.zeros(len(x), 1, 3, dtype=x.dtype)

    return torch.cat([nitrogen, torch.stack(hydrogens, dim=2)], dim=1)


@dataclass(frozen=True)
class _Kind:
    r"""A molecule: its atoms, the one that is observed, and the names, units and ranges of its coordinates."""

    symbols: str
    atom: int
    geometry: Geometry
    ranges: dict[str, tuple[float, float, float]]


#: Ranges are in angstrom and degrees, within what the potentials were trained on. Those of water's two bonds do not
#: overlap and the others end before a molecule is its own mirror image: there, two states would look alike.
MOLECULES = {
    "water_2d": _Kind(
        "OHH", 0, _water_2d, {"O-H bond": (0.85, 1.10, ANGSTROM), "H-O-H angle": (90, 120, DEGREE)}
    ),
    "water_3d": _Kind(
        "OHH",
        0,
        _water_3d,
        {
            "first O-H bond": (0.85, 0.97, ANGSTROM),
            "second O-H bond": (0.99, 1.11, ANGSTROM),
            "H-O-H angle": (90, 120, DEGREE),
        },
    ),
    "peroxide": _Kind(
        "OOHH", 0, _peroxide, {"O-O bond": (1.35, 1.60, ANGSTROM), "O-O-H angle": (85, 120, DEGREE)}
    ),
    "ammonia": _Kind(
        "NHHH", 0, _ammonia, {"N-H bonds": (0.90, 1.15, ANGSTROM), "angle with the axis": (100, 125, DEGREE)}
    ),
}


class Molecule:
    r"""What a potential sees of a hidden state: where the atoms are.

    A state is the molecule's internal coordinates, bonds in tenths of an angstrom and angles in tens of degrees.

    Arguments:
        molecule: Its name, of `MOLECULES`.

    Attributes:
        symbols: Elements of its atoms.
        atom: The one whose network is observed.
        names: Of the coordinates, with their units.
        low: Their least values, m numbers.
        high: Their largest.

    Raises:
        ValueError: If the molecule is not known.

    Example:
        >>> Molecule("water_2d").sees(torch.tensor([[9.6, 9.0]])).shape
        torch.Size([1, 3, 3])
    """

    def __init__(self, molecule: str) -> None:
        if molecule not in MOLECULES:
            raise ValueError(f"'molecule' should be one of {', '.join(MOLECULES)}, got {molecule!r}.")

        kind = MOLECULES[molecule]
        self.symbols, self.atom, self.geometry = kind.symbols, kind.atom, kind.geometry
        self.names = [
            f"{name}, {'0.1 Å' if unit == ANGSTROM else '10°'}" for name, (_, _, unit) in kind.ranges.items()
        ]
        self.low = [low * unit for low, _, unit in kind.ranges.values()]
        self.high = [high * unit for _, high, unit in kind.ranges.values()]
        self.units = [unit for _, _, unit in kind.ranges.values()]

    def sees(self, states: Tensor) -> Tensor:
        r"""Positions of all atoms in angstrom, `(n, atoms, 3)`, at states `(n, m)`."""
        coordinates = [
            state / unit if unit == ANGSTROM else (state / unit).deg2rad()
            for state, unit in zip(states.unbind(dim=1), self.units, strict=True)
        ]

        return self.geometry(torch.stack(coordinates, dim=1))
