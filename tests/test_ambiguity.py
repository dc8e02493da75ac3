r"""Several equally good maps: how far apart they are, said first, exchanged with the names, saved and loaded."""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from comparisons import comparison
from manifolds import DOMAINS, Domain, RandomEmbedding, observe
from torch import Tensor

import equiv
from equiv import Comparison
from equiv.verdict import share_in_words

Isometry = Callable[[Tensor], Tensor]


def turned(angle: float, mirror: bool, centre: Tensor) -> Isometry:
    matrix = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    matrix = matrix @ torch.diag(torch.tensor([1.0, -1.0 if mirror else 1.0]).double())

    return lambda x: (x - centre) @ matrix.T + centre


def shifted(name: str, sign: tuple[float, ...], share: tuple[float, ...]) -> Isometry:
    r"""Some axes turned round, and shifted by shares of their periods; of an open one the middle stays."""
    size, periods = (torch.tensor(each).double() for each in (DOMAINS[name].high, DOMAINS[name].periods))
    factor, part = torch.tensor(sign).double(), torch.tensor(share).double()
    offset = torch.where(periods > 0, part * size, (1 - factor) / 2 * size)

    return lambda x: factor * x + offset


def group(name: str) -> list[Isometry]:
    r"""All isometries of a space onto itself, or many of a continuum."""
    quarter = math.pi / 2
    length = DOMAINS[name].high[0]

    if name == "interval":
        return [lambda x: x, lambda x: length - x]

    if name in ("circle", "cylinder", "torus"):
        shares = [
            torch.arange(0, 1, 0.05 if period else 1.0).tolist() for period in DOMAINS[name].periods or ()
        ]
        signs = itertools.product((1.0, -1.0), repeat=len(shares))

        return [shifted(name, sign, share) for sign in signs for share in itertools.product(*shares)]

    centre = torch.tensor(DOMAINS[name].high, dtype=torch.float64) / 2
    steps = {"square": 4, "rectangle": 2, "disc": 100}[name]
    centre = 0 * centre if name == "disc" else centre

    return [turned(4 * quarter * k / steps, mirror, centre) for k in range(steps) for mirror in (False, True)]


def compared(name: str, known: int = 0) -> Comparison:
    domain = DOMAINS[name]
    n = 400 if known else 800  # anchors fix the map, which outlines alone show of many samples
    anchors = domain.sample(known, seed=9)
    x, y = (torch.cat([domain.sample(n, seed=seed), anchors]) for seed in (0, 1))
    a, b = observe(domain, x, 6, seed=1), observe(domain, y, 7, seed=2)
    pairs = n + torch.arange(known)

    return equiv.compare(a, b, paired=False, anchors=torch.stack([pairs, pairs], dim=1) if known else None)


def farthest(result: Comparison, name: str) -> tuple[float, float]:
    r"""From the returned maps to the farthest of all equally good ones, by the hidden inputs."""
    domain = DOMAINS[name]
    x = domain.sample(2000, seed=5)
    values = {seed: observe(domain, x, outputs, seed=seed).values for seed, outputs in ((1, 6), (2, 7))}
    found = []

    for source, target, outputs, module in (
        (1, 2, 7, result.transformation),
        (2, 1, 6, result.transformation.inverse),
    ):
        image, goal = module(values[source]), values[target]
        others = [observe(domain, move(x), outputs, seed=target).values for move in group(name)]
        square = max((other - image).square().sum(dim=1).mean().item() for other in others)
        found.append(math.sqrt(square) / (goal - goal.mean(dim=0)).square().sum(dim=1).mean().sqrt().item())

    return found[0], found[1]


COUNTS = {
    "interval": 2,
    "square": 8,
    "rectangle": 4,
    "circle": math.inf,
    "cylinder": math.inf,
    "torus": math.inf,
    "disc": math.inf,
}


# What the circle and the rectangle show, with more symmetries, in more dimensions, on more samples.
LARGER = ("square", "cylinder", "torus", "disc")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param(name, count, marks=[pytest.mark.slow] if name in LARGER else [])
        for name, count in COUNTS.items()
    ],
)
def test_ambiguity_is_the_distance_to_the_farthest_isometry(name: str, count: float) -> None:
    result = compared(name)
    found = result.a_to_b.ambiguity, result.b_to_a.ambiguity

    assert result.symmetries == count
    assert found == pytest.approx(farthest(result, name), rel=0.05)
    first = result.sentence.split("(")[0]
    assert ("infinitely many" if math.isinf(count) else str(count)) in first.split(".")[0]
    finding = "inconclusive" if result.verdict == "inconclusive" else "equivalent"
    assert result.sentence.index("spread apart") < result.sentence.lower().index(finding)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (3, 4))])
def test_registered_eigenfunctions_say_no_less_than_the_truth(seed: int) -> None:
    domain = DOMAINS["circle"]
    a, b = (observe(domain, domain.sample(300, seed=2 * seed + q), 6 + q, seed=1 + q) for q in (0, 1))
    result = equiv.compare(a, b, paired=False, method="galerkin")

    assert result.verdict == "equivalent" and math.isinf(result.symmetries)
    assert all(
        truth <= found.ambiguity <= 2.0
        for truth, found in zip(farthest(result, "circle"), (result.a_to_b, result.b_to_a), strict=True)
    )


@pytest.mark.parametrize(("name", "known"), [("interval", 2), ("square", 4), ("circle", 3), ("disc", 4)])
def test_generic_anchors_leave_no_ambiguity(name: str, known: int) -> None:
    result = compared(name, known)

    assert result.symmetries == 1
    assert result.a_to_b.ambiguity == result.b_to_a.ambiguity == 0
    assert result.sentence.startswith("The two are equivalent")


def test_one_anchor_at_a_corner_leaves_the_reflection() -> None:
    domain = Domain((0.0, 0.0), (1.0, 1.0))
    corner = torch.zeros(1, 2, dtype=torch.float64)
    x, y = (torch.cat([domain.sample(400, seed=seed), corner]) for seed in (0, 1))
    result = equiv.compare(
        observe(domain, x, 6, seed=1), observe(domain, y, 7, seed=2), paired=False, anchors=[[400, 400]]
    )
    fresh = domain.sample(2000, seed=5)
    network = RandomEmbedding(2, 7, 2)
    goal, flipped = network(fresh), network(fresh.flip(1))
    truth = (goal - flipped).norm() / (goal - goal.mean(dim=0)).norm()

    assert result.symmetries == 2
    assert result.a_to_b.ambiguity == pytest.approx(truth.item(), rel=0.05)


@pytest.mark.parametrize("name", ["pairs", "double cover", "torus"])
def test_what_is_paired_or_fixed_by_anchors_is_not_ambiguous(name: str) -> None:
    result = comparison(name)

    assert result.a_to_b.ambiguity == result.b_to_a.ambiguity == 0


def test_both_are_exchanged_with_the_names() -> None:
    result = comparison("ring")
    mirrored = result.mirrored

    assert (mirrored.a_to_b, mirrored.b_to_a) == (result.b_to_a, result.a_to_b)
    assert mirrored.a_to_b.ambiguity != mirrored.b_to_a.ambiguity
    assert mirrored.sentence == result.sentence.mirrored


@pytest.mark.parametrize("name", ["ring", "pairs"])
def test_both_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    result = comparison(name)
    result.save(tmp_path)
    loaded = equiv.load(tmp_path)

    assert (loaded.a_to_b, loaded.b_to_a) == (result.a_to_b, result.b_to_a)
    assert loaded.summary() == result.summary()
    assert loaded.to_dict()["a_to_b"].keys() >= {"error", "share", "ambiguity"}


@pytest.mark.parametrize("name", ["ring", "pairs"])
def test_comparisons_saved_without_them_load(name: str, tmp_path: Path) -> None:
    result = comparison(name)
    result.save(tmp_path)
    written = json.loads((tmp_path / "comparison.json").read_text())

    for direction in ("a_to_b", "b_to_a"):
        written[direction] = {"error": written[direction]["error"]}

    del written["checksums"]  # which came later
    (tmp_path / "comparison.json").write_text(json.dumps(written))

    with pytest.warns(UserWarning, match="before results had checksums"):
        loaded = equiv.load(tmp_path)

    assert loaded.a_to_b.share == 1
    assert math.isnan(loaded.a_to_b.ambiguity) if result.symmetries > 1 else loaded.a_to_b.ambiguity == 0
    assert loaded.summary()


@pytest.mark.parametrize(("name", "n"), [("pairs", 120), ("ring", 130)])
def test_bounds_speak_of_what_so_many_samples_can_show(name: str, n: int) -> None:
    result = comparison(name)

    assert result.a_to_b.share == result.b_to_a.share == pytest.approx(0.05 ** (1 / n))
    assert share_in_words(result.a_to_b.share, 0.95) in result.summary()


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.05 ** (1 / 300), "99 %"), (0.05 ** (1 / 2000), "99.85 %"), (0.5, "50 %"), (1.0, "100 %")],
)
def test_shares_are_rounded_down(share: float, words: str) -> None:
    assert share_in_words(share, 0.95) == f"at least {words} of the inputs, with 95 % confidence"
