r"""Two cameras look at a horse that turns and canters, each at yaws and phases of the gait of its own."""

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
from lightning_modules.data.functions import FunctionView
from lightning_modules.data.horse_shape import CANTER, horse
from lightning_modules.data.pool import Progress, render_all
from lightning_modules.data.render import CAMERA_B, Camera, Light
from lightning_modules.data.stride import Stride, StrideRenderer
from lightning_modules.data.views import Hidden, View, Views

__all__ = ["HorseGaitViews", "grid"]

#: To be raised with every change of the pictures that the settings do not tell.
FORMAT = 2

#: It looks down at the horse's right side. From as low as camera A of the turning horse does, a horse that comes
#: straight on shows little of its gait, and turns fast.
CAMERA_A = Camera(azimuth=-90.0, elevation=26.0, distance=6.4, field_of_view=28.0, target=1.12)

#: Steps to other pictures, in halves of what is between states, and what each adds to a derivative: an error of
#: fourth order.
STENCIL = {-2: 1 / 12, -1: -8 / 12, 1: 8 / 12, 2: -1 / 12}

#: Strides before camera B while the hidden phase goes round once; before camera A it is one.
RELATIONS = {"same": 1, "double": 2}


class HorseGaitViews:
    r"""Pictures of a horse whose yaw and whose phase of the gait are two hidden angles: a torus.

    In the metric of the hidden states a radian of the gait is as long as `phases` / `yaws` radians of the yaw: the
    torus is 2 pi long and so much times that wide.

    Each camera has states of its own on a grid that begins at random: `phases` phases of the gait with `yaws` yaws
    each, as far apart either way. Tangents are differences of the pictures half way to the next states and there,
    forward and back in each of both angles, so that most pictures serve several. The anchors are further states, shown
    to both, and belong to the probe sets; the held-out states are drawn uniformly and shown to both, for evaluation
    only.

    Arguments:
        phases: Phases of the gait that a camera sees in training; one mesh serves all yaws at a phase.
        yaws: Yaws at each of them.
        n_held_out: Fresh states for evaluation.
        n_anchors: States that both cameras have in their probe sets.
        size: Pixels along each side of a picture.
        seed: Of all states and of the order of the probe sets.
        relation: "same", or "double": before camera B the horse takes two strides while the hidden phase goes round
            once, so that A determines B, and not the reverse.
        cache: Folder for the pictures; None for `$XDG_CACHE_HOME/equiv` or `~/.cache/equiv`.
        mesh_step: Grid step of the horse's surface, in metres.
        supersampling: The square root of the number of rays a pixel.
        workers: Processes that render; None for one a core.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        phases: int = 35,
        yaws: int = 105,
        n_held_out: int = 256,
        n_anchors: int = 4,
        size: int = 64,
        seed: int = 0,
        relation: str = "same",
        cache: str | Path | None = None,
        mesh_step: float = 0.03,
        supersampling: int = 7,
        workers: int | None = None,
    ) -> None:
        check_counts(
            ("phases", phases, 4),
            ("yaws", yaws, 4),
            ("n_held_out", n_held_out, 1),
            ("n_anchors", n_anchors, 0),
            ("size", size, 8),
            ("supersampling", supersampling, 1),
        )
        check_relation(relation, RELATIONS)
        if not 0.005 <= mesh_step <= 0.1:
            raise ValueError(
                f"'mesh_step' should lie between 0.005 and 0.1 metres, got {mesh_step}; try 0.03."
            )
        self.phases, self.yaws, self.n_held_out, self.n_anchors = phases, yaws, n_held_out, n_anchors
        self.size, self.seed, self.relation = size, seed, relation
        self.cache, self.mesh_step, self.workers = cache, mesh_step, workers
        self.supersampling, self._light = supersampling, Light()

    @property
    def smallest(self) -> int:
        r"""Training inputs of either side."""
        return self.phases * self.yaws

    def few(self) -> Views:
        r"""Black pictures, two and the anchors', for a rehearsal: nothing is rendered."""
        blank = View.blank(2 + self.n_anchors, self.size, 2)

        return Views.of_pictures(blank, blank, self.n_anchors, 2)

    def prepare(self, progress: Progress | None = None) -> Views:
        r"""Renders, or reads the cache; `progress(done, total, label)` is called as pictures get done."""
        random = np.random.default_rng(self.seed)
        trains = [grid(self.phases, self.yaws, random.random(2)) for _ in "ab"]
        anchors, held_out = (2 * math.pi * random.random((n, 2)) for n in (self.n_anchors, self.n_held_out))
        speeds = np.ones(2), self._speed
        (a, held_out_a), (b, held_out_b) = (
            self._view(camera, speed, train, anchors, held_out, progress)
            for camera, speed, train in zip((CAMERA_A, CAMERA_B), speeds, trains, strict=True)
        )
        rows = torch.arange(len(trains[0]), len(trains[0]) + self.n_anchors)
        train_a, train_b, known, fresh = (torch.from_numpy(each) for each in (*trains, anchors, held_out))
        hidden = Hidden(train_a, train_b, torch.cat([train_a, known]), torch.cat([train_b, known]), fresh)
        views = Views(
            a,
            b,
            torch.stack([rows, rows], dim=1),
            held_out_a,
            held_out_b,
            hidden,
            ((held_out_a, held_out_a), (held_out_b, held_out_b)),  # no further pictures to be rendered
            self.inputs_at,
        )

        return views.shuffled(self.seed)

    def inputs_at(self, states: Tensor) -> tuple[Tensor, Tensor]:
        r"""What both cameras see at hidden states `(n, 2)`, rendered or read from the cache."""
        poses = states.double().numpy()

        return (
            self._pictures(CAMERA_A, poses, None),
            self._pictures(CAMERA_B, self._speed * poses, None),
        )

    @property
    def _speed(self) -> NDArray[np.float64]:
        r"""Yaw and phase before camera B by hidden angles, (2,)."""
        return np.array([1.0, RELATIONS[self.relation]])

    def _view(
        self,
        camera: Camera,
        speed: NDArray[np.float64],
        train: NDArray[np.float64],
        anchors: NDArray[np.float64],
        held_out: NDArray[np.float64],
        progress: Progress | None,
    ) -> tuple[FunctionView, Tensor]:
        r"""One camera's view, and its held-out pictures."""
        probe = np.concatenate([train, anchors])
        half = math.pi / np.array([self.yaws, self.phases])
        steps = np.array(list(STENCIL))[:, None, None] * np.diag(half)  # (4, 2, 2)
        n, q = len(probe), len(held_out)
        around = probe[:, None, None] + steps  # (n, 4, 2, 2)
        states = np.concatenate([probe, held_out, around.reshape(-1, 2)])
        pictures = self._pictures(camera, speed * states, progress)
        first, rest = pictures[: n + q], pictures[n + q :].unflatten(0, (n, 4, 2))
        slopes = torch.einsum("k,nkaxyz->nxyza", torch.tensor(list(STENCIL.values())), rest)
        tangents = slopes / half[0]  # as long in the metric as half[1]
        view = FunctionView(first[: len(train)], first[: len(train)], first[:n], tangents)

        return view, first[n:]

    def _pictures(self, camera: Camera, poses: NDArray[np.float64], progress: Progress | None) -> Tensor:
        r"""Pictures `(n, 3, size, size)` at yaws and phases of the gait `(n, 2)`, equal ones made once."""
        turns = np.round(poses / (2 * math.pi) % 1.0, 9) % 1.0
        # By phase: one mesh after the other.
        different, place = np.unique(turns[:, ::-1], axis=0, return_inverse=True)
        settings = {
            "format": FORMAT,
            "subject": [[horse(phase, CANTER) for phase in (0.0, 2.0)], self.mesh_step],
            "camera": asdict(camera),
            "light": asdict(self._light),
            "size": self.size,
            "supersampling": self.supersampling,
            "turns": hashlib.sha256(different.tobytes()).hexdigest(),
        }
        label = f"rendering camera {'A' if camera is CAMERA_A else 'B'}"
        shown = 2 * math.pi * different[:, ::-1]
        pictures = cached(
            self.cache,
            settings,
            lambda: render_all(
                self._renderer, camera, shown, label, progress, self.workers, dtype=np.float32
            ),
        )

        return torch.from_numpy(pictures)[torch.from_numpy(place.ravel())]

    @cached_property
    def _renderer(self) -> StrideRenderer:
        return StrideRenderer(Stride(self.mesh_step), self._light, self.size, self.supersampling)


def grid(phases: int, yaws: int, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""States (phases yaws, 2) on a grid, yaw and phase of the gait in radians; `offsets` (2,) in spacings."""
    yaw, gait = np.meshgrid((np.arange(yaws) + offsets[0]) / yaws, (np.arange(phases) + offsets[1]) / phases)

    return 2 * math.pi * np.stack([yaw.ravel(), gait.ravel()], axis=1)
