"""The metric forgets the observation function: exactly when it is linear, to fourth order otherwise."""

import itertools
import math

import pytest
import torch
from manifolds import DOMAINS, RandomEmbedding, observe, random, rotate_frames

from equiv import Observations, mahalanobis
from equiv.metric.mahalanobis import all_distances
from equiv.metric.points import metric_points


def brute_force(obs: Observations, other: Observations) -> torch.Tensor:
    """The definition, with dense pseudo-inverses and all differences."""
    inverse_a = torch.linalg.pinv(obs.frames @ obs.frames.mT, rtol=1e-14, hermitian=True)
    inverse_b = torch.linalg.pinv(other.frames @ other.frames.mT, rtol=1e-14, hermitian=True)
    delta = obs.values[:, None] - other.values[None]
    quadratic = lambda inverse, name: torch.einsum(f"ijd,{name}de,ije->ij", delta, inverse, delta)  # noqa: E731

    return 0.5 * (quadratic(inverse_a, "i") + quadratic(inverse_b, "j"))


def normal_share(obs: Observations) -> torch.Tensor:
    """The share of each squared difference that is normal to the tangent space, at its worse end; 0 on the diagonal."""
    delta = obs.values[None] - obs.values[:, None]
    basis = torch.linalg.qr(obs.frames)[0]
    tangent = (delta @ basis).square().sum(dim=2)
    square = delta.square().sum(dim=2)

    return (1 - torch.minimum(tangent, tangent.T) / square).fill_diagonal_(0)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize(("m", "d"), [(1, 1), (2, 2), (2, 10), (4, 64)])
def test_a_linear_observation_is_invisible(m: int, d: int, offset: float) -> None:
    x = random(600, m)  # more than one tile
    x[1] = x[0] + 1e-3  # a close pair keeps its digits
    A = random(d, m, seed=1)
    d2 = mahalanobis(Observations(x @ A.T + offset, A.expand(600, d, m)))
    expected = (x[:, None] - x[None]).square().sum(dim=2)
    # Rounding of the values themselves (eps times their size) bounds what any formula can give.
    rounding = 1e-15 * (1 + offset) * d**0.5 / torch.linalg.svdvals(A)[-1]
    assert ((d2 - expected).abs() <= 1e-10 * expected + 4 * rounding * expected.sqrt() + rounding**2).all()


def test_a_nonlinear_observation_errs_at_fourth_order() -> None:
    network = RandomEmbedding(2, 6, seed=3)
    centre, direction = random(200, 2, seed=1), torch.nn.functional.normalize(random(200, 2, seed=2), dim=1)
    lengths, errors = [0.02, 0.01, 0.005], []
    for h in lengths:
        ends = [centre - 0.5 * h * direction, centre + 0.5 * h * direction]
        a, b = (Observations(network(x), network.jacobian(x)) for x in ends)
        errors.append((mahalanobis(a, b).diagonal() - h**2).abs().median().item())
    slopes = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert all(abs(slope - 4) < 0.5 for slope in slopes), slopes


@pytest.mark.parametrize("kind", ["full", "low rank", "wide"])
def test_equals_the_definition(kind: str) -> None:
    m = 9 if kind == "wide" else 3
    frames = random(70, 6, m, seed=1)
    if kind == "low rank":
        frames[::2, :, 2] = frames[::2, :, 0] + frames[::2, :, 1]
    obs = Observations(random(70, 6), frames)
    other = Observations(random(30, 6, seed=2), random(30, 6, m, seed=3))
    torch.testing.assert_close(mahalanobis(obs), brute_force(obs, obs), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mahalanobis(obs, other), brute_force(obs, other), rtol=1e-9, atol=1e-9)


def test_symmetric_zero_diagonal_never_negative() -> None:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(1100), outputs=5, seed=0)
    d2 = mahalanobis(obs)
    assert torch.equal(d2, d2.T)
    assert (d2.diagonal() == 0).all() and (d2 >= 0).all()


def test_unchanged_by_what_does_not_matter() -> None:
    x = DOMAINS["square"].sample(300)
    obs = observe(DOMAINS["square"], x, outputs=5, seed=0)
    d2 = mahalanobis(obs)
    close = dict(rtol=1e-10, atol=1e-12)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(mahalanobis(obs.subset(order)), d2[order][:, order], **close)
    torch.testing.assert_close(mahalanobis(Observations(obs.values, rotate_frames(obs.frames))), d2, **close)
    dead = torch.zeros(300, 1, dtype=torch.float64)
    padded = Observations(
        torch.cat([obs.values, dead + 7], 1), torch.cat([obs.frames, dead[:, :, None].expand(-1, 1, 2)], 1)
    )
    torch.testing.assert_close(mahalanobis(padded), d2, **close)
    torch.testing.assert_close(mahalanobis(Observations(1e3 * obs.values, 1e3 * obs.frames)), d2, **close)


def test_copies_of_neurons_change_nothing() -> None:
    obs = observe(DOMAINS["interval"], DOMAINS["interval"].sample(100), outputs=3, seed=0)
    twice = Observations(obs.values.repeat(1, 2), obs.frames.repeat(1, 2, 1))
    torch.testing.assert_close(mahalanobis(twice), mahalanobis(obs), rtol=1e-10, atol=1e-12)


def test_float32_in_float64_out() -> None:
    x = DOMAINS["square"].sample(200)
    obs = observe(DOMAINS["square"], x, outputs=5, seed=0)
    single = mahalanobis(obs.to(torch.float32))
    assert single.dtype == torch.float64
    # Single precision loses 1e-7 of the values, divided by the smallest singular value of the frames.
    torch.testing.assert_close(single, mahalanobis(obs), rtol=1e-3, atol=1e-5)


def test_a_far_sheet_looks_near_and_is_dropped() -> None:
    # Half a turn away on a circle the difference is all normal: the metric says 0, and the test for tangency tells.
    angle = torch.arange(8, dtype=torch.float64) / 8 * 2 * torch.pi
    values = torch.stack([angle.cos(), angle.sin()], dim=1)
    frames = torch.stack([-angle.sin(), angle.cos()], dim=1)[:, :, None]
    # The chord at angle t has direction t / 2 from either tangent: its normal share is sin^2(t / 2).
    share = (angle / 2).sin().square()
    kept = all_distances(metric_points(values, frames), max_normal_share=0.6)[0]
    assert mahalanobis(Observations(values, frames))[0, 4] < 1e-20
    assert torch.equal(kept.isinf(), share > 0.6)


def test_filtered_distances_drop_exactly_the_normal_pairs() -> None:
    obs = observe(DOMAINS["torus"], DOMAINS["torus"].sample(700), outputs=4, seed=2)
    kept = all_distances(metric_points(obs.values, obs.frames), max_normal_share=0.5)
    share = normal_share(obs)
    clear = (share - 0.5).abs() > 1e-9
    assert torch.equal(kept.isinf() & clear, (share > 0.5) & clear)
    both = kept.isfinite()
    torch.testing.assert_close(kept[both], mahalanobis(obs)[both], rtol=1e-12, atol=0)


def test_a_difference_normal_at_both_ends_is_dropped_where_its_distance_is_zero() -> None:
    values = torch.tensor([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0]], dtype=torch.float64)
    points = metric_points(values, torch.tensor([[1.0], [0.0]], dtype=torch.float64).expand(3, 2, 1))
    expected = torch.tensor([[0, torch.inf, 16], [torch.inf, 0, 16], [16, 16, 0]], dtype=torch.float64)
    assert torch.equal(all_distances(points, 0.5), expected)


def test_refusals() -> None:
    obs = Observations(random(5, 3), random(5, 3, 2))
    with pytest.raises(ValueError, match="'obs' should have frames"):
        mahalanobis(Observations(random(5, 3)))
    with pytest.raises(ValueError, match="'other' should observe the 3 neurons of 'obs', got 2"):
        mahalanobis(obs, Observations(random(5, 2), random(5, 2, 2)))
    with pytest.raises(TypeError, match=r"'obs' should be equiv.Observations, got Tensor"):
        mahalanobis(random(5, 3))  # type: ignore[arg-type]


def test_an_invertible_linear_change_of_the_neurons_is_invisible_when_d_is_m() -> None:
    obs = Observations(random(80, 3), random(80, 3, 3, seed=1))
    A = random(3, 3, seed=2)
    changed = Observations(obs.values @ A.T, A @ obs.frames)
    torch.testing.assert_close(mahalanobis(changed), mahalanobis(obs), rtol=1e-9, atol=1e-9)
