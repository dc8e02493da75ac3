r"""What would not fit into memory is refused before it is allocated, with what it would have taken."""

import resource
from collections.abc import Callable

import pytest
import torch
from manifolds import random
from torch import nn

import equiv
from equiv.observe.memory import memory_limit

NET = nn.Sequential(nn.Linear(40, 50), nn.Tanh()).double()
X = random(500, 40)
OBS = equiv.Observations(random(500, 50), random(500, 50, 10, seed=1))


@pytest.mark.parametrize(
    "call",
    [
        lambda: equiv.probe(NET, X),
        lambda: equiv.probe(NET, X, frames="neighbors", dimension=40),
        lambda: equiv.probe(NET, X, frames=lambda x: x[:, None].repeat(1, 30, 1), burst_std=1.0),
        lambda: equiv.probe(NET, X.repeat(10, 1), frames=None),
        lambda: equiv.mahalanobis(OBS),
        lambda: equiv.mahalanobis(OBS, OBS),
        lambda: equiv.reconstruct(OBS.values, OBS.values, frames=(OBS.frames, OBS.frames)),
        lambda: equiv.select_neurons(OBS),
        lambda: equiv.compare(OBS, OBS, paired=True),
        lambda: equiv.equivalence_classes([OBS, OBS, OBS]),
    ],
    ids=[
        "jacobian",
        "neighbours",
        "bursts",
        "values",
        "distances",
        "block",
        "reconstruct",
        "select",
        "compare",
        "classes",
    ],
)
def test_each_door_refuses_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]
) -> None:
    monkeypatch.setenv("EQUIV_MEMORY_LIMIT", "0.001")
    with pytest.raises(
        ValueError, match=r"should fit into 0.0 GiB .*EQUIV_MEMORY_LIMIT.* of about .* GiB; take"
    ):
        call()


def test_the_limit_is_what_is_said_else_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQUIV_MEMORY_LIMIT", "2.5")
    assert memory_limit() == 2.5 * 2**30
    monkeypatch.delenv("EQUIV_MEMORY_LIMIT")
    assert 0 < memory_limit() < 2**50
    monkeypatch.setenv("EQUIV_MEMORY_LIMIT", "all")
    with pytest.raises(ValueError, match="a positive number of GiB, got 'all'"):
        memory_limit()


def test_frames_from_neighbours_of_pictures_cost_the_samples_not_the_pixels() -> None:
    r"""80 pictures of 3 x 32 x 32 in general position: 79 directions, frames of rank 79, the pixels' lengths."""
    x = random(80, 3, 32, 32)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3072, 4, bias=False)).double()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    obs = equiv.probe(network, x, frames="neighbors", dimension=20)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken < 150_000  # KiB; all differences of pixels would be 155,000 for each of several copies
    # Frames along orthonormal directions never stretch by more than the weights do.
    largest = torch.linalg.matrix_norm(network[1].weight.detach(), 2)
    assert (torch.linalg.matrix_norm(obs.frames, 2) <= largest * (1 + 1e-9)).all()
