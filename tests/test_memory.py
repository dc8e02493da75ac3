r"""What would not fit into memory is refused before it is allocated, with what it would have taken."""

import re
import resource
from collections.abc import Callable

import pytest
import torch
from manifolds import random
from torch import nn

import equiv
from equiv.observe.memory import memory_limit
from equiv.paired import direction, pairs
from equiv.regression.kernel_map import Fit
from equiv.regression.kernel_search import Effort

NET = nn.Sequential(nn.Linear(40, 50), nn.Tanh()).double()
X = random(500, 40)
OBS = equiv.Observations(random(500, 50), random(500, 50, 10, seed=1))
FEW = equiv.Observations(OBS.values, OBS.frames[:, :, :2])


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
        lambda: equiv.compare(FEW, FEW, paired=False),
        lambda: equiv.compare_layers({"1": OBS.values}, {"1": OBS.values}),
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
        "unpaired",
        "layers",
        "classes",
    ],
)
def test_each_door_refuses_what_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]
) -> None:
    monkeypatch.setenv("EQUIV_MEMORY_LIMIT", "0.001")
    with pytest.raises(
        ValueError, match=r"should fit into 0.001 GiB .*EQUIV_MEMORY_LIMIT.* of about .* GiB; take"
    ):
        call()


@pytest.mark.parametrize("fails", [False, True], ids=["does not fit", "fails"])
def test_a_thorough_map_that_cannot_be_had_is_left_out_and_the_quick_one_stays(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    x, weights = random(400, 3), (0.7 * random(3, 10, seed=1), 0.7 * random(3, 10, seed=2))
    sides = [equiv.Observations((x @ w).sin(), (x @ w).cos()[:, :, None] * w.T) for w in weights]
    efforts = Effort(60, 100, 200), Effort(100, 150, 1600)

    for module in (direction, pairs):
        monkeypatch.setattr(module, "EFFORTS", efforts)

    with monkeypatch.context() as alone:
        alone.setattr(direction, "_worth_more", lambda *_: False)
        quick = equiv.compare(*sides, paired=True)

    if fails:
        learned = direction.fit_map

        def failing(*given: object) -> Fit:
            if efforts[1] in given:
                raise torch.linalg.LinAlgError("no convergence")

            return learned(*given)

        monkeypatch.setattr(direction, "fit_map", failing)
    else:
        # 1,600 equations take 82 MB, all else of a comparison of so few samples 48 MB.
        monkeypatch.setenv("EQUIV_MEMORY_LIMIT", str(60e6 / 2**30))

    found = equiv.compare(*sides, paired=True)
    assert quick.verdict is found.verdict is equiv.Verdict.INCONCLUSIVE

    for name in ("a_to_b", "b_to_a"):
        assert getattr(found, name).error == getattr(quick, name).error
        wanted = "^no convergence$" if fails else "^a thorough map should fit .* 1600 equations of about"
        assert re.search(wanted, found.diagnostics[f"left_out_{name}"])


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
