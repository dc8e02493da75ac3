r"""Pictures of a turning mesh by ray casting, without OpenGL.

The mesh stays and the camera and the light go round it: one ray-tracing scene serves all yaw angles.
Light is computed at vertices, where it varies smoothly with the yaw: the share of the light that reaches
each vertex is tabulated once over all directions of the light. What is left for each picture is to find
what each pixel sees: a grid of rays, only where the mesh is, under a tent filter two pixels wide.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_modules.data.mesh import Mesh

if TYPE_CHECKING:
    from embreex.rtcore_scene import EmbreeScene

__all__ = ["CAMERA_A", "CAMERA_B", "Camera", "Light", "Renderer"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera outside the mesh: angles in degrees, distances in metres.

    It stands at `azimuth` (0: before the horse, 90: on its left) and `elevation`, `distance` metres from
    the point `target` metres above the ground on the axis that the mesh turns about.
    """

    azimuth: float
    elevation: float
    distance: float
    field_of_view: float
    target: float = 1.15


CAMERA_A = Camera(azimuth=-90.0, elevation=8.0, distance=6.2, field_of_view=30.0)
CAMERA_B = Camera(azimuth=-20.0, elevation=32.0, distance=5.4, field_of_view=36.0)


@dataclass(frozen=True)
class Light:
    """A soft key light (angles in degrees, `softness` its blur in azimuth), light of the sky, background."""

    azimuth: float = -75.0
    elevation: float = 52.0
    softness: float = 6.0
    key: float = 1.0
    ambient: float = 0.45
    background: float = 0.82


class Renderer:
    """Renders `mesh` under `light` with `supersampling` rays along each side of a pixel."""

    def __init__(self, mesh: Mesh, light: Light, size: int = 64, supersampling: int = 4) -> None:
        self.mesh, self.light, self.size, self.supersampling = mesh, light, size, supersampling
        self._scene = _scene(mesh)
        self._filter = _tent(size, supersampling)
        self._lit = self._light_table()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_scene"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._scene = _scene(self.mesh)

    def render(self, camera: Camera, yaw: float) -> Floats:
        """The picture (3, size, size) in [0, 1] of the mesh turned left by `yaw` radians."""
        fine = self.size * self.supersampling
        eye, axes, focal = _pose(camera, yaw)
        row, column = self._samples(eye, axes, focal)
        plane = np.stack([(column + 0.5) / fine - 0.5, 0.5 - (row + 0.5) / fine], axis=1).astype(np.float32)
        directions = plane @ axes[:2] + focal * axes[2]
        hit, face, u, v = _first_hits(self._scene, eye, directions)

        corner = self.mesh.faces[face]
        radiance = self._radiance(yaw) - np.float32(self.light.background)
        seen = (
            (1 - u - v)[:, None] * radiance[corner[:, 0]]
            + u[:, None] * radiance[corner[:, 1]]
            + v[:, None] * radiance[corner[:, 2]]
        )
        samples = np.zeros((3, fine, fine), dtype=np.float32)
        samples[:, row[hit], column[hit]] = seen.T
        picture = self._filter @ samples @ self._filter.T + np.float32(self.light.background)
        return np.clip(picture, 0.0, 1.0)

    def _samples(self, eye: Floats, axes: Floats, focal: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns in the fine grid of the rays worth casting: pixels with a vertex, and around."""
        size, s = self.size, self.supersampling
        right, up, depth = axes @ (self.mesh.vertices - eye).T
        column = np.floor((0.5 + focal * right / depth) * size).astype(np.intp)
        row = np.floor((0.5 - focal * up / depth) * size).astype(np.intp)
        seen = (column >= 0) & (column < size) & (row >= 0) & (row < size)
        covered = np.zeros((size + 2, size + 2), dtype=bool)
        for i in range(3):
            for j in range(3):
                covered[row[seen] + i, column[seen] + j] = True
        fine = covered[1:-1, 1:-1].repeat(s, axis=0).repeat(s, axis=1)
        rows, columns = np.nonzero(fine)
        return rows, columns

    def _radiance(self, yaw: float) -> Floats:
        """Light (v, 3) that each vertex sends out when the mesh is turned by `yaw`."""
        light = self.light
        turn = (math.radians(light.azimuth) - yaw) / (2 * math.pi) * len(self._lit)
        below, share = math.floor(turn), turn - math.floor(turn)
        lit = (1 - share) * self._lit[below % len(self._lit)] + share * self._lit[
            (below + 1) % len(self._lit)
        ]
        normals = self.mesh.normals
        towards = _direction(math.radians(light.azimuth) - yaw, math.radians(light.elevation))
        key = light.key * lit * np.maximum(normals @ towards, 0)
        sky = light.ambient * (0.6 + 0.4 * normals[:, 2])
        return self.mesh.colours * (key + sky)[:, None]

    def _light_table(self, n: int = 96) -> Floats:
        """Share (n, v) of the key light that reaches each vertex, the light at n azimuths round the mesh."""
        azimuths = 2 * math.pi * np.arange(n) / n
        origins = self.mesh.vertices + np.float32(0.01) * self.mesh.normals
        table = np.zeros((n, len(origins)), dtype=np.float32)
        for row, azimuth in zip(table, azimuths, strict=True):
            towards = _direction(azimuth, math.radians(self.light.elevation))
            facing = self.mesh.normals @ towards > 0
            row[facing] = ~_occluded(self._scene, origins[facing], towards)
        spread = np.exp(2 * (np.cos(azimuths) - 1) / (2 * math.radians(self.light.softness) ** 2))
        blur = np.stack([np.roll(spread / spread.sum(), i) for i in range(n)]).astype(np.float32)
        return blur @ table


def _pose(camera: Camera, yaw: float) -> tuple[Floats, Floats, float]:
    """Eye (3,), rows right, up and forward (3, 3), focal length in picture widths, before a still mesh."""
    outward = _direction(math.radians(camera.azimuth) - yaw, math.radians(camera.elevation))
    eye = np.array([0.0, 0.0, camera.target]) + camera.distance * outward
    right = np.cross(-outward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, -outward), -outward])
    focal = 0.5 / math.tan(math.radians(camera.field_of_view) / 2)
    return eye.astype(np.float32), axes.astype(np.float32), focal


def _direction(azimuth: float, elevation: float) -> Floats:
    """Unit vector (3,), angles in radians."""
    flat = math.cos(elevation)
    return np.array(
        [flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)], dtype=np.float32
    )


def _tent(size: int, s: int) -> Floats:
    """Weights (size, size * s) of a tent over two pixels, row i for pixel i; what lies outside counts 0."""
    offset = (np.arange(size * s) + 0.5) / s - (np.arange(size)[:, None] + 0.5)
    return (np.maximum(1 - np.abs(offset), 0) / s).astype(np.float32)


def _scene(mesh: Mesh) -> "EmbreeScene":
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene()
    TriangleMesh(scene, mesh.vertices, mesh.faces)
    return scene


def _first_hits(scene: "EmbreeScene", eye: Floats, directions: Floats) -> tuple:
    """Rays that hit (bool), and for those the face and the barycentric coordinates u and v."""
    result = scene.run(np.ascontiguousarray(np.broadcast_to(eye, directions.shape)), directions, output=1)
    hit = result["primID"] >= 0
    return hit, result["primID"][hit], result["u"][hit], result["v"][hit]


def _occluded(scene: "EmbreeScene", origins: Floats, towards: Floats) -> NDArray[np.bool_]:
    directions = np.ascontiguousarray(np.broadcast_to(towards, origins.shape))
    return scene.run(origins, directions, query="OCCLUDED") >= 0
