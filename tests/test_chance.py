r"""What the usual measures say by chance: each pairing is what the measure says of samples so paired."""

import math

import pytest
import torch
from torch import Tensor

import equiv
from equiv import Observations, baselines
from equiv.observe.draws import Draws
from equiv.paired import chance
from equiv.paired.measures import Measures
from equiv.similarity.side import centred_pair


def _sides(n: int, kind: str = "smooth") -> tuple[Tensor, Tensor]:
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, b = torch.cat([x, x.square()], dim=1), torch.cat([x.exp(), x.sin(), x[:, :1] * x[:, 1:]], dim=1)

    if kind == "ties":
        return (2 * a).round(), (2 * b).round()

    if kind == "copies":
        return a[torch.arange(n) // 2], b[torch.arange(n) // 2]

    if kind == "wide":
        return a @ torch.rand(4, 3 * n, dtype=a.dtype, generator=torch.Generator().manual_seed(1)).tanh(), b

    return a, b


@pytest.mark.parametrize("kind", ["smooth", "ties", "copies", "wide"])
def test_a_random_pairing_has_the_measure_of_permuted_samples(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = _sides(40, kind)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(chance, "_pairings", lambda *_: order[None])
    found = Measures(a, b).by_chance(Draws.single(40))

    assert set(found) == set(Measures(a, b).usual())

    for name, value in Measures(a, b[order]).usual().items():
        assert found[name]["mean"] == pytest.approx(value, abs=1e-7), name


def test_independent_samples_are_above_chance_one_time_in_twenty() -> None:
    above = []

    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        a, b = (torch.randn(24, d, generator=generator, dtype=torch.float64) for d in (3, 5))
        found = chance.components_by_chance(*centred_pair(a, b), Draws.single(24), generator)
        above += [baselines.linear_cka(a, b) > found["linear_cka"].high]

    # Of 100 with 5 % each, more than 12 come in one of 1,000.
    assert sum(above) <= 12


def test_what_is_shared_is_above_chance() -> None:
    a, b = _sides(60)
    known, found = Measures(a, b).usual(), Measures(a, b).by_chance(Draws.single(60))

    assert all(known[name] > found[name]["high"] > found[name]["mean"] for name in known)


def test_groups_are_exchanged_whole() -> None:
    units = torch.tensor([2, 0, 0, 1, 2, 2, 0, 1])

    for pairing in chance._pairings(Draws(units), torch.Generator().manual_seed(0)):
        assert sorted(pairing.tolist()) == list(range(8))
        partners = [units[pairing[units == unit]].unique_consecutive() for unit in range(3)]
        assert sum(len(each) for each in partners) <= 5  # a group is cut only where one ends

    path = Draws(torch.arange(6), reach=1)

    for pairing in chance._pairings(path, torch.Generator().manual_seed(0)):
        assert ((pairing - torch.arange(6)) % 6).unique().numel() == 1


def test_trials_of_one_state_raise_what_chance_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    units = torch.arange(60) // 10
    a, b = (
        torch.randn(6, 5, generator=generator, dtype=torch.float64)[units]
        + 0.01 * torch.randn(60, 5, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    alone, whole = (Measures(a, b).by_chance(draws) for draws in (Draws.single(60), Draws(units)))

    assert whole["linear_cka"]["mean"] > 3 * alone["linear_cka"]["mean"]
    assert Measures(a, b).usual()["linear_cka"] < whole["linear_cka"]["high"]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 40])
def test_what_is_not_defined_is_left_out(n: int) -> None:
    assert Measures(torch.ones(n, 3).double(), _sides(n)[1]).by_chance(Draws.single(n)) == {}
    found = Measures(*_sides(n)).by_chance(Draws.single(n))

    assert ("mutual_knn" in found) == (n > 10) and ("linear_cka" in found) == (n >= 3)
    assert all(math.isfinite(value) for each in found.values() for value in each.values())


def test_of_many_components_pwcca_alone_is_not_told() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(160, d, generator=generator, dtype=torch.float64) for d in (130, 3))
    measures = Measures(a, b)

    assert set(measures.usual()) - set(measures.by_chance(Draws.single(160))) == {"pwcca_a", "pwcca_b"}


def test_chance_is_told_beside_the_measures(tmp_path) -> None:
    a, b = (Observations(values) for values in _sides(60))
    result = equiv.compare(a, b, paired=True)
    found = result.diagnostics["measures_by_chance"]
    mirrored = equiv.compare(b, a, paired=True).diagnostics["measures_by_chance"]

    assert set(found) == set(result.diagnostics["measures"])
    assert mirrored == found | {"pwcca_a": found["pwcca_b"], "pwcca_b": found["pwcca_a"]}
    assert f"(chance {found['linear_cka']['high']:.2f})" in result.summary(details=True)
    assert "At most, by chance" in result.report(tmp_path / "report.html").read_text()
