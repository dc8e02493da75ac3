r"""The map that keeps lengths between curved spaces: the ways to neighbours, and images of samples."""

from dataclasses import replace

import pytest
import torch
from manifolds import RandomEmbedding, rotate_frames
from torch import Tensor

import equiv
from equiv import Observations
from equiv.isometry.side import CurvedSide
from equiv.isometry.solve import solve_isometry
from equiv.isometry.starts import contradicting_anchors, start_by_anchors, tells_mirror_images
from equiv.unpaired.by_isometry import compare_by_isometry

KNOWN = 5


def points(n: int, seed: int) -> Tensor:
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return x / x.norm(dim=1, keepdim=True)


def spheroid(x: Tensor, outputs: int, seed: int, along: float = 1.0) -> Observations:
    stretch = torch.tensor([1.0, 1.0, along], dtype=torch.float64)
    tangent = torch.linalg.svd(x[:, None])[2][:, 1:].mT  # (n, 3, 2)
    tangent = torch.linalg.qr(stretch[:, None] * tangent)[0]
    network = RandomEmbedding(3, outputs, seed)
    network.first = 0.6 * network.first

    return Observations(
        network(stretch * x), rotate_frames(network.jacobian(stretch * x) @ tangent, seed=seed)
    )


SEEN = [torch.cat([points(600, seed), points(KNOWN, 9)]) for seed in (1, 2)]
ANCHORS = (600 + torch.arange(KNOWN))[:, None].expand(-1, 2)


def test_ways_to_neighbours_are_great_circles() -> None:
    side = CurvedSide.of_observations(spheroid(SEEN[0], 7, seed=1))
    angles = (SEEN[0][side.i] * SEEN[0][side.j]).sum(dim=1).clamp(-1, 1).acos()
    off = side.ways.norm(dim=1) / angles - 1
    assert off.abs().median() < 5e-3
    # Carried to the other end, the way there is the way back.
    carried = (side.transports @ side.reversed_ways()[:, :, None])[:, :, 0]
    assert ((carried + side.ways).norm(dim=1) / angles).median() < 0.03


@pytest.mark.parametrize("along", [1.0, 1.4])
def test_images_lie_where_the_network_has_them(along: float) -> None:
    sides = [CurvedSide.of_observations(spheroid(x, 7 + k, k + 1, along)) for k, x in enumerate(SEEN)]
    found = solve_isometry(*sides, start_by_anchors(*sides, ANCHORS), ANCHORS)
    goal = spheroid(SEEN[0], 8, 2, along).values
    error = (sides[1].observed(found.images) - goal).norm() / (goal - goal.mean(dim=0)).norm()
    assert error < 0.01 and found.whole and found.strain < 0.01


def test_a_wrong_anchor_contradicts_the_others() -> None:
    sides = [CurvedSide.of_observations(spheroid(x, 7 + k, k + 1)) for k, x in enumerate(SEEN)]
    wrong = ANCHORS.clone()
    wrong[2, 1] = (SEEN[1] @ SEEN[0][ANCHORS[2, 0]]).argmin()  # the antipode
    assert contradicting_anchors(*sides, ANCHORS) == [] and contradicting_anchors(*sides, wrong) == [2]


def test_anchors_on_a_great_circle_leave_its_mirror_image() -> None:
    side = CurvedSide.of_observations(spheroid(SEEN[0], 7, seed=1))
    near = SEEN[0][:, 2].abs().argsort()[:40:5]
    assert not tells_mirror_images(side, near) and tells_mirror_images(side, ANCHORS[:, 0])


def test_a_sample_that_no_neighbour_is_tangent_to_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    side = CurvedSide.of_observations(spheroid(SEEN[0][-100:], 7, seed=1))
    torn = replace(side, graph=side.graph.subset((side.graph.i != 17) & (side.graph.j != 17)))
    monkeypatch.setattr(CurvedSide, "of_observations", lambda _: torn)
    few = [spheroid(x[-100:], 7 + k, k + 1) for k, x in enumerate(SEEN)]
    found = compare_by_isometry(*few, ANCHORS - 505, tolerance=0.05)
    assert "2 clouds" in found.blocking[0]


@pytest.mark.slow
def test_spheroids_of_other_lengths_are_torn_or_strained() -> None:
    sides = [
        CurvedSide.of_observations(spheroid(x, 7 + k, k + 1, along))
        for k, (x, along) in enumerate(zip(SEEN, (1.0, 1.2), strict=True))
    ]
    found = solve_isometry(*sides, start_by_anchors(*sides, ANCHORS), ANCHORS)
    assert not found.whole and found.strain > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("along", [1.0, 1.4])
def test_curved_spaces_are_compared(along: float) -> None:
    sides = [spheroid(x, 7 + k, k + 1, along) for k, x in enumerate(SEEN)]
    result = equiv.compare(*sides, paired=False, anchors=ANCHORS)
    assert result.verdict == "equivalent" and result.diagnostics["method"] == "isometric"
    assert "a surface, seen alike by both" in result.summary()
    fresh = points(300, 8)
    goal = spheroid(fresh, 8, 2, along).values
    error = (result.transformation(spheroid(fresh, 7, 1, along).values) - goal).norm()
    assert error < result.a_to_b.error.high * (goal - goal.mean(dim=0)).norm()
