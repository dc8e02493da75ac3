r"""The callback that probes and compares: what it finds, what it leaves alone, what it logs."""

import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import equiv
from callbacks.matching import Matching
from callbacks.progress import TrainingProgress
from lightning_modules.data.batches import PairData, Samples
from lightning_modules.matcher import rotated
from lightning_modules.output.layers import leave_layers, through_training
from lightning_modules.pair import NetworkPair
from lightning_modules.probed import Probed

STEP = 0.02


@dataclass(frozen=True)
class Turned:
    r"""Points of the unit circle, whose bursts are the points a step before and after."""

    probe: Tensor

    @property
    def samples(self) -> Samples:
        return self.probe, self.probe

    @property
    def frames(self) -> dict[str, object]:
        return {"frames": self.bursts, "burst_std": STEP * math.sqrt(2), "dimension": 1}

    def bursts(self, inputs: Tensor) -> Tensor:
        angle = torch.atan2(inputs[:, 1], inputs[:, 0])

        return torch.stack([circle(angle - STEP), circle(angle + STEP)], dim=1)


@dataclass(frozen=True)
class Circles:
    a: Turned
    b: Turned
    anchors: Tensor

    @property
    def held_out_a(self) -> Tensor:
        return circle(torch.linspace(0.05, 6.2, 60))

    held_out_b = held_out_a

    @property
    def validation(self) -> tuple[Samples, Samples]:
        return self.a.samples, self.b.samples


def circle(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], dim=-1)


def circles(n: int = 400, k: int = 3, order: int = 0) -> Circles:
    r"""Two sets of points at angles of their own and k common ones, each in an order of its own."""
    angles = torch.arange(n) * (2 * math.pi / n)
    common = torch.tensor([0.4, 1.9, 4.0])[:k]
    generator = torch.Generator().manual_seed(order)
    orders = [torch.randperm(n + k, generator=generator) for _ in range(2)]
    a, b = (
        torch.cat([angles + shift, common])[order] for shift, order in zip((0.0, 0.011), orders, strict=True)
    )
    anchors = torch.stack([order.argsort()[n:] for order in orders], dim=1)

    return Circles(Turned(circle(a)), Turned(circle(b)), anchors)


def embedding(seed: int, width: int) -> nn.Sequential:
    r"""A random smooth embedding of the circle, and a way back."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, width))
        nn.init.normal_(encoder[0].weight)

        return nn.Sequential(encoder, nn.Linear(width, 2))


def pair() -> NetworkPair:
    def adam(groups: list[dict]) -> torch.optim.Optimizer:
        return torch.optim.Adam(groups, lr=1e-3)

    return NetworkPair(embedding(1, 6), embedding(2, 4), adam, seed=5)


def matching(**changes: object) -> Matching:
    settings = {"module_a": "network_a.0", "module_b": "network_b.0", "neurons_a": 5}

    return Matching(**(settings | changes))


def fitted(
    callbacks: list[pl.Callback],
    folder: Path,
    epochs: int = 2,
    sides: Circles | None = None,
    logger: pl.loggers.Logger | None = None,
) -> NetworkPair:
    trained = pair()
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=logger or pl.loggers.CSVLogger(folder, name="csv"),
        default_root_dir=folder,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
    )
    trainer.fit(trained, datamodule=PairData(sides or circles(150), batch_size=32, seed=5))

    return trained


def compared(sides: Circles, **changes: object) -> Matching:
    r"""The callback after one comparison of two untrained networks."""
    callback = matching(**changes)
    alone(callback, pair(), sides)

    return callback


@pytest.fixture(scope="module")
def usual() -> Matching:
    return compared(circles())


def alone(callback: Matching, networks: NetworkPair, sides: Circles) -> None:
    r"""Lets the callback compare the networks as they are, with no training."""
    trainer = pl.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    callback.matcher = networks.matcher(sides, **callback.settings)
    callback.match(trainer, networks, 0, whole=True)


def test_training_is_bit_for_bit_the_same_with_and_without(tmp_path: Path) -> None:
    with_it = fitted([matching(every_n_epochs=1)], tmp_path / "with")
    state = torch.get_rng_state()
    without = fitted([], tmp_path / "without")
    assert torch.equal(state, torch.get_rng_state())

    for left, right in zip(with_it.state_dict().values(), without.state_dict().values(), strict=True):
        assert torch.equal(left, right)


def test_a_comparison_changes_nothing_of_the_networks() -> None:
    networks, state = pair().train(), torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in networks.state_dict().items()}
    alone(matching(), networks, circles(150))
    assert all(torch.equal(tensor, before[name]) for name, tensor in networks.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(module.training for module in networks.modules())


def test_two_embeddings_of_the_circle_are_equivalent_and_t_is_right(usual: Matching) -> None:
    networks, angle = pair(), torch.linspace(0.05, 6.2, 50)
    values_a = usual.last.probed_a(networks, circle(angle)).values
    values_b = usual.last.probed_b(networks, circle(angle)).values
    assert values_a.shape == (50, 5)
    assert values_b.shape == (50, 4)
    assert usual.last.result.verdict == "equivalent"
    error = (usual.last.result.transformation(values_a) - values_b).norm() / (
        values_b - values_b.mean(0)
    ).norm()
    # Bursts of h give secants, wrong by h^2 / 6 times the curvature, which is below ten here.
    assert error < 0.02


def test_a_checkpoint_keeps_every_comparison_to_the_bit(usual: Matching, tmp_path: Path) -> None:
    usual.matches[2] = usual.last
    torch.save(usual.state_dict(), tmp_path / "state")
    again = matching(every_n_epochs=2, epochs=[0])
    again.matcher = usual.matcher
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    other = matching(every_n_epochs=3)
    other.matcher = usual.matcher
    other.load_state_dict(usual.state_dict())
    del usual.matches[2]

    assert list(again.matches) == [0, 2]
    assert list(other.matches) == []  # of an end that was none
    match, kept = usual.last, again.matches[0]
    assert kept.result.to_dict() == match.result.to_dict()
    values = match.observations[0].values
    assert torch.equal(kept.result.transformation(values), match.result.transformation(values))
    assert torch.equal(kept.observations[1].frames, match.observations[1].frames)
    assert (kept.probed_a, kept.probed_b) == (match.probed_a, match.probed_b)
    assert all(torch.equal(tensor, match.weights[name]) for name, tensor in kept.weights.items())


def test_neither_the_order_nor_the_rotations_of_the_frames_matter(usual: Matching) -> None:
    angle = circle(torch.linspace(0, 6, 40))
    reference = usual.last.result.transformation(usual.last.probed_a(pair(), angle).values)

    for other in (compared(circles(order=7)), compared(circles(), seed=11)):
        assert other.last.result.verdict == usual.last.result.verdict
        moved = other.last.result.transformation(other.last.probed_a(pair(), angle).values)
        # float32 activations: sums in another order round differently.
        assert torch.allclose(moved, reference, atol=1e-3 * float(reference.std()))


def test_it_compares_at_the_chosen_epochs_and_at_the_end_and_logs_it(tmp_path: Path) -> None:
    callback = matching(every_n_epochs=2)
    fitted([callback], tmp_path, epochs=3)
    assert list(callback.matches) == [2, 3]
    assert callback.seconds > 0
    logged = (tmp_path / "csv" / "version_0" / "metrics.csv").read_text()
    told = {
        "loss_a",
        "matching/equivalent",
        "matching/inconclusive",
        "matching/a_to_b_high",
        "matching/b_to_a_low",
        "matching/eigenvalues_a/1",
        "matching/intrinsic_dimension_b",
        "matching/residual_a",
        "matching/seconds",
    }
    assert told <= set(logged.splitlines()[0].split(","))


class WandbLogger(pl.loggers.CSVLogger):
    r"""Known by its name; keeps what its run is given."""

    experiment = Mock()


@pytest.mark.slow
def test_all_layers_are_compared_as_they_form_and_left_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", Mock(Table=dict))
    callback, logger = matching(every_n_epochs=1, layers="all", leave=leave_layers), WandbLogger(tmp_path)
    trained = fitted([callback], tmp_path, logger=logger)
    assert list(callback.matrices) == [1, 2]
    last, seen = callback.matrices[2], circles().held_out_a
    encoders = trained.network_a[0], trained.network_b[0]
    assert (
        last.to_dict()
        == equiv.compare_layers(*encoders, seen, seed=callback.settings.get("seed", 0)).to_dict()
    )
    assert equiv.load(tmp_path / "layers" / "epoch_2").to_dict() == last.to_dict()
    assert {file.name for file in (tmp_path / "layers" / "epoch_1").iterdir()} == {
        "layers.json",
        "layers.png",
        "report.html",
    }
    logged = [call.args[0] for call in logger.experiment.log.call_args_list]
    tables = [each["matching/layers"] for each in logged if "matching/layers" in each]
    assert len(tables) == 2 and tables[1]["data"] == [list(row.values()) for row in last.pairs()]
    assert sum("figures/layers" in each for each in logged) == 2
    formed = through_training(callback.matrices)
    assert set(formed.figures) == set(formed.captions) == {"layers", "layers_forming"}


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    progress = TrainingProgress(lambda *step: told.append(step))
    fitted([matching(every_n_epochs=2), progress], tmp_path, epochs=3)
    steps = [step for step in told if step[2] == "matching"]
    assert steps == [(k, 4, "matching") for k in (0, 1, 2, 2, 3, 4)]  # two comparisons of two steps each


def test_where_another_process_trained_the_error_names_the_strategy() -> None:
    with pytest.raises(ValueError, match=r"'trainer\.strategy'"):
        _ = matching().last


def test_before_the_end_a_sample_of_the_inputs_with_the_anchors_is_compared(tmp_path: Path) -> None:
    sides = circles()
    callback = matching(every_n_epochs=1, sample=200)
    fitted([callback], tmp_path, epochs=2, sides=sides)
    assert [len(match.observations[0]) for match in callback.matches.values()] == [200, 403]
    assert [match.result.diagnostics["anchors"] for match in callback.matches.values()] == [3, 3]
    assert callback.matches[1].result.verdict == "equivalent"  # wrong anchors would not let it be
    assert callback.matches[1].result.symmetries == 1


def test_without_anchors_the_symmetries_are_said() -> None:
    assert compared(circles(), anchors=0).last.result.symmetries == math.inf


def test_rotated_frames_span_the_same_metric_and_are_not_the_same() -> None:
    frames = torch.randn(40, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    observations = equiv.Observations(torch.zeros(40, 5, dtype=torch.float64), frames, burst_size=4)
    turned = rotated(observations, 1)
    assert torch.allclose(turned.frames @ turned.frames.mT, frames @ frames.mT, atol=1e-12)
    assert (turned.frames - frames).norm() > 0.5 * frames.norm()
    assert turned.burst_size == 4
    assert rotated(equiv.Observations(torch.zeros(4, 5)), 1).frames is None


def test_frames_of_one_dimension_point_either_way() -> None:
    observations = equiv.Observations(torch.zeros(400, 2), torch.ones(400, 2, 1))
    share = (rotated(observations, 0).frames[:, 0, 0] > 0).double().mean()
    assert abs(share - 0.5) < 0.1  # four standard deviations of 400 fair coins


def test_neurons_are_the_first_so_many_or_those_listed() -> None:
    inputs = circle(torch.linspace(0, 6, 10))
    every = Probed("network_a.0")(pair(), inputs).values
    assert torch.equal(Probed("network_a.0", neurons=3)(pair(), inputs).values, every[:, :3])
    assert torch.equal(Probed("network_a.0", neurons=[[4, 1]])(pair(), inputs).values, every[:, [4, 1]])
    both = Probed("network_a.0", layers=["0", "2"], neurons=3)(pair(), inputs).values
    assert torch.equal(both[:, 3:], every[:, :3])


@pytest.mark.parametrize(
    "change", [{"anchors": 4}, {"anchors": -1}, {"every_n_epochs": -1}, {"sample": 5}, {"layers": "some"}]
)
def test_bad_numbers_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match=f"'{next(iter(change))}'"):
        compared(circles(), **change)


def test_a_wrong_anchor_is_found_by_the_comparison() -> None:
    sides = circles(k=3)
    wrong = sides.anchors.clone()
    wrong[0, 1] = (wrong[0, 1] + 50) % len(sides.b.probe)
    assert compared(replace(sides, anchors=wrong)).last.result.verdict != "equivalent"
