"""Numbers that are finite and yet extreme: a sentence, the right answer, or none with its reason."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from doors import SENTENCE, framed, values
from torch import Tensor

import equiv
from equiv import Comparison, Observations

SIZES = (1e160, 1e200, 5e307, 1e-165, 1e-308, 1e-320)


def answered(call: Callable[[], Any]) -> Any:
    r"""What a call finds, or None where it refuses in a sentence."""
    try:
        return call()
    except (ValueError, TypeError) as error:
        assert SENTENCE.match(str(error)), str(error)

        return None


def honest(found: Comparison | None) -> None:
    r"""What says nothing says why."""
    if found is not None and found.verdict == "inconclusive":
        assert found.sentence.startswith("Inconclusive: ")


@pytest.mark.parametrize("size", SIZES)
def test_pairs_are_compared_as_if_they_were_of_ordinary_size(size: float) -> None:
    a, b = values(), values() @ torch.tensor([[1.0, 1, 0], [0, 1, 1], [1, 0, 2]], dtype=torch.float64)
    unrelated = torch.rand(30, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    big = equiv.compare(Observations(a * size), Observations(b), paired=True)
    layers = equiv.compare_layers({"x": a * size}, {"y": b, "z": unrelated}).verdicts[0]
    classes = equiv.equivalence_classes(
        [Observations(a * size), Observations(b), Observations(unrelated)]
    ).labels

    assert big.verdict == "equivalent" and layers[0] == "equivalent" and layers[1] != "equivalent"
    assert classes[0] == classes[1] != classes[2]
    assert equiv.reconstruct(a * size, b).error.high < 0.01
    assert equiv.reconstruct(unrelated, a * size).error.low > 0.1


@pytest.mark.parametrize("size", SIZES)
def test_one_extreme_sample_makes_no_yes(size: float) -> None:
    out, unrelated = torch.cat([values()[:1] * size, values()[1:]]), values().flip(0) + 0.0
    a, b = Observations(out), Observations(unrelated)

    for pair in ((a, b), (b, a)):
        honest(found := equiv.compare(*pair, paired=True))
        assert found.verdict == "inconclusive" or found.verdict == "not_equivalent"

    assert equiv.compare_layers({"x": out}, {"y": unrelated}).verdicts[0][0] in (
        "inconclusive",
        "not_equivalent",
    )
    assert not equiv.reconstruct(out, unrelated).error.high < 0.05


def _zeros(share: float, size: float) -> Tensor:
    frames = framed().frames
    assert frames is not None

    return torch.where(torch.arange(30)[:, None, None] < 30 * share, 0.0, size * frames)


# Frames of one direction at 30 samples.
FRAMES: dict[str, Callable[[], Tensor]] = {
    "zero": lambda: _zeros(1.0, 1.0),
    "large": lambda: _zeros(0.0, 1e200),
    "faint": lambda: _zeros(0.0, 1e-200),
    "largest": lambda: _zeros(0.0, 5e307),
    "half zero, half large": lambda: _zeros(0.5, 1e200),
    "one huge": lambda: torch.cat([_zeros(0.0, 5e307)[:1], _zeros(0.0, 1.0)[1:]]),
    "of forty directions": lambda: _zeros(1.0, 1.0).repeat(1, 1, 40),
    "random": lambda: torch.randn(30, 2, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_extreme_frames_give_no_yes_without_pairs(kind: str) -> None:
    odd, usual = Observations(framed().values, FRAMES[kind]()), framed(seed=1)

    for method in ("isometric", "galerkin", "diffusion_maps"):
        found = answered(lambda method=method: equiv.compare(odd, usual, paired=False, method=method))
        honest(found)
        assert found is None or found.verdict != "equivalent"

    maps = (equiv.DiffusionMaps(1), equiv.GalerkinMaps(1, 10), equiv.IsometricMaps(1))

    for each in maps:
        fitted = answered(lambda each=each: each.fit(odd))
        assert fitted is None or fitted.coordinates_.isfinite().all()


@pytest.mark.parametrize("kind", FRAMES)
def test_extreme_frames_break_nothing_with_pairs(kind: str) -> None:
    odd, unrelated = Observations(framed().values, FRAMES[kind]()), Observations(values().flip(0))

    honest(found := equiv.compare(odd, unrelated, paired=True))
    assert found.verdict != "equivalent"
    assert len(equiv.select_neurons(odd)) >= 1
    assert not math.isnan(equiv.reconstruct(odd, values()).error.estimate)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9])
def test_few_samples_are_no_evidence(n: int) -> None:
    a, b = Observations(values()[:n]), Observations(2 * values()[:n])

    honest(found := equiv.compare(a, b, paired=True))
    assert found.verdict == "inconclusive"
    assert equiv.compare_layers({"x": a.values}, {"y": b.values}).verdicts == [["inconclusive"]]
    assert equiv.equivalence_classes([a, b]).labels.tolist() == [0, 1]

    for method in ("isometric", "galerkin", "diffusion_maps"):
        few = framed().subset(torch.arange(n))
        found = answered(
            lambda few=few, method=method: equiv.compare(few, framed(), paired=False, method=method)
        )
        honest(found)
        assert found is None or found.verdict == "inconclusive"


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e200])
def test_what_never_changes_is_no_evidence(constant: float) -> None:
    same = Observations(torch.full((30, 3), constant, dtype=torch.float64), values()[:, :, None])

    for other in (Observations(values()), same):
        honest(found := equiv.compare(same, other, paired=True))
        assert found.verdict != "equivalent"

    found = answered(lambda: equiv.compare(same, framed(), paired=False))
    assert found is None or found.verdict == "inconclusive"
    assert math.isnan(equiv.reconstruct(values(), same.values).error.estimate)
