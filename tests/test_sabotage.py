"""A computation that fails is never a verdict of equivalence: a sample of `benchmarks/sabotage.py`."""

import math

import pytest
import torch

from benchmarks.sabotage import PAIRS, judged, sabotaged
from equiv import Comparison, Observations, reconstruct, select_neurons


def found_under(stage: str, kind: str, pair: str, first: int = 2) -> tuple[str, Comparison | None]:
    with sabotaged(stage, kind, first):
        return judged(PAIRS[pair](), PAIRS[pair]().compare)


@pytest.mark.parametrize("kind", ["raises", "NaN", "zeros"])
@pytest.mark.parametrize("stage", ["torch.linalg:eigh", "torch.linalg:svd", "torch:cholesky_solve"])
def test_failures_of_linear_algebra_make_no_yes(stage: str, kind: str) -> None:
    assert found_under(stage, kind, "pairs, folded, values")[0] != "false yes"
    assert found_under(stage, kind, "pairs, values")[0] != "false yes"


@pytest.mark.parametrize("stage", ["hermite:fit_map", "affine:least_squares", "bounds:relative_rms"])
def test_errors_of_zero_are_held_against_the_map(stage: str) -> None:
    r"""That says nothing of the target: it misses the samples that it was learned from, too."""
    for pair in ("pairs, unrelated", "pairs, folded, values"):
        assert found_under(f"equiv.regression.{stage}", "zeros", pair, 1)[0] != "false yes"

    values = torch.rand(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    with sabotaged(f"equiv.regression.{stage}", "zeros", 1):
        assert reconstruct(values[:, :1], values[:, 1:]).error.high > 0.5
        assert len(select_neurons(Observations(values))) == 3


@pytest.mark.parametrize("stage", ["layers.source:from_layer", "regression.bounds:relative_rms_of_each"])
def test_layers_are_held_against_maps_learned_anew(stage: str) -> None:
    assert found_under("torch.linalg:eigh", "none", "layers", 1)[0] == "right"

    for pair in ("layers, folded", "layers, unrelated"):
        assert found_under(f"equiv.{stage}", "zeros", pair, 1)[0] != "false yes"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["raises", "NaN", "zeros"])
@pytest.mark.parametrize(
    "stage",
    [
        "equiv.flattening.synchronization:synchronise",
        "equiv.registration.register:register",
        "equiv.charts.strain:measure_strain",
        "equiv.regression.hermite:fit_map",
        "equiv.regression.bounds:relative_rms",
    ],
)
def test_failures_of_stages_make_no_yes(stage: str, kind: str) -> None:
    for pair in ("pairs", "lines", "lines, longer", "pairs, folded"):
        assert found_under(stage, kind, pair)[0] != "false yes"


def test_a_computation_that_fails_is_an_answer_with_its_reason() -> None:
    came, found = found_under("torch.linalg:eigh", "raises", "pairs, values")

    assert came == "inconclusive" and found is not None
    assert "a computation failed: LinAlgError" in found.sentence or "injected" in found.sentence
    assert math.isnan(found.a_to_b.error.estimate) and found.symmetries == 0

    with pytest.raises(ValueError, match="There is no transformation"):
        found.transformation(torch.zeros(1, 5, dtype=torch.float64))
