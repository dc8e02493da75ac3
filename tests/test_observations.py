"""Observations and frames: what they accept, what they refuse, and what a frame's rank is."""

import numpy as np
import pytest
import torch
from manifolds import random

from equiv import Observations
from equiv.observe.frames import split_frames, whitening


@pytest.mark.parametrize(("d", "m"), [(5, 2), (2, 5), (3, 3), (1, 4), (4, 1)])
def test_thin_decomposition_gives_back_the_covariance(d: int, m: int) -> None:
    frames = random(20, d, m)
    basis, scale, rank = split_frames(frames)
    half = basis * scale[:, None]
    torch.testing.assert_close(half @ half.mT, frames @ frames.mT, rtol=1e-12, atol=1e-12)
    assert (rank == min(d, m)).all()


@pytest.mark.parametrize(("d", "m", "rank"), [(6, 3, 3), (6, 3, 2), (6, 3, 1), (2, 4, 1), (3, 2, 0)])
def test_whitening_squares_to_the_pseudo_inverse(d: int, m: int, rank: int) -> None:
    frames = random(10, d, rank) @ random(10, rank, m, seed=1) if rank else torch.zeros(10, d, m).double()
    L = whitening(frames)
    expected = torch.linalg.pinv(frames @ frames.mT, rtol=1e-10, hermitian=True)
    torch.testing.assert_close(L @ L.mT, expected, rtol=1e-8, atol=1e-8)
    assert (split_frames(frames)[2] == rank).all()


def test_rank_ignores_the_rounding_of_float32() -> None:
    frames = (random(50, 8, 1) @ random(50, 1, 3, seed=1)).float() * 1e3
    assert (Observations(random(50, 8).float(), frames).rank == 1).all()


def test_rank_is_per_sample_and_zero_for_a_dead_sample() -> None:
    frames = random(4, 3, 2)
    frames[1] = 0
    frames[2, :, 1] = frames[2, :, 0]
    frames[3] *= 1e-20  # rounding of the others' size
    assert Observations(random(4, 3), frames).rank.tolist() == [2, 0, 1, 0]


def test_dead_neurons_copies_and_few_samples_are_ordinary() -> None:
    values = random(3, 7)
    values[:, 2] = 0
    values[1] = values[0]
    assert len(Observations(values)) == 3
    assert Observations(values).rank is None


def test_numpy_arrays_and_moves() -> None:
    obs = Observations(random(6, 3).numpy(), random(6, 3, 2).numpy(), burst_size=20)
    assert obs.values.dtype == torch.float64
    small = obs.subset(torch.tensor([4, 1])).to(torch.float32)
    assert small.dtype == torch.float32 and small.frames is not None and small.frames.dtype == torch.float32
    assert len(small) == 2 and small.burst_size == 20
    torch.testing.assert_close(small.values.double(), obs.values[[4, 1]], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "frames", "error", "words"),
    [
        (
            torch.zeros(4, 3, dtype=torch.int64),
            None,
            TypeError,
            "'values' should be float32 or float64, got int64",
        ),
        (torch.zeros(4, 3, dtype=torch.float16), None, TypeError, "got float16"),
        ([[1.0, 2.0]], None, TypeError, "'values' should be a tensor or NumPy array"),
        (np.zeros((4, 3), dtype=np.int32), None, TypeError, "got int32"),
        (torch.zeros(4), None, ValueError, r"'values' should have shape \(n, d\), got \(4,\)"),
        (torch.zeros(0, 3), None, ValueError, "empty axis"),
        (torch.tensor([[0.0, 1.0], [torch.nan, 2.0]]), None, ValueError, r"in 1 of 2 samples \(first: 1\)"),
        (torch.tensor([[torch.inf], [-torch.inf]]), None, ValueError, "in 2 of 2 samples"),
        (torch.zeros(4, 3), torch.zeros(4, 3), ValueError, r"'frames' should have shape \(n, d, m\)"),
        (torch.zeros(4, 3), torch.zeros(4, 2, 3), ValueError, r"with \(n, d\) = \(4, 3\) as 'values'"),
        (torch.zeros(4, 3), torch.full((4, 3, 2), torch.inf), ValueError, "'frames' should be finite"),
    ],
)
def test_refusals_say_what_came(values: object, frames: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Observations(values, frames)


def test_large_finite_values_are_accepted() -> None:
    huge = torch.tensor([[3e38, 1.0], [3e38, 2.0]])  # their float32 sum overflows
    assert len(Observations(huge)) == 2
