r"""Projections onto spaces of fewer dimensions: by extents alone, by few anchors, round periods."""

import math

import pytest
import torch
from manifolds import DOMAINS, observe, rotate_frames

import equiv
from equiv import Observations
from equiv.coordinates.domain import Domain
from equiv.coordinates.motion import Motion
from equiv.registration.project import register_projection
from equiv.registration.result import Relation
from equiv.supports.projected_strains import fit_projected_strains
from equiv.supports.projections import find_projections

ALONG = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
OBLIQUE = torch.tensor([[0.8, 0.6]], dtype=torch.float64)


def test_extents_of_a_square_leave_its_four_symmetries():
    square = DOMAINS["square"]
    good, count = find_projections(square.sample(500, seed=1), square.sample(400, seed=2) @ ALONG.T)
    assert count == 4
    # The outermost of n samples lies 1 / n inside, and each sample's angle follows from the corners': sqrt(1 / n).
    best = min((found.motion.matrix.abs() - ALONG).abs().max() for found in good)
    assert best < 1 / math.sqrt(400)


def test_a_disc_may_be_turned_at_will():
    disc = DOMAINS["disc"]
    assert find_projections(disc.sample(500, seed=1), disc.sample(400, seed=2) @ ALONG.T)[1] == math.inf


def test_all_sides_of_a_disc_place_its_shadow():
    errors, slacks = [], []

    for seed in range(20):
        disc, inside = DOMAINS["disc"], DOMAINS["interval"]
        line = 2 * inside.sample(1500, seed=100 + seed) - 1
        good, count = find_projections(disc.sample(1500, seed=seed), line + 3.0)
        assert count == math.inf
        errors.append(abs(good[0].motion.offset.item() - 3.0))
        slacks.append(good[0].slack)

    # Of one direction: of the n samples of a disc, n 4 sqrt(2) h^(3/2) / (3 pi) lie within h of an end of a diameter.
    scale = (3 * math.pi / (4 * math.sqrt(2) * 1500)) ** (2 / 3)
    alone = scale * math.sqrt((math.gamma(7 / 3) - math.gamma(5 / 3) ** 2) / 2)
    rms = math.sqrt(sum(error**2 for error in errors) / 20)
    assert rms < 0.7 * alone
    assert rms / 2 < math.sqrt(sum(slack**2 for slack in slacks) / 20) < 2 * rms


def test_what_a_shadow_is_too_short_by_makes_its_place_uncertain():
    disc, line = DOMAINS["disc"].sample(1500, seed=0), 2 * DOMAINS["interval"].sample(1500, seed=1) - 1
    whole, cut = find_projections(disc, line)[0][0], find_projections(disc, line[line[:, 0] < 0.96])[0][0]
    # Where 0.04 are missing, a share uniform in [0, 1] of them at one end, the middle is off by 0.04 / sqrt(12), RMS.
    assert whole.slack < 0.04 / math.sqrt(12) / 2
    assert cut.slack > 0.04 / math.sqrt(12) / 1.5


def test_a_longer_shadow_than_any_does_not_agree():
    square = DOMAINS["square"]
    good, _ = find_projections(square.sample(500, seed=1), 2 * square.sample(400, seed=2) @ ALONG.T)
    assert not good[0].agrees


@pytest.mark.parametrize("anchors", [2, 3])
def test_few_anchors_fix_the_projection(anchors):
    square = DOMAINS["square"]
    known = square.sample(anchors, seed=5)
    good, _ = find_projections(
        square.sample(500, seed=1), square.sample(400, seed=2) @ OBLIQUE.T, (known, known @ OBLIQUE.T), 1e-6
    )
    assert min((found.motion.matrix - OBLIQUE).abs().max() for found in good) < 1e-5  # ten times the accuracy


@pytest.mark.slow
def test_the_shadow_of_a_box_is_fixed_by_its_faces():
    # A box over a rectangle, seen from a random side: tilts are seen where faces turn into edges.
    generator = torch.Generator().manual_seed(3)
    sides = torch.tensor([1.8, 1.3, 0.9], dtype=torch.float64)
    box = torch.rand(1500, 3, generator=generator, dtype=torch.float64) * sides
    floor = torch.rand(1500, 2, generator=generator, dtype=torch.float64) * sides[:2]
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]
    good, _ = find_projections(box @ turn.T, floor)
    found = good[0].motion.matrix @ turn
    # Rounded, the turned box's axes: the third is not seen.
    assert torch.equal(found.round().abs(), torch.eye(3, dtype=torch.float64)[:2])
    # A tilt by an angle a shows when the ramp that it makes of an edge, 0.9 a wide, holds a few samples.
    assert (found - found.round()).abs().max() < 0.1
    assert good[0].slack < 0.03


def test_a_network_that_sees_one_of_two_inputs_is_determined_and_does_not_determine():
    square, interval = DOMAINS["square"], DOMAINS["interval"]
    known, fresh = square.sample(2, seed=99), square.sample(300, seed=8)
    a = observe(square, torch.cat([square.sample(400, seed=1), known]), 6, seed=1)
    hidden = torch.cat([square.sample(300, seed=2), known])
    seen = observe(interval, hidden[:, :1], 4, seed=5)
    frames = torch.cat([seen.frames, torch.zeros_like(seen.frames)], dim=2)
    b = Observations(seen.values, rotate_frames(frames, seed=4))
    anchors = torch.tensor([[400, 300], [401, 301]])
    goal = observe(interval, fresh[:, :1], 4, seed=5).values

    result = equiv.compare(a, b, paired=False, anchors=anchors)
    found = result.transformation(observe(square, fresh, 6, seed=1).values)
    assert result.verdict == "a_determines_b"
    assert (found - goal).norm() < 2e-3 * (goal - goal.mean(dim=0)).norm()

    mirrored = equiv.compare(b, a, paired=False, anchors=anchors.flip(1))
    assert mirrored.verdict == "b_determines_a"
    with pytest.raises(ValueError, match="There is no transformation"):
        result.transformation.inverse(goal)


def test_a_torus_projects_onto_the_circle_of_its_second_period():
    hidden = DOMAINS["torus"].sample(400, seed=0)
    torus = Domain(hidden, torch.tensor([[1.5, 0.0], [0.0, 2.0]], dtype=torch.float64), 1e-4)
    circle = Domain(hidden[:, 1:] + 0.3, torch.tensor([[2.0]], dtype=torch.float64), 1e-4)
    anchors = torch.tensor([[3, 3], [50, 50]])
    found = register_projection(torus, circle, anchors, 0.02)
    assert found.relation is Relation.A_ONTO_B and found.symmetries == 1
    assert torch.allclose(found.motion.matrix, torch.tensor([[0.0, 1.0]], dtype=torch.float64), atol=1e-9)
    assert register_projection(torus, circle, None, 0.02).symmetries == math.inf
    other = Domain(circle.coordinates, torch.tensor([[2.3]], dtype=torch.float64), 1e-4)
    assert register_projection(torus, other, None, 0.02).relation is Relation.NONE


def displaced(freedom, points):
    """RMS displacement, twice its standard deviation."""
    fields = freedom.generators.at(points)
    gram = torch.einsum("nir,nis->rs", fields, fields) / len(points)

    return (freedom.mean @ gram @ freedom.mean + 4 * (gram @ freedom.covariance).trace()).sqrt().item()


@pytest.mark.parametrize("turned", [0.0, 0.05])
def test_turns_about_anchors_in_line_stay_in_the_bound(turned):
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        sides = torch.tensor([1.6, 1.2, 0.8], dtype=torch.float64)
        a, other = (torch.rand(600, 3, generator=generator, dtype=torch.float64) * sides for _ in range(2))
        matrix = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0][:2]
        ends = a[:2]
        anchors = ends[:1] + torch.rand(5, 1, generator=generator, dtype=torch.float64) * (
            ends[1:] - ends[:1]
        )
        axis = (ends[1] - ends[0]) / (ends[1] - ends[0]).norm()
        turn = torch.linalg.matrix_exp(turned * torch.linalg.cross(axis.expand(3, 3), torch.eye(3).double()))
        # The anchors' images stay where they are.
        motion = Motion(matrix @ turn, matrix @ (ends[0] - turn @ ends[0]))
        known = anchors, anchors @ matrix.T
        assert torch.allclose(motion(anchors), known[1])
        freedom = fit_projected_strains(a, other @ matrix.T, motion, known, 1e-5)
        off = (motion(a) - a @ matrix.T).square().sum(dim=1).mean().sqrt()
        assert freedom.fixed and off < displaced(freedom, a) < off + 0.3


@pytest.mark.parametrize("size", [1.0, 0.03])
def test_anchors_close_together_leave_the_bound_to_the_extents(size):
    square = DOMAINS["square"]
    a, b = square.sample(400, seed=1), square.sample(400, seed=2) @ OBLIQUE.T
    known = 0.5 + size * (square.sample(6, seed=3) - 0.5)
    # A turn by the errors over what the anchors are apart, or as far as the ends show.
    source = Domain(torch.cat([known, a]), None, 1e-3)
    target = Domain(torch.cat([known @ OBLIQUE.T, b]), None, 1e-3)
    found = register_projection(source, target, torch.arange(6)[:, None].expand(-1, 2), 0.025)
    assert (found.freedom is None) == (size == 1.0)
    assert size == 1.0 or 0.003 < displaced(found.freedom, a) < 0.1


@pytest.mark.slow
def test_a_length_tells_no_turn_from_a_strain():
    square = DOMAINS["square"]
    source, target = Domain(square.sample(300, seed=1)), Domain(square.sample(300, seed=2) @ ALONG.T)
    found = register_projection(source, target, None, 0.025)
    assert found.relation is Relation.UNDECIDED and "turned and strained" in found.reason


@pytest.mark.parametrize("stretch", [0.98, 1.0])
def test_the_diameter_of_a_disc_bounds_strains_of_its_shadow(stretch):
    disc, line = DOMAINS["disc"].sample(800, seed=0), 2 * DOMAINS["interval"].sample(800, seed=1) - 1
    found = register_projection(Domain(disc), Domain(stretch * line), None, 0.025)
    assert found.relation is Relation.A_ONTO_B and math.isinf(found.symmetries)
    off = (1 - stretch) * (disc @ ALONG.T).std().item()
    assert off < displaced(found.freedom, disc) < off + 0.06
