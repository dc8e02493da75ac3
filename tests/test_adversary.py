"""The adversary's truths, by other means than the families' own formulas."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from adversary_paired import PAIRED, draw_paired
from adversary_truth import Paired, Truth, missed

TOLERANCE = 0.05
MANY = 3000


def drawn(pair: Paired, n: int, seed: int) -> tuple[Tensor, Tensor]:
    inputs, _ = (pair.fresh or pair.inputs)(n, torch.Generator().manual_seed(seed))

    return pair.a(inputs), pair.b(inputs)


def by_neighbours(source: Tensor, target: Tensor, asked: Tensor, k: int = 12) -> Tensor:
    """Mean target of the nearest in the source, in units of each neuron's spread."""
    scale = source.std(dim=0).clamp_min(1e-300)
    near = torch.cdist(asked / scale, source / scale).topk(k, largest=False).indices

    return target[near].mean(dim=1)


def check_yes(truth: Truth, source: Tensor, target: Tensor) -> None:
    assert truth.map is not None
    found = missed(truth.map(source), target)
    assert found < 0.75 * TOLERANCE
    assert truth.floor < 0.75 * TOLERANCE
    if truth.floor:
        assert found == pytest.approx(truth.floor, rel=0.05)


def check_no(truth: Truth, source: Tensor, target: Tensor, rare: bool) -> None:
    best = target.mean(dim=0).expand_as(target) if truth.map is None else truth.map(source)
    # The floor is what its map misses, and above the tolerance ...
    assert truth.floor > 1.3 * TOLERANCE
    assert missed(best, target) == pytest.approx(truth.floor, rel=0.15 if truth.floor < 0.3 or rare else 0.06)
    # ... and what it misses cannot be told from the source by what lies near.
    changing = (target != target[0]).any(dim=0)
    rest, half = (target - best)[:MANY, changing], MANY // 2
    source = source[:MANY]
    found = by_neighbours(source[:half], rest[:half], source[half:])
    assert (rest[half:] - found).norm() > 0.99 * rest[half:].norm()


@pytest.mark.parametrize("family", PAIRED)
def test_paired_truths_hold_on_fresh_inputs(family: str) -> None:
    for seed in range(2):
        pair = draw_paired(family, seed)
        a, b = drawn(pair, 50_000 if pair.rare else MANY, seed)
        for truth, source, target in ((pair.forward, a, b), (pair.backward, b, a)):
            if truth.answer == "yes":
                check_yes(truth, source, target)
            elif truth.answer == "no":
                check_no(truth, source, target, pair.rare is not None)
            elif truth.answer == "void":
                assert (target == target[0]).all()
