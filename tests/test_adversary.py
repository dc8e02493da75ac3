"""The adversary's truths, by other means than the families' own formulas."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))

from adversary_manifolds import klein, moebius, spheroid_coordinates
from adversary_paired import PAIRED, draw_paired
from adversary_sides import Side, Unpaired
from adversary_tables import FAULTS, faults, table
from adversary_truth import Paired, Truth, missed
from adversary_unpaired import UNPAIRED, draw_unpaired
from families import Draw, Network
from spaces import box

TOLERANCE = 0.05
MANY = 2000


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


def test_there_are_families_enough_and_a_seed_draws_the_same_again() -> None:
    assert len(PAIRED) >= 40 and len(UNPAIRED) >= 30
    for family in ("sessions_unrelated", "thermometers", "permuted_copy"):
        first, again, other = (drawn(draw_paired(family, seed), 50, 0)[0] for seed in (2, 2, 4))
        assert torch.equal(first, again)
        assert first.shape != other.shape or not torch.allclose(first, other)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("family", UNPAIRED)
def test_unpaired_truths_hold_on_fresh_points(family: str) -> None:
    for seed in range(2):
        case = draw_unpaired(family, seed)
        x = case.a.sample(1500, generator(seed))
        assert torch.equal(x, draw_unpaired(family, seed).a.sample(1500, generator(seed)))
        if case.there is not None and case.forward.answer == "yes":
            check_follows(case.a, case.b, x, case.there(x))
        if case.back is not None and case.there is not None and case.backward.answer == "yes":
            assert torch.allclose(case.back(case.there(x)), x)
            check_follows(case.b, case.a, case.there(x), x)
        if case.there is not None and case.back is not None and case.forward.answer == "no":
            check_not_isometric(case, x)


def check_follows(source: Side, target: Side, x: Tensor, y: Tensor) -> None:
    """What is near in the source's activations is near in the target's, and the map keeps lengths or forgets axes."""
    a, b = source.network(x), target.network(y)
    assert missed(by_neighbours(a[:1200], b[:1200], a[1200:], 3), b[1200:]) < 0.45
    frames = jacobians(source.network, x[:200])
    assert (torch.linalg.matrix_rank(frames) == x.shape[1]).all()
    if x.shape == y.shape:
        # In common coordinates the metrics agree.
        assert torch.allclose(metric(source, x), metric(target, y))


def jacobians(network: Network, x: Tensor) -> Tensor:
    return torch.func.vmap(torch.func.jacrev(network))(x)


def metric(side: Side, x: Tensor) -> Tensor:
    return (
        torch.eye(x.shape[1], dtype=torch.float64).expand(len(x), -1, -1)
        if side.metric is None
        else side.metric(x)
    )


def check_not_isometric(case: Unpaired, x: Tensor) -> None:
    """The best of shifts and small turns misses B by more than the tolerance."""
    from scipy.optimize import minimize

    x, m = x[:400], x.shape[1]
    turns = 0 if case.space is not None and any(case.space.periodic) else m * (m - 1) // 2
    middle, target = x.mean(dim=0), case.b.network(case.there(x))

    def error(motion: Tensor) -> float:
        shift, skew = torch.as_tensor(motion[:m]), torch.zeros(m, m, dtype=torch.float64)
        if turns:
            skew[tuple(torch.triu_indices(m, m, 1))] = torch.as_tensor(motion[m:])
        turned = (x - middle) @ torch.linalg.matrix_exp(skew - skew.T).T
        return missed(case.b.network(turned + middle + shift), target)

    found = minimize(error, [0.0] * (m + turns), method="Nelder-Mead", options={"maxiter": 300})
    assert found.fun > TOLERANCE


def test_glued_spaces_are_glued() -> None:
    x = torch.rand(50, 2, generator=generator(), dtype=torch.float64)
    strip, bottle = moebius(Draw(0), 4.0, 2.0), klein(Draw(1), 4.0, 3.0)
    for side in (strip, bottle):
        around = x + torch.tensor([4.0, 0.0])
        assert torch.allclose(side.network(x), side.network(around * torch.tensor([1.0, -1.0])))
        assert not torch.allclose(side.network(x), side.network(around), atol=0.01)
    assert torch.allclose(bottle.network(x), bottle.network(x + torch.tensor([0.0, 3.0])))


def test_frames_are_orthonormal() -> None:
    parts, metric_of = spheroid_coordinates(1.0, 1.5)
    x = torch.rand(50, 2, generator=generator(), dtype=torch.float64)
    embedded = jacobians(parts, x) @ metric_of(x)
    rolled = jacobians(box(3.0, 2.0, periodic=(True, False)).ambient, x)
    for lengths in (embedded, rolled):
        assert torch.allclose(lengths.mT @ lengths, torch.eye(2, dtype=torch.float64).expand(50, 2, 2))


def record(**changes: object) -> dict[str, object]:
    found = {
        "family": "x", "seed": 0, "kind": "paired", "groups": False, "verdict": "equivalent", "rarity": 0.0,
        "truths": [["yes", True, 0.0]] * 2, "bounds": [[0.01, 0.005, 0.02]] * 2, "errors": [0.01, 0.01],
        "errors_common": [0.01, 0.01], "shares": [1.0, 1.0], "seconds": 1.0, "shape": [100, 2, 2],
    }  # fmt: skip
    return found | changes


def test_faults_are_counted() -> None:
    count = lambda **changes: list(faults(record(**changes)).values())  # noqa: E731
    assert FAULTS == ("false equivalent", "false direction", "wrong no", "failed")
    assert count() == [0, 0, 0, 0]
    assert count(errors=[0.01, 0.2]) == [1, 1, 0, 0]
    assert count(truths=[["no", True, 1.0], ["yes", True, 0.0]]) == [1, 1, 0, 0]
    assert count(verdict="not_equivalent", bounds=[[1.0, 0.9, 1.1]] * 2) == [0, 0, 2, 0]
    assert count(verdict="inconclusive", truths=[["open", False, 0.0]] * 2, errors=[0.2, 0.01]) == [
        0,
        1,
        0,
        0,
    ]
    # A rare kind: a claim that leaves it out is judged by the others.
    rare = {"rarity": 0.01, "errors": [0.2, 0.2], "truths": [["no", False, 0.2], ["yes", False, 0.0]]}
    assert count(**rare) == [1, 2, 0, 0]
    assert count(**rare, shares=[0.98, 0.98]) == [0, 0, 0, 0]
    assert "| x | 1 |  |  |  |  | 1 of 1 | 2 of 2 | 1.0 |" in table([record()])
