r"""The transformation between two networks, and what every map between activations offers.

Every map is a module that computes in float64 whatever dtype it is moved to, says where it extrapolates and can be
saved without pickle: it has `config()`, a JSON-ready description of what is not a tensor, and a class method
`from_config(config, tensors)` that builds it again from that description and its `state_dict`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

import torch
from torch import Tensor, nn

from equiv.checks import in_one_line

__all__ = [
    "MAPS",
    "DoublePrecision",
    "Map",
    "NoMap",
    "Transformation",
    "build",
    "check_activations",
    "describe",
    "jsonable",
    "outside",
    "part",
    "savable",
    "without_copies",
]

# Classes that `build` knows, by name; each registers itself by `savable`.
MAPS: dict[str, Any] = {}

# Dtypes of activations that maps take, and give back.
FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


class DoublePrecision(nn.Module):
    r"""A module whose tensors change their device, never their dtype.

    Sums of wide Gaussians have large coefficients that nearly cancel: in float32 they would be off by percents.
    `forward` returns what it computed in the dtype of its argument, so that `.float()` and `.to(torch.bfloat16)` of
    a network that holds such a module do all that is asked of them.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def moved(tensor: Tensor) -> Tensor:
            found = fn(tensor)

            return found if found.dtype == tensor.dtype else tensor.to(found.device)

        return super()._apply(moved, recurse)


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

    config = cast("Map", module).config()

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


def without_copies(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    r"""Each tensor once, and the names of the others by the name that it is stored under."""
    stored: dict[str, Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}

    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device)

        if key in names and tensor.numel() > 0:
            aliases[name] = names[key]
        else:
            names[key] = name
            stored[name] = tensor.detach().cpu().contiguous().clone()

    return stored, aliases


def check_activations(values: object, neurons: int) -> None:
    r"""Refuses what are no activations of the network that a map starts from; any floating dtype does.

    Raises:
        TypeError: If it is no floating tensor: the result, in its dtype, would be truncated.
        ValueError: If it has another shape than `(q, neurons)`.
    """
    dense = isinstance(values, Tensor) and not values.is_nested and values.layout == torch.strided

    if not isinstance(values, Tensor) or not dense or values.dtype not in FLOATING:
        raise TypeError(
            f"'values' should be a dense floating tensor of shape (q, {neurons}), got {in_one_line(values)}; convert "
            "it with torch.as_tensor(values, dtype=torch.float32)."
        )

    if values.ndim != 2 or values.shape[1] != neurons:
        raise ValueError(
            f"'values' should have shape (q, {neurons}), the neurons that the transformation was built on, got "
            f"{tuple(values.shape)}; observe the same ones, and add an axis to a single sample."
        )


def outside(values: Tensor, neurons: int, judged: Callable[[Tensor], Tensor]) -> Tensor:
    r"""Where `values` lie outside a region, `(q,)`, bool: NaN and infinite ones everywhere.

    Arguments:
        values: Activations, shape `(q, neurons)`.
        neurons: How many there have to be.
        judged: Says it of finite activations, `(q, neurons)` to `(q,)`.

    Raises:
        TypeError, ValueError: As of `check_activations`.
    """
    check_activations(values, neurons)
    finite = values.isfinite().all(dim=1)

    return judged(torch.where(finite[:, None], values, 0.0)) | ~finite


class Map(DoublePrecision):
    r"""What a map between activations offers beside `forward`."""

    def register_tensors(self, **tensors: Tensor) -> None:
        r"""Registers tensors under their names: they move with the module, are saved, and take no gradient.

        Laid out as they will be when loaded, so that sums are taken in one order and end in the same bits.
        """
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.detach().contiguous())

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` or their images lie outside the region that the map was built on, `(q,)`, bool.

        Values that are NaN or infinite do.
        """
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        raise NotImplementedError


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
            TypeError: If they are no floating tensor.
            ValueError: If there is no transformation in this direction, or they have another shape or device.
        """
        self._check_device(values)

        return self.there(values)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` or their image lie outside the region that T was built on, shape `(q,)`, bool."""
        self._check_device(values)

        return self.there.extrapolates(values)

    def _check_device(self, values: Tensor) -> None:
        tensor = next(self.there.buffers(), None)

        if tensor is not None and isinstance(values, Tensor) and values.device != tensor.device:
            raise ValueError(
                f"'values' should be on the device of the transformation, {tensor.device}, got {values.device}; move "
                "one with .to(device)."
            )

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {"there": describe(self.there), "back": describe(self.back)}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> Transformation:
        r"""The inverse of `config` and `state_dict`."""
        there, back = (cast(Map, build(config[name], part(tensors, name))) for name in ("there", "back"))

        return cls(there, back)


def jsonable(value: Any) -> Any:
    r"""Nested numbers, strings and tensors as JSON can hold them: infinity as "inf", NaN as None."""
    if isinstance(value, dict):
        return {str(key): jsonable(entry) for key, entry in value.items()}

    if isinstance(value, Tensor):
        return jsonable(value.tolist())

    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(entry) for entry in value]

    if isinstance(value, float):
        return None if math.isnan(value) else (float(value) if math.isfinite(value) else str(float(value)))

    return value if value is None or isinstance(value, bool | int) else str(value)
