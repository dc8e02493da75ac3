r"""Every experiment on few hidden variables, tiny: it runs, and its own numbers and figures are there."""

import json
from pathlib import Path

import pytest
from programs import composed

import equiv
import run
from lightning_modules.evaluations.training import first_equivalent

TINY = (
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
    "dataset.a.n_train=160",
    "dataset.b.n_train=150",
    "dataset.n_held_out=120",
    "logger=none",
)
OUTPUTS = {"verdict_outputs_only", "verdict_outputs_only_unpaired", "neurons_used_a", "neurons_used_b"}
RECONSTRUCTED = {"neurons_used", "input_error", "output_error", "error_by_neuron_count"}
BY_COUNT = ("accuracy_by_anchors", "accuracy_by_labels")
SMALLER = {
    "reconstruction": ("evaluation.counts=[1,2,5]", "evaluation.shown=[1,5]", "evaluation.choices=2"),
    "transfer": ("evaluation.anchors=[0,4]", "evaluation.labels=[4,32]", "evaluation.draws=2"),
}


def metrics_of(folder: Path, experiment: str, *overrides: str) -> dict:
    r"""What a tiny run of the program leaves in `metrics.json`."""
    run.run(composed(folder, f"experiment={experiment}", *TINY, *overrides))

    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(
    ("experiment", "own", "figures"),
    [
        ("scalar_monotone", OUTPUTS, {"functions", "charts"}),
        pytest.param("scalar_nonmonotone", OUTPUTS, {"functions", "charts"}, marks=pytest.mark.slow),
        pytest.param("vector_field", OUTPUTS, {"maps", "charts"}, marks=pytest.mark.slow),
        pytest.param("reconstruction", RECONSTRUCTED, {"errors", "inputs", "charts"}, marks=pytest.mark.slow),
        pytest.param("transfer", {"accuracy_a", *BY_COUNT}, {"transfer", "charts"}, marks=pytest.mark.slow),
    ],
)
def test_a_run_leaves_its_own_numbers_and_figures(
    tmp_path: Path, experiment: str, own: set[str], figures: set[str]
) -> None:
    metrics = metrics_of(tmp_path, experiment, *SMALLER.get(experiment, ()))
    assert own <= set(metrics)
    assert {file.stem for file in (tmp_path / "figures").glob("*.png")} == figures
    assert metrics["verdict"] == "equivalent"
    # 150 points of a smooth curve or surface: the error of the chart is of the fourth order in their distance.
    assert max(metrics["true_error_a_to_b"], metrics["true_error_b_to_a"]) < 0.01


@pytest.mark.parametrize(
    "experiment", ["scalar_monotone", pytest.param("vector_field", marks=pytest.mark.slow)]
)
def test_a_stretched_space_is_another(tmp_path: Path, experiment: str) -> None:
    assert metrics_of(tmp_path, experiment, "relation=stretched")["verdict"] == "not_equivalent"


@pytest.mark.slow
def test_outputs_that_fold_are_not_enough_and_the_run_adds_neurons(tmp_path: Path) -> None:
    # Fewer epochs leave one output monotone: it then does determine the other.
    metrics = metrics_of(tmp_path, "scalar_nonmonotone", "trainer.max_epochs=120", "dataset.n_held_out=500")
    assert metrics["verdict_outputs_only"] == "not_equivalent"
    assert metrics["verdict_outputs_only_unpaired"] != "equivalent"
    assert metrics["verdict"] == "equivalent"
    assert 2 <= metrics["neurons_used_a"] <= 3
    assert 2 <= metrics["neurons_used_b"] <= 3


@pytest.mark.slow
def test_equivalence_is_followed_from_the_beginning_of_training(tmp_path: Path) -> None:
    metrics = metrics_of(tmp_path, "training", "matching.epochs=[0,1]", "matching.layers=all")
    verdicts = metrics["verdict_by_epoch"]
    assert list(verdicts) == ["0", "1", "2"]
    assert metrics["first_equivalent_epoch"] == first_equivalent({int(k): v for k, v in verdicts.items()})
    assert {file.stem for file in (tmp_path / "figures").glob("*.png")} >= {
        "training",
        "layers",
        "layers_forming",
    }
    assert "layers/epoch_2/report.html" in (tmp_path / "report.html").read_text()
    assert [equiv.load(tmp_path / "layers" / f"epoch_{epoch}").samples for epoch in range(3)] == [120] * 3


@pytest.mark.parametrize(
    ("verdicts", "first"),
    [
        (["equivalent"] * 3, 0),
        (["equivalent", "inconclusive", "equivalent"], 2),
        (["inconclusive", "equivalent", "equivalent"], 1),
        (["equivalent", "equivalent", "not_equivalent"], None),
    ],
)
def test_equivalent_from_then_on(verdicts: list[str], first: int | None) -> None:
    assert first_equivalent(dict(enumerate(verdicts))) == first


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    [
        "architecture.network_a.activation._target_=torch.nn.GELU",
        "architecture.network_b.hidden=[64]",
        "architecture.network_a.hidden=[24,24,24]",
        "dataset.high=[1.5]",
        "seed=11",
    ],
)
def test_other_networks_and_spaces_do_as_well(tmp_path: Path, override: str) -> None:
    # After two epochs an output may still fold, and then it is not equivalent to one that does not.
    metrics = metrics_of(tmp_path, "scalar_monotone", "trainer.max_epochs=40", override)
    assert metrics["verdict"] == "equivalent"
    assert metrics["true_error_a_to_b"] < 0.01
