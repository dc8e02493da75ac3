r"""The surface of smoothly united capsules: signed distance, normals, colours, triangles."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from lightning_modules.data.horse_shape import WALK, Capsule, Gait, Part, horse
from lightning_modules.data.mesh import Mesh

__all__ = ["capsule_distances", "colour", "distance", "horse_mesh", "normal", "project"]

#: A box that holds the horse in every phase of its gait (metres).
LOWER, UPPER = (-1.35, -0.45, -0.12), (1.80, 0.45, 2.42)
#: The horse turns about a vertical axis through the middle of its body, this far forward (metres).
AXIS = 0.2


def distance(parts: list[Part], points: Tensor) -> Tensor:
    r"""Signed distance of `points` (n, 3) to the surface of the united parts, shape (n,).

    Negative inside, exact up to the flattening and the blends (a bound from below near the surface, and
    zero exactly on it). Parts are united by the quadratic smooth minimum of width k,

    .. math:: \min(a, b) - \max(k - |a - b|, 0)^2 / (4 k)

    (I. Quilez, "Smooth minimum", 2013), which is differentiable: so is the surface.
    """
    union: Tensor | None = None
    for part, single in zip(parts, _part_distances(parts, points), strict=True):
        union = single if union is None else _smooth_minimum(union, single, part.blend)
    assert union is not None
    return union


def normal(parts: list[Part], points: Tensor) -> Tensor:
    """Gradient of `distance` over its length, shape (n, 3): the outward normal on the surface."""
    return torch.nn.functional.normalize(_value_and_gradient(parts, points)[1], dim=1)


def project(parts: list[Part], points: Tensor, steps: int = 3) -> Tensor:
    """Moves `points` (n, 3) near the surface onto it by Newton steps along the gradient of `distance`."""
    for _ in range(steps):
        value, gradient = _value_and_gradient(parts, points)
        points = points - (value / gradient.square().sum(dim=1))[:, None] * gradient
    return points


def colour(parts: list[Part], points: Tensor, softness: float = 0.018) -> Tensor:
    """Colour (n, 3) in [0, 1] of `points` (n, 3): that of the nearest part, mixed over `softness` metres."""
    colours = torch.tensor([part.colour for part in parts], dtype=points.dtype, device=points.device)
    distances = torch.stack(list(_part_distances(parts, points)), dim=1)
    return torch.softmax(-distances / softness, dim=1) @ colours


def capsule_distances(parts: list[Part], points: Tensor) -> Tensor:
    """Distance of `points` (n, 3) to each capsule of each part by itself, shape (n, capsules)."""
    x, y, z = points.unbind(dim=1)
    return torch.stack(
        [
            _capsule_distance(capsule, part.width, torch.stack([x, y / part.width, z], dim=1)) * part.width
            for part in parts
            for capsule in part.capsules
        ],
        dim=1,
    )


def _value_and_gradient(parts: list[Part], points: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        points = points.detach().requires_grad_()
        value = distance(parts, points)
        (gradient,) = torch.autograd.grad(value.sum(), points)
    return value.detach(), gradient


def _part_distances(parts: list[Part], points: Tensor) -> Iterator[Tensor]:
    for part in parts:
        x, y, z = points.unbind(dim=1)
        scaled = torch.stack([x, y / part.width, z], dim=1)
        union: Tensor | None = None
        for capsule in part.capsules:
            single = _capsule_distance(capsule, part.width, scaled)
            union = single if union is None else _smooth_minimum(union, single, part.join)
        assert union is not None
        yield union * part.width


def _capsule_distance(capsule: Capsule, width: float, points: Tensor) -> Tensor:
    """Distance to the nearest point of the segment minus the radius there; a ball where the ends meet."""
    start, end = (
        torch.tensor([x, y / width, z], dtype=points.dtype, device=points.device)
        for x, y, z in (capsule.start, capsule.end)
    )
    axis, offset = end - start, points - start
    if capsule.start == capsule.end:
        return offset.norm(dim=1) - capsule.r_start
    along = (offset @ axis / axis.square().sum()).clamp(0, 1)
    radius = capsule.r_start + (capsule.r_end - capsule.r_start) * along
    return (offset - along[:, None] * axis).norm(dim=1) - radius


def _smooth_minimum(a: Tensor, b: Tensor, width: float) -> Tensor:
    overlap = (width - (a - b).abs()).clamp(min=0)
    return torch.minimum(a, b) - overlap.square() / (4 * width)


def horse_mesh(phase: float = 0.0, step: float = 0.025, gait: Gait = WALK) -> Mesh:
    """Marching cubes on a grid of `step` metres, then vertices moved onto the true surface.

    `phase` is that of the stride in radians. Normals are those of the distance field.
    """
    from skimage.measure import marching_cubes  # imported late: half a second

    parts = horse(phase, gait)
    axes = [
        torch.arange(low, high, step, dtype=torch.float64) for low, high in zip(LOWER, UPPER, strict=True)
    ]
    grid = torch.cartesian_prod(*axes).float()
    values = torch.cat([distance(parts, block) for block in grid.split(16384)])
    volume = values.reshape([len(axis) for axis in axes]).numpy()
    corners, faces, _, _ = marching_cubes(volume, 0.0, spacing=(step, step, step))
    points = torch.from_numpy(corners.astype(np.float64)) + torch.tensor(LOWER)
    points = project(parts, points)
    normals = normal(parts, points)
    colours = colour(parts, points)
    points = points - torch.tensor([AXIS, 0.0, 0.0])
    return Mesh(
        points.float().numpy(),
        np.ascontiguousarray(faces, dtype=np.int32),
        normals.float().numpy(),
        colours.float().numpy(),
    )
