r"""The transformation of an unpaired comparison: restrict to one chart, register, lift from the other."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from equiv.charts.chart import Chart
from equiv.coordinates.lattice import minimum_image
from equiv.transformation import Map, check_activations, outside, part, savable

__all__ = ["ChartMap"]


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
        moved = self.source.restrict(values.double()) @ self.matrix.T.double() + self.offset.double()

        return self.target.lift(minimum_image(moved, self.target.get_buffer("periods"))).to(values.dtype)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where the source lies off its chart or its image off the target's, shape `(q,)`, bool."""
        return outside(
            values,
            len(self.source.get_buffer("weights")),
            lambda seen: self.source.extrapolates(seen) | self.target.extrapolates(self(seen)),
        )

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {"source": self.source.config(), "target": self.target.config()}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> ChartMap:
        r"""The inverse of `config` and `state_dict`."""
        source = Chart.from_config(config["source"], part(tensors, "source"))
        target = Chart.from_config(config["target"], part(tensors, "target"))

        return cls(source, target, tensors["matrix"], tensors["offset"])
