r"""Paired comparison: the truth table on closed forms, symmetries of the question, evidence of the frames."""

import math

import pytest
import torch
from manifolds import curve, observed, surface, uniform
from torch import Tensor

from equiv.comparison import Comparison, load
from equiv.observe.draws import Draws
from equiv.observe.frames import invert_frames, sensitivity_cut
from equiv.observe.observations import Observations
from equiv.paired.between import between_samples
from equiv.paired.compare import compare_paired
from equiv.paired.coordinates import integrated_coordinates
from equiv.paired.determinacy import determinacy
from equiv.paired.frame_alignment import aligned_frames
from equiv.paired.learning_curve import Neighbours, near_errors, remaining_error

N = 150


def between(a: Observations, b: Observations) -> float:
    r"""How far both may be between the samples from what these show."""
    assert a.frames is not None and b.frames is not None

    return between_samples(a.values, b.values, a.frames, b.frames)


def _other(x: Tensor) -> Tensor:
    s, t = x[..., :1], x[..., 1:2]

    return torch.cat([(s + 0.5 * t).exp(), t.tanh() + s, (s * t), s - t.square()], dim=-1)


def _circle(x: Tensor) -> Tensor:
    return torch.cat([x.cos(), x.sin()], dim=-1)


CASES = {
    "embeddings": (surface, _other, uniform(N, 2), "equivalent"),
    "projection": (surface, lambda x: curve(x[..., :1]), uniform(N, 2), "a_determines_b"),
    "unrelated": (
        lambda x: curve(x[..., :1]),
        lambda x: curve(x[..., 1:]),
        uniform(N, 2),
        "not_equivalent",
    ),
    "fold": (lambda x: x.square(), curve, uniform(N, 1), "b_determines_a"),
    "double cover": (_circle, lambda x: _circle(2 * x), math.pi * uniform(N, 1), "a_determines_b"),
    "cubic": (lambda x: x**3, curve, uniform(N, 1), "equivalent"),
}


@pytest.mark.parametrize("name", CASES)
def test_truth_table(name: str) -> None:
    first, second, x, expected = CASES[name]
    a, b = observed(first, x), observed(second, x)
    found = compare_paired(a, b)
    mirrored = compare_paired(b, a)

    assert found.verdict == expected
    assert mirrored.verdict == found.verdict.mirrored
    assert mirrored.a_to_b.error == found.b_to_a.error and mirrored.b_to_a.error == found.a_to_b.error
    assert torch.equal(mirrored.coordinates_a, found.coordinates_b)


def test_transformation_holds_on_fresh_inputs_both_ways() -> None:
    x, fresh = uniform(300, 2), uniform(2000, 2, seed=1)
    found = compare_paired(observed(surface, x), observed(_other, x))
    a, b = surface(fresh), _other(fresh)

    def error(map_, source: Tensor, target: Tensor) -> float:  # type: ignore[no-untyped-def]
        spread = (target - target.mean(dim=0)).square().sum()
        return ((map_(source) - target).square().sum() / spread).sqrt().item()

    # Analytic maps of two variables from 300 samples with slopes, 900 equations: far below a thousandth.
    assert error(found.transformation, a, b) < 1e-3
    assert error(found.transformation.inverse, b, a) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("d", [1, 4, 300])
def test_self_comparison_is_exact(dtype: torch.dtype, d: int) -> None:
    weight = torch.randn(2, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values = torch.tanh(uniform(N, 2) @ weight).to(dtype)
    found = compare_paired(Observations(values), Observations(values.clone()))

    assert found.verdict == "equivalent"
    assert max(found.a_to_b.error.high, found.b_to_a.error.high) < 1e-6


def test_permuted_rescaled_and_cast_copies_are_equivalent() -> None:
    values = surface(uniform(N, 2))
    order = torch.tensor([3, 1, 0, 2])
    copy = (values[:, order] * torch.tensor([1e-3, -2.0, 50.0, 1.0]) + 3).float()
    found = compare_paired(Observations(values), Observations(copy.double()))

    assert found.verdict == "equivalent"
    assert max(found.a_to_b.error.high, found.b_to_a.error.high) < 1e-4  # float32 of the smallest neuron


def test_rescaling_neurons_of_the_source_changes_nothing() -> None:
    x = uniform(N, 1)
    a, b = observed(lambda x: torch.cat([x.square(), x.cos()], dim=-1), x), observed(curve, x)
    scale = torch.tensor([1e3, 1e-3], dtype=torch.float64)
    scaled = Observations(a.values * scale, a.frames * scale[:, None])
    plain, changed = compare_paired(a, b).a_to_b.error, compare_paired(scaled, b).a_to_b.error

    # Rounding may tip the choice between settings that do equally well.
    assert changed.estimate == pytest.approx(plain.estimate, rel=0.01)


@pytest.mark.parametrize(("size", "expected"), [(0.01, "equivalent"), (0.3, "b_determines_a")])
def test_a_leak_decides_by_its_size(size: float, expected: str) -> None:
    x = uniform(N, 2)
    spread = curve(x[:, :1]).std(dim=0).square().sum().sqrt() / x[:, 1:].std()

    def leaking(x: Tensor) -> Tensor:
        return torch.cat([curve(x[..., :1]), size * spread * x[..., 1:]], dim=-1)

    found = compare_paired(observed(lambda x: curve(x[..., :1]), x), observed(leaking, x))

    assert found.verdict == expected
    assert found.a_to_b.error.low <= size <= found.a_to_b.error.high * 1.05


def test_too_few_samples_of_a_rough_map_are_inconclusive() -> None:
    x = uniform(40, 2)
    found = compare_paired(
        observed(surface, x), observed(lambda x: torch.cat([(30 * x).sin(), (30 * x).cos()], dim=-1), x)
    )

    assert found.a_to_b.error.low > 0.05  # not learned
    assert found.verdict == "inconclusive" and "more samples" in found.sentence


def test_frames_turned_at_random_change_no_verdict() -> None:
    x = uniform(250, 2)
    a, b = observed(surface, x), observed(_other, x)
    turn = torch.linalg.qr(torch.randn(250, 2, 2, generator=torch.Generator().manual_seed(0)).double())[0]
    found = compare_paired(a, Observations(b.values, b.frames @ turn, oriented=False))

    assert found.verdict == "equivalent"
    assert found.diagnostics["frames"] == "aligned by neighbours"


def test_frames_along_common_directions_are_never_turned_and_show_all_that_leaks() -> None:
    x = uniform(300, 6)
    first, last = observed(lambda z: surface(z[..., :2]), x), observed(lambda z: surface(z[..., 4:]), x)
    found = compare_paired(first, last)

    assert found.verdict == "not_equivalent" and found.diagnostics["frames"] == "as given"
    assert found.diagnostics["leak_a_to_b"] == pytest.approx(1.0)
    assert found.diagnostics["leak_b_to_a"] == pytest.approx(1.0)


def test_what_aliases_on_a_grid_is_no_yes() -> None:
    x = torch.arange(100, dtype=torch.float64)[:, None] / 100
    wave = lambda z: z + 0.2 * (2 * math.pi * 100 * z).sin()  # noqa: E731
    found = compare_paired(observed(curve, x), observed(lambda z: curve(wave(z)), x))

    assert found.a_to_b.error.high > 0.05 and found.b_to_a.error.high > 0.05


@pytest.mark.parametrize("aliased", ["one", "both", "half a wave a step"])
@pytest.mark.parametrize("irregular", [False, True])
def test_aliases_on_any_part_of_a_grid_are_seen(aliased: str, irregular: bool) -> None:
    x = torch.arange(100, dtype=torch.float64)[:, None] / 100
    x = x[torch.rand(100, generator=torch.Generator().manual_seed(0)) < 0.7] if irregular else x
    speed = (1 if aliased == "half a wave a step" else 2) * math.pi * 100

    def waved(z: Tensor) -> Tensor:
        return surface(torch.cat([z, 0.2 * (speed * z).sin()], dim=-1))

    a, b = observed(waved if aliased == "both" else curve, x), observed(lambda z: 2 * waved(z).tanh(), x)

    assert between(a, b) > 0.1 and between(b, a) == pytest.approx(between(a, b))


def test_waves_that_samples_show_are_no_aliases_and_rounding_is_none() -> None:
    # Twenty samples a wave; the nearest differ by no more than what rounding leaves.
    x = uniform(400, 1)
    plain, wave = observed(curve, x), observed(lambda z: torch.cat([z, 0.3 * (60 * z).sin()], dim=-1), x)
    noise = 1e-3 * torch.randn(400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    assert between(plain, wave) < 0.05
    assert between(plain, Observations(wave.values + noise, wave.frames)) < 0.05


def test_what_a_wave_does_between_samples_is_bounded_by_its_slope() -> None:
    # B's spread is that of x, 1 / sqrt(12).
    x = torch.arange(100, dtype=torch.float64)[:, None] / 100
    turn = lambda z: torch.cat([z, 0.001 * (2 * math.pi * 100 * z).sin()], dim=-1)  # noqa: E731
    found = between(observed(lambda z: torch.cat([z, z], dim=-1), x), observed(turn, x))

    assert 0.001 * math.sqrt(12) < found < 0.05


def test_of_a_constant_target_there_is_nothing_to_measure() -> None:
    constant = Observations(torch.full((N, 2), 0.1, dtype=torch.float64))
    found = compare_paired(Observations(curve(uniform(N, 1))), constant)

    assert found.verdict == "inconclusive" and "constant" in found.sentence
    assert math.isnan(found.a_to_b.error.estimate)
    assert compare_paired(constant, constant).verdict == "inconclusive"


@pytest.mark.parametrize("large", [-1e4, 1e9, -1e30])
def test_a_constant_neuron_changes_nothing_however_large(large: float) -> None:
    x = uniform(N, 2)
    masked = [Observations(torch.cat([z, torch.full_like(z, large)], dim=1)) for z in x.split(1, dim=1)]
    bare = [Observations(z) for z in x.split(1, dim=1)]
    found, known = compare_paired(*masked), compare_paired(*bare)

    assert found.verdict == known.verdict == "not_equivalent"
    assert found.a_to_b.error.estimate == pytest.approx(known.a_to_b.error.estimate, rel=0.2)


def test_copies_of_samples_add_no_evidence() -> None:
    x = uniform(40, 4)
    a, b = Observations(x), Observations((9 * x).sin())
    twice = torch.arange(40).repeat(3)
    once, thrice = compare_paired(a, b), compare_paired(a.subset(twice), b.subset(twice))

    assert thrice.verdict == once.verdict
    assert thrice.a_to_b.error.estimate == pytest.approx(once.a_to_b.error.estimate, rel=0.1)
    assert thrice.diagnostics["groups"] == "40 groups of equal rows, found"


@pytest.mark.parametrize("jitter", [0.0, 1e-3, pytest.param(1e-7, marks=pytest.mark.slow)])
def test_noise_determines_nothing_however_often_its_samples_are_nearly_repeated(jitter: float) -> None:
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    a, b = (draw(60, 3).repeat(2, 1) + jitter * draw(120, 3) for _ in range(2))
    found = compare_paired(Observations(a), Observations(b))
    told = compare_paired(Observations(a), Observations(b), groups=torch.arange(60).repeat(2))

    for each in (found, told):
        assert each.a_to_b.error.high > 0.5 and each.b_to_a.error.high > 0.5


def test_atoms_count_as_often_as_they_are_drawn() -> None:
    generator = torch.Generator().manual_seed(0)
    shown = (torch.rand(600, generator=generator) < 0.4).double()[:, None]
    x = shown * uniform(600, 1)
    wave = lambda z: z + 0.3 * (40 * z).sin()  # noqa: E731
    found = compare_paired(Observations(x), Observations(wave(x)))
    fresh = (torch.rand(20_000, generator=generator) < 0.4).double()[:, None] * uniform(20_000, 1, seed=9)
    truth = wave(fresh)
    true = ((found.transformation(fresh) - truth).norm() / (truth - truth.mean()).norm()).item()

    assert "groups" not in found.diagnostics  # six in ten equal rows are draws, not repetitions
    assert found.a_to_b.error.low <= true <= found.a_to_b.error.high


@pytest.mark.slow
def test_a_table_of_cells_is_found() -> None:
    generator = torch.Generator().manual_seed(1)
    entries = torch.randn(16, 3, generator=generator, dtype=torch.float64)
    cell = torch.randint(16, (400,), generator=generator)
    corner = torch.stack([cell // 4, cell % 4], dim=1).double()
    found = compare_paired(Observations(corner), Observations(entries[cell]))
    every = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0)).double()

    assert found.verdict == "equivalent"
    torch.testing.assert_close(found.transformation(every), entries, atol=0.01, rtol=0.0)


def test_sparse_latents_that_coincide_by_chance_prove_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 80, 64, generator=generator, dtype=torch.float64)

    def latents(x: Tensor, count: int, threshold: float) -> Observations:
        axes = torch.nn.functional.normalize(torch.randn(count, 64, generator=generator, dtype=torch.float64))
        return Observations((x @ axes.T - threshold).clamp_min(0))

    # Each of many is active at one of the 80 inputs, each of few at fewer still.
    found = compare_paired(latents(left, 700, 2.24), latents(right, 40, 3.0))

    assert not found.a_to_b.error.high < 0.05


def test_samples_say_on_what_share_of_the_inputs_they_speak() -> None:
    x = uniform(299, 1)
    found = compare_paired(Observations(x), Observations(curve(x)))

    assert found.a_to_b.share == pytest.approx(0.05 ** (1 / 299))


@pytest.mark.parametrize("n", [2, 3, 9])
def test_few_samples_are_inconclusive(n: int) -> None:
    x = uniform(n, 2)

    assert compare_paired(Observations(surface(x)), Observations(_other(x))).verdict == "inconclusive"


def test_what_are_no_activations_is_refused_by_the_transformation() -> None:
    x = uniform(20, 2)
    transformation = compare_paired(Observations(surface(x)), Observations(_other(x))).transformation
    for call in (transformation, transformation.extrapolates):
        for wrong in (x, surface(x)[0]):
            with pytest.raises(ValueError, match=r"'values' should have shape \(q, 4\)"):
                call(wrong)
        with pytest.raises(TypeError, match="got Tensor of int64"):
            call(surface(x).long())


@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize("framed", [True, False])
def test_samples_that_are_all_equal_are_inconclusive(n: int, framed: bool) -> None:
    values = torch.ones(n, 3)
    obs = Observations(values, torch.eye(3).expand(n, 3, 3) if framed else None)
    found = compare_paired(obs, obs)

    assert found.verdict == "inconclusive" and "constant" in found.sentence


def test_in_many_dimensions_less_is_reckoned_with_than_a_power_law_leaves_of_eight_times_the_samples() -> (
    None
):
    r"""With an error that falls as :math:`n^{-a}`, so that :math:`e_{8n} = 8^{-a} e_n`; of no error nothing is left."""
    for exponent in (0.0, 0.2, 0.5):
        squared, half = (torch.full((100,), (0.1 * n**-exponent) ** 2) for n in (1.0, 0.5))
        later = 0.1 * 8**-exponent
        assert 0.85 * later < remaining_error(squared, half, 20) < 0.95 * later

    assert remaining_error(torch.zeros(100), torch.zeros(100), 20) == 0


def test_without_frames_the_learning_curve_tells_a_fold_from_too_few_samples() -> None:
    x, many = uniform(N, 1), uniform(40, 8)
    fold = compare_paired(Observations(x.square()), Observations(curve(x)))
    sparse = compare_paired(Observations(many), Observations((9 * many).sin()))

    assert fold.verdict == "b_determines_a"
    assert sparse.verdict == "inconclusive" and "near each other" in sparse.sentence


@pytest.mark.parametrize(("m", "n", "speed"), [(4, 40, 9), (4, 100, 9), (2, 150, 30), (1, 100, 100)])
def test_without_frames_a_rough_target_is_no_no(m: int, n: int, speed: float) -> None:
    x = uniform(n, m)
    found = compare_paired(Observations(x), Observations((speed * x).sin()))

    assert found.a_to_b.error.low > 0.05  # not learned
    assert found.verdict == "inconclusive"


def test_errors_of_near_samples_are_alike_where_the_target_varies_between_samples() -> None:
    x, other, single = uniform(300, 2), uniform(300, 2).flip(0), Draws.single(300)
    distance, alike = near_errors(Neighbours(x, single), (30 * x).sin(), (30 * x).sin())
    _, unrelated = near_errors(Neighbours(x, single), other, other)
    twice = torch.arange(300).repeat(2)
    both = near_errors(Neighbours(x[twice], Draws(single.units.repeat(2))), other[twice], other[twice])

    assert distance < 0.05 and alike > 4
    assert abs(unrelated) < 2.33
    assert both == pytest.approx(near_errors(Neighbours(x, single), other, other))  # copies add no pair


def test_rows_in_order_are_told_how_to_be_declared_independent() -> None:
    x = uniform(200, 1).sort(dim=0).values
    a, b = Observations(curve(x)), Observations((3 * x).tanh())
    found, declared = compare_paired(a, b), compare_paired(a, b, groups=torch.arange(200))

    assert found.verdict == "inconclusive" and "groups=torch.arange(200)" in found.sentence
    assert declared.verdict == "equivalent"


def test_saved_and_loaded_bit_for_bit(tmp_path) -> None:  # type: ignore[no-untyped-def]
    x = uniform(N, 2)
    a, b = observed(surface, x), observed(_other, x)
    found = compare_paired(a, b)
    found.save(tmp_path)
    again = load(tmp_path)
    assert isinstance(again, Comparison)

    assert again.verdict == found.verdict and again.a_to_b.error == found.a_to_b.error
    assert torch.equal(again.transformation(a.values), found.transformation(a.values))
    assert torch.equal(again.transformation.inverse(b.values), found.transformation.inverse(b.values))
    assert len(found.summary().splitlines()) < 50


def test_determinacy_of_known_null_spaces_and_folds() -> None:
    x = uniform(500, 2)
    a = observed(lambda x: x[..., :1] * torch.ones(2).double(), x)
    b = observed(lambda x: torch.cat([3 * x[..., :1], 4 * x[..., 1:]], dim=-1), x)
    assert a.frames is not None and b.frames is not None
    hidden = determinacy(a.values, b.values, a.frames, b.frames)
    shown = determinacy(b.values, a.values, b.frames, a.frames)

    # |J_B N| / |J_B| = 4 / sqrt(9 + 16).
    assert hidden.leak == pytest.approx(0.8) and hidden.leaking_share == 1
    assert shown.leak < 1e-6 and shown.leaking_share == 0 and shown.folded == 0

    line = uniform(500, 1)
    folded, whole = observed(lambda x: x.square(), line), observed(lambda x: x.clone(), line)
    assert folded.frames is not None and whole.frames is not None
    found = determinacy(folded.values, whole.values, folded.frames, whole.frames)

    # No map from x^2 beats predicting 0 for x: the whole spread is lost.
    assert found.fold == pytest.approx(1, rel=0.15) and found.folded == pytest.approx(250, rel=0.2)


def test_inverse_of_frames_is_the_pseudo_inverse() -> None:
    generator = torch.Generator().manual_seed(0)

    for d, m in ((5, 2), (2, 5), (3, 3)):
        frames = torch.randn(20, d, m, generator=generator, dtype=torch.float64)
        frames[3] = frames[3, :, :1]  # rank one
        found = invert_frames(frames, sensitivity_cut(frames))
        torch.testing.assert_close(found, torch.linalg.pinv(frames, rtol=1e-6), atol=1e-6, rtol=1e-6)


def test_alignment_finds_the_turn_and_leaves_what_is_aligned() -> None:
    x = uniform(800, 2)
    a, b = observed(surface, x), observed(_other, x)
    assert a.frames is not None and b.frames is not None
    turn = torch.linalg.qr(torch.randn(800, 2, 2, generator=torch.Generator().manual_seed(0)).double())[0]
    found = aligned_frames(a.values, b.values, a.frames, b.frames @ turn)

    assert aligned_frames(a.values, b.values, a.frames, b.frames) is b.frames
    assert found is not None
    # Steps to 6 neighbours of 800 in the square: 0.1 long, so first-order frames err by a few percent.
    assert (found - b.frames).norm() < 0.05 * b.frames.norm()


def test_integrated_coordinates_are_the_inputs() -> None:
    x = uniform(800, 2)
    a, b = observed(surface, x), observed(_other, x)
    assert a.frames is not None and b.frames is not None
    found = integrated_coordinates(a.values, b.values, a.frames, b.frames)

    for coordinates in found:
        assert coordinates is not None
        assert (coordinates - (x - x.mean(dim=0))).square().mean().sqrt() < 0.01 * x.std()


def test_coordinates_of_a_closed_curve_are_not_integrated() -> None:
    x = math.pi * uniform(400, 1)
    a = observed(_circle, x)
    assert a.frames is not None

    assert integrated_coordinates(a.values, a.values, a.frames, a.frames) == (None, None)
