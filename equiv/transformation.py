r"""The transformation between two networks: restrict to one chart, register, lift from the other.

Every map here is a module that says where it extrapolates and can be saved without pickle: it has `config()`,
a JSON-ready description of what is not a tensor, and a class method `from_config(config, tensors)` that
builds it again from that description and its `state_dict`.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from equiv.chart import Chart
from equiv.double_precision import DoublePrecision
from equiv.lattice import wrap

__all__ = [
    "MAPS",
    "ChartMap",
    "Map",
    "NoMap",
    "Transformation",
    "build",
    "check_activations",
    "describe",
    "savable",
]

MAPS: dict[str, Any] = {"Chart": Chart}


Kind = TypeVar("Kind", bound=type[nn.Module])


def savable(kind: Kind) -> Kind:
    r"""Class decorator: lets `build` find a map by the name that `describe` wrote."""
    MAPS[kind.__name__] = kind

    return kind


def describe(module: nn.Module) -> dict[str, Any]:
    r"""The JSON-ready description of a map: the name of its class and its `config()`.

    Raises:
        TypeError: If its class is not `savable`.
    """
    if type(module).__name__ not in MAPS:
        raise TypeError(
            f"'module' should be of a savable class ({', '.join(MAPS)}), got {type(module).__name__}."
        )

    config = cast("Map | Chart", module).config()

    return {"kind": type(module).__name__, "config": config}


def build(config: dict[str, Any], tensors: dict[str, Tensor]) -> nn.Module:
    r"""The map that `describe` and its `state_dict` describe, bit for bit.

    Raises:
        ValueError: If the description names no known class.
    """
    if config.get("kind") not in MAPS:
        raise ValueError(f"'config' should name a known map ({', '.join(MAPS)}), got {config.get('kind')!r}.")

    return MAPS[config["kind"]].from_config(config["config"], tensors)


def part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    r"""The entries of a `state_dict` that belong to the submodule `name`."""
    return {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}.")}


def check_activations(values: object, neurons: int) -> None:
    r"""Refuses what are no activations of the network that a map starts from; any floating dtype does.

    Raises:
        TypeError: If it is no floating tensor: the result, in its dtype, would be truncated.
        ValueError: If it has another shape than `(q, neurons)`.
    """
    if not isinstance(values, Tensor) or not values.is_floating_point():
        got = (
            str(values.dtype).removeprefix("torch.") if isinstance(values, Tensor) else type(values).__name__
        )
        raise TypeError(
            f"'values' should be a floating tensor of shape (q, {neurons}), got {got}; convert it with "
            "torch.as_tensor(values, dtype=torch.float32)."
        )

    if values.ndim != 2 or values.shape[1] != neurons:
        raise ValueError(
            f"'values' should have shape (q, {neurons}), the neurons that the transformation was built on, got "
            f"{tuple(values.shape)}; observe the same ones, and add an axis to a single sample."
        )


class Map(DoublePrecision):
    r"""What a map between activations offers beside `forward`."""

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` or their images lie outside the region that the map was built on, `(q,)`, bool."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        raise NotImplementedError


@savable
class ChartMap(Map):
    r"""From one network's activations to the other's through their charts.

    .. math:: T = \ell_B \circ g \circ r_A, \qquad g(u) = Q u + t

    where :math:`r_A` restricts activations to A's intrinsic coordinates, the registration g is a local
    isometry between the two coordinate domains, and :math:`\ell_B` lifts coordinates to B's activations
    (Bertalan, Dietrich and Kevrekidis 2020, section 3).

    Arguments:
        source: Chart of the network mapped from.
        target: Chart of the network mapped to.
        matrix: Q, shape `(m_target, m_source)`, dimensionless, with orthonormal rows or columns.
        offset: t, shape `(m_target,)`, in input units.
    """

    source: Chart
    target: Chart
    matrix: Tensor
    offset: Tensor

    def __init__(self, source: Chart, target: Chart, matrix: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.source = source
        self.target = target
        self.register_buffer("matrix", matrix.detach().clone())
        self.register_buffer("offset", offset.detach().clone())

    def forward(self, values: Tensor) -> Tensor:
        r"""Activations `(q, d_source)` to activations `(q, d_target)`, in the dtype given.

        Values off the image of A's chart are taken to the nearest point on it: there T of A to A is a projection,
        and the identity on the image.

        Raises:
            TypeError: If `values` is no floating tensor.
            ValueError: If it has another shape.
        """
        check_activations(values, len(self.source.get_buffer("weights")))
        coordinates = self.source.restrict(values)
        moved = coordinates @ self.matrix.T.to(coordinates) + self.offset.to(coordinates)

        return self.target.lift(wrap(moved, self.target.get_buffer("periods"))).to(values.dtype)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where the source lies off its chart or its image off the target's, shape `(q,)`, bool."""
        return self.source.extrapolates(values) | self.target.extrapolates(self(values))

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {"source": self.source.config(), "target": self.target.config()}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> ChartMap:
        r"""The inverse of `config` and `state_dict`."""
        source = Chart.from_config(config["source"], part(tensors, "source"))
        target = Chart.from_config(config["target"], part(tensors, "target"))

        return cls(source, target, tensors["matrix"], tensors["offset"])


@savable
class NoMap(Map):
    r"""Stands where no transformation exists or none was found: it raises and says why, and never returns a
    guess.

    Arguments:
        reason: One sentence.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def forward(self, values: Tensor) -> Tensor:
        r"""Raises.

        Raises:
            ValueError: Always, with the reason.
        """
        raise ValueError(f"There is no transformation in this direction: {self.reason}")

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""True everywhere, shape `(q,)`: a map that does not exist is valid nowhere."""
        return torch.ones(len(values), dtype=torch.bool, device=values.device)

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description."""
        return {"reason": self.reason}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> NoMap:
        r"""The inverse of `config`."""
        return cls(config["reason"])


@savable
class Transformation(Map):
    r"""T from A's activations to B's, together with the map back.

    Calling it maps `(q, d_a)` to `(q, d_b)`: differentiable, out of sample, in the dtype it is given.
    Where A only determines B (a covering, a projection), the inverse is a `NoMap`, which raises when it is
    called.

    Arguments:
        there: The map from A to B: a module with `extrapolates`, `config` and `from_config`.
        back: The map from B to A, likewise.
    """

    there: Map
    back: Map

    def __init__(self, there: Map, back: Map) -> None:
        super().__init__()
        self.there = there
        self.back = back

    @property
    def inverse(self) -> Transformation:
        r"""The map from B to A, whose own inverse is this map again; it shares all tensors."""
        return Transformation(self.back, self.there)

    def forward(self, values: Tensor) -> Tensor:
        r"""Activations of A, `(q, d_a)`, to activations of B, `(q, d_b)`.

        Raises:
            ValueError: If there is no transformation in this direction.
        """
        return self.there(values)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` or their image lie outside the region that T was built on, shape `(q,)`, bool."""
        return self.there.extrapolates(values)

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {"there": describe(self.there), "back": describe(self.back)}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Transformation:
        r"""The inverse of `config` and `state_dict`."""
        there, back = (cast(Map, build(config[name], part(tensors, name))) for name in ("there", "back"))

        return cls(there, back)
