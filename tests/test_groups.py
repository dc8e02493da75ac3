r"""Samples that are no independent draws, in every door: named by labels or found, and held out whole."""

import math

import pytest
import torch
from manifolds import uniform
from torch import Tensor, nn

import equiv
from equiv import Observations
from equiv.probing.compared import shared_groups


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _trials(states: int, trials: int, jitter: float) -> tuple[Tensor, Tensor, Tensor]:
    r"""Unrelated states of two networks, each seen several times in a row, and the state of each sample."""
    seen = [
        side.repeat_interleave(trials, 0) + jitter * _normal(7 + k, states * trials, 3)
        for k, side in enumerate((_normal(0, states, 3), _normal(1, states, 3)))
    ]

    return seen[0], seen[1], torch.arange(states).repeat_interleave(trials)


def _high(door: str, a: Tensor, b: Tensor, groups: Tensor | None) -> float:
    r"""The upper bound of the error from A to B by one door."""
    if door == "reconstruct":
        return equiv.reconstruct(a, b, groups=groups).error.high

    if door == "observations":
        return equiv.reconstruct(Observations(a, groups=groups), b).error.high

    if door == "compare":
        found = equiv.compare(Observations(a), Observations(b), paired=True, groups=groups)

        return found.a_to_b.error.high

    classes = equiv.equivalence_classes([Observations(a), Observations(b)], groups=groups)

    return classes.comparisons[0, 1].a_to_b.error.high


DOORS = ["reconstruct", "observations", "compare", "classes"]


@pytest.mark.parametrize("door", DOORS)
def test_groups_are_held_out_whole(door: str) -> None:
    # A jitter as wide as a cluster, so that nothing is found without labels.
    a, b, states = _trials(20, 8, 0.1)

    assert _high(door, a, b, 100 - states) > 0.9


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("jitter", [0.0, 1e-6, 1e-3])
def test_copies_and_near_copies_are_found(door: str, jitter: float) -> None:
    a, b, _ = _trials(60, 2, jitter)

    assert _high(door, a, b, None) > 0.9


def test_groups_of_one_sample_each_change_nothing() -> None:
    x = uniform(80, 2)
    target = torch.stack([x[:, 0].sin(), x.prod(dim=1)], dim=1)
    plain, named = (equiv.reconstruct(x, target, groups=groups) for groups in (None, torch.arange(80) * 3))

    assert plain.error == named.error


def test_few_groups_bound_nothing() -> None:
    x = uniform(140, 1)
    found = equiv.reconstruct(x, x.sin(), groups=torch.arange(140) % 7)

    assert found.error.high == math.inf and found.error.estimate < 0.01
    assert equiv.reconstruct(x, x.sin(), groups=torch.arange(140) % 20).error.high < 0.01


def test_a_path_is_no_sample_of_independent_draws() -> None:
    # Two unrelated paths: neighbours in time agree, recordings would not.
    steps = (_normal(seed, 300, 4).cumsum(0).cumsum(0) for seed in (0, 1))
    a, b = (step / step.std(dim=0) for step in steps)

    assert equiv.reconstruct(a, b).error.high > 0.3


def test_labels_override_those_of_observations_which_have_to_agree() -> None:
    x = uniform(60, 2)
    pairs, renamed = torch.arange(60) // 2, 40 - torch.arange(60) // 2
    a, b = Observations(x, groups=pairs), Observations(x.sinh(), groups=renamed)
    other = Observations(x.sinh(), groups=torch.arange(60) // 3)

    assert equiv.compare(a, b, paired=True).diagnostics["groups"] == "30 groups, as given"
    assert (
        equiv.compare(a, other, paired=True, groups=torch.arange(60) // 4).diagnostics["groups"][:2] == "15"
    )
    assert shared_groups(None, [Observations(x)]) is None

    for call in (
        lambda: equiv.compare(a, other, paired=True),
        lambda: equiv.equivalence_classes([a, other]),
    ):
        with pytest.raises(ValueError, match="'groups' of all observations should join the same samples"):
            call()


def test_groups_of_recordings_beside_a_network_are_kept() -> None:
    x = uniform(60, 2)
    network = nn.Sequential(nn.Linear(2, 4), nn.Tanh()).double()
    recorded = Observations(x, groups=torch.arange(60) // 3)

    assert equiv.compare(recorded, network, x, paired=True).diagnostics["groups"] == "20 groups, as given"


@pytest.mark.parametrize(
    ("groups", "error", "match"),
    [
        (torch.zeros(59).long(), ValueError, "one label for each"),
        (torch.zeros(60), TypeError, "integer labels"),
    ],
)
def test_labels_are_checked_in_every_door(groups: Tensor, error: type[Exception], match: str) -> None:
    x = uniform(60, 2)

    for door in DOORS:
        with pytest.raises(error, match=match):
            _high(door, x, x, groups)


def test_groups_say_nothing_without_pairs() -> None:
    x = uniform(60, 1)
    obs = Observations(x, torch.ones(60, 1, 1, dtype=torch.float64))

    with pytest.raises(ValueError, match="'groups' should be None without pairs"):
        equiv.compare(obs, obs, paired=False, groups=torch.arange(60))


def _error(found: Tensor, target: Tensor) -> float:
    return ((found - target).norm() / (target - target.mean(dim=0)).norm()).item()


@pytest.mark.parametrize("door", ["compare", "reconstruct"])
def test_where_draws_are_in_doubt_the_map_is_that_of_the_fewer(door: str) -> None:
    # Unrelated states, each shown one to six times: as if draws from clusters, which a close fit would be right for.
    generator = torch.Generator().manual_seed(0)
    states = torch.arange(80).repeat_interleave(torch.randint(1, 7, (80,), generator=generator))
    states = states[torch.randperm(len(states), generator=generator)]
    a, b = (uniform(80, 2, k)[states] + 1e-4 * uniform(len(states), 2, 4 + k) for k in range(2))
    fresh_a, fresh_b = uniform(2000, 2, 2), uniform(2000, 2, 3)

    if door == "compare":
        result = equiv.compare(Observations(a), Observations(b), paired=True)
        found, error = result.transformation(fresh_a), result.a_to_b.error
        # Three in so many states may have been missed, not in so many rows.
        assert result.a_to_b.share == pytest.approx(0.05 ** (1 / 80), abs=0.002)
    else:
        reconstruction = equiv.reconstruct(a, b)
        found, error = reconstruction.predict(fresh_a), reconstruction.error

    assert error.low <= _error(found, fresh_b) <= error.high
    assert _error(found, fresh_b) < 1.2
