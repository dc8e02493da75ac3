"""What rays through a triangle mesh meet first: by Embree, or where that is missing by NumPy alone."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["EmbreeScene", "Hits", "PlainScene", "Scene", "scene"]

Floats = NDArray[np.float32]
Indices = NDArray[np.integer]
#: Which rays hit (bool), and for those the face and the barycentric coordinates u and v: the point
#: (1 - u - v) V0 + u V1 + v V2.
Hits = tuple[NDArray[np.bool_], Indices, Floats, Floats]


class Scene(Protocol):
    """Triangles of `vertices` (v, 3) and `faces` (f, 3) for two bundles of rays."""

    def first_hits(self, eye: Floats, directions: Floats) -> Hits:
        """Of rays from one point before the whole mesh, `directions` (n, 3) of any length."""

    def occluded(self, origins: Floats, towards: Floats) -> NDArray[np.bool_]:
        """Whether anything lies between `origins` (n, 3) and infinity in the direction `towards` (3,)."""


def scene(vertices: Floats, faces: NDArray[np.int32]) -> Scene:
    """Embree's where it has a wheel (not for Linux on ARM), else the plain one: as exact, 20 times slower."""
    try:
        return EmbreeScene(vertices, faces)
    except ImportError:
        return PlainScene(vertices, faces)


class EmbreeScene:
    """Rays by Embree's bounding-volume hierarchy."""

    def __init__(self, vertices: Floats, faces: NDArray[np.int32]) -> None:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self._scene = rtcore_scene.EmbreeScene()
        TriangleMesh(self._scene, vertices.copy(), faces.copy())  # it wants arrays that can be written

    def first_hits(self, eye: Floats, directions: Floats) -> Hits:
        origins = np.ascontiguousarray(np.broadcast_to(eye, directions.shape))
        result = self._scene.run(origins, directions, output=1)
        hit = result["primID"] >= 0
        return hit, result["primID"][hit], result["u"][hit], result["v"][hit]

    def occluded(self, origins: Floats, towards: Floats) -> NDArray[np.bool_]:
        directions = np.ascontiguousarray(np.broadcast_to(towards, origins.shape))
        return self._scene.run(origins, directions, query="OCCLUDED") >= 0


class PlainScene:
    """Rays as points in a plane: projected along the bundle, each lies in some projected triangles."""

    def __init__(self, vertices: Floats, faces: NDArray[np.int32]) -> None:
        self._vertices, self._faces = vertices.astype(np.float64), faces

    def first_hits(self, eye: Floats, directions: Floats) -> Hits:
        frame = _frame(directions.mean(axis=0))
        rays, points = directions @ frame.T, (self._vertices - eye) @ frame.T
        nearness = 1 / points[:, 2]  # affine over a projected triangle, unlike the depth
        face, ray, weights = _containing(
            points[:, :2] * nearness[:, None], self._faces, rays[:, :2] / rays[:, 2:]
        )
        weights = weights * nearness[self._faces[face]]
        total = weights.sum(axis=1)
        nearest = np.zeros(len(rays))
        np.maximum.at(nearest, ray, total)
        first = np.full(len(rays), -1)
        front = np.flatnonzero(total == nearest[ray])
        first[ray[front]] = front
        hit = first >= 0
        chosen = first[hit]
        u, v = (weights[chosen, 1:] / total[chosen, None]).T.astype(np.float32)
        return hit, face[chosen], u, v

    def occluded(self, origins: Floats, towards: Floats) -> NDArray[np.bool_]:
        frame = _frame(towards)
        starts, points = origins @ frame.T, self._vertices @ frame.T
        face, ray, weights = _containing(points[:, :2], self._faces, starts[:, :2])
        beyond = (weights * points[:, 2][self._faces[face]]).sum(axis=1) > starts[ray, 2]
        result = np.zeros(len(origins), dtype=bool)
        result[ray[beyond]] = True
        return result


def _frame(direction: Floats) -> NDArray[np.float64]:
    """An orthonormal frame, as rows, whose third vector points in `direction`."""
    forward = direction / np.linalg.norm(direction)
    right = np.cross(np.eye(3)[np.abs(forward).argmin()], forward)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def _containing(
    corners: NDArray[np.float64], faces: Indices, points: NDArray[np.float64]
) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """All pairs of a face and a point of the plane in it, and the point's barycentric weights (pairs, 3).

    A grid of cells keeps the pairs that must be looked at few.
    """
    cells = max(1, round(np.sqrt(len(points) / 8)))
    low, high = points.min(axis=0), points.max(axis=0)
    scale = cells / np.maximum(high - low, 1e-12)

    column, row = np.minimum(((points - low) * scale).astype(np.intp), cells - 1).T
    order = np.argsort(row * cells + column, kind="stable")
    counts = np.bincount(row * cells + column, minlength=cells * cells)
    starts = np.cumsum(counts) - counts

    triangles = (corners[faces] - low) * scale
    first = np.floor(triangles.min(axis=1)).astype(np.intp)
    last = np.floor(triangles.max(axis=1)).astype(np.intp)
    face = np.flatnonzero((last >= 0).all(axis=1) & (first < cells).all(axis=1))
    first, last = first[face].clip(0), last[face].clip(max=cells - 1)
    width, height = (last - first + 1).T
    owner, place = _ranges(width * height)
    cell = (first[owner, 1] + place // width[owner]) * cells + first[owner, 0] + place % width[owner]

    pair, place = _ranges(counts[cell])
    face, point = face[owner[pair]], order[starts[cell[pair]] + place]
    a, b, c = (corners[faces[face, i]] for i in range(3))
    area = _cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):  # a face seen from its edge holds no point
        u, v = _cross(points[point] - a, c - a) / area, _cross(b - a, points[point] - a) / area
    inside = (u >= 0) & (v >= 0) & (u + v <= 1)
    u, v = u[inside], v[inside]
    return face[inside], point[inside], np.stack([1 - u - v, u, v], axis=1)


def _ranges(counts: Indices) -> tuple[Indices, Indices]:
    """For each i, counts[i] rows (i, 0), (i, 1), ...: as two columns."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
