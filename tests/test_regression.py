r"""Hermite kernel regression against autograd, dense algebra and refits without each sample."""

import math

import pytest
import torch
from manifolds import random
from torch import Tensor

from equiv.metric.neuron_scale import slope_weights
from equiv.observe.draws import Draws
from equiv.regression.affine import least_squares, ridge_regression
from equiv.regression.bounds import FRESH_INPUT_FACTORS, relative_rms
from equiv.regression.hermite import fit_map
from equiv.regression.hermite_kernel import PROFILES, gram, profile
from equiv.regression.kernel_map import KernelMap
from equiv.regression.kernel_search import Effort
from equiv.regression.leave_one_out import solve, triangular_inverse
from equiv.regression.pair_data import standardise
from equiv.transformation import build, describe


@pytest.mark.parametrize("kind", PROFILES)
def test_profile_derivatives_are_those_of_autograd(kind: str) -> None:
    t = torch.linspace(0.01, 4, 50, dtype=torch.float64, requires_grad=True)
    value, first, second = profile(kind, 2 * t)
    (slope,) = torch.autograd.grad(value.sum(), t, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), t)

    torch.testing.assert_close(first, slope)
    torch.testing.assert_close(second, bend)


@pytest.mark.parametrize("kind", PROFILES)
@pytest.mark.parametrize("r", [0, 1, 3])
def test_gram_is_the_derivative_of_the_kernel(kind: str, r: int) -> None:
    points, directions, linear = random(5, 3), random(5, r, 3, seed=1), 0.7
    n = len(points)

    def kernel(z: Tensor, w: Tensor) -> Tensor:
        return profile(kind, (z - w).square().sum())[0] + linear * (1 + z @ w)

    found = gram(kind, points, directions, linear).view(n, 1 + r, n, 1 + r)
    gradient = torch.func.grad(kernel, argnums=1)
    mixed = torch.func.jacrev(gradient, argnums=0)  # (w, z)

    for i in range(n):
        for j in range(n):
            z, w = points[i], points[j]
            torch.testing.assert_close(found[i, 0, j, 0], kernel(z, w))
            torch.testing.assert_close(found[i, 0, j, 1:], directions[j] @ gradient(z, w))

            if i != j:  # at i = j the Matern kernel's second derivative is the limit, not autograd's
                expected = directions[i] @ mixed(z, w).T @ directions[j].T
                torch.testing.assert_close(found[i, 1:, j, 1:], expected)

    full = found.reshape(n * (1 + r), -1)
    torch.testing.assert_close(full, full.T)
    assert torch.linalg.eigvalsh(full).min() > -1e-12


def test_triangular_inverse_beyond_the_base_case() -> None:
    lower = torch.linalg.cholesky(random(600, 600) @ random(600, 600).T + 600 * torch.eye(600).double())

    torch.testing.assert_close(triangular_inverse(lower) @ lower, torch.eye(600, dtype=torch.float64))


def test_leave_one_out_errors_are_those_of_refits_without_each_sample() -> None:
    n, r = 12, 2
    width = 1 + r
    matrix = gram("gaussian", random(n, 2), random(n, r, 2, seed=1), 1.0)
    noise, target = torch.rand(n * width).double() + 0.1, random(n * width, 3, seed=2)
    solution = solve(matrix, noise, target, width)
    assert solution is not None

    for i in range(n):
        out = torch.arange(width * i, width * (i + 1))
        kept = torch.tensor([row for row in range(n * width) if row not in out])
        inner = matrix[kept][:, kept] + noise[kept].diag()
        predicted = matrix[out[0], kept] @ torch.linalg.solve(inner, target[kept])
        torch.testing.assert_close(solution.errors[i], target[out[0]] - predicted)


@pytest.mark.parametrize("size", [1, 3])
def test_affine_errors_are_those_of_refits_where_a_draw_alone_shows_a_direction(size: int) -> None:
    source, target, generator = random(48, 4), random(48, 2, seed=1), torch.Generator()
    source[:, 3] = 0
    source[7, 3], source[40, 2] = 1.0, 9.0  # the first alone is not in the span of the others
    data = standardise(source, target, None, None, generator, Draws(torch.arange(48) // size))
    fit = least_squares(data)
    assert fit is not None and fit.missed is not None
    goal = target - target.mean(dim=0)
    design = torch.cat([data.values / data.scale, torch.ones(48, 1, dtype=torch.float64)], dim=1)

    for unit in data.draws.units.unique():
        out = data.draws.units == unit
        weights = torch.linalg.pinv(design[~out], rtol=1e-9) @ goal[~out]
        torch.testing.assert_close(fit.missed[out], goal[out] - design[out] @ weights)


@pytest.mark.parametrize("kind", PROFILES)
def test_derivatives_along_frames_are_those_of_autograd(kind: str) -> None:
    n, r, k, neurons, d = 7, 2, 3, 4, 2
    endless = torch.full((d,), math.inf, dtype=torch.float64)
    map_ = KernelMap(
        kind, random(neurons), random(neurons, k), random(d), random(k, d), random(n, k),
        random(n, r, k, seed=1), random(n, 1 + r, d), -endless, endless, random(n, k), torch.tensor(1.0),
    )  # fmt: skip
    values, frames = random(5, neurons, seed=2), random(5, neurons, 2, seed=3)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda y: map_(y[None])[0]))(values)
    found, slopes = map_.linearised(values, frames)

    torch.testing.assert_close(found, map_(values))
    torch.testing.assert_close(slopes, jacobians @ frames)


def test_shares_are_what_refits_without_a_sample_take_away() -> None:
    n, r = 9, 1
    width = 1 + r
    matrix = gram("gaussian", random(n, 2), random(n, r, 2, seed=1), 1.0)
    noise, target = torch.rand(n * width).double() + 0.1, random(n * width, 3, seed=2)
    solution = solve(matrix, noise, target, width)
    assert solution is not None
    samples = torch.tensor([4, 0])
    columns, residues = solution.shares(samples)

    for which, i in enumerate(samples.tolist()):
        left = solution.coefficients - columns[:, which] @ residues[which]
        kept = torch.tensor([row for row in range(n * width) if row // width != i])
        refit = torch.linalg.solve(matrix[kept][:, kept] + noise[kept].diag(), target[kept])
        torch.testing.assert_close(left[kept], refit)
        assert left[width * i : width * (i + 1)].abs().max() < 1e-12


def test_solve_refuses_an_indefinite_matrix() -> None:
    assert solve(-torch.eye(4).double(), torch.full((4,), 0.1).double(), random(4, 1), 1) is None


def _curves(n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x = torch.rand(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    source = torch.cat([x, x.square(), (3 * x).sin()], dim=1)
    target = torch.cat([(2 * x).exp(), (4 * x).cos()], dim=1)
    source_frames = torch.cat([torch.ones_like(x), 2 * x, 3 * (3 * x).cos()], dim=1)[:, :, None]
    target_frames = torch.cat([2 * (2 * x).exp(), -4 * (4 * x).sin()], dim=1)[:, :, None]

    return source, target, source_frames, target_frames


def test_derivatives_help() -> None:
    source, target, source_frames, target_frames = _curves(16)
    with_frames = fit_map(source, target, source_frames, target_frames).squared.mean()
    without = fit_map(source, target, None, None).squared.mean()

    # 16 samples with slopes carry as many equations as 32 without.
    assert with_frames < 0.25 * without


def test_more_equations_make_a_better_map_of_the_same_samples() -> None:
    n, normal = 250, torch.tensor([2.0, -1.4, 1.0], dtype=torch.float64)
    x = 2 * torch.rand(n + 1000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    target = (x @ normal)[:, None].sin()
    frames = torch.eye(3, dtype=torch.float64).expand(n, 3, 3)
    slopes = (x[:n] @ normal).cos()[:, None, None] * normal
    errors = []

    # 250 samples hold 250 values and 750 derivatives.
    for effort in (Effort(100, 200, 500), Effort(200, 400, 1000)):
        map_ = fit_map(x[:n], target[:n], frames, slopes, 0, effort).map
        errors.append((map_(x[n:]) - target[n:]).norm() / target[n:].norm())

    assert errors[1] < 0.5 * errors[0]


def test_map_is_what_its_residuals_say_on_fresh_samples() -> None:
    source, target, source_frames, target_frames = _curves(600)
    train, fresh = slice(0, 60), slice(60, 600)
    fit = fit_map(source[train], target[train], source_frames[train], target_frames[train])
    spread = (target[train] - target[train].mean(dim=0)).square().sum(dim=1).mean()
    true = ((fit.map(source[fresh]) - target[fresh]).square().sum(dim=1).mean() / spread).sqrt().item()
    error = relative_rms(fit.squared)

    assert true < 1e-4
    assert 0.2 * error.low <= true <= 5 * error.high


def test_frames_at_few_samples_tell_an_affine_map_that_their_values_leave_open() -> None:
    x, to_a, to_b = random(210, 20), random(30, 20, seed=1), random(24, 20, seed=2)
    source, target = x @ to_a.T, x @ to_b.T + 3
    few, fresh = slice(0, 10), slice(10, 210)  # ten samples span 9 of 20 directions
    frames = to_a.expand(10, -1, -1), to_b.expand(10, -1, -1)

    for taken in (None, torch.linalg.svd(x[few] - x[few].mean(dim=0), full_matrices=False)[2].T[:, :9]):
        told = fit_map(source[few], target[few], *frames, taken=taken).map
        open_ = fit_map(source[few], target[few], None, None).map
        spread = (target[fresh] - target[fresh].mean(dim=0)).norm()
        assert (told(source[fresh]) - target[fresh]).norm() < 1e-6 * spread
        assert (open_(source[fresh]) - target[fresh]).norm() > 0.3 * spread


@pytest.mark.parametrize("groups", [None, torch.arange(12) // 2])
@pytest.mark.parametrize("framed", [True, False])
def test_errors_of_ridge_regression_are_those_of_refits_without_each_draw(
    framed: bool, groups: Tensor | None
) -> None:
    draws = Draws.single(12) if groups is None else Draws(groups)
    source, target, frames = random(12, 7), random(12, 3, seed=1), (random(12, 7, 2), random(12, 3, 2))
    data = standardise(source, target, None, None, torch.Generator(), draws)
    found = ridge_regression(data, source, *(frames if framed else (None, None)), None, 0)
    assert found is not None
    assert found.missed is not None
    strength = float(found.description.split("ridge ")[1].split(",")[0])
    equations = int(found.description.split(", ")[2].split()[0]) // 12
    weight = slope_weights(source, frames[0] if framed else None)
    values = (source - source.mean(dim=0)) * weight
    size = values.square().sum(dim=1).mean().sqrt()
    left, right = torch.cat([values / size, torch.ones(12, 1)], dim=1)[:, None], data.target[:, None]

    if equations > 1:
        ours, theirs = frames[0].mT * weight / size, frames[1].mT / data.spread
        step = ours.square().sum(dim=(1, 2)).mean().sqrt()
        ours = torch.cat([ours, torch.zeros(12, 2, 1)], dim=2)
        left, right = torch.cat([left, ours / step], dim=1), torch.cat([right, theirs / step], dim=1)

    for draw in draws.units.unique():
        rest, out = draws.units != draw, draws.units == draw
        rows, sides = left[rest].flatten(0, 1), right[rest].flatten(0, 1)
        normal = rows.T @ rows + strength * torch.eye(8, dtype=torch.float64)
        missed = right[out, 0] - left[out, 0] @ torch.linalg.solve(normal, rows.T @ sides)
        torch.testing.assert_close(found.missed[out], missed * data.spread, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("frames", [True, False])
def test_map_is_exact_on_affine_relations_of_any_shape(frames: bool) -> None:
    source, _, source_frames, _ = _curves(40)
    order = torch.tensor([2, 0, 1])
    target, target_frames = 1e3 * source[:, order] + 5, 1e3 * source_frames[:, order]
    fit = fit_map(source, target, *((source_frames, target_frames) if frames else (None, None)))

    assert fit.squared.mean().sqrt() < 1e-12
    torch.testing.assert_close(fit.map(source), target)


def test_identity_is_exact_with_more_neurons_than_samples() -> None:
    source = random(20, 50)
    fit = fit_map(source, source, None, None)

    assert fit.squared.mean().sqrt() < 1e-12


def test_dead_neurons_and_copies_of_rows() -> None:
    source, target, source_frames, target_frames = _curves(40)
    dead = torch.cat([source, torch.full_like(source[:, :1], 0.1)], dim=1)
    dead_frames = torch.cat([source_frames, torch.zeros_like(source_frames[:, :1])], dim=1)
    twice = [torch.cat([part, part]) for part in (dead, target, dead_frames, target_frames)]
    fit = fit_map(*twice)

    assert fit.squared.mean().sqrt() < 1e-2
    assert fit.map(twice[0]).isfinite().all()


def test_gradient_is_finite_at_the_training_points_and_right_between() -> None:
    source, target, source_frames, target_frames = _curves(40)
    fit = fit_map(source, target, source_frames, target_frames)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda y: fit.map(y[None])[0]))(source)

    torch.testing.assert_close(jacobian @ source_frames, target_frames, atol=1e-2, rtol=1e-2)


def test_map_keeps_dtypes_is_saved_exported_and_says_where_it_extrapolates() -> None:
    source, target, source_frames, target_frames = _curves(40)
    fit = fit_map(source, target, source_frames, target_frames)
    again = build(describe(fit.map), fit.map.state_dict())
    assert isinstance(again, KernelMap)

    assert fit.map(source.float()).dtype == torch.float32
    assert torch.equal(again(source), fit.map(source))
    exported = torch.export.export(fit.map, (source,)).module()
    torch.testing.assert_close(exported(source), fit.map(source))
    assert not fit.map.extrapolates(source).any()
    assert fit.map.extrapolates(source + 100 * source.std(dim=0)).all()


def test_bounds_of_equal_errors_are_tight_and_those_of_one_large_error_wide() -> None:
    equal = relative_rms(torch.full((400,), 0.04))
    single = relative_rms(torch.cat([torch.full((399,), 1e-6), torch.tensor([4.0])]))

    assert equal.estimate == pytest.approx(0.2)
    assert (equal.low / 0.2, equal.high / 0.2) == pytest.approx(FRESH_INPUT_FACTORS, rel=0.01)
    assert single.low < 0.1 * single.estimate < single.estimate < 1.5 * single.estimate < single.high
    # One far sample among equal ones says less of fresh inputs than many errors as large would.
    assert single.high < 3.5 * single.estimate


def test_bounds_cover_the_mean_square_of_a_heavy_tail() -> None:
    generator = torch.Generator().manual_seed(0)
    errors = torch.randn(300, 200, generator=generator, dtype=torch.float64).exp().square()  # log-normal
    truth = math.sqrt(math.exp(2.0))
    covered = [found.low <= truth <= found.high for found in map(relative_rms, errors)]

    assert sum(covered) / len(covered) > 0.85
