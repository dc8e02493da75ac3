r"""Atomic environment vectors: what an atom sees of the others, whatever the orientation and order of these."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightning_modules.pretrained.neurochem import Constants

__all__ = ["AtomEnvironment"]

#: Cosines are multiplied by this before their angle is taken, as where the networks were trained.
FLATTENED = 0.95


class AtomEnvironment(nn.Module):
    r"""The environment vector of one atom of a molecule, smooth in the positions of all.

    Each neighbour at distance :math:`r` adds :math:`\tfrac14 e^{-\eta_R (r - r_s)^2} f(r)` to the part of its element,
    each pair at distances :math:`r, r'` and angle :math:`\theta` adds :math:`2 (\tfrac12 + \tfrac12
    \cos(\theta - \theta_s))^\zeta e^{-\eta_A ((r + r') / 2 - r_s)^2} f(r) f(r')` to that of its two elements, with
    :math:`f(r) = \tfrac12 + \tfrac12 \cos(\pi r / r_c)` up to the cutoff and 0 beyond.

    Arguments:
        symbols: Elements of all atoms of the molecule.
        atom: Which of them it is that sees the others.
        constants: Of the vectors.

    Raises:
        ValueError: If there is no such atom, or an element that the constants do not know.

    References:
        | ANI-1: an extensible neural network potential (Smith, Isayev and Roitberg, 2017), equations 3 and 4
        | https://arxiv.org/abs/1610.08935
    """

    def __init__(self, symbols: Sequence[str], atom: int, constants: Constants) -> None:
        super().__init__()

        if unknown := set(symbols) - set(constants.elements):
            raise ValueError(
                f"'symbols' should be among {', '.join(constants.elements)}, got {', '.join(sorted(unknown))}."
            )

        if not 0 <= atom < len(symbols):
            raise ValueError(f"'atom' should be one of the {len(symbols)} atoms, counted from 0, got {atom}.")

        self.atom, self.constants = atom, constants
        self.others = [each for each in range(len(symbols)) if each != atom]
        elements = torch.tensor([constants.elements.index(symbols[each]) for each in self.others])
        pairs = torch.triu_indices(len(self.others), len(self.others), 1)
        known = len(constants.elements)
        first, second = elements[pairs].sort(dim=0).values
        kinds = torch.zeros(known, known, dtype=torch.long)
        kinds[tuple(torch.triu_indices(known, known))] = torch.arange(known * (known + 1) // 2)
        numbers = {
            "radial_shifts": constants.radial_shifts,
            "angular_shifts": constants.angular_shifts,
            "angles": constants.angles,
            # Which part of the vector a neighbour, or a pair of neighbours, adds to.
            "parts": torch.eye(known, dtype=torch.float64)[elements],
            "pair_parts": torch.eye(known * (known + 1) // 2, dtype=torch.float64)[kinds[first, second]],
            "pairs": pairs,
        }

        for name, value in numbers.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        r"""Positions of all atoms in angstrom, `(n, atoms, 3)`, to the vectors of this one, `(n, d)`."""
        return torch.cat([self._neighbours(positions), self._pairs(positions)], dim=1)

    def _vectors(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        r"""The ways to all others, `(n, k, 3)`, and their lengths, `(n, k)`."""
        vectors = positions[:, self.others] - positions[:, [self.atom]]

        return vectors, vectors.norm(dim=2)

    def _neighbours(self, positions: Tensor) -> Tensor:
        _, distances = self._vectors(positions)
        shifts, parts = self.get_buffer("radial_shifts"), self.get_buffer("parts")
        bumps = torch.exp(-self.constants.radial_width * (distances[..., None] - shifts) ** 2) / 4
        terms = bumps * _faded(distances, self.constants.radial_cutoff)[..., None]  # (n, k, r)

        return torch.einsum("nkr,ke->ner", terms, parts).flatten(1)

    def _pairs(self, positions: Tensor) -> Tensor:
        vectors, distances = self._vectors(positions)
        (i, j), parts = self.get_buffer("pairs"), self.get_buffer("pair_parts")
        angles, shifts = self.get_buffer("angles"), self.get_buffer("angular_shifts")
        cosine = FLATTENED * (vectors[:, i] * vectors[:, j]).sum(dim=2) / (distances[:, i] * distances[:, j])
        sine = (1 - cosine.square()).sqrt()
        near = (cosine[..., None] * angles.cos() + sine[..., None] * angles.sin() + 1) / 2
        mean = (distances[:, i] + distances[:, j]) / 2
        bumps = torch.exp(-self.constants.angular_width * (mean[..., None] - shifts) ** 2)
        faded = _faded(distances, self.constants.angular_cutoff)
        seen = 2 * bumps * (faded[:, i] * faded[:, j])[..., None]  # (n, p, a)
        terms = seen[..., None] * (near**self.constants.sharpness)[:, :, None]  # (n, p, a, z)

        return torch.einsum("npaz,pe->neaz", terms, parts).flatten(1)


def _faded(distances: Tensor, cutoff: float) -> Tensor:
    r"""The cosine that takes a neighbour out of sight smoothly."""
    return torch.where(distances <= cutoff, torch.cos(distances * (torch.pi / cutoff)) / 2 + 0.5, 0.0)
