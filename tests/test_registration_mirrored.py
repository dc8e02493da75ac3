r"""Registrations do not depend on which side is called A: that of B and A is the mirror image."""

import math

import pytest
import torch

from equiv.coordinates.domain import Domain
from equiv.registration.register import register
from equiv.registration.result import Relation

AROUND, HIGH = 2.0, 1.3


def rectangle(n: int, sides: tuple[float, float], seed: int) -> torch.Tensor:
    drawn = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)

    return drawn * torch.tensor(sides, dtype=torch.float64)


CYLINDER = Domain(
    rectangle(800, (AROUND, HIGH), seed=2), torch.tensor([[AROUND, 0.0]], dtype=torch.float64), 1e-4
)


@pytest.mark.parametrize(
    ("sides", "relation"),
    [((AROUND, HIGH), Relation.A_ONTO_B), ((AROUND, HIGH / 2), Relation.NONE)],
    ids=["as high", "half as high"],
)
def test_a_region_is_wound_round_a_cylinder_whichever_is_called_a(
    sides: tuple[float, float], relation: Relation
) -> None:
    region = Domain(rectangle(500, sides, seed=1), None, 1e-4)
    one, other = register(region, CYLINDER, None, 0.02), register(CYLINDER, region, None, 0.02)

    assert one.relation is relation
    assert other.relation is one.mirrored.relation
    assert (other.overlap_a, other.overlap_b) == pytest.approx((one.overlap_b, one.overlap_a), nan_ok=True)

    if one.motion is not None and other.motion is not None:
        # Wound round, heights differ by at most what the outermost of 500 samples leave, and any turn fits.
        height = one.motion(region.coordinates)[:, 1]
        assert math.isinf(one.symmetries)
        assert abs(height.min() - CYLINDER.coordinates[:, 1].min()) < 0.02
        assert abs(height.max() - CYLINDER.coordinates[:, 1].max()) < 0.02
        assert torch.equal(one.motion.matrix, other.motion.matrix)


def test_mirrored_twice_is_the_same() -> None:
    found = register(Domain(rectangle(800, (AROUND, HIGH), seed=1), None, 1e-4), CYLINDER, None, 0.02)

    assert found.mirrored.relation is Relation.B_ONTO_A
    assert found.mirrored.overlap_a == found.overlap_b
    assert found.mirrored.mirrored == found
