"""Isometric coordinates against the hidden inputs, which they never see."""

import math

import pytest
import torch
from manifolds import DOMAINS, RandomEmbedding, observe, pushed_forward, rigid_error, rotate_frames
from torch import Tensor

from equiv import Observations
from equiv.charts.isometric import IsometricMaps


@pytest.fixture(scope="module")
def square() -> tuple[Tensor, Observations]:
    x = DOMAINS["square"].sample(400, seed=1)
    return x, observe(DOMAINS["square"], x, 5, seed=1)


@pytest.fixture(scope="module")
def fitted(square: tuple[Tensor, Observations]) -> IsometricMaps:
    return IsometricMaps().fit(square[1])


# The marks are those that the project set itself for these sizes, random networks and samples.
@pytest.mark.parametrize(
    ("name", "n", "mark"), [("interval", 400, 1e-5), ("square", 500, 5e-4), ("l_shape", 600, 5e-4)]
)
def test_flat_charts_recover_the_inputs(name: str, n: int, mark: float) -> None:
    x = DOMAINS[name].sample(n, seed=1)
    flat = IsometricMaps().fit(observe(DOMAINS[name], x, 5, seed=1))
    assert flat.accepted_ and flat.periods_ is None
    assert rigid_error(flat.coordinates_, x) < mark


@pytest.mark.parametrize(("n", "m"), [(2000, 1), (200, 2)])
def test_an_affine_observation_is_undone_to_rounding(n: int, m: int) -> None:
    """Along a curve too, which the equations of its pairs hold together but loosely."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, m, generator=generator, dtype=torch.float64)
    matrix = torch.randn(4, m, generator=generator, dtype=torch.float64)
    flat = IsometricMaps().fit(Observations(x @ matrix.T + 1, matrix.expand(n, 4, m)))
    assert flat.accepted_
    assert rigid_error(flat.coordinates_, x) < 1e-8  # every pair equation holds exactly


def test_circle_has_its_period() -> None:
    x = DOMAINS["circle"].sample(400, seed=2)
    flat = IsometricMaps().fit(observe(DOMAINS["circle"], x, 5, seed=2))
    assert flat.accepted_ and flat.periods_ is not None
    assert flat.periods_.abs().item() == pytest.approx(2 * math.pi, rel=1e-4)
    turn = torch.exp(1j * flat.coordinates_[:, 0]), torch.exp(1j * x[:, 0])
    alignment = max((turn[0] * turn[1]).mean().abs(), (turn[0].conj() * turn[1]).mean().abs())
    assert alignment > 1 - 1e-8  # half the squared angle error


def test_a_wide_gap_does_not_cut_a_circle() -> None:
    """The twelve nearest of every sample lie on its own side of the gap."""
    generator = torch.Generator().manual_seed(0)
    x = 2 * math.pi * torch.rand(500, 1, generator=generator, dtype=torch.float64)
    beside = torch.linspace(-0.02, 0.02, 30, dtype=torch.float64)[:, None]
    x = torch.cat([x[(x[:, 0] - 1).abs() > 0.07], 0.95 + beside, 1.05 + beside])
    x = x[(x[:, 0] - 1).abs() > 0.03]
    flat = IsometricMaps().fit(observe(DOMAINS["circle"], x, 5, seed=2))
    assert flat.accepted_ and flat.periods_ is not None
    assert flat.periods_.abs().item() == pytest.approx(2 * math.pi, rel=1e-4)


def test_a_cluster_of_few_samples_is_no_other_cloud() -> None:
    x = torch.linspace(0, 2 * math.pi, 201, dtype=torch.float64)[:-1, None]
    x = torch.cat([x, x[7] + 1e-9 * torch.arange(1, 5, dtype=torch.float64)[:, None]])
    flat = IsometricMaps().fit(observe(DOMAINS["circle"], x, 5, seed=2))
    assert flat.accepted_ and flat.periods_ is not None


def test_a_bend_too_sharp_for_the_samples_is_no_end() -> None:
    """A drop: the samples on either side of its cusp face each other, and no edge joins them."""
    x = torch.linspace(0.1, 2 * math.pi - 0.1, 400, dtype=torch.float64)[:, None]

    def drop(x: Tensor) -> Tensor:
        return torch.cat([x.cos(), x.sin() * (x / 2).sin() ** 3])

    tangent = pushed_forward(drop, x)
    values = torch.func.vmap(drop)(x)
    flat = IsometricMaps().fit(Observations(values, tangent / tangent.norm(dim=1, keepdim=True)))
    assert not flat.accepted_
    assert any("it may go on" in sentence for sentence in flat.diagnostics_["reasons"])


def test_a_hole_is_no_period() -> None:
    x = DOMAINS["thin_annulus"].sample(500, seed=1)
    flat = IsometricMaps().fit(observe(DOMAINS["thin_annulus"], x, 5, seed=1))
    assert flat.accepted_ and flat.periods_ is None
    assert rigid_error(flat.coordinates_, x) < 5e-4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("cylinder", 1), ("torus", 2)])
def test_closed_surfaces_have_their_periods(name: str, count: int) -> None:
    domain = DOMAINS[name]
    x = domain.sample(2000, seed=1)
    flat = IsometricMaps().fit(observe(domain, x, 6, seed=1))
    assert flat.accepted_ and flat.periods_ is not None and len(flat.periods_) == count
    assert domain.periods is not None
    true = torch.tensor(sorted(period for period in domain.periods if period > 0)).double()
    torch.testing.assert_close(flat.periods_.norm(dim=1).sort().values, true, rtol=5e-3, atol=0)


@pytest.mark.slow
def test_three_dimensions() -> None:
    x = DOMAINS["cube"].sample(2000, seed=1)
    flat = IsometricMaps().fit(observe(DOMAINS["cube"], x, 8, seed=1))
    assert flat.accepted_
    assert rigid_error(flat.coordinates_, x) < 4e-3


@pytest.mark.slow
@pytest.mark.parametrize("m", [4, 5, 6])
def test_more_dimensions(m: int) -> None:
    """A thousand samples have few neighbours there, and the residual says what that costs."""
    x = torch.rand(1000, m, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    network = RandomEmbedding(m, 2 * m + 2, seed=1)
    network.first *= 0.5
    flat = IsometricMaps().fit(Observations(network(x), rotate_frames(network.jacobian(x))))
    assert flat.coordinates_.shape == (1000, m)
    assert rigid_error(flat.coordinates_, x) < min(2 * flat.residual_, 0.01)
    assert flat.accepted_ == (m < 6)


def test_only_the_metric_counts(square: tuple[Tensor, Observations], fitted: IsometricMaps) -> None:
    values, frames = square[1].values, square[1].frames
    assert frames is not None
    scales = torch.tensor([3.0, -0.01, 40.0, 1.0, 7.0], dtype=torch.float64)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(3))
    dead = torch.full((400, 1), 2.0, dtype=torch.float64)
    changed = {
        "frames rotated": Observations(values, rotate_frames(frames)),
        "neurons rescaled": Observations(values * scales, frames * scales[:, None]),
        "neurons repeated": Observations(values[:, [0, 1, 2, 3, 4, 1]], frames[:, [0, 1, 2, 3, 4, 1]]),
        "a dead neuron": Observations(
            torch.cat([values, dead], dim=1), torch.cat([frames, torch.zeros_like(frames[:, :1])], dim=1)
        ),
        "points permuted": Observations(values[order], frames[order]),
    }
    for name, obs in changed.items():
        flat = IsometricMaps().fit(obs)
        expected = fitted.coordinates_[order] if name == "points permuted" else fitted.coordinates_
        # The corrections stop at moves of 1e-5 of the spread, and do so alike.
        assert rigid_error(flat.coordinates_, expected) < 1e-6, name


@pytest.mark.parametrize("copies", [2, 13])
def test_copies_of_samples_change_nothing(
    square: tuple[Tensor, Observations], fitted: IsometricMaps, copies: int
) -> None:
    values, frames = square[1].values, square[1].frames
    assert frames is not None
    flat = IsometricMaps().fit(
        Observations(values.repeat(copies, 1), rotate_frames(frames.repeat(copies, 1, 1)))
    )
    assert flat.accepted_
    assert rigid_error(flat.coordinates_, fitted.coordinates_.repeat(copies, 1)) < 1e-6


def test_the_same_input_gives_the_same_result(
    square: tuple[Tensor, Observations], fitted: IsometricMaps
) -> None:
    assert torch.equal(IsometricMaps().fit(square[1]).coordinates_, fitted.coordinates_)


def test_noise_of_bursts_falls_with_their_root() -> None:
    x = DOMAINS["square"].sample(500, seed=1)
    exact = observe(DOMAINS["square"], x, 5, seed=1)
    assert exact.frames is not None
    generator = torch.Generator().manual_seed(0)
    errors = []

    for size in (25, 400):
        steps = torch.randn(500, size, 2, generator=generator, dtype=torch.float64)
        burst = steps @ exact.frames.mT
        burst = burst - burst.mean(dim=1, keepdim=True)
        values, vectors = torch.linalg.eigh(burst.mT @ burst / (size - 1))
        frames = vectors[:, :, -2:] * values[:, None, -2:].clamp_min(0).sqrt()
        flat = IsometricMaps().fit(Observations(exact.values, frames, burst_size=size))
        assert flat.accepted_
        errors.append(rigid_error(flat.coordinates_, x))

    assert errors[0] / errors[1] == pytest.approx(4, rel=0.5)  # (400 / 25)^(1/2), two random draws


def test_noisy_frames_that_are_singular_along_a_line_are_charted() -> None:
    r"""The example of LOCA (Peterfreund et al. 2020, section 6.1), whose trained network reaches a stress of 1.5e-5.

    Next to the line small corrections of values would be large ones of coordinates.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2000, 2, generator=generator, dtype=torch.float64)
    steps = 0.01 * torch.randn(2000, 200, 2, generator=generator, dtype=torch.float64)
    first, third = x[:, None] + steps, (x[:, None] + steps)[..., 1] ** 3
    burst = torch.stack([first[..., 0] + third, third - first[..., 0]], dim=-1)
    burst = burst - burst.mean(dim=1, keepdim=True)
    values, vectors = torch.linalg.eigh(burst.mT @ burst / 199 / 0.01**2)
    seen = torch.stack([x[:, 0] + x[:, 1] ** 3, x[:, 1] ** 3 - x[:, 0]], dim=1)
    flat = IsometricMaps().fit(Observations(seen, vectors * values.sqrt()[:, None], burst_size=200))
    off = torch.cdist(flat.coordinates_, flat.coordinates_) - torch.cdist(x, x)

    assert flat.accepted_
    assert off.square().mean() < 1.5e-5


def sphere(n: int) -> Observations:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    points = points / points.norm(dim=1, keepdim=True)
    tangents = torch.linalg.svd(points[:, None], full_matrices=True)[2][:, 1:].mT
    return Observations(points, tangents)


def moebius(n: int) -> Observations:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    x = torch.stack([2 * math.pi * x[:, 0], x[:, 1] - 0.5], dim=1)

    def band(x: Tensor) -> Tensor:
        angle, across = x
        half = torch.stack([(angle / 2).cos(), (angle / 2).sin()])
        return torch.cat([torch.stack([angle.cos(), angle.sin()]), across * half])

    return Observations(torch.func.vmap(band)(x), pushed_forward(band, x))


def figure_eight(n: int) -> Observations:
    x = torch.rand(n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def curve(x: Tensor) -> Tensor:
        return torch.cat([(2 * math.pi * x).sin(), (4 * math.pi * x).sin()])

    return Observations(torch.func.vmap(curve)(x), pushed_forward(curve, x))


def twice_around(n: int) -> Observations:
    """A strip that winds one and a half times around a point of its own plane: flat, but onto itself."""
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.stack([3 * math.pi * x[:, 0], 0.5 + 0.5 * x[:, 1]], dim=1)

    def ramp(x: Tensor) -> Tensor:
        return torch.stack([x[1] * x[0].cos(), x[1] * x[0].sin(), x[0]])

    unit = torch.diag_embed(torch.stack([1 / x[:, 1], torch.ones(n, dtype=torch.float64)], dim=1))
    return Observations(torch.func.vmap(ramp)(x), pushed_forward(ramp, x) @ unit)


@pytest.mark.parametrize(
    ("obs", "reason"),
    [
        (sphere(200), "miss the coordinates"),
        (moebius(400), "contradict the coordinates"),
        (figure_eight(300), "crosses itself"),
        (twice_around(600), "overlap themselves"),
    ],
    ids=["sphere", "moebius", "figure eight", "twice around"],
)
def test_what_has_no_chart_is_not_accepted(obs: Observations, reason: str) -> None:
    flat = IsometricMaps().fit(obs)
    assert not flat.accepted_
    assert any(reason in sentence for sentence in flat.diagnostics_["reasons"])


def test_frames_of_lower_rank_give_fewer_coordinates() -> None:
    x = DOMAINS["square"].sample(200, seed=0)
    network = RandomEmbedding(1, 4, seed=0)
    frames = torch.cat([network.jacobian(x[:, :1]), torch.zeros(200, 4, 1, dtype=torch.float64)], dim=2)
    flat = IsometricMaps().fit(Observations(network(x[:, :1]), frames))
    assert flat.accepted_ and flat.coordinates_.shape == (200, 1)
    assert rigid_error(flat.coordinates_, x[:, :1]) < 1e-4


def test_what_cannot_be_fitted_is_refused(square: tuple[Tensor, Observations]) -> None:
    values, frames = square[1].values, square[1].frames
    assert frames is not None
    apart = torch.cat([values[:200], values[200:] + 1000])
    cases = {
        "should have frames": Observations(values),
        "at least 14 samples": Observations(values[:10], frames[:10]),
        "constant values": Observations(torch.ones_like(values), frames),
        "one connected cloud, got 2": Observations(apart, frames),
    }
    for sentence, obs in cases.items():
        with pytest.raises(ValueError, match=sentence):
            IsometricMaps().fit(obs)
    with pytest.raises(ValueError, match="rank"):
        IsometricMaps(dimension=3).fit(square[1])


def test_what_cannot_be_mapped_is_refused(fitted: IsometricMaps, square: tuple[Tensor, Observations]) -> None:
    values = square[1].values
    broken = values.clone()
    broken[3, 1] = math.nan
    with pytest.raises(TypeError, match="wrap arrays"):
        IsometricMaps().fit(values)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not yet fitted"):
        IsometricMaps().transform(values)
    with pytest.raises(ValueError, match="'values' should have 5 columns"):
        fitted.transform(values[:, :3])
    with pytest.raises(ValueError, match="'values' should be finite"):
        fitted.transform(broken)
    with pytest.raises(ValueError, match="'coordinates' should have 2 columns"):
        fitted.inverse_transform(values)


def test_float32_is_kept(square: tuple[Tensor, Observations]) -> None:
    flat = IsometricMaps().fit(square[1].to(torch.float32))
    assert flat.coordinates_.dtype == torch.float32
    assert flat.transform(square[1].values.float()).dtype == torch.float32


@pytest.mark.parametrize("name", ["circle", "square"])
def test_the_order_of_the_samples_changes_nothing_at_all(name: str) -> None:
    obs = observe(DOMAINS[name], DOMAINS[name].sample(300, seed=1), 5, seed=1)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    one, other = IsometricMaps().fit(obs), IsometricMaps().fit(obs.subset(order))
    assert torch.equal(other.coordinates_, one.coordinates_[order])
    assert torch.equal(other.transform(obs.values), one.transform(obs.values))
