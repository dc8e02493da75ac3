r"""Maps and comparisons that were found at other scales than those given, brought back to these."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from torch import Tensor, nn

from equiv.comparison import Comparison
from equiv.metric.binary_scale import BinaryScale
from equiv.transformation import (
    Map,
    NoMap,
    Transformation,
    build,
    check_activations,
    describe,
    outside,
    part,
    savable,
)

__all__ = ["RescaledMap", "in_given_units", "rescaled_map"]


@savable
class RescaledMap(Map):
    r"""A map between activations that are computed with, as one between those given.

    .. math:: T(y) = D_B^{-1}\, T'(D_A\, y)

    Arguments:
        inner: :math:`T'`.
        source: The diagonal of :math:`D_A`, powers of two, shape `(d_a,)`.
        target: The diagonal of :math:`D_B`, likewise `(d_b,)`.
    """

    inner: Map
    source: Tensor
    target: Tensor

    def __init__(self, inner: Map, source: Tensor, target: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.register_tensors(source=source, target=target)

    def forward(self, values: Tensor) -> Tensor:
        r"""Activations `(q, d_a)` to `(q, d_b)`, in the dtype given. Errors as of `check_activations`."""
        check_activations(values, len(self.source))

        return (self.inner(values.double() * self.source) / self.target).to(values.dtype)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` or their images lie outside the region that the map was built on, `(q,)`, bool."""
        return outside(
            values,
            len(self.source),
            lambda seen: self.inner.extrapolates(seen.double() * self.source),
        )

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {"inner": describe(self.inner)}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> RescaledMap:
        r"""The inverse of `config` and `state_dict`."""
        inner = cast(Map, build(config["inner"], part(tensors, "inner")))

        return cls(inner, tensors["source"], tensors["target"])


def rescaled_map(inner: Map, source: BinaryScale, target: BinaryScale) -> Map:
    r"""The map between activations as given; `inner` itself where both are computed with as they are."""
    if isinstance(inner, NoMap) or (source.plain and target.plain):
        return inner

    tensors = list(inner.buffers())
    device = tensors[0].device if tensors else source.neurons.device

    return RescaledMap(inner, source.neurons.to(device), target.neurons.to(device))


def in_given_units(found: Comparison, a: BinaryScale, b: BinaryScale) -> Comparison:
    r"""A comparison of rescaled observations, with maps and charts between activations as they were given.

    Coordinates, and what the diagnostics say of lengths in the input space, stay as they are: in multiples of
    `diagnostics["input_unit"]`, which is there where it is not 1.

    Arguments:
        found: The comparison.
        a: The scale of A's observations.
        b: That of B's.
    """
    if a.plain and b.plain:
        return found

    there, back = found.transformation.there, found.transformation.back
    unit = {} if a.lengths == 1 else {"input_unit": 1 / a.lengths}

    return replace(
        found,
        transformation=Transformation(rescaled_map(there, a, b), rescaled_map(back, b, a)),
        chart_a=_chart(found.chart_a, a),
        chart_b=_chart(found.chart_b, b),
        diagnostics=found.diagnostics | unit,
    )


def _chart(chart: nn.Module | None, scale: BinaryScale) -> nn.Module | None:
    return None if chart is None else cast(Any, chart).rescaled(1 / scale.neurons)
