r"""Registration by the outlines of supports: known symmetry groups, other densities, motions recovered."""

import math

import pytest
import torch
from manifolds import DOMAINS, Domain

from equiv.coordinates.domain import Domain as Coordinates
from equiv.coordinates.motion import Motion
from equiv.registration.register import register
from equiv.registration.result import Relation
from equiv.supports.alignments import align
from equiv.supports.outline_fit import fit_outlines
from equiv.supports.support import inside, outline

SPACES = dict(DOMAINS)
SPACES["l_equal"] = Domain((0.0, 0.0), (1.0, 1.0), lambda x: (x[:, 0] < 0.4) | (x[:, 1] < 0.4))


def moved(points: torch.Tensor, seed: int) -> tuple[torch.Tensor, Motion]:
    m = points.shape[1]
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.linalg.qr(torch.randn(m, m, generator=generator, dtype=torch.float64))[0]
    motion = Motion(matrix, torch.randn(m, generator=generator, dtype=torch.float64))

    return motion(points), motion


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("l_shape", 1),
        ("l_equal", 2),
        ("interval", 2),
        pytest.param("rectangle", 4, marks=pytest.mark.slow),
        ("square", 8),
        pytest.param("disc", math.inf, marks=pytest.mark.slow),
        ("annulus", math.inf),
    ],
)
def test_symmetries_of_known_supports(name, count):
    n = 500 if count == math.inf else 1000  # many motions are tried of a continuum, which fewer samples show
    a, motion = moved(SPACES[name].sample(n, seed=1), seed=2)
    b = SPACES[name].sample(9 * n // 10, seed=3)
    found = register(Coordinates(a), Coordinates(b), None, 0.025)
    assert found.relation is Relation.ISOMETRIC
    assert found.symmetries == count
    assert min(found.overlap_a, found.overlap_b) > 0.95
    good, _ = align(a, b)
    spread = b.std(dim=0).norm()
    # The true motion, composed with a symmetry of the space, is among those found; where there is a continuum
    # only the image of the support can be compared.
    if count != math.inf:
        errors = [(Motion(g.matrix, g.offset)(a) - motion.inverse(a)).square().mean().sqrt() for g in good]
        assert min(errors) < 0.03 * spread


def test_sampling_density_is_no_evidence():
    square = DOMAINS["square"].sample(4000, seed=0)
    generator = torch.Generator().manual_seed(5)
    dense_left = square[torch.rand(4000, generator=generator) < 1 - 0.8 * square[:, 0]]
    found = register(
        Coordinates(dense_left), Coordinates(DOMAINS["square"].sample(1000, seed=1)), None, 0.025
    )
    assert found.relation is Relation.ISOMETRIC
    assert found.symmetries == 8


@pytest.mark.parametrize(
    ("a", "b"), [("square", "l_shape"), ("disc", "square"), ("annulus", "disc"), ("square", "rectangle")]
)
def test_other_outlines_are_excluded(a, b):
    found = register(
        Coordinates(DOMAINS[a].sample(1000, seed=0)),
        Coordinates(DOMAINS[b].sample(1000, seed=1)),
        None,
        0.025,
    )
    assert found.relation is Relation.NONE
    assert found.motion is None


@pytest.mark.parametrize(("anchors", "count"), [(1, 1), (2, 1), (4, 1)])
def test_few_anchors_are_completed_by_the_outline(anchors, count):
    known = torch.tensor([[0.2, 0.7], [0.9, 0.4], [0.1, 0.1], [0.6, 0.8]]).double()[:anchors]
    a, motion = moved(torch.cat([DOMAINS["square"].sample(800, seed=0), known]), seed=4)
    b = torch.cat([DOMAINS["square"].sample(700, seed=1), known])
    pairs = torch.stack([800 + torch.arange(anchors), 700 + torch.arange(anchors)], dim=1)
    found = register(Coordinates(a), Coordinates(b), pairs, 0.025)
    assert found.symmetries == count
    assert (found.motion(a) - motion.inverse(a)).norm(dim=1).max() < 0.05


def test_one_anchor_on_a_circle_leaves_its_mirror_image():
    period = torch.tensor([[2 * math.pi]]).double()
    a, b = DOMAINS["circle"].sample(200, seed=0), DOMAINS["circle"].sample(200, seed=1)
    found = register(Coordinates(a, period), Coordinates(b, period), torch.tensor([[0, 0]]), 0.025)
    assert found.symmetries == 2
    assert register(Coordinates(a, period), Coordinates(b, period), None, 0.025).symmetries == math.inf


def test_inside_follows_the_support_and_not_the_density():
    cloud = SPACES["l_shape"].sample(2000, seed=0)
    fresh = DOMAINS["square"].sample(5000, seed=1)
    truly = SPACES["l_shape"].inside(fresh)
    wrong = inside(fresh, cloud) != truly
    # Errors lie within about the distance of samples, 1 / 45, of the boundary, of length 4, half of them
    # seen.
    assert wrong.double().mean() < 0.05


def test_outline_lies_on_the_boundary():
    edge = outline(DOMAINS["disc"].sample(2000, seed=0))
    radii = edge.points.norm(dim=1)
    assert radii.max() <= 1
    assert radii.min() > 0.85
    assert (edge.points * edge.normals).sum(dim=1).div(radii).median() > 0.95


@pytest.mark.parametrize("n", [300, 1500, 4000])
def test_outlines_of_two_samples_of_one_box_agree(n):
    generator = torch.Generator().manual_seed(n)
    box = torch.tensor([1.6, 1.2, 0.9], dtype=torch.float64)
    a, b = (torch.rand(n, 3, generator=generator, dtype=torch.float64) * box for _ in range(2))
    still = torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)

    assert fit_outlines(outline(a), outline(b), *still, None).agrees
    assert fit_outlines(outline(a), outline(1.3 * b), *still, None).differs


def test_a_hole_that_one_outline_misses_excludes_nothing():
    r"""A ring of 300 samples, whose hole the alpha shape of one sample bridges and that of the other does not."""
    generator = torch.Generator().manual_seed(1)
    inner = 0.36

    def ring() -> Coordinates:
        radius, angle = torch.rand(2, 300, generator=generator, dtype=torch.float64)
        radius, angle = (inner**2 + (1 - inner**2) * radius).sqrt(), 2 * math.pi * angle

        return Coordinates(torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1))

    first, second = ring(), ring()
    assert align(first.coordinates, second.coordinates)[0][0].differs
    assert register(first, second, None, 0.025).relation is Relation.UNDECIDED
    hole = Coordinates(first.coordinates[first.coordinates.norm(dim=1) > 0.6])
    assert register(hole, second, None, 0.025).relation is Relation.NONE
