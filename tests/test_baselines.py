r"""The usual measures against scikit-learn, SciPy and their own invariances."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.cross_decomposition import CCA
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from equiv import baselines

MEASURES = [
    baselines.linear_cka,
    baselines.debiased_cka,
    baselines.rbf_cka,
    baselines.svcca,
    baselines.pwcca,
    baselines.procrustes,
    baselines.rsa,
    baselines.mutual_knn,
]


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(120, 3, generator=generator, dtype=torch.float64)
    a = torch.tanh(hidden @ torch.randn(3, 5, generator=generator, dtype=torch.float64))
    b = torch.tanh(hidden @ torch.randn(3, 7, generator=generator, dtype=torch.float64) + 0.3)

    return a, b


def rotation(d: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)

    return torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_same_is_one_and_other_is_less(measure, pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    assert measure(a, a) == pytest.approx(1, abs=1e-12)
    assert 0 < measure(a, b) < 0.999


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_invariant_to_rotation_and_scale(measure, pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    if measure in (baselines.rsa, baselines.pwcca):
        return  # correlation distance and PWCCA's weights depend on the axes: known flaws of theirs

    assert measure(3 * a @ rotation(5), b) == pytest.approx(measure(a, b), abs=1e-10)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_refuses_unequal_samples_and_constants(measure, pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    with pytest.raises(ValueError, match="'a' and 'b'"):
        measure(a[1:], b)
    with pytest.raises(ValueError, match="'b' should vary"):
        measure(a, torch.ones_like(b))
    with pytest.raises(ValueError, match="'a' should be finite"):
        measure(a * torch.nan, b)


def test_linear_cka_by_grams_and_by_features(pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    h = np.eye(120) - 1 / 120
    left, right = (h @ (x @ x.T).numpy() @ h for x in (a, b))
    independent = np.trace(left @ right) / np.sqrt(np.trace(left @ left) * np.trace(right @ right))
    assert baselines.linear_cka(a, b) == pytest.approx(independent, rel=1e-12)
    wide = torch.cat([a, a @ torch.ones(5, 200, dtype=a.dtype)], dim=1)
    left = h @ (wide @ wide.T).numpy() @ h
    independent = np.trace(left @ right) / np.sqrt(np.trace(left @ left) * np.trace(right @ right))
    assert baselines.linear_cka(wide, b) == pytest.approx(independent, rel=1e-12)


def test_rbf_cka_against_scikit_learn(pair: tuple[Tensor, Tensor]) -> None:
    h = np.eye(120) - 1 / 120
    centred = []
    for x in pair:
        median = torch.pdist(x).square().median().item()
        centred.append(h @ rbf_kernel(x.numpy(), gamma=1 / (2 * 0.25 * median)) @ h)
    left, right = centred
    assert baselines.rbf_cka(*pair) == pytest.approx(
        np.sum(left * right) / np.sqrt(np.sum(left * left) * np.sum(right * right))
    )


def test_svcca_against_scikit_learn(pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    x, y = (
        CCA(n_components=5, max_iter=10000, tol=1e-12)
        .fit(a.numpy(), b.numpy())
        .transform(a.numpy(), b.numpy())
    )
    correlations = [np.corrcoef(x[:, i], y[:, i])[0, 1] for i in range(5)]
    # scikit-learn's power iteration stops at its own tolerance.
    assert baselines.svcca(a, b, variance=1.0) == pytest.approx(np.mean(correlations), abs=1e-6)
    assert min(correlations) - 1e-6 < baselines.pwcca(a, b) < max(correlations) + 1e-6


def test_svcca_ignores_linear_maps_and_low_variance(pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    generator = torch.Generator().manual_seed(2)
    mixed = a @ torch.randn(5, 5, generator=generator, dtype=a.dtype)
    assert baselines.svcca(mixed, b, variance=1.0) == pytest.approx(baselines.svcca(a, b, variance=1.0))
    noise = 1e-6 * torch.randn(120, 4, generator=generator, dtype=a.dtype)
    assert baselines.svcca(torch.cat([a, noise], dim=1), a) == pytest.approx(baselines.svcca(a, a), abs=1e-9)


def test_procrustes_is_the_best_rotation(pair: tuple[Tensor, Tensor]) -> None:
    a, b = (x[:, :5] - x[:, :5].mean(dim=0) for x in pair)
    a, b = a / a.norm(), b / b.norm()
    left, _, right = torch.linalg.svd(a.T @ b)
    distance = (a @ (left @ right) - b).square().sum().item()
    assert baselines.procrustes(*(x[:, :5] for x in pair)) == pytest.approx(1 - distance / 2, rel=1e-12)


def test_rsa_against_scipy(pair: tuple[Tensor, Tensor]) -> None:
    i, j = np.triu_indices(120, 1)
    distances = [(1 - np.corrcoef(x.numpy()))[i, j] for x in pair]
    assert baselines.rsa(*pair) == pytest.approx(spearmanr(*distances).statistic, rel=1e-10)


def test_mutual_knn_against_scikit_learn(pair: tuple[Tensor, Tensor]) -> None:
    near = [NearestNeighbors(n_neighbors=10).fit(x.numpy()).kneighbors(return_distance=False) for x in pair]
    shared = [len(set(p) & set(q)) / 10 for p, q in zip(*near, strict=True)]
    assert baselines.mutual_knn(*pair) == pytest.approx(np.mean(shared))
    with pytest.raises(ValueError, match="'k' should be less than"):
        baselines.mutual_knn(*pair, k=120)


def test_debiased_cka_by_its_definition(pair: tuple[Tensor, Tensor]) -> None:
    def unbiased(k: np.ndarray, m: np.ndarray) -> float:
        n, one = len(k), np.ones(len(k))
        return (
            np.trace(k @ m)
            + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * one @ k @ m @ one
        ) / (n * (n - 3))

    k, m = ((x @ x.T).fill_diagonal_(0).numpy() for x in pair)
    expected = unbiased(k, m) / np.sqrt(unbiased(k, k) * unbiased(m, m))
    assert baselines.debiased_cka(*pair) == pytest.approx(expected, rel=1e-10)


def test_debiased_cka_of_independent_wide_layers_is_near_0() -> None:
    found = []
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        a, b = (torch.randn(50, 400, generator=generator, dtype=torch.float64) for _ in range(2))
        found.append(baselines.debiased_cka(a, b))
        assert baselines.linear_cka(a, b) > 0.8
    assert abs(np.mean(found)) < 0.02 and max(map(abs, found)) < 0.1


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_dead_neurons_and_sizes_change_nothing(measure, pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    expected = measure(a, b)
    for constant in (1.0, -1e30, 1e-200):
        dead = torch.full_like(a[:, :2], constant)
        assert measure(torch.cat([dead, a], dim=1), b) == pytest.approx(expected, abs=1e-9)
    for scale in (1e160, 1e-165):
        assert measure(scale * a, b) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_ties_and_copies_do_not_hang_on_the_order_of_samples(measure, pair: tuple[Tensor, Tensor]) -> None:
    generator = torch.Generator().manual_seed(4)
    order = torch.randperm(120, generator=generator)
    copied = tuple(x[torch.arange(120) // 3] for x in pair)
    coarse = tuple((x > 0).double() for x in pair)
    mostly_dead = tuple(x * (torch.arange(120) % 5 == 0)[:, None] for x in pair)
    for a, b in (copied, coarse, mostly_dead):
        value = measure(a, b)
        assert np.isfinite(value)
        assert measure(a, a) == pytest.approx(1, abs=1e-9)
        assert measure(a[order], b[order]) == pytest.approx(value, abs=1e-9)


def test_neighbours_among_ties_are_those_of_chance() -> None:
    generator = torch.Generator().manual_seed(5)
    a, b = ((torch.rand(400, 1, generator=generator) < 0.5).double() for _ in range(2))
    # All samples of one value are equally near: of 10 any 200, of which half are so in the other.
    assert baselines.mutual_knn(a, b) == pytest.approx(0.5, abs=0.05)


def test_where_there_is_nothing_to_measure_nothing_is_said() -> None:
    one = torch.zeros(20, 3, dtype=torch.float64)
    one[4] = 1
    assert np.isnan(baselines.debiased_cka(one, one)) and np.isnan(baselines.debiased_cka(one[3:6], one[3:6]))
    assert np.isnan(baselines.rsa(torch.eye(20), torch.eye(20)))
