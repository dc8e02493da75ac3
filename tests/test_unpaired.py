r"""Unpaired comparison: a truth table of spaces, the mirror, and what must not matter."""

import math

import pytest
import torch
from manifolds import DOMAINS, Domain, RandomEmbedding, observe, rotate_frames

import equiv
from equiv import Observations
from equiv.coordinates.domain import Domain as CoordinateDomain
from equiv.registration.register import register
from equiv.transformation import NoMap, Transformation
from equiv.unpaired.result import NO_MAP, Facts, Finding, SideFacts, conclude
from equiv.verdict import Interval, Sentence

TURN = 2 * math.pi


def curve(x: torch.Tensor, speed: float, outputs: int, seed: int) -> Observations:
    r"""A random network's picture of the unit circle, run through at `speed` by the hidden x, `(n, 1)`."""
    circle = torch.cat([(speed * x).cos(), (speed * x).sin()], dim=1)
    tangent = speed * torch.stack([-(speed * x).sin(), (speed * x).cos()], dim=1)
    network = RandomEmbedding(2, outputs, seed)

    return Observations(network(circle), network.jacobian(circle) @ tangent)


def hidden(n: int, seed: int, known: torch.Tensor, length: float = TURN) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)

    return torch.cat([length * torch.rand(n, 1, generator=generator, dtype=torch.float64), known])


def circles(speed_a: float, speed_b: float, n: int = 300) -> tuple[Observations, Observations, torch.Tensor]:
    known = hidden(3, 9, torch.empty(0, 1).double())
    a = curve(hidden(n, 0, known), speed_a, 5, seed=1)
    b = curve(hidden(n, 1, known), speed_b, 8, seed=2)

    return a, b, torch.stack([n + torch.arange(3)] * 2, dim=1)


@pytest.mark.parametrize(
    ("speed_a", "speed_b", "verdict"),
    [
        (1.0, 1.0, "equivalent"),
        (1.0, 2.0, "a_determines_b"),  # A's circle is twice as long as B's: it covers it
        (3.0, 1.0, "b_determines_a"),
        (1.0, 0.5, "b_determines_a"),  # B is an interval as long as A's circle: one way round it
        (2.0, 3.0, "not_equivalent"),  # neither length is a multiple of the other
    ],
)
def test_circles_of_other_lengths(speed_a, speed_b, verdict):
    a, b, anchors = circles(speed_a, speed_b)
    result = equiv.compare(a, b, paired=False, anchors=anchors)
    assert result.verdict == verdict
    fresh = hidden(500, 7, torch.empty(0, 1).double())
    values = {"a": curve(fresh, speed_a, 5, seed=1).values, "b": curve(fresh, speed_b, 8, seed=2).values}
    for source, target, direction, module in (
        ("a", "b", result.a_to_b, result.transformation),
        ("b", "a", result.b_to_a, result.transformation.inverse),
    ):
        if verdict in ("equivalent", f"{source}_determines_{target}"):
            goal = values[target]
            error = (module(values[source]) - goal).norm() / (goal - goal.mean(dim=0)).norm()
            assert error < 2e-3
            assert direction.error.low < 0.05
        else:
            assert direction.error == (1.0, 1.0, 1.0)
            with pytest.raises(ValueError, match="There is no transformation"):
                module(values[source])


def planar(name_a: str, name_b: str, n: int = 400) -> tuple[Observations, Observations, torch.Tensor]:
    known = DOMAINS[name_a].sample(4, seed=9)
    a = observe(DOMAINS[name_a], torch.cat([DOMAINS[name_a].sample(n, seed=0), known]), 5, seed=21)
    b = observe(DOMAINS[name_b], torch.cat([DOMAINS[name_b].sample(n, seed=1), known]), 6, seed=22)

    return a, b, torch.stack([n + torch.arange(4)] * 2, dim=1)


def test_part_of_a_space_is_inconclusive():
    part = Domain((0.0, 0.0), (0.6, 1.0))
    square = DOMAINS["square"]
    known = part.sample(4, seed=9)
    a = observe(square, torch.cat([square.sample(400, seed=0), known]), 5, seed=21)
    b = observe(part, torch.cat([part.sample(400, seed=1), known]), 6, seed=22)
    anchors = torch.stack([400 + torch.arange(4)] * 2, dim=1)
    result = equiv.compare(a, b, paired=False, anchors=anchors)
    assert result.verdict == "inconclusive"
    assert result.a_to_b.error.high < 0.05  # on the overlap the transformation is right, and says so
    # A rim as wide as the distance between samples, 1 / 20, cannot be told from the inside.
    assert 0.58 < result.diagnostics["overlap_a"] < 0.65
    assert result.diagnostics["overlap_b"] > 0.97


def test_compare_of_exchanged_names_is_the_mirror_image():
    a, b, anchors = planar("square", "square", 200)
    one = equiv.compare(a, b, paired=False, anchors=anchors)
    other = equiv.compare(b, a, paired=False, anchors=anchors.flip(1))
    assert other.verdict == "equivalent" == one.verdict.mirrored
    # Both run in one order of the two sides; what is left is the rounding of sums in other memory.
    assert other.a_to_b.error == pytest.approx(one.b_to_a.error, rel=1e-6)
    assert other.b_to_a.error == pytest.approx(one.a_to_b.error, rel=1e-6)
    assert other.diagnostics.keys() == one.mirrored.diagnostics.keys()
    assert other.diagnostics["overlap_a"] == one.diagnostics["overlap_b"]
    assert torch.allclose(other.transformation(b.values), one.transformation.inverse(b.values), rtol=1e-8)


def test_rotated_frames_and_shuffled_samples_change_nothing():
    a, b, anchors = circles(1.0, 1.0)
    one = equiv.compare(a, b, paired=False, anchors=anchors)
    generator = torch.Generator().manual_seed(3)
    order = torch.randperm(len(a), generator=generator)
    where = order.argsort()
    shuffled = Observations(a.values[order], rotate_frames(a.frames, seed=4)[order])
    moved = torch.stack([where[anchors[:, 0]], anchors[:, 1]], dim=1)
    other = equiv.compare(shuffled, b, paired=False, anchors=moved)
    assert other.verdict == one.verdict == "equivalent"
    spread = (b.values - b.values.mean(dim=0)).norm(dim=1).mean()
    difference = other.transformation(a.values) - one.transformation(a.values)
    assert difference.norm(dim=1).max() < 1e-3 * spread


@pytest.mark.parametrize("wrong", range(6))
@pytest.mark.parametrize("m", [1, 2, 3])
def test_one_wrong_anchor_in_six_is_named_wherever_it_stands(m, wrong):
    generator = torch.Generator().manual_seed(10 * m + wrong)
    source = torch.rand(200, m, generator=generator, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(m, m, generator=generator, dtype=torch.float64))[0]
    anchors = torch.stack([torch.arange(6)] * 2, dim=1)
    anchors[wrong, 1] = 100
    found = register(CoordinateDomain(source), CoordinateDomain(source @ turn.T + 3), anchors, 0.025)
    assert found.rejected == (wrong,)
    assert torch.allclose(found.motion(source), source @ turn.T + 3)


def test_a_wrong_anchor_is_named():
    a, b, _ = planar("square", "square")
    anchors = torch.stack([400 + torch.arange(4)] * 2, dim=1)
    wrong = torch.cat([anchors[:2], torch.tensor([[17, 200]]), anchors[2:]])
    result = equiv.compare(a, b, paired=False, anchors=wrong)
    assert result.diagnostics["rejected_anchors"] == [2]
    assert result.verdict == "equivalent"


def test_different_dimensions_are_not_equivalent():
    circle = observe(DOMAINS["circle"], DOMAINS["circle"].sample(300, seed=0), 5, seed=1)
    square = observe(DOMAINS["square"], DOMAINS["square"].sample(300, seed=0), 5, seed=1)
    for pair in ((circle, square), (square, circle)):
        assert equiv.compare(*pair, paired=False).verdict == "not_equivalent"


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"paired": None}, ValueError, "'paired' should be said"),
        ({"paired": True, "anchors": [[0, 0]]}, ValueError, "'anchors' should be None for paired data"),
        ({"anchors": [[0, 1000]]}, ValueError, "'anchors' should hold indices from 0 to"),
        ({"anchors": [[0, 1], [0, 2]]}, ValueError, "'anchors' should name each sample of 'a' once"),
        ({"anchors": [[0.5, 1.0]]}, TypeError, "'anchors' should hold pairs of indices"),
        ({"method": "isometrik"}, ValueError, "did you mean 'isometric'"),
        ({"tolerance": 2.0}, ValueError, "'tolerance' should be a number between 0 and 1"),
        ({"inputs": torch.zeros(3, 2)}, ValueError, "'inputs' should be None"),
    ],
)
def test_wrong_arguments_are_named(changes, error, text):
    a, b, _ = circles(1.0, 1.0, 30)
    with pytest.raises(error, match=text):
        equiv.compare(a, b, **({"paired": False} | changes))


def test_frames_are_needed_without_pairs():
    a, b, _ = circles(1.0, 1.0, 30)
    with pytest.raises(ValueError, match="'b' should have frames in an unpaired comparison"):
        equiv.compare(a, Observations(b.values), paired=False)


def test_a_map_that_is_bad_excludes_no_other_and_a_geometry_that_is_other_excludes_all():
    a = Observations(torch.rand(30, 3), torch.rand(30, 3, 1))
    side = SideFacts(embedding=True)
    known = Facts(
        method="isometric", method_reason="", rejected_anchors=(), overlap_a=1, overlap_b=1, a=side, b=side
    )
    bad = Interval(0.3, 0.1, 0.9)

    for errors, verdict in (
        ((bad, bad), "inconclusive"),
        ((bad, NO_MAP), "inconclusive"),
        ((NO_MAP, NO_MAP), "not_equivalent"),
    ):
        nothing = NoMap(Sentence("Nothing."))
        found = Finding(
            facts=known, transformation=Transformation(nothing, nothing), a_to_b=errors[0], b_to_a=errors[1]
        )
        assert conclude(a, a, found, 0.05, 0.95).verdict == verdict
