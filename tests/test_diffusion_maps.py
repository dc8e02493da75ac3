"""Diffusion maps: the spectrum of the Laplacian, its invariances, and the extension to new samples."""

import math

import pytest
import torch
from manifolds import DOMAINS, observe, random, rotate_frames

from equiv import DiffusionMaps, Observations, mahalanobis
from equiv.spectral.kernel import heat_kernel_


def circle(n: int) -> tuple[torch.Tensor, Observations]:
    """A unit circle drawn in the plane, at equal angles, with its unit tangents."""
    angle = torch.arange(n, dtype=torch.float64) / n * 2 * torch.pi
    values = torch.stack([angle.cos(), angle.sin()], dim=1)

    return angle, Observations(values, torch.stack([-angle.sin(), angle.cos()], dim=1)[:, :, None])


def line(n: int) -> Observations:
    """Equally spaced points of the unit interval, seen as they are."""
    return Observations(torch.linspace(0, 1, n).double()[:, None], torch.ones(n, 1, 1).double())


def same_up_to_rotation(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Two bases, unit mean square in n samples, span the same functions."""
    mixing = torch.linalg.lstsq(expected, found).solution
    assert (found - expected @ mixing).square().mean().sqrt() < tolerance


# Exact eigenvalues: interval j^2 pi^2; circle j^2 twice; torus 4 pi^2 (i^2 / 1.5^2 + j^2 / 2^2).
SPECTRA = {
    "interval": [math.pi**2 * j**2 for j in (1, 2, 3, 4)],
    "circle": [1.0, 1.0, 4.0, 4.0],
}


@pytest.mark.parametrize("name", SPECTRA)
def test_spectrum_is_that_of_the_hidden_space_and_converges(name: str) -> None:
    errors = []
    for n in (256, 2048):
        domain = DOMAINS[name]
        maps = DiffusionMaps(4).fit(
            observe(domain, domain.sample(n, kind="low_discrepancy"), outputs=6, seed=1)
        )
        errors.append((maps.eigenvalues_[1:] / torch.tensor(SPECTRA[name]) - 1).abs().max().item())
        assert maps.eigenvalues_[0] == 0
    # The kernel's width falls with n, and with it both biases (curvature: epsilon, boundary: its root).
    assert errors[1] < 0.05 and errors[1] < 0.5 * errors[0], errors


def test_circle_at_equal_angles_to_the_bias_of_its_chord() -> None:
    angle, obs = circle(400)
    maps = DiffusionMaps(4, epsilon=1e-3).fit(obs)
    # d^2 = sin^2 t = t^2 - t^4 / 3 gives the heat kernel's second moment a relative excess of 4 epsilon.
    assert torch.allclose(maps.eigenvalues_[1:], torch.tensor(SPECTRA["circle"]).double(), rtol=8e-3)
    first = math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], dim=1)
    same_up_to_rotation(maps.coordinates_[:, :2], first, 1e-8)
    same_up_to_rotation(
        maps.coordinates_[:, 2:], math.sqrt(2) * torch.stack([(2 * angle).cos(), (2 * angle).sin()], 1), 1e-8
    )


def test_alpha_one_forgets_the_sampling_density() -> None:
    u = DOMAINS["interval"].sample(1500, kind="low_discrepancy")
    x = (u + 0.12 * torch.sin(2 * math.pi * u)).clamp(0, 1)  # density varies by a factor of 7
    obs = observe(DOMAINS["interval"], x, outputs=5, seed=0)
    laplacian = DiffusionMaps(3, alpha=1.0).fit(obs).eigenvalues_[1:]
    drifting = DiffusionMaps(3, alpha=0.0).fit(obs).eigenvalues_[1:]
    exact = torch.tensor(SPECTRA["interval"][:3]).double()
    assert ((laplacian / exact - 1).abs() < 0.08).all(), laplacian / exact
    assert ((drifting / exact - 1).abs() > 0.2).any(), drifting / exact


@pytest.mark.parametrize("n", [40, 700])
def test_eigenvalues_are_rayleigh_quotients_of_an_independent_matrix(n: int) -> None:
    domain = DOMAINS["rectangle"]
    obs = observe(domain, domain.sample(n), outputs=6, seed=1)
    maps = DiffusionMaps(6, epsilon=0.02).fit(obs)
    spread = obs.values.std(dim=0, correction=0)
    obs = Observations(obs.values / spread, obs.frames / spread[:, None])
    kernel = (-mahalanobis(obs) / 0.08).exp()
    basis = torch.linalg.qr(obs.frames).Q
    delta = obs.values[None] - obs.values[:, None]
    share = delta.square().sum(dim=2)
    normal = share - torch.einsum("ijd,idk->ijk", delta, basis).square().sum(dim=2)
    kernel[(torch.maximum(normal, normal.T) > 0.5 * share)] = 0
    density = kernel.sum(dim=1)
    kernel = kernel / density[:, None] / density
    degree = kernel.sum(dim=1)
    vectors = maps.coordinates_ * degree.sqrt()[:, None]
    symmetric = kernel / (degree[:, None] * degree).sqrt()
    quotient = (vectors * (symmetric @ vectors)).sum(dim=0) / vectors.square().sum(dim=0)
    assert torch.allclose(quotient, (-0.02 * maps.eigenvalues_[1:]).exp(), rtol=0, atol=1e-12)
    dense = torch.linalg.eigvalsh(symmetric).flip(0)[:7]
    assert torch.allclose(dense, (-0.02 * maps.eigenvalues_).exp(), rtol=0, atol=1e-12)


def test_coordinates_have_unit_mean_square_and_are_orthogonal_in_the_walk() -> None:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(500), outputs=5, seed=0)
    maps = DiffusionMaps(5).fit(obs)
    assert maps.coordinates_.shape == (500, 5) and maps.eigenvalues_.shape == (6,)
    assert torch.allclose(maps.coordinates_.square().mean(dim=0), torch.ones(5).double(), rtol=1e-12)
    assert (maps.eigenvalues_.diff() >= 0).all()


def test_transform_is_exact_at_the_training_samples() -> None:
    obs = observe(DOMAINS["torus"], DOMAINS["torus"].sample(600), outputs=5, seed=0)
    maps = DiffusionMaps(6).fit(obs)
    assert torch.allclose(maps.transform(obs.values, obs.frames), maps.coordinates_, rtol=0, atol=1e-10)
    assert torch.allclose(maps.transform(obs.values), maps.coordinates_, rtol=0, atol=1e-10)


def test_transform_interpolates_eigenfunctions() -> None:
    angle, obs = circle(300)
    maps = DiffusionMaps(2, epsilon=1e-3).fit(obs)
    middle = angle + math.pi / 300
    values = torch.stack([middle.cos(), middle.sin()], dim=1)
    frames = torch.stack([-middle.sin(), middle.cos()], dim=1)[:, :, None]
    known, new = torch.stack([angle.cos(), angle.sin()], 1), torch.stack([middle.cos(), middle.sin()], 1)
    expected = new @ torch.linalg.lstsq(known, maps.coordinates_).solution
    # By symmetry the formula returns eigenfunctions exactly; what is left is the tail of the kernel.
    assert torch.allclose(maps.transform(values, frames), expected, atol=1e-6)
    # With the frames of the nearest samples the distances are off to third order in the half spacing.
    assert torch.allclose(maps.transform(values), expected, atol=1e-2)


def test_transform_is_differentiable() -> None:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(200), outputs=3, seed=0)
    maps = DiffusionMaps(3).fit(obs)
    values = (obs.values[:3] + 1e-3).requires_grad_()
    assert torch.autograd.gradcheck(maps.transform, (values, obs.frames[:3]))
    assert torch.autograd.gradcheck(maps.transform, (values,))


def test_unchanged_by_what_does_not_matter() -> None:
    obs = observe(DOMAINS["rectangle"], DOMAINS["rectangle"].sample(400), outputs=5, seed=0)
    maps = DiffusionMaps(4).fit(obs)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(0))
    copies = Observations(obs.values.repeat(1, 3), obs.frames.repeat(1, 3, 1))
    scale = torch.tensor([3.0, -0.01, 40.0, 1.0, 7.0], dtype=torch.float64)
    some = [0, 1, 2, 3, 4, 1, 1]
    others = {
        "each rescaled": (Observations(obs.values * scale, obs.frames * scale[:, None]), slice(None)),
        "copies of one": (Observations(obs.values[:, some], obs.frames[:, some]), slice(None)),
        "permuted": (obs.subset(order), order),
        "rotated frames": (Observations(obs.values, rotate_frames(obs.frames)), slice(None)),
        "copies of neurons": (copies, slice(None)),
        "rescaled": (Observations(1e-3 * obs.values, 1e-3 * obs.frames), slice(None)),
        "shifted": (Observations(obs.values + 5, obs.frames), slice(None)),
    }
    for name, (other, index) in others.items():
        same = DiffusionMaps(4).fit(other)
        assert math.isclose(same.epsilon_, maps.epsilon_, rel_tol=1e-9), name
        assert torch.allclose(same.eigenvalues_, maps.eigenvalues_, rtol=1e-8, atol=1e-8), name
        # Simple eigenvalues: unique up to the sign, which the largest entry fixes.
        assert torch.allclose(same.coordinates_, maps.coordinates_[index], atol=1e-6), name


def test_scale_law() -> None:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(300), outputs=5, seed=0)
    maps, wide = DiffusionMaps(3).fit(obs), DiffusionMaps(3).fit(Observations(obs.values, obs.frames / 10))
    # Frames ten times shorter: the inputs' unit is ten times smaller, lengths ten times larger.
    assert math.isclose(wide.epsilon_, 100 * maps.epsilon_, rel_tol=1e-9)
    assert torch.allclose(wide.eigenvalues_, maps.eigenvalues_ / 100, rtol=1e-8)
    distances = random(4, 4).square()
    assert torch.allclose(heat_kernel_(9 * distances, 9 * 0.3), heat_kernel_(distances.clone(), 0.3))


def test_a_curled_curve_is_not_short_cut() -> None:
    # A turn and a half of a spiral: only the tangency test keeps them apart.
    t = DOMAINS["interval"].sample(600, kind="low_discrepancy")[:, 0]
    spiral = lambda t: torch.stack([(1 + t) * torch.cos(10 * t), (1 + t) * torch.sin(10 * t)], dim=1)  # noqa: E731
    turn = torch.stack([-torch.sin(10 * t), torch.cos(10 * t)], dim=1)
    frames = 10 * (1 + t)[:, None] * turn + spiral(t) / (1 + t)[:, None]
    maps = DiffusionMaps(1).fit(Observations(spiral(t), frames[:, :, None]))
    mode = math.sqrt(2) * torch.cos(math.pi * t)
    assert (maps.coordinates_[:, 0] * mode).mean().abs() > 0.995


def test_without_frames_the_kernel_is_euclidean() -> None:
    _, obs = circle(300)
    maps = DiffusionMaps(2, epsilon=1e-3).fit(Observations(obs.values))
    assert torch.allclose(maps.eigenvalues_[1:], torch.ones(2).double(), rtol=5e-3)
    assert torch.allclose(maps.transform(obs.values), maps.coordinates_, atol=1e-10)


def test_float32_in_float64_out_and_nothing_touched() -> None:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(200), outputs=5, seed=0).to(torch.float32)
    values, state = obs.values.clone(), torch.get_rng_state()
    maps = DiffusionMaps(3).fit(obs)
    assert maps.coordinates_.dtype == torch.float64
    assert torch.equal(obs.values, values) and torch.equal(torch.get_rng_state(), state)


def test_copies_of_rows_and_dead_neurons_are_ordinary() -> None:
    obs = observe(DOMAINS["square"], DOMAINS["square"].sample(150), outputs=5, seed=0)
    dead = torch.zeros(150, 1).double()
    padded = Observations(
        torch.cat([obs.values, dead], 1), torch.cat([obs.frames, dead[:, :, None].expand(-1, 1, 2)], 1)
    )
    twice = padded.subset(torch.arange(300) % 150)
    maps, double = DiffusionMaps(3).fit(obs), DiffusionMaps(3).fit(twice)
    assert torch.allclose(double.coordinates_[:150], double.coordinates_[150:])
    fixed = DiffusionMaps(3, epsilon=maps.epsilon_)
    assert torch.allclose(fixed.fit(twice).eigenvalues_, maps.eigenvalues_, rtol=1e-8)


def test_clouds_apart_are_refused() -> None:
    _, obs = circle(60)
    apart = Observations(torch.cat([obs.values, obs.values + 1e3]), obs.frames.repeat(2, 1, 1))
    with pytest.raises(ValueError, match=r"one connected cloud, got 2 \(of 60, 60 samples\)"):
        DiffusionMaps(3).fit(apart)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DiffusionMaps(3).fit(Observations(torch.ones(20, 2))), "got 20 equal rows"),
        (
            lambda: DiffusionMaps(10).fit(Observations(random(8, 2))),
            "at least n_coordinates \\+ 2 = 12 samples, got 8",
        ),
        (lambda: DiffusionMaps(0), "'n_coordinates' should be an integer of at least 1, got 0"),
        (lambda: DiffusionMaps(epsilon=-1.0), "'epsilon' should be a number"),
        (lambda: DiffusionMaps(epsilon="best"), "'epsilon' should be a positive number or \"auto\""),
        (lambda: DiffusionMaps(alpha=2), "'alpha' should be a number"),
        (
            lambda: DiffusionMaps(2).fit(circle(50)[1]).transform(torch.ones(3, 5)),
            r"shape \(q, 2\) as in fit",
        ),
        (
            lambda: DiffusionMaps(2).fit(circle(50)[1]).transform(torch.full((3, 2), torch.nan)),
            "'values' should be finite",
        ),
        (lambda: DiffusionMaps(9, epsilon=50.0).fit(line(50)), "'epsilon' should be small enough"),
    ],
)
def test_refusals_say_what_came(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


def test_wrong_types_are_refused() -> None:
    with pytest.raises(TypeError, match=r"should be equiv.Observations, got Tensor"):
        DiffusionMaps().fit(random(20, 2))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'n_coordinates' should be an integer"):
        DiffusionMaps(2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not yet fitted"):
        DiffusionMaps().transform(random(3, 2))
