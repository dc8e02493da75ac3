r"""Functions of few hidden variables: what networks see of them, and what they learn of them."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = [
    "bent",
    "in_coordinates",
    "itself",
    "monotone",
    "spiral_arms",
    "tangents",
    "tilted_well",
    "van_der_pol",
    "wave",
]

#: A function of hidden states, `(n, m)` to `(n, d)`.
Observable = Callable[[Tensor], Tensor]


def itself(x: Tensor) -> Tensor:
    r"""The hidden state as it is."""
    return x


def bent(x: Tensor, bend: float = 0.15, pitch: float = 2.0) -> Tensor:
    r"""Other coordinates of the same states, :math:`x_i + \text{bend} \sin(\text{pitch}\, x_{i+1})`.

    Invertible where `bend * pitch` is below 1.
    """
    return x + bend * torch.sin(pitch * x.roll(-1, dims=1))


def monotone(x: Tensor, steepness: float = 2.0, slope: float = 0.3) -> Tensor:
    r"""A rising function of each variable, :math:`\tanh(\text{steepness}\, x) + \text{slope}\, x`."""
    return torch.tanh(steepness * x) + slope * x


def wave(x: Tensor, pitch: float = 3.0, tilt: float = 0.5) -> Tensor:
    r"""It rises and falls: :math:`\sin(\text{pitch}\, x) + \text{tilt}\, x`."""
    return torch.sin(pitch * x) + tilt * x


def tilted_well(x: Tensor, tilt: float = 0.4) -> Tensor:
    r"""It falls and rises, not alike on both sides: :math:`x^2 - \text{tilt}\, (x - x^3)`."""
    return x.square() - tilt * (x - x**3)


def van_der_pol(x: Tensor, damping: float = 0.3) -> Tensor:
    r"""Van der Pol's field :math:`(x_2, \mu (1 - x_1^2) x_2 - x_1)` on the plane, :math:`\mu` the damping.

    Its Jacobian determinant is :math:`1 + 2 \mu x_1 x_2`: on the square :math:`[-1, 1]^2` it is injective for
    :math:`\mu < 1/2` and folds in two corners above.
    """
    p, q = x[:, 0], x[:, 1]

    return torch.stack([q, damping * (1 - p.square()) * q - p], dim=1)


def in_coordinates(x: Tensor, field: Observable, coordinates: Observable) -> Tensor:
    r"""A vector field in other coordinates c: its components are :math:`Dc(x) f(x)`."""
    return (tangents(coordinates, x) @ field(x)[:, :, None]).squeeze(2)


def spiral_arms(x: Tensor, arms: int = 3, twist: float = 4.0) -> Tensor:
    r"""Labels 0 to `arms` - 1 of the arms of a spiral around the origin of the plane, shape `(n,)`, int64."""
    turn = torch.atan2(x[:, 1], x[:, 0]) + twist * x.norm(dim=1)

    return torch.remainder(turn * arms / (2 * torch.pi), arms).long().clamp(max=arms - 1)


def tangents(observable: Observable, x: Tensor) -> Tensor:
    r"""How what is seen moves with each hidden variable: the Jacobian at each state, `(n, m)` to `(n, d, m)`."""
    states = x.detach().requires_grad_()

    with torch.enable_grad():
        seen = observable(states)

    rows = [torch.autograd.grad(each.sum(), states, retain_graph=True)[0] for each in seen.unbind(dim=1)]

    return torch.stack(rows, dim=1)
