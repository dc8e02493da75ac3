"""Copies of samples: geometry sees equal ones once, whatever the estimator; what is a measure counts them."""

import functools
import math

import pytest
import torch
from manifolds import DOMAINS, observe, rotate_frames
from torch import Tensor

import equiv
from equiv import DiffusionMaps, GalerkinMaps, IsometricMaps, Observations, density_weights
from equiv.observe.draws import distinct_samples

N = 240
OBS = observe(DOMAINS["square"], DOMAINS["square"].sample(N, kind="low_discrepancy"), outputs=5, seed=0)
SOME = torch.randint(N, (150,), generator=torch.Generator().manual_seed(1))
COPIED = {
    "2": torch.arange(2 * N) % N,
    "3": torch.arange(3 * N) % N,
    "10": torch.arange(10 * N) % N,
    "some": torch.cat([torch.arange(N), SOME]),
    "one of them": torch.cat([torch.arange(N), torch.full((200,), 7)]),
}
EVENLY = ["2", "3", "10"]


def copied(rows: Tensor, of: Observations = OBS) -> Observations:
    """The rows, each copy's frame turned in its own way: the metric is the same."""
    some = of.subset(rows)
    assert some.frames is not None

    return Observations(some.values, rotate_frames(some.frames))


def test_distinct_samples_are_told_by_values_and_metric() -> None:
    rows = COPIED["some"][torch.randperm(N + 150, generator=torch.Generator().manual_seed(0))]
    found = distinct_samples(copied(rows).values, copied(rows).frames)
    assert torch.equal(rows[found.first][found.place], rows)
    assert torch.equal(found.first.sort().values, found.first) and len(found.first) == N
    assert torch.equal(found.counts, rows.bincount()[rows[found.first]])

    crossing = torch.stack([torch.eye(2), 2 * torch.eye(2)]).repeat(4, 1, 1)  # of two metrics, in turn
    assert distinct_samples(torch.zeros(8, 2), crossing).counts.tolist() == [4, 4]
    assert len(distinct_samples(torch.tensor([[0.0], [-0.0], [1.0]])).first) == 2


@pytest.mark.parametrize("copies", COPIED)
@pytest.mark.parametrize("frames", [True, False])
def test_diffusion_maps(copies: str, frames: bool) -> None:
    rows = COPIED[copies]
    one, many = (each if frames else Observations(each.values) for each in (OBS, copied(rows)))
    maps, other = DiffusionMaps(4).fit(one), DiffusionMaps(4).fit(many)
    assert other.epsilon_ == pytest.approx(maps.epsilon_, rel=1e-9)
    torch.testing.assert_close(other.eigenvalues_, maps.eigenvalues_, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(other.coordinates_, maps.coordinates_[rows], rtol=0, atol=1e-6)
    torch.testing.assert_close(other.transform(many.values, many.frames), other.coordinates_)


@pytest.mark.parametrize("copies", EVENLY)
def test_diffusion_maps_that_know_of_the_density_count_copies(copies: str) -> None:
    maps = DiffusionMaps(2, alpha=0.0).fit(OBS)
    even = DiffusionMaps(2, alpha=0.0).fit(copied(COPIED[copies]))
    torch.testing.assert_close(even.eigenvalues_, maps.eigenvalues_, rtol=1e-8, atol=1e-9)

    # Where the left of an interval [0, 1] is seen k times as often, slopes change by k^2: the operator is that of p^2.
    k = int(copies)
    x = (torch.arange(400, dtype=torch.float64)[:, None] + 0.5) / 400
    rows = torch.cat([torch.arange(400), torch.arange(100).repeat(k - 1)])
    line = Observations(x, torch.ones(400, 1, 1, dtype=torch.float64)).subset(rows)
    found = DiffusionMaps(1, alpha=0.0).fit(line).eigenvalues_[1].sqrt()
    roots = torch.linspace(0.5, 2 * math.pi, 100_000, dtype=torch.float64)
    jump = k**2 * (0.25 * roots).sin() * (0.75 * roots).cos() + (0.25 * roots).cos() * (0.75 * roots).sin()
    root = roots[(jump.sign().diff() != 0).nonzero()[0, 0]]
    assert found.item() == pytest.approx(root.item(), rel=0.02)


@pytest.mark.parametrize("copies", COPIED)
def test_galerkin_maps(copies: str) -> None:
    rows = COPIED[copies]
    many, counts = copied(rows), rows.bincount(minlength=N).double()
    other = GalerkinMaps(4).fit(many)
    maps = GalerkinMaps(4).fit(OBS, counts)  # sums are over samples: each as often as it occurs
    torch.testing.assert_close(other.eigenvalues_, maps.eigenvalues_, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(other.coordinates_, maps.coordinates_[rows], rtol=0, atol=1e-5)
    if copies in EVENLY:
        torch.testing.assert_close(
            GalerkinMaps(4).fit(OBS).eigenvalues_, other.eigenvalues_, rtol=1e-7, atol=1e-9
        )


@pytest.mark.parametrize("copies", COPIED)
def test_density_weights_share_the_weight_among_copies(copies: str) -> None:
    rows = COPIED[copies]
    many, weights = copied(rows), density_weights(OBS)
    shared = density_weights(many)
    summed = torch.zeros(N, dtype=torch.float64).index_add_(0, rows, shared)
    torch.testing.assert_close(summed / summed.mean(), weights, rtol=1e-5, atol=0)
    assert shared.mean().item() == pytest.approx(1)
    torch.testing.assert_close(
        GalerkinMaps(4).fit(many, shared).eigenvalues_,
        GalerkinMaps(4).fit(OBS, weights).eigenvalues_,
        rtol=1e-5,
        atol=1e-9,
    )


# A network that has a chart: where there is none, which of several failed ones is told follows the rounding.
CHARTED = observe(DOMAINS["square"], DOMAINS["square"].sample(N, kind="low_discrepancy"), outputs=5, seed=1)


@pytest.fixture(scope="module")
def flat() -> IsometricMaps:
    return IsometricMaps().fit(CHARTED)


@pytest.mark.parametrize(
    "copies",
    [pytest.param(name, marks=[pytest.mark.slow] if name != "one of them" else []) for name in COPIED],
)
def test_isometric_maps(copies: str, flat: IsometricMaps) -> None:
    rows = COPIED[copies]
    one, other = flat, IsometricMaps().fit(copied(rows, CHARTED))
    assert other.accepted_ and one.accepted_
    assert other.residual_ == pytest.approx(one.residual_, abs=1e-6)
    apart, expected = (torch.cdist(u, u) for u in (other.coordinates_, one.coordinates_[rows]))
    torch.testing.assert_close(apart, expected, rtol=0, atol=1e-6)


def curve(t: Tensor, second: bool = False) -> Observations:
    """One circle as two networks see it."""
    cos, sin = t.cos(), t.sin()
    if second:
        slopes = torch.stack([-sin / (cos + 2), cos * sin.exp()], dim=1)
        return Observations(torch.cat([(cos + 2).log(), sin.exp()], dim=1), slopes)

    return Observations(torch.cat([cos, sin], dim=1), torch.stack([-sin, cos], dim=1))


def circles(wrong: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Angles that two networks see, and anchors, the last of which is wrong by an angle."""
    g = torch.Generator().manual_seed(3)
    t, u = (2 * math.pi * torch.rand(n, 1, generator=g, dtype=torch.float64) for n in (200, 220))
    u[:4], u[4] = t[:4], t[4] + wrong

    return t, u, torch.arange(5)[:, None].expand(5, 2)


@functools.cache
def compared_once(method: str) -> equiv.Comparison:
    t, u, anchors = circles()

    return equiv.compare(curve(t), curve(u, second=True), paired=False, anchors=anchors, method=method)


@pytest.mark.parametrize("copies", ["2", pytest.param("10", marks=pytest.mark.slow), "some"])
@pytest.mark.parametrize("method", ["auto", "galerkin"])
def test_an_unpaired_comparison_is_of_distinct_samples(copies: str, method: str) -> None:
    t, u, anchors = circles()
    rows = {"2": torch.arange(400) % 200, "10": torch.arange(2000) % 200}.get(
        copies, torch.cat([torch.arange(200), SOME.clamp(max=199)])
    )
    b = curve(u, second=True)
    once = compared_once(method)
    many = equiv.compare(curve(t[rows]), b, paired=False, anchors=anchors, method=method)
    assert many.verdict == once.verdict == "equivalent"
    assert many.a_to_b.error.high == pytest.approx(once.a_to_b.error.high, rel=1e-3)
    for name in ("overlap_a", "overlap_b", "anchors", "rejected_anchors"):
        assert many.diagnostics[name] == pytest.approx(once.diagnostics[name]), name
    torch.testing.assert_close(many.coordinates_a, once.coordinates_a[rows], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(many.coordinates_b, once.coordinates_b, rtol=1e-4, atol=1e-5)


def test_an_anchor_named_again_by_copies_is_no_further_evidence() -> None:
    t, u, anchors = circles(wrong=2.0)
    both = torch.cat([anchors, anchors + torch.tensor([200, 220])])
    once = equiv.compare(curve(t), curve(u, second=True), paired=False, anchors=anchors)
    twice = equiv.compare(
        curve(t.repeat(2, 1)), curve(u.repeat(2, 1), second=True), paired=False, anchors=both
    )
    assert twice.verdict == once.verdict == "equivalent"
    assert twice.a_to_b.error.high == pytest.approx(once.a_to_b.error.high, rel=1e-3)
    assert once.diagnostics["rejected_anchors"] == [4]
    assert twice.diagnostics["rejected_anchors"] == [4, 9] and twice.diagnostics["anchors"] == 10


@pytest.mark.parametrize("method", ["auto", "galerkin", "diffusion_maps"])
@pytest.mark.parametrize("name", ["interval", "square"])
def test_clouds_that_nothing_joins_are_not_compared(name: str, method: str) -> None:
    x = DOMAINS[name].sample(200, kind="random")
    x[100:, 0] += 50

    def network(x: Tensor) -> Tensor:
        return torch.cat([x, x.sin(), (0.3 * x[..., :1]).cos()], dim=-1)

    obs = Observations(network(x), torch.func.vmap(torch.func.jacrev(network))(x))
    result = equiv.compare(obs, obs, paired=False, method=method)
    assert result.verdict == "inconclusive"
    assert "that no chain of neighbours joins" in result.sentence


@pytest.mark.parametrize("n", [150, 200, 400])
@pytest.mark.parametrize("seed", range(8))
def test_eigenfunctions_between_samples_are_avoided_or_said(n: int, seed: int) -> None:
    x = 2 * torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    slopes = torch.stack([x.cos(), -1.3 * (1.3 * x).sin(), 2 * x], dim=1)
    maps = GalerkinMaps(4).fit(Observations(torch.cat([x.sin(), (1.3 * x).cos(), x**2], dim=1), slopes))
    truth = (torch.arange(1, 5) * math.pi / 2).square()
    right = (maps.eigenvalues_[1:] / truth).log().abs().max() < math.log(1.5)
    assert right or maps.diagnostics_["reasons"]


@pytest.mark.parametrize("copies", COPIED)
def test_frames_of_neighbours(copies: str) -> None:
    rows, x = COPIED[copies], DOMAINS["square"].sample(N, kind="random")
    network = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh()).double()
    one, many = (equiv.probe(network, each, frames="neighbors") for each in (x, x[rows]))
    assert one.frames is not None and many.frames is not None
    metric, expected = many.frames @ many.frames.mT, (one.frames @ one.frames.mT)[rows]
    torch.testing.assert_close(metric, expected, rtol=1e-6, atol=1e-9)
