r"""A chart of an observed manifold: from values to coordinates (`restrict`) and back (`lift`)."""

from typing import Any

import torch
from torch import Tensor

from equiv.coordinates.kriging import krige, nearest_nodes
from equiv.coordinates.lattice import into_cell, lattice_images
from equiv.coordinates.smooth_fit import SmoothBasis
from equiv.transformation import DoublePrecision, check_activations, outside, savable

__all__ = ["Chart"]


# More samples than this are thinned out as starting points.
# [samples; chosen: a trade of memory and time, every value is held against all of them]
MAX_ANCHORS = 4096

# From so many of the nearest anchors `restrict` iterates.
# [anchors; chosen: two sheets that come near to each other, and one start to spare]
STARTS = 3

# Among so many of the nearest anchors these starts are chosen, by what a step along their tangents leaves.
# [anchors; chosen: in up to three dimensions both of two sheets are among them]
CANDIDATES = 12

# Gauss-Newton steps of `restrict`, and one more that is differentiable.
# [steps; chosen: from an anchor next to the value the error is squared in each]
STEPS = 7

# What is added to the diagonal of Gram matrices, over their trace.
# [dimensionless; chosen: keeps singular ones solvable, next to rounding]
GRAM_RIDGE = 1e-12

_TENSORS = (
    "centers",
    "width",
    "free",
    "coefficients",
    "weights",
    "anchor_values",
    "anchor_coordinates",
    "anchor_inverses",
    "anchor_spacing",
    "normal_tolerance",
    "periods",
    "node_coordinates",
    "node_values",
    "node_slopes",
    "correlation_length",
)


@savable
class Chart(DoublePrecision):
    r"""Coordinates :math:`u \in R^m` of values :math:`y = F(u)`, and F itself.

    F is a sum of Gaussians and an affine part and, where that misses less between samples, what kriging of the rest of
    values and frames at the nearest samples adds (`equiv.coordinates.kriging`). `restrict` starts from the linear map
    of the near anchors (samples kept with their frames) whose tangents reach the value best, and takes Gauss-Newton
    steps on :math:`|D (y - F(u))|^2` with D the weights of the neurons; its derivative is that of the implicit
    function, :math:`(D\,DF)^+ D`. The number of steps is fixed, so that the module can be exported; it keeps the dtype
    that it is given.

    Attributes:
        coefficients: Of F, `(b, d)`.
        weights: One weight for each neuron, `(d,)`: 1 over its spread and the root of its number of copies.
        anchor_values: `(a, d)`.
        anchor_coordinates: `(a, m)`.
        anchor_inverses: :math:`(D J_i R_i)^+`, `(a, m, d)`.
        anchor_spacing: Distance to the fourth nearest anchor, `(a,)`, in input units.
        normal_tolerance: Largest ordinary weighted distance from the manifold, `()`.
        periods: Lattice vectors, `(p, m)`; p = 0 where coordinates are not periodic.
        node_coordinates: Of the samples that are kriged, `(k, m)`; k = 0 for none.
        node_values: What Gaussians and affine part leave of their values, `(k, d)`.
        node_slopes: Likewise of their frames, `(k, d, m)`.
        correlation_length: Of the kriging, `()`, in input units.
    """

    def __init__(
        self, tensors: dict[str, Tensor], *, steps: int = STEPS, candidates: int = CANDIDATES
    ) -> None:
        super().__init__()
        self.steps, self.candidates = steps, candidates
        for name in _TENSORS:
            self.register_buffer(name, tensors[name])

    def config(self) -> dict[str, Any]:
        r"""What `from_config` needs beside the buffers, JSON-ready."""
        return {"steps": self.steps, "candidates": self.candidates}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> "Chart":
        r"""The chart with this `config()` and these buffers (its `state_dict()`)."""
        return cls(tensors, **config)

    def rescaled(self, factors: Tensor) -> "Chart":
        r"""The chart of values whose neurons are multiplied by these factors, `(d,)`; coordinates stay."""
        tensors = {name: self.get_buffer(name) for name in _TENSORS}
        factors = factors.to(tensors["weights"])
        scaled = {name: tensors[name] * factors for name in ("coefficients", "anchor_values")}
        scaled["node_values"] = tensors["node_values"] * factors
        scaled["node_slopes"] = tensors["node_slopes"] * factors[:, None]
        scaled["weights"] = tensors["weights"] / factors

        return Chart(tensors | scaled, **self.config())

    @property
    def kriged(self) -> bool:
        r"""Whether kriging takes part in F."""
        return len(self.get_buffer("node_coordinates")) > 0

    @property
    def smooth(self) -> "Chart":
        r"""The chart without kriging: Gaussians and the affine part alone."""
        tensors = {name: self.get_buffer(name) for name in _TENSORS}
        none = {name: tensors[name][:0] for name in _TENSORS if name.startswith("node")}

        return Chart(tensors | none, **self.config())

    @property
    def dimension(self) -> int:
        r"""m."""
        return int(self.get_buffer("centers").shape[1])

    def _basis(self, dtype: torch.dtype) -> SmoothBasis:
        return SmoothBasis(
            *(self.get_buffer(name).to(dtype) for name in ("centers", "width", "periods", "free"))
        )

    def forward(self, values: Tensor) -> Tensor:
        r"""The same as `restrict`."""
        return self.restrict(values)

    def lift(self, coordinates: Tensor) -> Tensor:
        r"""Values F(u): `(q, m)` coordinates in input units to `(q, d)` values."""
        return self._combine(coordinates.double())[0].to(coordinates.dtype)

    def frames(self, coordinates: Tensor) -> Tensor:
        r"""Jacobians of `lift`, `(q, m)` to `(q, d, m)`."""
        return self._combine(coordinates.double())[1].to(coordinates.dtype)

    def _combine(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        coefficients = self.get_buffer("coefficients").double()
        values, slopes = self._basis(coordinates.dtype).combine(coordinates, coefficients)
        names = ("node_coordinates", "node_values", "node_slopes", "correlation_length")
        nodes, rest, steep, length = (self.get_buffer(name).double() for name in names)

        if not self.kriged:
            return values, slopes

        near, offsets = nearest_nodes(coordinates, nodes, self.get_buffer("periods").double())
        more, steeper = krige(offsets, rest[near], steep[near], length)

        return values + more, slopes + steeper

    def restrict(self, values: Tensor) -> Tensor:
        r"""Coordinates of values: `(q, d)` to `(q, m)`, differentiable in the values.

        Raises:
            TypeError: If `values` is no floating tensor.
            ValueError: If it has another shape.
        """
        check_activations(values, len(self.get_buffer("weights")))
        wide = values.double()
        with torch.no_grad():
            start = self._locate(wide)

        return (start + self._step(start, wide)).to(values.dtype)

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where values lie outside the region of the samples, `(q, d)` to `(q,)` bool.

        That is farther from the manifold than samples are, or at coordinates farther from the nearest anchor
        than twice the anchors' spacing there. Values that are NaN or infinite do.
        """
        return outside(values, len(self.get_buffer("weights")), self._far)

    def _far(self, values: Tensor) -> Tensor:
        wide = values.detach().double()
        coordinates = self.restrict(wide)
        weights = self.get_buffer("weights").double()
        normal = ((wide - self.lift(coordinates)) * weights).norm(dim=1)
        anchors = self.get_buffer("anchor_coordinates").double()
        periods = self.get_buffer("periods").double()
        images = lattice_images(periods, self.dimension)
        wrapped = into_cell(coordinates, periods)
        distance = torch.stack([torch.cdist(wrapped, anchors + image) for image in images]).amin(dim=0)
        nearest = distance.min(dim=1)
        near = nearest.values <= 2 * self.get_buffer("anchor_spacing").double()[nearest.indices]

        return ~(near & (normal <= self.get_buffer("normal_tolerance").double()))

    def _step(self, coordinates: Tensor, values: Tensor) -> Tensor:
        r"""One Gauss-Newton step; differentiable in `values`, the coordinates taken as given."""
        weights = self.get_buffer("weights").double()
        lifted, jacobian = self._combine(coordinates)
        jacobian = jacobian * weights[:, None]
        defect = (values - lifted) * weights

        return _solve_gram(jacobian.mT @ jacobian, (jacobian.mT @ defect[:, :, None])[:, :, 0])

    def _bounded_step(self, coordinates: Tensor, values: Tensor, reach: Tensor) -> Tensor:
        step = self._step(coordinates, values)
        length = step.norm(dim=1, keepdim=True).clamp_min(1e-300)

        return coordinates + step * (reach[:, None] / length).clamp_max(1.0)

    def _locate(self, values: Tensor) -> Tensor:
        weights = self.get_buffer("weights").double()
        anchors = self.get_buffer("anchor_values").double() * weights
        scaled = values * weights
        squared = anchors.square().sum(dim=1) - 2 * scaled @ anchors.T  # but for a constant in each row
        candidates = min(self.candidates, len(anchors))
        near = squared.topk(candidates, dim=1, largest=False).indices  # (q, c)
        spacing = self.get_buffer("anchor_spacing").double()[near]
        inverse = self.get_buffer("anchor_inverses").double()[near]
        defect = scaled[:, None] - anchors[near]
        linear = torch.einsum("qcmd,qcd->qcm", inverse, defect)
        length = linear.norm(dim=2).clamp_min(1e-300)
        share = (3 * spacing / length).clamp_max(1.0)
        # Where the image comes near to itself the nearest anchors may be of another sheet: what a step along the
        # tangents of an anchor leaves tells which is.
        left = defect.square().sum(dim=2) - share * (2 - share) * _tangential(inverse, linear)
        starts = min(STARTS, candidates)
        kept = left.topk(starts, dim=1, largest=False).indices  # (q, s)
        spacing = spacing.gather(1, kept).reshape(-1)
        start = self.get_buffer("anchor_coordinates").double()[near] + share[:, :, None] * linear
        start = start.gather(1, kept[:, :, None].expand(-1, -1, self.dimension)).reshape(-1, self.dimension)
        repeated = values.repeat_interleave(starts, dim=0)

        for _ in range(2):
            start = self._bounded_step(start, repeated, spacing)

        misfit = ((repeated - self.lift(start)) * weights).square().sum(dim=1)
        best = misfit.reshape(-1, starts).argmin(dim=1)
        rows = torch.arange(values.shape[0], device=values.device) * starts + best
        start, reach = start[rows], spacing[rows]

        for _ in range(self.steps - 2):
            start = self._bounded_step(start, values, reach)

        return start


def _tangential(inverse: Tensor, linear: Tensor) -> Tensor:
    r"""Squared lengths of tangential parts :math:`|J l|^2`, `(q, c)`, from :math:`J^+` and :math:`l = J^+ y`."""
    return (linear * _solve_gram(inverse @ inverse.mT, linear)).sum(dim=2)  # (J^T J)^-1


def _solve_gram(gram: Tensor, right: Tensor) -> Tensor:
    r"""Solves systems of Gram matrices `(..., m, m)`, singular or not, for `(..., m)`."""
    ridge = GRAM_RIDGE * gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1).clamp_min(1e-300)
    eye = torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)

    return torch.linalg.solve(gram + ridge[..., None, None] * eye, right[..., None])[..., 0]
