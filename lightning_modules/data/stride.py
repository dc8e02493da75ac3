r"""The horse through its stride: one set of triangles whose corners move."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.data.distance_field import AXIS, capsule_distances, horse_mesh, normal, project
from lightning_modules.data.horse_shape import CANTER, Capsule, horse
from lightning_modules.data.mesh import Mesh
from lightning_modules.data.render import Camera, Floats, Light, Renderer

__all__ = ["Stride", "StrideRenderer", "carried"]

#: Phases of the gait over which the light that reaches the horse is averaged.
LIT_PHASES = 12


class Stride:
    r"""Meshes of the horse at any phase of its gait, all with the same triangles and colours.

    The mesh of phase 0 is carried along with the limbs, see `carried`, to `phases` evenly spaced phases and moved
    onto the true surface there. Between them each corner runs along its trigonometric interpolant, which is as
    smooth and as periodic as the gait: a small change of the phase is a small change of the mesh and no other
    choice of triangles, which differences of pictures would see.

    Arguments:
        step: Grid step of the surface at phase 0, in metres.
        phases: How many are computed, an even number. The gait's harmonics fall off fast: with 24 the surface
            between two phases is off by less than a millimetre.
    """

    def __init__(self, step: float = 0.03, phases: int = 24) -> None:
        self.rest = horse_mesh(0.0, step, CANTER)
        start = torch.from_numpy(self.rest.vertices).double() + torch.tensor([AXIS, 0.0, 0.0])
        corners, normals = [], []

        for gait in 2 * math.pi * np.arange(phases) / phases:
            parts = horse(float(gait), CANTER)
            points = project(parts, carried(start, float(gait)))
            corners.append(points - torch.tensor([AXIS, 0.0, 0.0]))
            normals.append(normal(parts, points))

        both = torch.stack([torch.stack(corners), torch.stack(normals)], dim=1)  # (phases, 2, v, 3)
        harmonics = torch.fft.rfft(both, dim=0) / phases
        harmonics[1:-1] *= 2
        self._harmonics = harmonics.to(torch.complex64).numpy()  # which processes can share

    def mesh(self, gait: float) -> Mesh:
        r"""The mesh at `gait` (phase of the stride in radians)."""
        turned = np.exp(1j * gait * np.arange(len(self._harmonics))).astype(np.complex64)
        corners, normals = np.tensordot(turned, self._harmonics, axes=1).real
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)

        return Mesh(np.ascontiguousarray(corners), self.rest.faces, normals, self.rest.colours)


class StrideRenderer:
    r"""Renders the horse at any yaw and phase of its gait, poses of one phase after each other fastest.

    The share of the key light that reaches a vertex is the mean over the stride: what a leg throws on another is a
    blur that stays, and the picture moves as smoothly with the gait as the legs do.

    Arguments:
        stride: The meshes.
        light: As of `Renderer`, likewise `size` and `supersampling`.
        size: Pixels along each side.
        supersampling: The square root of the number of rays a pixel.
    """

    def __init__(self, stride: Stride, light: Light, size: int = 64, supersampling: int = 5) -> None:
        self.stride, self.light, self.size, self.supersampling = stride, light, size, supersampling
        phases = 2 * math.pi * np.arange(LIT_PHASES) / LIT_PHASES
        self.lit = np.mean([Renderer(stride.mesh(gait), light, size, 1).lit for gait in phases], axis=0)
        self._last: tuple[float, Renderer] | None = None

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"_last": None}

    def render(self, camera: Camera, pose: NDArray[np.float64]) -> Floats:
        r"""The picture (3, size, size) in [0, 1] at `pose`: yaw and phase of the gait, in radians."""
        yaw, gait = map(float, pose)

        if self._last is None or self._last[0] != gait:
            mesh = self.stride.mesh(gait)
            self._last = gait, Renderer(mesh, self.light, self.size, self.supersampling, self.lit)

        return self._last[1].render(camera, yaw)


def carried(points: Tensor, gait: float, softness: float = 0.02) -> Tensor:
    r"""Points (n, 3) near the surface at phase 0, moved as the limbs move until phase `gait`, in radians.

    Each capsule moves them rigidly within the sagittal plane, and sideways as its ends do; what they do together
    is the mean with weights :math:`\exp(-d / \text{softness})`, d the distance to each (linear blend skinning;
    Magnenat-Thalmann et al. 1988). It is a start for the projection onto the surface at that phase.
    """
    before, after = ([c for part in horse(phase, CANTER) for c in part.capsules] for phase in (0.0, gait))
    weights = torch.softmax(-capsule_distances(horse(0.0, CANTER), points) / softness, dim=1)
    moved = torch.zeros_like(points)

    for weight, old, new in zip(weights.unbind(dim=1), before, after, strict=True):
        moved += weight[:, None] * _moved_by(points, old, new)

    return moved


def _moved_by(points: Tensor, old: Capsule, new: Capsule) -> Tensor:
    start, end = (torch.tensor(each, dtype=points.dtype) for each in (old.start, old.end))
    to_start, to_end = (torch.tensor(each, dtype=points.dtype) for each in (new.start, new.end))
    offset, axis, to_axis = points - start, end - start, to_end - to_start
    turn = float(torch.atan2(to_axis[2], to_axis[0]) - torch.atan2(axis[2], axis[0]))
    cos, sin = math.cos(turn), math.sin(turn)
    along = (offset @ axis / axis.square().sum().clamp_min(1e-12)).clamp(0, 1)
    sideways = (to_start[1] - start[1]) + along * (to_axis[1] - axis[1])

    return torch.stack(
        [
            to_start[0] + cos * offset[:, 0] - sin * offset[:, 2],
            points[:, 1] + sideways,
            to_start[2] + sin * offset[:, 0] + cos * offset[:, 2],
        ],
        dim=1,
    )
