"""The parts of isometric coordinates against dense algebra, brute force and automatic differentiation."""

import pytest
import torch
from manifolds import DOMAINS, observe
from torch import Tensor

from equiv.coordinates.lattice import reduce_lattice
from equiv.coordinates.smooth_fit import fit_smooth
from equiv.flattening import block_system as normal_equations
from equiv.flattening.block_system import BlockPattern, BlockSystem, Factorisation
from equiv.flattening.closed import find_lattice
from equiv.flattening.pair_equations import PairEquations
from equiv.flattening.solve import flatten
from equiv.flattening.synchronization import PairSolution
from equiv.metric import neighbors
from equiv.metric.neighbors import neighbor_graph
from equiv.metric.neuron_scale import spread_weights as neuron_weights
from equiv.observe.frames import split_frames


def cloud(n: int, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(n, seed), 5, seed)
    assert obs.frames is not None
    basis, scale, _ = split_frames(obs.frames)
    return obs.values, basis, scale


def test_copies_of_a_neuron_share_its_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    first, second, third = values.T
    near = second + 1e-3 * third
    neurons = torch.stack([first, second, -5 * first + 2, 0 * first + 7, near, first.float().double()], dim=1)
    spread = neurons.std(dim=0, correction=0)
    # Three of the first (mirrored and shifted, rounded to single precision), one of each other, one dead.
    expected = torch.tensor([3.0, 1.0, 3.0, torch.inf, 1.0, 3.0], dtype=torch.float64).rsqrt() / spread
    expected[3] = 0
    torch.testing.assert_close(neuron_weights(neurons), expected)


def test_neighbours_are_those_of_brute_force() -> None:
    values, basis, scale = cloud(150)
    graph = neighbor_graph(values, basis, scale, k=6)
    pinv = torch.linalg.pinv(basis * scale[:, None])
    expected = set()
    for i in range(150):
        scores = []
        for j in range(150):
            step = values[j] - values[i]
            squared = ((pinv[i] @ step).square().sum() + (pinv[j] @ step).square().sum()) / 2
            normal = max(
                float(1 - (basis[end].mT @ step).square().sum() / step.square().sum()) for end in (i, j)
            )
            sine = float(2 - (basis[i].mT @ basis[j]).square().sum()) ** 0.5 if i != j else 1.0
            tangent = i != j and normal <= 0.25 and sine <= 0.75
            scores.append((float(squared) * (1 + 100 * normal) if tangent else float("inf"), j))
        expected |= {(min(i, j), max(i, j)) for score, j in sorted(scores)[:6] if score < float("inf")}
    assert set(zip(graph.i.tolist(), graph.j.tolist(), strict=True)) == expected


def test_neighbours_of_neighbours_find_nearly_all(monkeypatch: pytest.MonkeyPatch) -> None:
    values, basis, scale = cloud(600)
    dense = neighbor_graph(values, basis, scale, 12)
    monkeypatch.setattr(neighbors, "LARGEST_WITH_ALL_PAIRS", 0)
    listed = neighbor_graph(values, basis, scale, 12)
    common = torch.isin(dense.i * 600 + dense.j, listed.i * 600 + listed.j)
    assert common.double().mean() > 0.995


def test_block_systems_agree_with_dense_algebra(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    n, b = 30, 3
    i, j = torch.triu_indices(n, n, offset=1)
    kept = torch.rand(len(i), generator=generator) < 0.2
    i, j = i[kept], j[kept]
    pattern, known = BlockPattern(n, i, j), Factorisation()

    def differs(cross: Tensor, diagonal: Tensor, right: Tensor) -> float:
        dense = torch.zeros(n, b, n, b, dtype=torch.float64)
        dense[torch.arange(n), :, torch.arange(n)] = diagonal
        dense[i, :, j] = cross
        dense[j, :, i] = cross.mT
        expected = torch.linalg.solve(dense.reshape(n * b, n * b), right)
        motions, aggregates = torch.eye(b, dtype=torch.float64).expand(n, b, b), torch.arange(n) // 5
        system = BlockSystem(pattern, diagonal, cross, 2, known, motions.clone(), aggregates)
        found = system.solve(right, tolerance=1e-10)
        return float((found - expected).abs().max())

    cross = torch.randn(len(i), b, b, generator=generator, dtype=torch.float64)
    diagonal = 40 * torch.eye(b, dtype=torch.float64).expand(n, b, b)
    right = torch.randn(n * b, 2, generator=generator, dtype=torch.float64)
    assert differs(cross, diagonal, right) < 1e-8
    # A system near the one that was factorised, then one far from it, then without factorisations.
    first = known.solve
    assert differs(1.05 * cross, 1.1 * diagonal, right) < 1e-8
    assert known.solve is first
    far = torch.diag_embed(torch.logspace(0, 6, n * b, dtype=torch.float64).reshape(n, b))
    assert differs(0 * cross, far, right) < 1e-8
    assert known.solve is not first
    monkeypatch.setattr(normal_equations, "LARGEST_FACTORISED", {2: 0})
    assert differs(cross, diagonal, right) < 1e-8


@pytest.mark.parametrize("periods", [None, torch.tensor([[1.5, 0.2]], dtype=torch.float64)])
def test_jacobians_of_fits_equal_autograd(periods: Tensor | None) -> None:
    u = torch.rand(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    fit = fit_smooth(u, torch.stack([u[:, 0].sin(), u.prod(dim=1)], dim=1), periods)
    values, slopes = fit.basis.combine(u[:10], fit.coefficients)
    torch.testing.assert_close(values, fit.basis.evaluate(u[:10]) @ fit.coefficients)
    expected = torch.func.vmap(
        torch.func.jacrev(lambda point: (fit.basis.evaluate(point[None]) @ fit.coefficients)[0])
    )(u[:10])
    torch.testing.assert_close(slopes, expected)


def test_fits_on_a_torus_are_periodic() -> None:
    periods = torch.tensor([[1.5, 0.2], [-0.4, 1.1]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(800, 2, generator=generator, dtype=torch.float64) @ periods
    angles = 2 * torch.pi * u @ torch.linalg.inv(periods)
    fit = fit_smooth(u, torch.stack([angles[:, 0].sin(), angles.sum(dim=1).cos()], dim=1), periods)
    away = u + torch.tensor([[2.0, -3.0]], dtype=torch.float64) @ periods
    torch.testing.assert_close(fit.basis.evaluate(away), fit.basis.evaluate(u))
    missed = fit.basis.evaluate(u) @ fit.coefficients - torch.stack(
        [angles[:, 0].sin(), angles.sum(dim=1).cos()], dim=1
    )
    assert missed.abs().max() < 1e-8


def test_fits_resolve_smooth_functions_and_smooth_noisy_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    u = torch.rand(600, 1, generator=generator, dtype=torch.float64)
    smooth = (3 * u).sin()
    exact = fit_smooth(u, smooth)
    assert (exact.basis.evaluate(u) @ exact.coefficients - smooth).abs().max() < 1e-6
    noise = 0.1 * torch.randn(600, 1, generator=generator, dtype=torch.float64)
    rough = fit_smooth(u, smooth + noise)
    left = rough.basis.evaluate(u) @ rough.coefficients - smooth
    # About ten degrees of freedom describe the sine; a fit that kept the noise would have 200.
    assert left.square().mean().sqrt() < 0.1 * (40 / 600) ** 0.5


def test_lattices_are_reduced_and_found() -> None:
    short = torch.tensor([[1.0, 0.0], [0.2, 1.5]], dtype=torch.float64)
    long = torch.tensor([[3.0, 4.0], [2.0, 3.0]], dtype=torch.float64) @ short  # determinant 1
    torch.testing.assert_close(reduce_lattice(long).norm(dim=1), short.norm(dim=1))
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(-1, 2, (400, 2), generator=generator).double()
    counts[50:] = 0
    mismatch = counts @ short + 0.01 * torch.randn(400, 2, generator=generator, dtype=torch.float64)
    found = find_lattice(mismatch, torch.full((400,), 0.05**2, dtype=torch.float64))
    assert found is not None
    torch.testing.assert_close(found[0].norm(dim=1), short.norm(dim=1), rtol=0.02, atol=0)
    assert (mismatch - found[1] @ found[0]).norm(dim=1).max() < 0.1


def test_scattered_mismatches_are_no_lattice() -> None:
    mismatch = torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert find_lattice(mismatch, torch.full((300,), 0.05**2, dtype=torch.float64)) is None


def test_a_sample_set_down_in_a_wrong_place_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    # A flat torus, its two circles in R^4, on its universal cover; one sample is a third of each period off.
    periods = 2 * torch.pi * torch.eye(2, dtype=torch.float64)
    u = torch.quasirandom.SobolEngine(2, scramble=True, seed=0).draw(500, dtype=torch.float64) @ periods
    values = torch.stack([u.cos(), u.sin()], dim=2).flatten(1)
    frames = torch.zeros(500, 2, 2, 2, dtype=torch.float64)
    frames[:, [0, 1], :, [0, 1]] = torch.stack([-u.sin(), u.cos()], dim=2).movedim(1, 0)
    frames = frames.flatten(1, 2)
    graph = neighbor_graph(values, *split_frames(frames)[:2], 12)
    equations = PairEquations.of_graph(values, frames, graph)
    wrong = u.clone()
    wrong[17] += periods.sum(dim=0) / 3
    rotations = torch.eye(2, dtype=torch.float64).expand(500, 2, 2).clone()
    start = PairSolution(wrong, rotations, None, equations.mismatch(wrong, rotations), True)
    monkeypatch.setattr("equiv.flattening.solve.develop", lambda *_: start)

    found = flatten(equations, 0.1).solution
    assert found.periods is not None
    # The trapezoid rule is off by a twelfth of the squared angle between neighbours.
    error = (graph.squared.mean() / 12).item()
    torch.testing.assert_close(found.periods.norm(dim=1), periods.norm(dim=1), rtol=2 * error, atol=0)
    offset = (found.coordinates[17] - u[17]) - (found.coordinates - u).median(dim=0).values
    turns = offset @ periods.inverse()
    assert (turns - turns.round()).abs().max() < 0.02
