"""Two cameras look at a turning horse, each at angles of its own."""

import hashlib
import math
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.data.cache import cached
from lightning_modules.data.checks import check_counts, check_relation
from lightning_modules.data.distance_field import horse_mesh
from lightning_modules.data.horse_shape import horse
from lightning_modules.data.mesh import file_digest, load_mesh
from lightning_modules.data.pool import Progress, render_all
from lightning_modules.data.render import CAMERA_A, CAMERA_B, Camera, Light, Renderer
from lightning_modules.data.views import Hidden, Side, View, Views

__all__ = ["HorseViews"]

#: To be raised with every change of the pictures that the settings do not tell.
FORMAT = 3

#: Yaw of the horse before camera B at one radian of the hidden angle; before camera A it is 1.
RELATIONS = {"same": 1.0, "double": 2.0, "half": 0.5}


class HorseViews:
    r"""Pictures of a turning horse from two cameras, rendered or read from the cache.

    The hidden state is an angle in (0, 2 pi). Before camera A the horse's yaw is that angle; before
    camera B it is that angle (`relation="same"`), twice that angle ("double": A determines B, and
    not the reverse) or half of it ("half": an open curve as long as A's closed one). Bursts change the
    hidden angle by equal steps from `-burst_step` to `burst_step`, and go on past the ends of the interval.

    Each camera has `n_train` angles of its own, a golden-ratio sequence with a random offset, evenly spread
    over the circle. The `n_anchors` anchors are further angles, shown to both, and belong to the probe
    sets. The `n_held_out` held-out angles are drawn uniformly and shown to both, for evaluation only.

    It has the attributes of `Views`: `a`, `b`, `anchors`, `held_out_a`, `held_out_b`, `hidden`. The first use
    of any of them renders, or reads the cache; `prepare` does so with a callback for progress.

    Arguments:
        size: Pixels along each side of a picture.
        burst_step: Largest change of the hidden angle within a burst, in radians. Smaller steps see the edges
            of pixels, larger ones the curvature of what is observed. Integrated along camera B's latent (36
            rays a pixel), frames by 0.015 gave the angle within 0.03 degrees (median), by 0.03 within 0.15.
        burst_size: Pictures in a burst, at least 2.
        seed: Of the angles and of the order of the probe sets.
        mesh: A file that trimesh reads, to look at instead of the horse.
        cache: Folder for the pictures; None for `$XDG_CACHE_HOME/equiv` or `~/.cache/equiv`.
        gait: Phase of the horse's stride in radians.
        mesh_step: Grid step of the horse's surface, in metres.
        supersampling: The square root of the number of rays a pixel.
        workers: Processes that render; None for one a core.

    Raises:
        ValueError: If an argument is out of its range, or `mesh` is no readable mesh.
    """

    def __init__(
        self,
        n_train: int = 1024,
        n_held_out: int = 256,
        n_anchors: int = 3,
        size: int = 64,
        burst_step: float = 0.015,
        burst_size: int = 2,
        seed: int = 0,
        relation: str = "same",
        mesh: str | Path | None = None,
        cache: str | Path | None = None,
        gait: float = 0.0,
        mesh_step: float = 0.025,
        supersampling: int = 5,
        workers: int | None = None,
    ) -> None:
        check_counts(
            ("n_train", n_train, 1),
            ("n_held_out", n_held_out, 1),
            ("n_anchors", n_anchors, 0),
            ("size", size, 8),
            ("burst_size", burst_size, 2),
            ("supersampling", supersampling, 1),
        )
        check_relation(relation, RELATIONS)
        if not 0 < burst_step < math.pi:
            raise ValueError(
                f"'burst_step' should lie between 0 and pi radians, got {burst_step}; try 0.015."
            )
        if not 0.005 <= mesh_step <= 0.1:
            raise ValueError(
                f"'mesh_step' should lie between 0.005 and 0.1 metres, got {mesh_step}; try 0.025."
            )
        self.n_train, self.n_held_out, self.n_anchors, self.size = n_train, n_held_out, n_anchors, size
        self.burst_step, self.burst_size, self.seed, self.relation = burst_step, burst_size, seed, relation
        self.mesh, self.cache, self.gait, self.mesh_step = mesh, cache, gait, mesh_step
        self.supersampling, self.workers = supersampling, workers
        self._light = Light()
        self._views: Views | None = None

    @property
    def smallest(self) -> int:
        r"""Training inputs of either side."""
        return self.n_train

    def few(self) -> Views:
        r"""Black pictures, two and the anchors', for a rehearsal: nothing is rendered."""
        if self.mesh:
            load_mesh(self.mesh)

        blank = View.blank(2 + self.n_anchors, self.size, self.burst_size)

        return Views.of_pictures(blank, blank, self.n_anchors, 1)

    def prepare(self, progress: Progress | None = None) -> Views:
        """Renders, or reads the cache; `progress(done, total, label)` is called about once a second."""
        if self._views is None:
            self._views = self._make(progress)
        return self._views

    @property
    def a(self) -> Side:
        return self.prepare().a

    @property
    def b(self) -> Side:
        return self.prepare().b

    @property
    def anchors(self) -> Tensor:
        return self.prepare().anchors

    @property
    def held_out_a(self) -> Tensor:
        return self.prepare().held_out_a

    @property
    def held_out_b(self) -> Tensor:
        return self.prepare().held_out_b

    @property
    def hidden(self) -> Hidden:
        return self.prepare().hidden

    def shuffled(self, seed: int) -> Views:
        """The same pictures with other orders of the probe sets."""
        return self.prepare().shuffled(seed)

    def _make(self, progress: Progress | None) -> Views:
        random = np.random.default_rng(self.seed)
        offset_a, offset_b, offset_anchors = random.random(3)
        train_a, train_b = _golden(self.n_train, offset_a), _golden(self.n_train, offset_b)
        anchors = _golden(self.n_anchors, offset_anchors)
        held_out = 2 * math.pi * random.random(self.n_held_out)
        a, held_out_a = self._view(CAMERA_A, 1.0, train_a, anchors, held_out, progress)
        b, held_out_b = self._view(CAMERA_B, RELATIONS[self.relation], train_b, anchors, held_out, progress)
        rows = torch.arange(self.n_train, self.n_train + self.n_anchors)
        hidden = Hidden(
            train_a=torch.from_numpy(train_a),
            train_b=torch.from_numpy(train_b),
            probe_a=torch.from_numpy(np.concatenate([train_a, anchors])),
            probe_b=torch.from_numpy(np.concatenate([train_b, anchors])),
            held_out=torch.from_numpy(held_out),
        )
        validation = (held_out_a, held_out_a), (held_out_b, held_out_b)  # no further pictures to be rendered
        views = Views(a, b, torch.stack([rows, rows], dim=1), held_out_a, held_out_b, hidden, validation)
        return views.shuffled(self.seed)

    def _view(
        self,
        camera: Camera,
        speed: float,
        train: NDArray[np.float64],
        anchors: NDArray[np.float64],
        held_out: NDArray[np.float64],
        progress: Progress | None,
    ) -> tuple[View, Tensor]:
        """One camera's view, and its held-out pictures; `speed` is yaw over hidden angle."""
        probe = np.concatenate([train, anchors])
        steps = np.linspace(-self.burst_step, self.burst_step, self.burst_size)
        bursts = probe[:, None] + steps
        pictures = self._pictures(camera, speed * np.concatenate([probe, held_out, bursts.ravel()]), progress)
        first, rest = pictures[: len(probe) + len(held_out)].float(), pictures[len(probe) + len(held_out) :]
        view = View(
            train=first[: len(train)],
            probe=first[: len(probe)],
            burst_pictures=rest.unflatten(0, bursts.shape),
            burst_std=float(steps.std(ddof=1)),
        )
        return view, first[len(probe) :]

    def _pictures(self, camera: Camera, yaws: NDArray[np.float64], progress: Progress | None) -> Tensor:
        settings = {
            "format": FORMAT,
            "subject": file_digest(self.mesh) if self.mesh else [horse(self.gait), self.mesh_step],
            "camera": asdict(camera),
            "light": asdict(self._light),
            "size": self.size,
            "supersampling": self.supersampling,
            "yaws": hashlib.sha256(yaws.tobytes()).hexdigest(),
        }
        label = f"rendering camera {'A' if camera is CAMERA_A else 'B'}"
        pictures = cached(
            self.cache,
            settings,
            lambda: render_all(self._renderer, camera, yaws, label, progress, self.workers),
        )
        return torch.from_numpy(pictures)

    @cached_property
    def _renderer(self) -> Renderer:
        mesh = load_mesh(self.mesh) if self.mesh else horse_mesh(self.gait, self.mesh_step)
        return Renderer(mesh, self._light, self.size, self.supersampling)


def _golden(n: int, offset: float) -> NDArray[np.float64]:
    """The first n angles of a golden-ratio sequence on the circle, in (0, 2 pi)."""
    return 2 * math.pi * ((offset + np.arange(n) * (math.sqrt(5) - 1) / 2) % 1.0)
