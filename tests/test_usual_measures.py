r"""The usual measures of similarity beside a paired comparison: what they are, where they are told, where undefined."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

import equiv
from equiv import Observations, baselines
from equiv.paired.measures import Measures


def sides(n: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    return torch.cat([x, x.square()], dim=1), torch.cat([x.exp(), x.sin(), x[:, :1] * x[:, 1:]], dim=1)


def test_measures_are_those_of_the_baselines() -> None:
    a, b = sides(60)
    found = equiv.compare(Observations(a), Observations(b), paired=True).diagnostics["measures"]
    names = {"pwcca": "pwcca_a"}

    for name in baselines.__all__:
        assert found[names.get(name, name)] == getattr(baselines, name)(a, b)

    assert found["pwcca_b"] == baselines.pwcca(b, a)
    assert len(found) == len(baselines.__all__) + 1


def test_of_many_samples_evenly_spread_ones_are_taken() -> None:
    a, b = sides(4000)
    found = Measures(a, b).usual()

    assert found["linear_cka"] == baselines.linear_cka(a[::2], b[::2])
    assert found["rsa"] == baselines.rsa(a[::8], b[::8])
    assert found["rsa"] == pytest.approx(baselines.rsa(a[::4], b[::4]), abs=0.02)


@pytest.mark.parametrize("n", [1, 2, 8, 40])
def test_undefined_measures_are_nan_and_raise_nothing(n: int) -> None:
    found = Measures(torch.ones(n, 3).double(), sides(n)[1]).usual()

    assert all(math.isnan(value) for value in found.values())


def test_few_samples_leave_neighbours_undefined_alone() -> None:
    found = Measures(*sides(8)).usual()

    assert [name for name, value in found.items() if math.isnan(value)] == ["mutual_knn"]


def test_measures_are_told_saved_and_exchanged(tmp_path: Path) -> None:
    a, b = (Observations(values) for values in sides(60))
    result = equiv.compare(a, b, paired=True)
    known = result.diagnostics["measures"]
    mirrored = result.mirrored.diagnostics["measures"]
    result.save(tmp_path)

    assert f"linear CKA {known['linear_cka']:.2f}" in result.summary(details=True)
    assert (
        equiv.load(tmp_path).diagnostics["measures"] == known == result.to_dict()["diagnostics"]["measures"]
    )
    assert mirrored == known | {"pwcca_a": known["pwcca_b"], "pwcca_b": known["pwcca_a"]}
    assert equiv.compare(b, a, paired=True).diagnostics["measures"] == mirrored
    page = result.report(tmp_path / "report.html").read_text()
    assert '<th scope="row">mutual kNN</th>' in page and "pwcca" not in page
