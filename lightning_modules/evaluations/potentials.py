r"""Two potentials that never saw a common molecule: one's energy, read off the other's neurons."""

import torch
from torch import Tensor

from lightning_modules.data.molecules import Molecule
from lightning_modules.data.views import Views
from lightning_modules.evaluations.finding import (
    Finding,
    Matched,
    charts,
    fresh,
    mapped,
    point_errors,
    relative_error,
    true_errors,
)
from lightning_modules.evaluations.usual import usual_measures
from lightning_modules.figures.potentials import potentials_figure
from lightning_modules.pair import NetworkPair
from lightning_modules.pretrained.potential import KCAL_PER_HARTREE, AtomPotential

__all__ = ["Energies"]

CAPTIONS = {
    "potentials": "Neurons of both potentials, A's carried to B, and B's energy as it is read off A's neurons",
    "charts": "The intrinsic coordinates of both potentials, coloured by the first coordinate of the molecule",
}


class Energies:
    r"""Measures T at fresh states of the molecule, and reads B's energy off A's neurons through it.

    Arguments:
        molecule: That of A, whose coordinates are the figure's axes.
    """

    def __init__(self, molecule: str) -> None:
        self.names = Molecule(molecule).names

    @torch.no_grad()
    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the last comparison at the held-out states of `views`."""
        match = matching.last
        values_a, values_b = fresh(pair, views, match)
        predicted = mapped(match.result.transformation, values_a)
        energy = pair.network_b(views.held_out_b)
        read = _read(pair, predicted)
        error = relative_error(read, energy)
        spread = energy.std().item() * KCAL_PER_HARTREE
        metrics = {
            **true_errors(match, values_a, values_b),
            "energy_error": error,
            "energy_error_kcal_per_mol": error * spread,
            "energy_spread_kcal_per_mol": spread,
            **usual_measures(values_a, values_b),
        }
        figure = potentials_figure(
            views.hidden.held_out,
            self.names,
            values_a,
            values_b,
            predicted,
            energy[:, 0] * KCAL_PER_HARTREE,
            None if read is None else read[:, 0] * KCAL_PER_HARTREE,
            point_errors(predicted, values_b),
        )

        return Finding(metrics, {"potentials": figure} | charts(match, views), CAPTIONS)


def _read(pair: NetworkPair, neurons: Tensor | None) -> Tensor | None:
    r"""The energy that B's own last layer reads off these neurons; None where they are not all that it reads."""
    network = pair.network_b
    assert isinstance(network, AtomPotential)

    return None if neurons is None or neurons.shape[1] != network.width else network.readout(neurons)
