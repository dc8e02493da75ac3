"""The horse data set: geometry, pictures, cache, and what each side may know."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_modules.data import cache, distance_field, rays
from lightning_modules.data.distance_field import horse_mesh
from lightning_modules.data.horse import HorseViews
from lightning_modules.data.horse_shape import Capsule, Part, horse
from lightning_modules.data.mesh import Mesh, load_mesh
from lightning_modules.data.pool import render_all
from lightning_modules.data.render import CAMERA_A, CAMERA_B, Camera, Light, Renderer

trimesh = pytest.importorskip("trimesh")

TINY = {"n_train": 12, "n_held_out": 5, "size": 24, "supersampling": 2, "mesh_step": 0.06}


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return horse_mesh(step=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def tiny(folder: Path) -> HorseViews:
    return HorseViews(**TINY, cache=folder)


def sphere(radius: float = 0.8, height: float = 1.2) -> Mesh:
    solid = trimesh.creation.icosphere(subdivisions=5, radius=radius)
    normals = solid.vertices / radius
    white = np.ones_like(normals, dtype=np.float32)
    vertices = solid.vertices + np.array([0.0, 0.0, height])
    return Mesh(vertices.astype(np.float32), solid.faces.astype(np.int32), normals.astype(np.float32), white)


class TestSurface:
    def test_one_capsule_is_the_hull_of_two_balls(self) -> None:
        part = Part("limb", (1, 1, 1), 0.1, 0.1, 1.0, [Capsule((0, 0, 0), (0, 0, 2), 0.5, 0.3)])
        points = torch.tensor([[0, 0, -0.5], [0, 0, 2.3], [0.4, 0, 1.0], [0, 3.0, 0.0]], dtype=torch.float64)
        expected = torch.tensor([0, 0, 0, 2.5], dtype=torch.float64)
        torch.testing.assert_close(distance_field.distance([part], points), expected, rtol=0, atol=1e-12)

    def test_blend_lowers_by_a_quarter_of_its_width_where_two_parts_meet(self) -> None:
        balls = [
            Part("ball", (1, 1, 1), 0.1, 0.2, 1.0, [Capsule((0, y, 0), (0, y, 0), 0.5, 0.5)]) for y in (-1, 1)
        ]
        between = torch.zeros(1, 3, dtype=torch.float64)  # at distance 0.5 of either
        assert distance_field.distance(balls, between).item() == pytest.approx(0.5 - 0.2 / 4, abs=1e-12)

    @pytest.mark.parametrize("gait", [0.0, 2.0])
    def test_mesh_lies_on_the_surface_with_its_normals(self, gait: float) -> None:
        parts, made = horse(gait), horse_mesh(gait, step=0.05)
        points = torch.from_numpy(made.vertices).double() + torch.tensor([distance_field.AXIS, 0, 0])
        assert distance_field.distance(parts, points).abs().max() < 1e-5  # float32 rounding, a few metres
        step = 1e-5
        difference = torch.stack(
            [
                distance_field.distance(parts, points + e) - distance_field.distance(parts, points - e)
                for e in step * torch.eye(3, dtype=torch.float64)
            ],
            dim=1,
        )
        expected = difference / difference.norm(dim=1, keepdim=True)
        agreement = (expected * torch.from_numpy(made.normals)).sum(dim=1)
        # Where two blends meet the gradient is not differentiable: few vertices lie within a step of that.
        assert (agreement > 1 - 1e-6).float().mean() > 0.999

    def test_mesh_is_one_watertight_surface_with_normals_outward(self, mesh: Mesh) -> None:
        solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        assert solid.is_watertight
        assert solid.body_count == 1
        assert solid.volume > 0
        assert (np.einsum("ij,ij->i", solid.face_normals, mesh.normals[mesh.faces[:, 0]]) > 0).mean() > 0.99

    def test_mesh_has_the_colours_of_the_parts(self, mesh: Mesh) -> None:
        palette = np.array([part.colour for part in horse()])
        assert (mesh.colours >= palette.min(axis=0) - 1e-6).all()
        assert (mesh.colours <= palette.max(axis=0) + 1e-6).all()
        assert np.ptp(mesh.colours, axis=0).min() > 0.7  # white socks, black tail

    def test_stride_is_periodic(self) -> None:
        points = torch.rand(200, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        start, end = (distance_field.distance(horse(gait), points) for gait in (0.3, 0.3 + 2 * math.pi))
        torch.testing.assert_close(start, end, rtol=0, atol=1e-12)


class TestRays:
    def test_embree_and_the_plain_scene_agree(self, mesh: Mesh) -> None:
        pytest.importorskip("embreex")
        scenes = [kind(mesh.vertices, mesh.faces) for kind in (rays.EmbreeScene, rays.PlainScene)]
        random = np.random.default_rng(0)
        eye = np.array([4.0, -4.0, 3.0], dtype=np.float32)
        directions = (random.uniform([-1.5, -0.5, 0], [1.5, 0.5, 2.3], (4000, 3)) - eye).astype(np.float32)
        (hit, face, u, v), (hit_, face_, u_, v_) = (s.first_hits(eye, directions) for s in scenes)
        assert 0.2 < hit.mean() < 0.9
        assert (hit == hit_).mean() > 0.999  # float32 against float64 at silhouettes
        first, second = np.full(4000, -1), np.full(4000, -1)
        first[hit], second[hit_] = face, face_
        assert (first == second).mean() > 0.998
        if len(face) == len(face_):
            same = face == face_
            np.testing.assert_allclose(u[same], u_[same], atol=2e-3)
            np.testing.assert_allclose(v[same], v_[same], atol=2e-3)
        origins = mesh.vertices + np.float32(0.01) * mesh.normals
        towards = np.array([0.6, 0.0, 0.8], dtype=np.float32)
        first, second = (s.occluded(origins, towards) for s in scenes)
        assert 0.1 < first.mean() < 0.9
        assert (first == second).mean() > 0.998


class TestPictures:
    def test_silhouette_of_a_sphere(self) -> None:
        light = Light(
            key=0.0, ambient=0.0, background=1.0
        )  # black before white: the missing light is the area
        camera = Camera(azimuth=30, elevation=10, distance=5, field_of_view=30, target=1.2)
        picture = Renderer(sphere(), light, 64, 6).render(camera, 0.4)
        share = (1 - picture).mean()
        # The cone of tangents has sine r / d; on the axis it cuts the image in a circle.
        radius = math.tan(math.asin(0.8 / 5)) / (2 * math.tan(math.radians(15)))
        assert share == pytest.approx(math.pi * radius**2, rel=1e-3)
        rows, columns = np.indices((64, 64)) + 0.5
        assert np.average(columns, weights=1 - picture[0]) == pytest.approx(32, abs=0.02)
        assert np.average(rows, weights=1 - picture[0]) == pytest.approx(32, abs=0.02)

    def test_sphere_is_shaded_by_the_cosine(self) -> None:
        light = Light(azimuth=0, elevation=0, key=0.8, ambient=0.0)
        camera = Camera(azimuth=0, elevation=0, distance=5, field_of_view=30, target=1.2)
        picture = Renderer(sphere(), light, 64, 4).render(camera, 0.0)
        focal = 0.5 / math.tan(math.radians(15))
        for column in (32, 36, 40, 44):
            slope = ((column + 0.5) / 64 - 0.5) / focal
            down = (0.5 - 32.5 / 64) / focal
            ray = np.array([1.0, slope, down]) / math.sqrt(1 + slope**2 + down**2)
            depth = 5 * ray[0] - math.sqrt((5 * ray[0]) ** 2 - 25 + 0.8**2)
            cosine = (5 - depth * ray[0]) / 0.8
            assert picture[0, 32, column] == pytest.approx(0.8 * cosine, abs=0.004)

    def test_light_is_blocked_by_what_stands_before_it(self) -> None:
        floor = sphere(0.8, 1.2)
        lid = sphere(0.4, 2.6)
        both = Mesh(*(np.concatenate([a, b]) for a, b in zip(floor, lid, strict=True)))
        both = both._replace(faces=np.concatenate([floor.faces, lid.faces + np.int32(len(floor.vertices))]))
        light = Light(elevation=90)
        lit = Renderer(both, light, 16, 1).lit[0]
        distance = np.hypot(floor.vertices[:, 0], floor.vertices[:, 1])
        top = floor.vertices[:, 2] > 1.2
        assert (lit[: len(distance)][top & (distance < 0.37)] == 0).all()
        assert (lit[: len(distance)][top & (distance > 0.43) & (distance < 0.78)] > 0.999).all()

    @pytest.mark.parametrize("camera", [CAMERA_A, CAMERA_B])
    def test_turning_camera_and_light_is_turning_the_mesh(self, mesh: Mesh, camera: Camera) -> None:
        yaw = 2 * math.pi * 17 / 96  # a step of the table of light, which is exact there
        cos, sin = math.cos(yaw), math.sin(yaw)
        turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])  # right-multiplied: turns left
        turned = mesh._replace(
            vertices=(mesh.vertices @ turn).astype(np.float32),
            normals=(mesh.normals @ turn).astype(np.float32),
        )
        expected = Renderer(turned, Light(), 32, 4).render(camera, 0.0)
        picture = Renderer(mesh, Light(), 32, 4).render(camera, yaw)
        assert np.abs(picture - expected).max() < 0.05  # a ray at a silhouette may fall on the other side
        assert np.abs(picture - expected).mean() < 1e-4

    def test_no_pixel_that_the_mesh_touches_is_left_out(
        self, mesh: Mesh, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        renderer = Renderer(mesh, Light(), 48, 3)
        picture = renderer.render(CAMERA_B, 1.0)
        everywhere = np.indices((48, 48)).reshape(2, -1)
        monkeypatch.setattr(renderer, "_covered", lambda *_: tuple(everywhere))
        np.testing.assert_array_equal(picture, renderer.render(CAMERA_B, 1.0))

    def test_small_turns_of_a_sphere_change_its_area_as_they_should(self) -> None:
        light = Light(key=0.0, ambient=0.0, background=1.0)
        camera = Camera(azimuth=0, elevation=0, distance=5, field_of_view=40, target=1.2)
        ball = sphere(0.7, 1.2)
        aside = ball._replace(vertices=ball.vertices + np.array([0.0, 0.8, 0.0], dtype=np.float32))
        renderer = Renderer(aside, light, 64, 12)
        focal = 0.5 / math.tan(math.radians(20))
        # Independent errors of three rays at most in each of some 80 pixels along either silhouette.
        noise = 3 / 144 * math.sqrt(2 * 80) / 64**2

        def area(yaw: float) -> float:
            """Of the ellipse in which the picture plane cuts the cone of tangents, in picture areas."""
            depth, across = 5 + 0.8 * math.sin(yaw), 0.8 * math.cos(yaw)
            sine, cosine = 0.7 / math.hypot(depth, across), depth / math.hypot(depth, across)
            major = focal * sine * math.sqrt(1 - sine**2) / (cosine**2 - sine**2)
            minor = focal * sine / math.sqrt(cosine**2 - sine**2)
            return math.pi * major * minor

        for yaw in (0.5, 2.0, 2.8, 5.5):
            ahead, behind = (
                1 - renderer.render(camera, yaw + h).astype(np.float64).mean() for h in (0.03, -0.03)
            )
            slope = (area(yaw + 0.03) - area(yaw - 0.03)) / 0.06
            assert abs(slope) > 5 * noise / 0.06
            assert (ahead - behind) / 0.06 == pytest.approx(slope, abs=noise / 0.06)

    def test_processes_do_not_change_the_pictures(self, mesh: Mesh) -> None:
        renderer = Renderer(mesh, Light(), 16, 1)
        yaws = np.linspace(0, 6, 7)
        told: list[tuple[int, int, str]] = []
        alone = render_all(
            renderer, CAMERA_A, yaws, "camera", lambda *now: told.append(now), chunk=3, workers=1
        )
        shared = render_all(renderer, CAMERA_A, yaws, "camera", chunk=3, workers=2)
        np.testing.assert_array_equal(alone, shared)
        assert told == [(3, 7, "camera"), (6, 7, "camera"), (7, 7, "camera")]


class TestMeshFiles:
    def test_a_cube_with_colours_fills_its_place(self, tmp_path: Path) -> None:
        box = trimesh.creation.box(extents=(200.0, 100.0, 50.0))
        box.visual.vertex_colors = [255, 0, 0, 255]
        box.export(tmp_path / "box.ply")
        made = load_mesh(tmp_path / "box.ply", radius=1.4, height=2.3)
        assert made.vertices[:, 2].min() == pytest.approx(0, abs=1e-6)
        assert np.hypot(made.vertices[:, 0], made.vertices[:, 1]).max() == pytest.approx(1.4, rel=1e-6)
        np.testing.assert_allclose(made.colours, np.tile([1.0, 0.0, 0.0], (len(made.colours), 1)))
        edges = made.vertices[made.faces] - made.vertices[np.roll(made.faces, 1, axis=1)]
        assert np.linalg.norm(edges, axis=2).max() <= 0.05 + 1e-6
        np.testing.assert_allclose(np.linalg.norm(made.normals, axis=1), 1, atol=1e-5)

    def test_a_mesh_file_makes_a_data_set(self, tmp_path: Path) -> None:
        trimesh.creation.cone(radius=1.0, height=2.0).export(tmp_path / "cone.stl")
        views = HorseViews(**TINY, mesh=tmp_path / "cone.stl", cache=tmp_path)
        assert views.a.train.std() > 0.01

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("missing.obj", None, "no file"),
            ("broken.glb", b"nothing of the kind", "could not be read"),
            ("broken.xyzzy", b"nothing of the kind", "could not be read"),
            ("empty.obj", b"", "could not be read|0 triangles"),
            ("points.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "could not be read|0 triangles"),
            ("flat.obj", b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "0 triangles"),
        ],
    )
    def test_a_bad_file_is_one_sentence(
        self, tmp_path: Path, name: str, content: bytes | None, words: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"^'mesh' should .*({words})") as caught:
            HorseViews(**TINY, mesh=tmp_path / name, cache=tmp_path).prepare()
        assert "\n" not in str(caught.value)


class TestCache:
    def test_second_use_reads(self, tmp_path: Path) -> None:
        made = np.random.default_rng(0).random((3, 4)).astype(np.float16)
        np.testing.assert_array_equal(cache.cached(tmp_path, {"a": 1}, lambda: made), made)
        np.testing.assert_array_equal(cache.cached(tmp_path, {"a": 1}, lambda: 1 / 0), made)
        other = cache.cached(tmp_path, {"a": 2}, lambda: made + 1)
        np.testing.assert_array_equal(other, made + 1)
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
    def test_a_damaged_file_is_made_again(self, tmp_path: Path, damage: str) -> None:
        made = np.arange(1000, dtype=np.float32)
        cache.cached(tmp_path, {}, lambda: made)
        (file,) = tmp_path.iterdir()
        content = bytearray(file.read_bytes())
        content[-7] ^= 1
        file.write_bytes({"truncate": content[:-100], "flip": content, "empty": b""}[damage])
        np.testing.assert_array_equal(cache.cached(tmp_path, {}, lambda: made), made)
        np.testing.assert_array_equal(cache.cached(tmp_path, {}, lambda: 1 / 0), made)

    def test_a_failure_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError):
            cache.cached(tmp_path, {}, lambda: np.array(1 / 0))
        assert list(tmp_path.iterdir()) == []

    def test_runs_at_the_same_time_do_not_disturb_each_other(self, tmp_path: Path) -> None:
        made = np.arange(5.0)

        def overtaken() -> np.ndarray:  # another run comes and goes while this one renders
            np.testing.assert_array_equal(cache.cached(tmp_path, {}, lambda: made), made)
            return made

        np.testing.assert_array_equal(cache.cached(tmp_path, {}, overtaken), made)
        assert [file.suffix for file in tmp_path.iterdir()] == [".safetensors"]

    def test_a_file_of_other_settings_is_not_taken(self, tmp_path: Path) -> None:
        made = np.arange(5.0)
        cache.cached(tmp_path / "one", {"a": 1}, lambda: made)
        cache.cached(tmp_path / "two", {"a": 2}, lambda: made)
        (one,), (two,) = (list((tmp_path / name).iterdir()) for name in ("one", "two"))
        two.write_bytes(one.read_bytes())
        np.testing.assert_array_equal(cache.cached(tmp_path / "two", {"a": 2}, lambda: made + 1), made + 1)

    def test_what_cannot_be_kept_is_not_lost(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        made = np.arange(5.0)
        monkeypatch.setattr("os.fsync", full)
        with pytest.warns(UserWarning, match=r"could not be kept in .*No space left"):
            np.testing.assert_array_equal(cache.cached(tmp_path, {}, lambda: made), made)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_none_is_one_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(
            ValueError, match=r"^'cache' should be a folder that can be written to, got .*; choose"
        ):
            cache.cached(tmp_path / "file", {}, lambda: 1 / 0)

    def test_default_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", os.path.join(os.sep, "elsewhere"))
        assert cache.default_folder() == Path(os.sep, "elsewhere", "equiv")
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache.default_folder() == Path.home() / ".cache" / "equiv"


class TestHorseViews:
    def test_shapes_and_range(self, tiny: HorseViews) -> None:
        for view in (tiny.a, tiny.b):
            assert view.train.shape == (12, 3, 24, 24)
            assert view.probe.shape == (15, 3, 24, 24)
            assert view.train.dtype == view.probe.dtype == torch.float32
            assert view.burst_pictures.shape == (15, 2, 3, 24, 24)
            assert 0 <= view.train.min() < 0.2 and 0.8 < view.train.max() <= 1
        assert tiny.anchors.shape == (3, 2)
        assert tiny.held_out_a.shape == tiny.held_out_b.shape == (5, 3, 24, 24)

    def test_same_seed_same_bits_and_the_cache_changes_nothing(
        self, tiny: HorseViews, tmp_path: Path
    ) -> None:
        fresh, again = HorseViews(**TINY, cache=tmp_path), HorseViews(**TINY, cache=tmp_path)
        for other in (fresh, again):
            assert torch.equal(other.a.burst_pictures, tiny.a.burst_pictures)
            assert torch.equal(other.b.probe, tiny.b.probe)
            assert torch.equal(other.held_out_b, tiny.held_out_b)
            assert torch.equal(other.anchors, tiny.anchors)

    def test_another_seed_has_other_angles(self, tiny: HorseViews, folder: Path) -> None:
        other = HorseViews(**TINY, cache=folder, seed=1)
        assert not torch.isclose(other.hidden.train_a[:, None], tiny.hidden.train_a).any()

    def test_no_pairs_but_the_anchors(self, tiny: HorseViews) -> None:
        hidden = tiny.hidden
        assert not torch.isclose(hidden.train_a[:, None], hidden.train_b).any()
        paired = torch.isclose(hidden.probe_a[:, None], hidden.probe_b, rtol=0, atol=1e-9).nonzero()
        assert sorted(paired.tolist()) == sorted(tiny.anchors.tolist())
        for angles in (hidden.train_a, hidden.probe_a, hidden.probe_b):
            assert not torch.isclose(hidden.held_out[:, None], angles).any()

    def test_angles_fill_the_circle_evenly(self, folder: Path) -> None:
        views = HorseViews(**TINY | {"n_train": 55}, cache=folder)
        gaps = views.hidden.train_a.sort().values.diff()
        # Three lengths of gap at most (the three-distance theorem), here 2 pi / 55 times 0.5 to 2.
        assert gaps.min() > 0.5 * 2 * math.pi / 55
        assert gaps.max() < 2.0 * 2 * math.pi / 55

    @pytest.mark.parametrize(("relation", "speed"), [("same", 1.0), ("double", 2.0), ("half", 0.5)])
    def test_pictures_show_the_hidden_angles(self, folder: Path, relation: str, speed: float) -> None:
        views = HorseViews(**TINY, cache=folder, relation=relation, burst_step=0.04)
        renderer = Renderer(horse_mesh(step=0.06), Light(), 24, 2)

        def picture(camera: Camera, yaw: float) -> torch.Tensor:
            return torch.from_numpy(renderer.render(camera, yaw).astype(np.float16))

        for row in (0, int(views.anchors[1, 0])):
            angle = views.hidden.probe_a[row].item()
            assert torch.equal(views.a.probe[row], picture(CAMERA_A, angle).float())
            for k, step in enumerate((-0.04, 0.04)):
                assert torch.equal(views.a.burst_pictures[row, k], picture(CAMERA_A, angle + step))
        row = int(views.hidden.probe_b.argmax())  # nearest to the end of the interval
        angle = views.hidden.probe_b[row].item()
        assert torch.equal(views.b.probe[row], picture(CAMERA_B, speed * angle).float())
        for k, step in enumerate((-0.04, 0.04)):
            assert torch.equal(views.b.burst_pictures[row, k], picture(CAMERA_B, speed * (angle + step)))
        angle = views.hidden.held_out[2].item()
        assert torch.equal(views.held_out_a[2], picture(CAMERA_A, angle).float())
        assert torch.equal(views.held_out_b[2], picture(CAMERA_B, speed * angle).float())

    def test_bursts_have_unit_speed_in_the_hidden_angle(self, folder: Path) -> None:
        for size in (2, 3, 5):
            views = HorseViews(**TINY, cache=folder, burst_size=size)
            steps = torch.linspace(-0.015, 0.015, size, dtype=torch.float64)
            # Values that are the hidden angle itself must have frames of length 1.
            assert steps.std(correction=1).item() / views.a.burst_std == pytest.approx(1, abs=1e-12)

    def test_shuffling_keeps_the_anchors_and_the_bursts(self, tiny: HorseViews) -> None:
        other = tiny.shuffled(5)
        assert not torch.equal(other.hidden.probe_a, tiny.hidden.probe_a)
        rows_a, rows_b = other.anchors.T
        torch.testing.assert_close(other.hidden.probe_a[rows_a], other.hidden.probe_b[rows_b], rtol=0, atol=0)
        for row, angle in enumerate(other.hidden.probe_b):
            (old,) = (tiny.hidden.probe_b == angle).nonzero().flatten().tolist()
            assert torch.equal(other.b.probe[row], tiny.b.probe[old])
            assert torch.equal(other.b.burst_pictures[row], tiny.b.burst_pictures[old])
        assert torch.equal(other.b.train, tiny.b.train)

    def test_order_tells_nothing(self, tiny: HorseViews) -> None:
        assert not torch.equal(tiny.anchors[:, 0], tiny.anchors[:, 1])
        assert not torch.equal(tiny.a.train, tiny.a.probe[: len(tiny.a.train)])

    def test_bursts_are_looked_up_by_picture(self, tiny: HorseViews) -> None:
        rows = [3, 0, 7]
        bursts = tiny.a.bursts(tiny.a.probe[rows].double())
        assert bursts.dtype == torch.float64
        assert torch.equal(bursts, tiny.a.burst_pictures[rows].double())
        with pytest.raises(ValueError, match=r"^'inputs' should be pictures out of 'probe'"):
            tiny.a.bursts(tiny.b.probe)

    def test_no_anchors_at_all(self, folder: Path) -> None:
        views = HorseViews(**TINY, cache=folder, n_anchors=0)
        assert views.anchors.shape == (0, 2)
        assert len(views.a.probe) == 12

    @pytest.mark.parametrize(
        ("argument", "value"),
        [
            ("n_train", 0),
            ("n_anchors", -1),
            ("size", 4),
            ("relation", "triple"),
            ("burst_step", 0.0),
            ("burst_size", 1),
            ("mesh_step", 1.0),
            ("supersampling", 0),
        ],
    )
    def test_a_bad_argument_is_one_sentence(self, argument: str, value: object) -> None:
        with pytest.raises(ValueError, match=rf"^'{argument}' should .*got "):
            HorseViews(**{argument: value})

    def test_settings_name_the_file(self, tiny: HorseViews, folder: Path) -> None:
        from safetensors import safe_open

        _ = tiny.a
        for file in folder.iterdir():
            with safe_open(file, framework="numpy") as content:
                settings = json.loads(content.metadata()["settings"])
            assert {"format", "subject", "camera", "light", "size", "supersampling", "yaws"} == set(settings)
