"""A comparison made again is the same to the last bit, whatever memory held before."""

import pytest
import torch
from torch import Tensor

import equiv
from equiv import Observations


def scatter() -> None:
    """Leaves numbers of all kinds in the small pieces of memory that are given out next."""
    for size in range(1, 40):
        pieces = [torch.randint(-9, 9, (size,), dtype=torch.int32) for _ in range(20)]
        pieces += [torch.full((size,), float("nan"), dtype=torch.float64) for _ in range(20)]
        del pieces


def square(samples: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)

    return torch.rand(samples, 2, generator=generator, dtype=torch.float64)


def seen(x: Tensor, neurons: int) -> Observations:
    generator = torch.Generator().manual_seed(neurons)
    weight, phase = (torch.randn(k, neurons, generator=generator, dtype=torch.float64) for k in (2, 1))
    values, slopes = (x @ weight + phase).sin(), (x @ weight + phase).cos()

    return Observations(values, slopes[:, :, None] * weight.T)


@pytest.mark.parametrize("paired", [True, False])
def test_comparison_does_not_depend_on_what_memory_held(paired: bool) -> None:
    samples = 150 if paired else 300
    x, y = square(samples, 0), square(samples, 1)
    y[:4] = x[:4]
    a, b = seen(x, 8), seen(x if paired else y, 6)
    anchors = None if paired else torch.arange(4)[:, None].expand(4, 2)
    results = []

    for _ in range(2):
        scatter()
        results.append(equiv.compare(a, b, paired=paired, anchors=anchors))

    numbers = [(result.a_to_b.error, result.b_to_a.error, repr(result.diagnostics)) for result in results]
    assert numbers[0] == numbers[1]
    first, again = (result.transformation(a.values) for result in results)
    assert torch.equal(first, again)
