r"""The horse that turns and canters: its surface, and its pictures."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from equiv.bursts import burst_frames
from lightning_modules.data.distance_field import AXIS, distance
from lightning_modules.data.horse_gait import HorseGaitViews, grid
from lightning_modules.data.horse_shape import CANTER, horse
from lightning_modules.data.render import CAMERA_A, CAMERA_B, Camera, Light
from lightning_modules.data.stride import Stride, StrideRenderer, carried

SMALL = {
    "phases": 4,
    "yaws": 6,
    "n_held_out": 3,
    "size": 16,
    "supersampling": 1,
    "mesh_step": 0.1,
    "workers": 1,
}


@pytest.fixture(scope="module")
def stride() -> Stride:
    return Stride(0.06)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


class TestStride:
    @pytest.mark.parametrize("phase", [0.0, 1.1, 4.0])
    def test_its_meshes_lie_on_the_surface(self, stride: Stride, phase: float) -> None:
        points = torch.from_numpy(stride.mesh(phase).vertices).double() + torch.tensor([AXIS, 0, 0])
        off = distance(horse(phase, CANTER), points).abs()
        assert off.median() < 1e-4
        assert off.quantile(0.99) < 0.01

    def test_it_closes_and_keeps_its_triangles(self, stride: Stride) -> None:
        start, end = stride.mesh(0.4), stride.mesh(0.4 + 2 * math.pi)
        np.testing.assert_allclose(start.vertices, end.vertices, atol=1e-4)
        assert start.faces is end.faces
        np.testing.assert_allclose(np.linalg.norm(start.normals, axis=1), 1, atol=1e-5)

    def test_nothing_is_carried_from_a_phase_to_itself(self) -> None:
        points = torch.rand(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        torch.testing.assert_close(carried(points, 0.0), points, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("camera", [CAMERA_A, CAMERA_B])
    def test_no_two_phases_look_alike_from_anywhere(self, stride: Stride, camera: Camera) -> None:
        renderer, phases = StrideRenderer(stride, Light(), 24, 2), 2 * math.pi * np.arange(8) / 8
        for yaw in (0.3, 1.9, 3.4, 5.0):
            shown = torch.from_numpy(
                np.stack([renderer.render(camera, np.array([yaw, phase])) for phase in phases])
            ).flatten(1)
            apart = torch.cdist(shown, shown) + torch.eye(8) * 100
            # The nearest pictures are those of the next phases: half a stride away none is nearer.
            assert float(apart.min()) > 0.3
            nearest = apart.argmin(dim=1)
            steps = (nearest - torch.arange(8) + 4) % 8 - 4
            assert steps.abs().max() <= 2


class TestViews:
    def test_bursts_span_the_metric_of_the_hidden_states(self, folder: Path) -> None:
        view = HorseGaitViews(**SMALL, cache=folder).prepare().b
        half = math.pi / torch.tensor([6.0, 4.0])
        steps = torch.cat([half.diag(), -half.diag()]) * torch.tensor([1.0, 4 / 6])
        frame = burst_frames(steps[None].double(), view.burst_std, view.dimension)[0]
        torch.testing.assert_close(frame @ frame.T, torch.eye(2, dtype=torch.float64))

    def test_states_are_a_grid_and_share_the_pictures_of_their_bursts(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        states = grid(4, 6, np.array([0.2, 0.7]))
        assert states.shape == (24, 2)
        assert len(np.unique(np.round(states, 9), axis=0)) == 24
        made = []
        rendered = HorseGaitViews(**SMALL, seed=3, n_anchors=2, cache=folder)
        monkeypatch.setattr(
            "lightning_modules.data.horse_gait.render_all",
            lambda _, camera, poses, *rest: (
                made.append(len(poses)) or np.zeros((len(poses), 3, 16, 16), np.float16)
            ),
        )
        rendered.prepare()
        assert made == [3 * 24 + 5 * 2 + 3] * 2

    def test_anchors_are_the_same_state_before_both_cameras(self, folder: Path) -> None:
        views = HorseGaitViews(**SMALL, cache=folder).prepare()
        rows = views.anchors
        assert rows.shape == (4, 2)
        torch.testing.assert_close(views.hidden.probe_a[rows[:, 0]], views.hidden.probe_b[rows[:, 1]])
        there_a, there_b = views.inputs_at(views.hidden.probe_a[rows[:, 0]])
        torch.testing.assert_close(there_a, views.a.probe[rows[:, 0]], rtol=0, atol=1e-6)
        torch.testing.assert_close(there_b, views.b.probe[rows[:, 1]], rtol=0, atol=1e-6)

    def test_two_strides_for_one_are_the_same_picture_half_a_turn_on(self, folder: Path) -> None:
        views = HorseGaitViews(**SMALL, cache=folder, relation="double").prepare()
        states = torch.tensor([[0.5, 1.0], [0.5, 1.0 + math.pi]])
        (one_a, other_a), (one_b, other_b) = views.inputs_at(states)
        torch.testing.assert_close(one_b, other_b, rtol=0, atol=2e-3)
        assert (one_a - other_a).abs().max() > 0.1

    @pytest.mark.parametrize(("name", "value"), [("phases", 3), ("mesh_step", 1.0), ("relation", "third")])
    def test_a_wrong_setting_is_one_sentence(self, name: str, value: object) -> None:
        with pytest.raises(ValueError, match=rf"^'{name}' must .*got"):
            HorseGaitViews(**SMALL | {name: value})
