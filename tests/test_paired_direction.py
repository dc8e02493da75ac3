r"""How much effort one direction of a paired comparison takes."""

import pytest
import torch
from manifolds import uniform
from torch import Tensor

from equiv.observe.observations import Observations
from equiv.paired.compare import compare_paired
from equiv.regression.hermite import fit_map
from equiv.regression.kernel_map import Fit
from equiv.regression.kernel_search import EFFORTS

NORMAL = torch.tensor([1.0, -0.7, 0.5, 0.8], dtype=torch.float64)


def _wave(x: Tensor, steepness: float) -> Tensor:
    return (steepness * (x @ NORMAL))[..., None].sin()


def _observed(n: int, steepness: float) -> tuple[Observations, Observations]:
    r"""Four inputs as they are, and a wave of them."""
    x = uniform(n, 4)
    slopes = (steepness * (x @ NORMAL)).cos()[:, None, None] * steepness * NORMAL

    return Observations(x, torch.eye(4, dtype=torch.float64).expand(n, 4, 4)), Observations(
        _wave(x, steepness), slopes
    )


@pytest.fixture
def efforts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    r"""The efforts that maps were learned with."""
    taken: list[object] = []

    def learned(*arguments: object) -> Fit:
        taken.append(arguments[5])

        return fit_map(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("equiv.paired.direction.fit_map", learned)

    return taken


@pytest.mark.parametrize("framed", [False, True])
def test_a_root_is_continuous_however_badly_it_is_learned(framed: bool) -> None:
    x, power = uniform(300, 1), 7
    slopes = power * x[:, :, None] ** (power - 1), torch.ones_like(x)[:, :, None]
    a, b = (
        Observations(values, frames if framed else None)
        for values, frames in zip((x**power, x), slopes, strict=True)
    )
    result = compare_paired(a, b)

    assert result.a_to_b.error.low > 0.05  # no kernel has the cusp
    assert result.verdict == "inconclusive"


@pytest.mark.slow
def test_an_open_direction_is_decided_by_more_equations(efforts: list[object]) -> None:
    a, b = _observed(1200, 4.0)
    fresh = uniform(2000, 4, seed=1)
    quick = fit_map(a.values, b.values, a.frames, b.frames).map
    found = compare_paired(a, b, tolerance=0.012)
    truth = _wave(fresh, 4.0)
    errors = [(map_(fresh) - truth).norm() / truth.norm() for map_ in (quick, found.transformation)]

    assert found.verdict == "a_determines_b"
    assert EFFORTS[1] in efforts
    assert errors[1] < 0.5 * errors[0] and found.a_to_b.error.low <= errors[1] <= found.a_to_b.error.high


@pytest.mark.parametrize("samples, tolerance", [(300, 0.05), (1200, 0.3)])
def test_neither_few_samples_nor_a_decided_direction_take_more(
    samples: int, tolerance: float, efforts: list[object]
) -> None:
    compare_paired(*_observed(samples, 4.0), tolerance=tolerance)

    assert efforts == 2 * [EFFORTS[0]]
