r"""Studies: networks trained side by side are those trained alone, and the truth of the zoo is what grids show."""

import json
from pathlib import Path

import pytest
import torch
from programs import composed
from torch import Tensor, nn

import run
from lightning_modules.studies.side_by_side import CommonBatches, SideBySide
from lightning_modules.studies.stitching import METHODS, Stitching
from lightning_modules.studies.zoo import CLASSES, members, true_order


def test_batches_hold_each_sample_once_with_its_targets_in_an_order_of_seed_and_epoch() -> None:
    inputs = torch.arange(10.0)[:, None]
    batches = CommonBatches(inputs, {"twice": 2 * inputs}, 3, seed=0)
    first, again = list(batches), list(batches)
    batches.set_epoch(1)
    assert len(first) == len(batches) == 3
    assert all(torch.equal(x, y) for (x, _), (y, _) in zip(first, again, strict=True))
    assert any(not torch.equal(x, y) for (x, _), (y, _) in zip(first, batches, strict=True))
    assert all(torch.equal(2 * x, targets["twice"]) for x, targets in first)
    assert torch.cat([x for x, _ in first]).unique().numel() == 9

    with pytest.raises(ValueError, match="'batch_size' should lie between 1 and the 10"):
        CommonBatches(inputs, {}, 11, seed=0)


def test_networks_side_by_side_do_not_feel_each_other() -> None:
    inputs, targets = torch.rand(8, 2), {"a": torch.rand(8, 1), "b": torch.rand(8, 1)}

    def gradients(*names: str) -> list[Tensor]:
        torch.manual_seed(0)
        networks = {name: nn.Linear(2, 1) for name in ("a", "b")}
        module = SideBySide({name: networks[name] for name in names}, torch.optim.SGD)
        module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
        module.training_step((inputs, targets), 0).backward()

        return [parameter.grad for parameter in networks["a"].parameters() if parameter.grad is not None]

    for alone, beside in zip(gradients("a"), gradients("a", "b"), strict=True):
        torch.testing.assert_close(alone, beside, rtol=0, atol=0)


def test_functions_of_a_class_determine_each_other_and_others_only_as_said() -> None:
    # On a grid, what a function leaves open of another is how far that moves between points where the first is alike.
    unit = torch.linspace(-1, 1, 161)
    x = torch.cartesian_prod(unit, unit)
    zoo = [
        (member.true_class, member.task(x)) for member in members().values() if member.true_class in CLASSES
    ]
    scalars = [(name, _unit(values)) for name, values in zoo if name != "field"]

    for first, source in scalars:
        order = source[:, 0].argsort()  # every function here is one of its first entry
        for second, target in scalars:
            ordered = target[order].unfold(0, 30, 30)  # means over points where the source is alike
            left = ordered.var(dim=2, correction=0).mean(dim=0).sum().sqrt()
            assert (left < 0.03) == true_order(first, second), (first, second)
            assert left < 0.03 or left > 0.3

    for name, values in zoo:
        if name == "field":  # one to one: no two points of the grid are brought near each other
            few = torch.arange(0, len(x), 41)
            apart, images = torch.cdist(x[few], x[few]), torch.cdist(_unit(values)[few], _unit(values)[few])
            assert (images + torch.eye(len(few)) > 0.2 * apart).all()


def _unit(values: Tensor) -> Tensor:
    values = values - values.mean(dim=0)

    return values / values.square().sum(dim=1).mean().sqrt()


@pytest.mark.slow
def test_every_method_stitches_a_network_to_itself() -> None:
    study = Stitching(anchors=(80,), draws=1, n_train=300, n_shared=100, hidden=(32, 12))
    network = study.networks()["network_a"]
    found = study._stitched(network, network, torch.arange(300, 380), ["hidden2"])
    assert set(found) == set(METHODS)
    # 80 pairs of 12 neurons leave nothing open; relative representations have another head.
    assert all(error < 1e-3 for method, (_, error) in found.items() if method not in (METHODS[-1], "ridge"))
    with pytest.raises(ValueError, match="'n_shared' should be at least the 80"):
        Stitching(anchors=(80,), n_shared=20)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "overrides", "own"),
    [
        (
            "zoo",
            ("study.n_train=128", "study.n_compared=40", "data.batch_size=64"),
            {"adjusted_rand_index", "classes_found", "classes_true"},
        ),
        (
            "stitching",
            ("study.anchors=[10]", "study.draws=1", "study.n_shared=40"),
            {"accuracy_a", "accuracy_b", "accuracy_stitched", "accuracy_by_anchors"},
        ),
    ],
)
def test_a_study_leaves_a_run_like_every_other(
    tmp_path: Path, experiment: str, overrides: tuple[str, ...], own: set[str]
) -> None:
    settings = ("trainer.accelerator=cpu", "trainer.max_epochs=1", "logger=none")
    run.run(composed(tmp_path, f"experiment={experiment}", *settings, *overrides))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert own | {"verdict", "error_a_to_b", "seconds_total"} <= set(metrics)
    assert (tmp_path / "figures" / f"{experiment}.png").exists()
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()
