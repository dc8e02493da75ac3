"""Many pictures at once: chunks of them spread over processes."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lightning_modules.data.render import Camera, Renderer

__all__ = ["Progress", "render_all"]

#: Told after each chunk: pictures done, pictures in all, what is being made.
Progress = Callable[[int, int, str], None]


def render_all(
    renderer: Renderer,
    camera: Camera,
    yaws: NDArray[np.float64],
    label: str,
    progress: Progress | None = None,
    workers: int | None = None,
    chunk: int = 96,
) -> NDArray[np.float16]:
    """Pictures (n, 3, size, size) in [0, 1] of the mesh at `yaws` (n,) radians.

    `workers` processes of one thread each (None: one for each core) share the work; what is no more than one
    chunk is done at once. float16 steps by at most 1/2048 where uint8 steps by 1/255, which would show
    in the small differences that bursts are for.
    """
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    chunks = np.split(yaws, range(chunk, len(yaws), chunk))
    parallel = (
        Parallel(
            n_jobs=1 if len(chunks) == 1 else workers or -1, return_as="generator", inner_max_num_threads=1
        )
        if len(chunks) > 1
        else None
    )
    results = (
        (render_chunk(renderer, camera, part) for part in chunks)
        if parallel is None
        else parallel(delayed(render_chunk)(renderer, camera, part) for part in chunks)
    )
    pictures = np.empty((len(yaws), 3, renderer.size, renderer.size), dtype=np.float16)
    done = 0
    for part in results:
        pictures[done : done + len(part)] = part
        done += len(part)
        if progress is not None:
            progress(done, len(yaws), label)
    return pictures


def render_chunk(renderer: Renderer, camera: Camera, yaws: NDArray[np.float64]) -> NDArray[np.float16]:
    """The same for one process."""
    return np.stack([renderer.render(camera, float(yaw)) for yaw in yaws]).astype(np.float16)
