r"""The eight networks of ANI-1x, potentials of molecular energy that others trained, from the wheel of torchani."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from lightning_modules.data.molecules import Molecule
from lightning_modules.pretrained.environment import AtomEnvironment
from lightning_modules.pretrained.neurochem import read_constants, read_network
from lightning_modules.pretrained.wheels import wheel_path

__all__ = ["KCAL_PER_HARTREE", "MEMBERS", "AtomPotential", "ani", "ensemble_folder"]

#: Networks of the ensemble, which differ in their initial weights and in their share of the training molecules.
MEMBERS = 8
#: The networks' unit of energy in the chemist's.
KCAL_PER_HARTREE = 627.5094740631


class AtomPotential(nn.Module):
    r"""An atom's share of a molecule's energy, from the positions of all atoms.

    Arguments:
        environment: From positions in angstrom, `(n, atoms, 3)`, to environment vectors.
        layers: From these to the energy: the last linear layer becomes `readout`, those before it `body`.

    Attributes:
        width: Neurons of the body's last layer, which the read-out reads.
    """

    def __init__(self, environment: AtomEnvironment, layers: nn.Sequential) -> None:
        super().__init__()
        last, linear = max((k, each) for k, each in enumerate(layers) if isinstance(each, nn.Linear))
        self.environment, self.body, self.readout = environment, layers[:last], layers[last:]
        self.width = linear.in_features

    def forward(self, positions: Tensor) -> Tensor:
        r"""Energies in hartree, `(n, 1)`."""
        return self.readout(self.body(self.environment(positions)))


def ensemble_folder() -> Path:
    r"""Where the wheel has the ensemble.

    Raises:
        ModuleNotFoundError: If torchani is not there, or is of a version without weights.
    """
    return wheel_path("torchani", "torchani/resources/ani-1x_8x/train0/networks/ANN-O.nnf").parents[2]


def ani(molecule: str, member: int, folder: str | None = None) -> AtomPotential:
    r"""One network of the ensemble, of the atom of a molecule that is observed, in float64.

    Arguments:
        molecule: Name of the molecule, of `lightning_modules.data.molecules`.
        member: Which of the eight.
        folder: Of an ensemble in the NeuroChem format; None: that of the wheel.

    Raises:
        ModuleNotFoundError: If the wheel is asked for and not there.
        ValueError: If there is no such member or molecule.
    """
    if not 0 <= member < MEMBERS:
        raise ValueError(
            f"'member' should be one of the networks 0 to {MEMBERS - 1} of the ensemble, got {member}."
        )

    place = ensemble_folder() if folder is None else Path(folder)
    (parameters,) = place.glob("*.params")
    seen = Molecule(molecule)
    layers = read_network(place / f"train{member}" / "networks" / f"ANN-{seen.symbols[seen.atom]}.nnf")
    environment = AtomEnvironment(seen.symbols, seen.atom, read_constants(parameters))

    return AtomPotential(environment, layers).double()
