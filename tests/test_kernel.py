"""The kernel, dense and sparse, its leading eigenpairs, and its width."""

import math

import pytest
import torch
from manifolds import DOMAINS, observe, random

from equiv import DiffusionMaps, Observations
from equiv.metric.mahalanobis import MAX_NORMAL_SHARE, all_distances
from equiv.metric.points import metric_points
from equiv.spectral.dense_kernel import components, dense_preconditioner
from equiv.spectral.eigenpairs import leading_eigenpairs
from equiv.spectral.epsilon import DENSITY_NEIGHBOUR, neighbour_epsilon
from equiv.spectral.kernel import normalise
from equiv.spectral.sparse_kernel import pairs_within, principal_scores


@pytest.mark.parametrize("n", [12, 300, 1000])
def test_eigenpairs_equal_dense_algebra(n: int) -> None:
    points = random(n, 2)
    kernel = (-torch.cdist(points, points).square() / 0.4).exp()
    factors = normalise(lambda rows: rows @ kernel, torch.ones(len(kernel)).double(), 1.0)
    w, root = factors.conjugate, factors.degree.sqrt()
    symmetric = w[:, None] * kernel * w
    mu, vectors, products = leading_eigenpairs(
        lambda v: v @ symmetric, dense_preconditioner(kernel, w), root / root.norm(), 8
    )
    expected = torch.linalg.eigvalsh(symmetric).flip(0)[:8]
    assert torch.allclose(mu, expected, rtol=0, atol=1e-12)
    assert torch.allclose(vectors @ vectors.T, torch.eye(8).double(), atol=1e-10)
    assert torch.allclose(products, vectors @ symmetric, atol=1e-12)
    assert (vectors @ symmetric - mu[:, None] * vectors).norm(dim=1).max() < 1e-8


def test_normalised_kernel_is_a_symmetric_walk() -> None:
    kernel = (-torch.cdist(random(50, 2), random(50, 2)).square()).exp()
    factors = normalise(lambda rows: rows @ kernel, torch.ones(len(kernel)).double(), 1.0)
    walk = (
        factors.conjugate[:, None]
        * kernel
        * factors.conjugate
        * factors.degree.sqrt()
        / factors.degree.sqrt()[:, None]
    )
    assert torch.allclose(walk.sum(dim=1), torch.ones(50).double())
    assert (walk > 0).all()


def test_components_of_a_block_kernel() -> None:
    kernel = torch.zeros(5, 5).double()
    kernel[:2, :2], kernel[2:, 2:] = 1, 1
    assert components(kernel, 0.5).tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize("m", [1, 2, 3])
def test_epsilon_puts_as_many_neighbours_under_the_kernel_as_it_says(m: int) -> None:
    # Random points of density n in a cube, far from its boundary: (4 pi epsilon)^(m/2) n = 16.
    n = 4000
    points = torch.rand(n, m, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inner = points[((points > 0.2) & (points < 0.8)).all(dim=1)][:500]
    nearest = torch.cdist(inner, points).square().topk(DENSITY_NEIGHBOUR + 1, largest=False).values[:, 1:]
    count = n * (4 * math.pi * neighbour_epsilon(nearest, rank=m)) ** (m / 2)
    assert 12 < count < 17, count


@pytest.fixture
def always_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equiv.spectral.diffusion_maps.LARGEST_DENSE", 0)


def test_sparse_pairs_are_all_pairs_within_reach() -> None:
    obs = observe(DOMAINS["torus"], DOMAINS["torus"].sample(900), outputs=5, seed=0)
    points = metric_points(obs.values, obs.frames)
    matrix = torch.from_numpy(
        pairs_within(points, principal_scores(points), 0.02, MAX_NORMAL_SHARE).toarray()
    )
    dense = all_distances(points, MAX_NORMAL_SHARE)
    inside = dense < 0.02
    assert torch.equal((matrix > 0) | torch.eye(900, dtype=torch.bool), inside)
    assert torch.allclose(matrix[inside], dense[inside], rtol=1e-12, atol=1e-20)


@pytest.mark.parametrize("name", ["interval", "rectangle", "circle", "cube"])
def test_sparse_and_dense_kernels_agree(
    name: str, always_sparse: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs = observe(DOMAINS[name], DOMAINS[name].sample(800, kind="low_discrepancy"), outputs=8, seed=1)
    sparse = DiffusionMaps(5).fit(obs)
    monkeypatch.setattr("equiv.spectral.diffusion_maps.LARGEST_DENSE", 800)
    dense = DiffusionMaps(5, epsilon=sparse.epsilon_).fit(obs)
    # What the sparse kernel leaves out carries at most (1 + 10 + 50 + ...) e^-10 = 0.3 % of the second
    # moment.
    assert torch.allclose(sparse.eigenvalues_, dense.eigenvalues_, rtol=5e-3)
    assert torch.allclose(sparse.transform(obs.values, obs.frames), sparse.coordinates_, rtol=0, atol=1e-10)


def test_sparse_maps_do_not_depend_on_the_order(always_sparse: None) -> None:
    obs = observe(DOMAINS["rectangle"], DOMAINS["rectangle"].sample(700), outputs=5, seed=0)
    order = torch.randperm(700, generator=torch.Generator().manual_seed(0))
    maps, same = DiffusionMaps(4).fit(obs), DiffusionMaps(4).fit(obs.subset(order))
    assert math.isclose(maps.epsilon_, same.epsilon_, rel_tol=1e-9)
    assert torch.allclose(same.eigenvalues_, maps.eigenvalues_, rtol=1e-8, atol=1e-8)
    assert torch.allclose(same.coordinates_, maps.coordinates_[order], atol=1e-5)


def test_sparse_clouds_apart_and_far_too_wide_kernels_are_refused(
    always_sparse: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    obs = observe(DOMAINS["circle"], DOMAINS["circle"].sample(500, kind="low_discrepancy"), outputs=4, seed=1)
    apart = Observations(torch.cat([obs.values, obs.values + 1e3]), obs.frames.repeat(2, 1, 1))
    with pytest.raises(ValueError, match=r"one connected cloud, got 2 \(of 500, 500 samples\)"):
        DiffusionMaps(3).fit(apart)
    monkeypatch.setattr("equiv.spectral.sparse_kernel.LARGEST_PAIR_COUNT", 1e4)
    with pytest.raises(ValueError, match="'epsilon' should be small enough for a sparse kernel"):
        DiffusionMaps(3, epsilon=1.0).fit(obs)


@pytest.mark.slow
def test_twenty_thousand_samples_converge_further() -> None:
    domain = DOMAINS["rectangle"]
    exact = math.pi**2 / 1.5**2
    errors = [
        abs(
            DiffusionMaps(2)
            .fit(observe(domain, domain.sample(n, kind="low_discrepancy"), 6, 1))
            .eigenvalues_[1]
            .item()
            / exact
            - 1
        )
        for n in (1000, 20_000)
    ]
    assert errors[1] < 0.5 * errors[0] and errors[1] < 0.05, errors
