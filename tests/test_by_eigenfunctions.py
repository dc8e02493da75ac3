r"""Comparison by registered eigenfunctions: the sphere, which has no flat chart, and methods that are asked for."""

import dataclasses
import math

import pytest
import torch
from manifolds import DOMAINS, RandomEmbedding, observe, rotate_frames

import equiv
from equiv import Observations
from equiv.unpaired.eigenfunctions import EigenSide
from equiv.unpaired.eigenspace_match import register_eigenspaces
from equiv.unpaired.isometry_refinement import refine

KNOWN = 4


def points(n: int, seed: int) -> torch.Tensor:
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return x / x.norm(dim=1, keepdim=True)


def tangents(x: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svd(x[:, None])[2][:, 1:].mT  # (n, 3, 2), orthonormal


def sphere(x: torch.Tensor, outputs: int, seed: int) -> Observations:
    network = RandomEmbedding(3, outputs, seed)
    network.first = 0.6 * network.first

    return Observations(network(x), rotate_frames(network.jacobian(x) @ tangents(x), seed=seed))


# Of both sides, the last ones of either the same.
SEEN_A, SEEN_B = (torch.cat([points(n, seed), points(KNOWN, 9)]) for n, seed in ((500, 1), (460, 2)))
ANCHORS = torch.stack([500 + torch.arange(KNOWN), 460 + torch.arange(KNOWN)], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["galerkin", "auto"])
def test_spheres_are_equivalent_and_transform(method):
    fresh = points(300, 8)
    a, b = sphere(SEEN_A, 7, seed=1), sphere(SEEN_B, 8, seed=2)
    result = equiv.compare(a, b, paired=False, anchors=ANCHORS, method=method)
    assert result.verdict == "equivalent"
    # A space with more anchors than dimensions needs no eigenfunctions.
    assert result.diagnostics["method"] == {"galerkin": "galerkin", "auto": "isometric"}[method]
    assert result.symmetries == 1

    values = {"a": sphere(fresh, 7, seed=1).values, "b": sphere(fresh, 8, seed=2).values}
    for source, target, found, direction in (
        ("a", "b", result.transformation, result.a_to_b),
        ("b", "a", result.transformation.inverse, result.b_to_a),
    ):
        goal = values[target]
        error = (found(values[source]) - goal).norm() / (goal - goal.mean(dim=0)).norm()
        assert error < direction.error.high < 0.05
    there = result.transformation
    assert (there.inverse(there(values["a"])) - values["a"]).norm() < 0.01 * values["a"].norm()


def exact_side(x: torch.Tensor) -> EigenSide:
    r"""The sphere with its exact eigenfunctions, of unit mean square."""
    scale = math.sqrt(3)
    obs = Observations(x, tangents(x))

    return EigenSide(obs, scale * x, scale * tangents(x), 2 * torch.ones(3).double(), (slice(0, 3),))


def test_exact_eigenfunctions_are_registered_exactly():
    x, y = points(500, 1), points(500, 2)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).double())[0]
    known = points(3, 3)
    a = exact_side(torch.cat([x, known]))
    b = exact_side(torch.cat([y, known]) @ turn.T)
    anchors = torch.stack([500 + torch.arange(3)] * 2, dim=1)
    matrices, misfit, count = register_eigenspaces(a, b, anchors)
    # The nearest neighbours have a say of 500 / 50 anchors' worth, and are off by their spacing at random.
    assert count == 1 and misfit < 2 and (matrices[0] - turn).norm() < 0.1

    refined = refine(a, b, matrices[0], (a.coordinates[500:], b.coordinates[500:]))
    moved = refined(a.coordinates)[0]
    assert refined.strain < 1e-3
    assert (moved - a.coordinates @ turn.T).norm() < 1e-3 * moved.norm()


def test_a_larger_sphere_is_no_isometric_one():
    a, b = exact_side(points(500, 1)), exact_side(points(500, 2))
    larger = dataclasses.replace(b, frames=b.frames / 1.04)
    found = refine(a, larger, torch.eye(3).double(), None)
    # (1.04^-2 - 1) / 2 = -3.8 %, of which S may hide some off the sphere and in folds, but not most.
    assert -0.04 < found.dilation < -0.02


def test_without_anchors_a_sphere_may_be_turned_at_will():
    a, b = exact_side(points(400, 1)), exact_side(points(400, 2))
    assert register_eigenspaces(a, b, None)[2] == math.inf


@pytest.mark.parametrize("method", ["galerkin", "diffusion_maps"])
def test_methods_asked_for(method):
    circle = DOMAINS["circle"]
    known, fresh = circle.sample(3, seed=9), circle.sample(300, seed=7)
    a = observe(circle, torch.cat([circle.sample(400, seed=0), known]), 5, seed=1)
    b = observe(circle, torch.cat([circle.sample(350, seed=1), known]), 6, seed=2)
    anchors = torch.stack([400 + torch.arange(3), 350 + torch.arange(3)], dim=1)
    result = equiv.compare(a, b, paired=False, anchors=anchors, method=method)
    goal = observe(circle, fresh, 6, seed=2).values
    found = result.transformation(observe(circle, fresh, 5, seed=1).values)
    assert result.diagnostics["method"] == method
    assert result.verdict == "equivalent"
    assert (found - goal).norm() < result.a_to_b.error.high * (goal - goal.mean(dim=0)).norm()


def test_shapes_of_other_curvature_are_never_equivalent():
    def ellipsoid(x, outputs, seed):
        network = RandomEmbedding(3, outputs, seed)
        stretch = torch.tensor([1.0, 1.0, 1.3], dtype=torch.float64)
        tangent = torch.linalg.qr(stretch[:, None] * tangents(x))[0]
        return Observations(network(0.6 * stretch * x), 0.6 * network.jacobian(0.6 * stretch * x) @ tangent)

    # As many samples and anchors as tell that two spheres are equivalent.
    a, b = sphere(SEEN_A, 7, seed=1), ellipsoid(SEEN_B, 8, seed=2)
    result = equiv.compare(a, b, paired=False, anchors=ANCHORS, method="galerkin")
    assert result.verdict in ("inconclusive", "not_equivalent")
    # For what is wrong with the shapes, not for want of samples.
    assert any(
        words in result.sentence for words in ("far apart as samples", "off an isometry", "larger than")
    )


def test_different_dimensions_say_so():
    a = observe(DOMAINS["circle"], DOMAINS["circle"].sample(200, seed=0), 5, seed=1)
    b = sphere(points(300, 1), 7, seed=1)
    result = equiv.compare(a, b, paired=False, method="galerkin")
    assert result.verdict == "inconclusive" and "dimensions differ" in result.sentence
    with pytest.raises(ValueError, match="There is no transformation"):
        result.transformation(a.values)
