"""Triangle meshes to look at: the horse, or one from a file."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import trimesh

__all__ = ["Mesh", "file_digest", "load_mesh"]

GREY = (0.55, 0.52, 0.48)


class Mesh(NamedTuple):
    """Vertices, unit normals and colours (RGB in [0, 1]) of shape (v, 3), float32; faces (f, 3), int32.

    It stands on the ground z = 0 and turns about the z axis, x and z of a few metres at most.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32]
    colours: NDArray[np.float32]


def load_mesh(file: str | Path, radius: float = 1.4, height: float = 2.3, step: float = 0.05) -> Mesh:
    """Any mesh that trimesh reads, scaled to stand on the ground in a cylinder of `radius` and `height`.

    Its z axis is taken as up. Faces are divided until no edge is longer than `step`: light is computed
    at vertices. Colours come from its vertices or faces; without any it is grey.

    Raises:
        ValueError: If the file is missing, is no mesh, or holds no triangle of positive area.
    """
    import trimesh

    path = _existing(file)
    try:
        solid = trimesh.load_mesh(path, process=True)
        solid.update_faces(solid.nondegenerate_faces())
    except Exception as error:  # trimesh's many readers raise whatever they like
        raise ValueError(
            f"'mesh' should be a file that trimesh reads, but {str(path)!r} could not be read as a mesh "
            f"({type(error).__name__}: {error}); convert it to OBJ, PLY, STL or GLB."
        ) from error
    if len(solid.faces) == 0 or not np.isfinite(solid.vertices).all():
        raise ValueError(
            f"'mesh' should hold triangles with finite vertices, but {str(path)!r} holds {len(solid.faces)} "
            f"triangles of positive area and {len(solid.vertices)} vertices; export it with its faces."
        )
    return _normalised(solid, radius, height, step)


def _normalised(solid: "trimesh.Trimesh", radius: float, height: float, step: float) -> Mesh:
    import trimesh

    points = np.asarray(solid.vertices)
    low, high = points.min(axis=0), points.max(axis=0)
    points = points - [*(low + high)[:2] / 2, low[2]]
    reach = np.hypot(points[:, 0], points[:, 1]).max()
    points = points * min(radius / reach, height / max(points[:, 2].max(), 1e-9 * reach))
    # Only the first three columns count as length; the others are interpolated with them.
    columns = np.hstack([points, np.asarray(solid.vertex_normals), _colours(solid)])
    columns, faces = trimesh.remesh.subdivide_to_size(columns, solid.faces, step, max_iter=30)
    points, normals, colours = np.split(columns, 3, axis=1)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(
        points.astype(np.float32),
        faces.astype(np.int32),
        normals.astype(np.float32),
        colours.astype(np.float32),
    )


def _colours(solid: "trimesh.Trimesh") -> NDArray[np.float64]:
    """RGB (v, 3) in [0, 1] of the vertices."""
    import trimesh

    visual = solid.visual
    if isinstance(visual, trimesh.visual.TextureVisuals):
        visual = visual.to_color()
    if visual is None or visual.kind is None:
        return np.tile(GREY, (len(solid.vertices), 1))
    colours = np.asarray(visual.vertex_colors)[:, :3] / 255.0
    return colours if len(colours) == len(solid.vertices) else np.tile(colours[:1], (len(solid.vertices), 1))


def file_digest(file: str | Path) -> str:
    """SHA-256 of the file's content; a missing file is the same ValueError as in `load_mesh`."""
    return hashlib.sha256(_existing(file).read_bytes()).hexdigest()


def _existing(file: str | Path) -> Path:
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(
            f"'mesh' should be a file that trimesh reads, but there is no file {str(path)!r}; check the path."
        )
    return path
