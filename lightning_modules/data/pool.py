"""Many pictures at once: chunks of them spread over processes."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lightning_modules.data.render import Camera, Floats

__all__ = ["Progress", "Renders", "render_all"]

#: Told about once a second: pictures done, pictures in all, what is being made.
Progress = Callable[[int, int, str], None]


class Renders(Protocol):
    """Square pictures of something in whatever pose it can take."""

    @property
    def size(self) -> int: ...

    def render(self, camera: Camera, pose: Any) -> Floats: ...


def render_all(
    renderer: Renders,
    camera: Camera,
    poses: NDArray[np.float64],
    label: str,
    progress: Progress | None = None,
    workers: int | None = None,
    chunk: int = 96,
    dtype: type[np.floating[Any]] = np.float16,
) -> NDArray[np.floating[Any]]:
    """Pictures (n, 3, size, size) in [0, 1] at `poses`, each whatever `renderer` takes, (n,) or (n, k).

    `workers` processes of one thread each share the work in chunks (None: one a core); a single chunk, or
    a process that is itself one of joblib's workers, does without more. The numbers do not depend on it.
    float16 has steps of at most 1/2048 where 8 bits have 1/255, which would show in the small differences
    that bursts are for; where even these steps would show, `dtype` is float32.
    """
    chunks = np.split(poses, range(chunk, len(poses), chunk))
    pictures = np.empty((len(poses), 3, renderer.size, renderer.size), dtype=dtype)
    done = 0
    for part in _in_order(renderer, camera, chunks, workers):
        pictures[done : done + len(part)] = part
        done += len(part)
        if progress is not None:
            progress(done, len(poses), label)
    return pictures


def _in_order(
    renderer: Renders, camera: Camera, chunks: list[NDArray[np.float64]], workers: int | None
) -> Iterator[Floats]:
    from joblib import Parallel, cpu_count, delayed  # type: ignore[import-untyped]
    from joblib.parallel import get_active_backend  # type: ignore[import-untyped]

    inside_a_worker = get_active_backend()[0].nesting_level > 0
    workers = 1 if inside_a_worker else min(workers or cpu_count(), len(chunks))
    if workers == 1:
        yield from (_render_chunk(renderer, camera, poses) for poses in chunks)
        return
    parallel = Parallel(
        n_jobs=workers, backend="loky", return_as="generator", inner_max_num_threads=1, idle_worker_timeout=5
    )
    yield from parallel(delayed(_render_chunk)(renderer, camera, poses) for poses in chunks)


def _render_chunk(renderer: Renders, camera: Camera, poses: NDArray[np.float64]) -> Floats:
    return np.stack([renderer.render(camera, pose) for pose in poses])
