r"""The horse that turns and canters: its surface, its pictures, the torus of its states."""

import functools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from programs import METRICS, TINY, composed

import run
from lightning_modules.circle import wrapped
from lightning_modules.data.distance_field import AXIS, distance
from lightning_modules.data.horse_gait import CAMERA_A, HorseGaitViews, grid
from lightning_modules.data.horse_shape import CANTER, horse
from lightning_modules.data.render import CAMERA_B, Camera, Light
from lightning_modules.data.stride import Stride, StrideRenderer, carried
from lightning_modules.torus import TorusMap, euclidean_torus_errors

SMALL = {
    "phases": 4,
    "yaws": 6,
    "n_held_out": 3,
    "size": 16,
    "supersampling": 1,
    "mesh_step": 0.1,
    "workers": 1,
}


@pytest.fixture(scope="module", autouse=True)
def made_once() -> Iterator[None]:
    r"""The meshes of a step are the same for all data sets here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lightning_modules.data.horse_gait.Stride", functools.cache(Stride))
        yield


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

    @pytest.mark.slow
    @pytest.mark.parametrize("camera", [CAMERA_A, CAMERA_B])
    def test_no_two_phases_look_alike_from_anywhere(self, stride: Stride, camera: Camera) -> None:
        renderer, phases = StrideRenderer(stride, Light(), 24, 2), 2 * math.pi * np.arange(16) / 16
        for yaw in (0.3, 1.9, 3.4, 5.0):
            shown = torch.from_numpy(
                np.stack([renderer.render(camera, np.array([yaw, phase])) for phase in phases])
            ).flatten(1)
            apart = torch.cdist(shown, shown) + torch.eye(16) * 100
            # The nearest pictures are those of the next phases: half a stride away none is nearer.
            assert float(apart.min()) > 0.3
            nearest = apart.argmin(dim=1)
            steps = (nearest - torch.arange(16) + 8) % 16 - 8
            assert steps.abs().max() <= 2


class TestViews:
    def test_tangents_are_derivatives_in_the_metric_of_the_hidden_states(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def seen(_: object, camera: object, poses: np.ndarray, *rest: object, dtype: type) -> np.ndarray:
            waves = 0.5 + 0.3 * np.sin(poses @ [1.0, 0.0]) + 0.2 * np.sin(poses @ [0.0, 1.0])
            return np.broadcast_to(waves[:, None, None, None], (len(poses), 3, 16, 16)).astype(dtype)

        monkeypatch.setattr("lightning_modules.data.horse_gait.render_all", seen)
        larger = SMALL | {"phases": 9, "yaws": 18}
        views = HorseGaitViews(**larger, cache=folder / "waves").prepare()
        yaw, gait = views.hidden.probe_a.unbind(dim=1)
        # A radian of the gait is half as long as one of the yaw.
        expected = torch.stack([0.3 * yaw.cos(), 0.2 * gait.cos() / 0.5], dim=1)
        tangents = views.a.frames["frames"].double()
        torch.testing.assert_close(tangents[:, 1, 3, 4], expected, rtol=0, atol=5e-3)

    def test_states_are_a_grid_and_share_the_pictures_of_their_tangents(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        states = grid(4, 6, np.array([0.2, 0.7]))
        assert states.shape == (24, 2)
        assert len(np.unique(np.round(states, 9), axis=0)) == 24
        made = []
        rendered = HorseGaitViews(**SMALL, seed=3, n_anchors=2, cache=folder)
        monkeypatch.setattr(
            "lightning_modules.data.horse_gait.render_all",
            lambda _, camera, poses, *rest, dtype: (
                made.append(len(poses)) or np.zeros((len(poses), 3, 16, 16), dtype)
            ),
        )
        rendered.prepare()
        assert made == [3 * 24 + 9 * 2 + 3] * 2

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
        with pytest.raises(ValueError, match=rf"^'{name}' should .*got"):
            HorseGaitViews(**SMALL | {name: value})


@pytest.mark.parametrize("mirrored", [False, True])
def test_anchors_fix_both_angles_of_a_torus(mirrored: bool) -> None:
    lengths = torch.tensor([1.0, 0.35], dtype=torch.float64)
    angles = 2 * math.pi * torch.rand(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
    turn = turn * torch.tensor([1.0, -1.0]) if mirrored else turn
    coordinates, periods = (angles * lengths) @ turn.T + 0.7, 2 * math.pi * lengths.diag() @ turn.T
    # Periods are known up to the choice of a basis.
    basis = torch.stack([periods[1], periods[0] + periods[1]])
    found = TorusMap.through(coordinates[:4], angles[:4], basis, lengths)
    assert found is not None
    assert wrapped(found(coordinates) - angles).abs().max() < 1e-9
    assert TorusMap.through(coordinates[:4], angles[:4], 2 * periods, lengths) is None


def torus(angles: torch.Tensor, stretch: float) -> torch.Tensor:
    r"""A torus whose first circle is run through at the speed 1 + stretch cos(angle)."""
    yaw, gait = angles.unbind(dim=1)
    run = yaw + stretch * yaw.sin()

    return torch.stack([run.cos(), run.sin(), 0.6 * gait.cos(), 0.6 * gait.sin()], dim=1)


def test_the_euclidean_kernel_knows_lengths_and_not_the_angles() -> None:
    probe = torch.from_numpy(grid(12, 30, np.array([0.3, 0.6])))
    held_out = (
        2 * math.pi * torch.rand(60, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    )
    rows = torch.tensor([[20, 20], [95, 95], [170, 170], [333, 333]])

    def median(stretch: float) -> torch.Tensor:
        probes, fresh = ([torus(each, k) for k in (0.0, stretch)] for each in (probe, held_out))
        errors = euclidean_torus_errors(probes, fresh, rows, probe[rows[:, 1]], held_out)
        assert errors is not None
        assert errors.shape == (60, 2)

        return errors.abs().median(dim=0).values

    same, stretched = median(0.0), median(0.4)
    assert (same < 0.1).all()
    assert stretched[0] > 2 * same[0]
    assert stretched[1] < 0.1


@pytest.mark.slow
def test_a_tiny_run_leaves_its_numbers(tmp_path: Path, folder: Path) -> None:
    small = [each for each in TINY if not each.startswith(("dataset.n_train", "dataset.n_held_out"))]
    data = ["dataset.phases=8", "dataset.yaws=10", "dataset.n_held_out=20", f"dataset.cache={folder}"]
    run.run(composed(tmp_path, "experiment=horse_gait", *small, *data, "logger=none"))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert METRICS | {"gait_error_deg", "gait_error_deg_euclidean"} <= set(metrics)
    assert metrics["n_anchors"] == 4
    assert (tmp_path / "report.html").is_file()
