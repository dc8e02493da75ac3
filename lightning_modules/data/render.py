r"""Pictures of a turning mesh by ray casting, without OpenGL.

The mesh stays and the camera and the light go round it: one ray-tracing scene serves all yaw angles.
Light is computed at vertices, where it varies smoothly with the yaw: the share of the light that reaches
each vertex is tabulated once over all directions of the light. What is left for each picture is to find
what each pixel sees: a grid of rays, only where the mesh is, under a tent filter two pixels wide.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_modules.data.mesh import Mesh
from lightning_modules.data.rays import scene

__all__ = ["CAMERA_A", "CAMERA_B", "Camera", "Floats", "Light", "Renderer"]

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
    """Renders `mesh` under `light` with `supersampling`^2 rays a pixel, in the same pattern in each.

    `lit` is the share of the key light that reaches each vertex, (n, v), the light at n azimuths round the mesh;
    None to have it computed.
    """

    def __init__(
        self, mesh: Mesh, light: Light, size: int = 64, supersampling: int = 5, lit: Floats | None = None
    ) -> None:
        self.mesh, self.light, self.size = mesh, light, size
        self._offsets, self._weights = _pattern(supersampling**2)
        self._corners = _by_longest_edge(mesh)
        self._scene = scene(mesh.vertices, mesh.faces)
        self.lit = self._light_table() if lit is None else lit

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_scene"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._scene = scene(self.mesh.vertices, self.mesh.faces)

    def render(self, camera: Camera, yaw: float) -> Floats:
        """The picture (3, size, size) in [0, 1] of the mesh turned left by `yaw` radians."""
        eye, axes, focal = _pose(camera, yaw)
        row, column = self._covered(eye, axes, focal)
        x = (column.astype(np.float32)[:, None] + self._offsets[:, 0]).ravel() / np.float32(self.size) - 0.5
        y = 0.5 - (row.astype(np.float32)[:, None] + self._offsets[:, 1]).ravel() / np.float32(self.size)
        directions = x[:, None] * axes[0] + y[:, None] * axes[1] + focal * axes[2]
        hit, face, u, v = self._scene.first_hits(eye, directions)

        corner = self.mesh.faces[face]
        radiance = self._radiance(yaw) - np.float32(self.light.background)
        seen = np.zeros((len(x), 3), dtype=np.float32)
        seen[hit] = (
            (1 - u - v)[:, None] * radiance[corner[:, 0]]
            + u[:, None] * radiance[corner[:, 1]]
            + v[:, None] * radiance[corner[:, 2]]
        )
        shares = self._weights @ seen.reshape(len(row), -1, 3)  # (pixels, 9, 3): to each pixel's neighbours
        picture = np.zeros((self.size + 2, self.size + 2, 3), dtype=np.float32)
        for k, (down, right) in enumerate(np.ndindex(3, 3)):
            picture[row + down, column + right] += shares[:, k]
        return np.clip(picture[1:-1, 1:-1].transpose(2, 0, 1) + np.float32(self.light.background), 0.0, 1.0)

    def _covered(
        self, eye: Floats, axes: Floats, focal: np.float32
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows and columns of the pixels that the mesh may touch: those near a vertex.

        No point of a triangle is farther from its nearest corner than its longest edge over sqrt(3).
        """
        size = self.size
        right, up, depth = axes @ (self.mesh.vertices - eye).T
        x, y = (0.5 + focal * right / depth) * size, (0.5 - focal * up / depth) * size
        scale = focal * size / max(float(depth.min()), 1e-3) / math.sqrt(3)
        covered = np.zeros((size, size), dtype=bool)
        for corners, edge in self._corners:
            reach = edge * scale
            steps = np.linspace(-reach, reach, math.ceil(2 * reach) + 1, dtype=np.float32)
            columns = [np.floor(x[corners] + step).astype(np.intp) for step in steps]
            for step in steps:
                row = np.floor(y[corners] + step).astype(np.intp)
                for column in columns:
                    seen = (row >= 0) & (row < size) & (column >= 0) & (column < size)
                    covered[row[seen], column[seen]] = True
        rows, columns_ = np.nonzero(covered)
        return rows, columns_

    def _radiance(self, yaw: float) -> Floats:
        """Light (v, 3) that each vertex sends out when the mesh is turned by `yaw`."""
        azimuth, elevation = math.radians(self.light.azimuth) - yaw, math.radians(self.light.elevation)
        normals = self.mesh.normals
        facing = np.maximum(normals @ _direction(azimuth, elevation), 0)
        key = self.light.key * facing * self._share_lit(azimuth)
        sky = self.light.ambient * (0.6 + 0.4 * normals[:, 2])
        return self.mesh.colours * (key + sky)[:, None]

    def _share_lit(self, azimuth: float) -> Floats:
        """The table of light between its rows by a cubic B-spline: bursts would see the kinks of lines."""
        n = len(self.lit)
        place = azimuth / (2 * math.pi) * n
        row, t = math.floor(place), place % 1.0
        weights = ((1 - t) ** 3, (3 * t - 6) * t**2 + 4, ((-3 * t + 3) * t + 3) * t + 1, t**3)
        rows = [(row + shift) % n for shift in (-1, 0, 1, 2)]
        return (np.array(weights) / 6).astype(np.float32) @ self.lit[rows]

    def _light_table(self, n: int = 96) -> Floats:
        """Share (n, v) of the key light that reaches each vertex, the light at n azimuths round the mesh."""
        azimuths = 2 * math.pi * np.arange(n) / n
        origins = self.mesh.vertices + np.float32(0.01) * self.mesh.normals
        table = np.zeros((n, len(origins)), dtype=np.float32)
        for row, azimuth in zip(table, azimuths, strict=True):
            towards = _direction(azimuth, math.radians(self.light.elevation))
            facing = self.mesh.normals @ towards > 0
            row[facing] = ~self._scene.occluded(origins[facing], towards)
        spread = np.exp(2 * (np.cos(azimuths) - 1) / (2 * math.radians(self.light.softness) ** 2))
        blur = np.stack([np.roll(spread / spread.sum(), i) for i in range(n)]).astype(np.float32)
        return blur @ table


def _pose(camera: Camera, yaw: float) -> tuple[Floats, Floats, np.float32]:
    """Eye (3,), rows right, up and forward (3, 3), focal length in picture widths, before a still mesh."""
    outward = _direction(math.radians(camera.azimuth) - yaw, math.radians(camera.elevation))
    eye = np.array([0.0, 0.0, camera.target]) + camera.distance * outward
    right = np.cross(-outward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(right, -outward), -outward])
    focal = 0.5 / math.tan(math.radians(camera.field_of_view) / 2)
    return eye.astype(np.float32), axes.astype(np.float32), np.float32(focal)


def _direction(azimuth: float, elevation: float) -> Floats:
    """Unit vector (3,), angles in radians."""
    flat = math.cos(elevation)
    return np.array(
        [flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(elevation)], dtype=np.float32
    )


def _pattern(rays: int) -> tuple[Floats, Floats]:
    """Where the rays go in a pixel, (rays, 2) in [0, 1), and what each adds to the 3 x 3 pixels about it.

    The points are a golden-ratio lattice; the weights (9, rays) a tent two pixels wide.
    """
    i = np.arange(rays)
    offsets = np.stack([(i + 0.5) / rays, (i * (math.sqrt(5) - 1) / 2 + 0.5) % 1.0], axis=1)
    shifts = np.array([(right, down) for down, right in np.ndindex(3, 3)]) - 1
    tent = np.maximum(1 - np.abs(offsets - 0.5 - shifts[:, None]), 0)
    return offsets.astype(np.float32), (tent.prod(axis=2) / rays).astype(np.float32)


def _by_longest_edge(mesh: Mesh) -> list[tuple[NDArray[np.intp], float]]:
    """The vertices in two groups, of short edges and of a few long ones, each with its longest edge."""
    corners = mesh.vertices[mesh.faces]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    around = np.zeros(len(mesh.vertices), dtype=np.float32)
    np.maximum.at(around, mesh.faces, longest[:, None])
    short = around <= 2 * np.median(around)
    groups = [np.flatnonzero(each) for each in (short, ~short)]
    return [(group, float(around[group].max())) for group in groups if len(group)]
