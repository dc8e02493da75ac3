r"""Two networks in one fit: independent, repeatable, resumable."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_modules.checkpoints import load_pair, resume_from
from lightning_modules.data.batches import Batches, InOrder, PairData, Samples
from lightning_modules.networks import Autoencoder
from lightning_modules.pair import NetworkPair, build_pair
from lightning_modules.schedules import warmup_cosine

CONFIG = {
    "seed": 3,
    "relation": "same",
    "dataset": {"n_train": 24},
    "architecture": {
        f"network_{name}": {
            "_target_": "lightning_modules.networks.Autoencoder",
            "size": 8,
            "pool": 2,
            "encoder": [4, 4],
            "decoder": [4, 4],
            "hidden": 8,
            "latent": 3,
        }
        for name in "ab"
    },
    "data": {"batch_size": 8},
    "optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-2, "fused": True},
    "scheduler": {
        "_target_": "lightning_modules.schedules.warmup_cosine",
        "_partial_": True,
        "epochs": 3,
        "warmup_epochs": 1,
    },
}
#: The settings of the same pair as they were when the optimizer's held the batch size and the schedule too.
OLD = {name: value for name, value in CONFIG.items() if name not in ("data", "scheduler")} | {
    "optimizer": {"batch_size": 8, "lr": 1e-2, "schedule_epochs": 3, "warmup_epochs": 1, "final": 0.01}
}


def pictures(seed: int, n: int = 24) -> Tensor:
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Side:
    r"""Pictures that are their own targets."""

    train: Tensor

    @property
    def samples(self) -> Samples:
        return self.train, self.train


@dataclass(frozen=True)
class Sides:
    a: Side
    b: Side
    validation: tuple[Samples, Samples]


def sides(b: Tensor | None = None) -> Sides:
    fresh = pictures(3, 10), pictures(4, 10)

    return Sides(Side(pictures(1)), Side(pictures(2) if b is None else b), ((fresh[0],) * 2, (fresh[1],) * 2))


def fitted(
    folder: Path,
    epochs: int,
    checkpoint: Path | None = None,
    callbacks: tuple[pl.Callback, ...] = (),
    b: Tensor | None = None,
    changes: dict | None = None,
    **arguments: object,
) -> NetworkPair:
    r"""The pair of CONFIG, with changes, after so many epochs on random pictures."""
    pair = build_pair(CONFIG | (changes or {}))
    saver = pl.callbacks.ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[saver, *callbacks],
        default_root_dir=folder,
        **arguments,
    )
    data = PairData(sides(b), **CONFIG["data"], seed=CONFIG["seed"])
    trainer.fit(pair, datamodule=data, ckpt_path=checkpoint, weights_only=True)

    return pair


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    r"""Bit for bit."""
    for (name, left), right in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(left, right), name


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole", 2)
    fitted(tmp_path / "half", 1)
    torch.rand(5)  # the global random state of the second process is another one
    resumed = fitted(tmp_path / "rest", 2, resume_from(tmp_path / "half", CONFIG))
    assert_same_weights(whole, resumed)


def test_a_checkpoint_holds_weights_and_plain_settings(tmp_path: Path) -> None:
    pair = fitted(tmp_path, 1)
    path = tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(path, weights_only=True)["config"] == CONFIG
    loaded = load_pair(path)
    assert_same_weights(pair, loaded)
    assert not loaded.training


def test_neither_network_feels_the_other(tmp_path: Path) -> None:
    usual = fitted(tmp_path / "usual", 2)
    other = fitted(tmp_path / "other", 2, b=pictures(9))
    assert_same_weights(usual.network_a, other.network_a)
    assert not torch.equal(*(next(pair.network_b.parameters()) for pair in (usual, other)))


def test_one_optimizer_steps_as_two_would() -> None:
    torch.manual_seed(0)
    pair = build_pair(CONFIG)
    alone = build_pair(CONFIG).network_a
    a, b = pictures(1, 8), pictures(2, 8)
    both = torch.optim.AdamW(
        [{"params": list(n.parameters())} for n in (pair.network_a, pair.network_b)], lr=1e-2
    )
    one = torch.optim.AdamW(alone.parameters(), lr=1e-2)

    for _ in range(5):
        loss = nn.functional.mse_loss(pair.network_a(a), a) + nn.functional.mse_loss(pair.network_b(b), b)
        both.zero_grad()
        loss.backward()
        both.step()
        one.zero_grad()
        nn.functional.mse_loss(alone(a), a).backward()
        one.step()

    assert_same_weights(pair.network_a, alone)


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_are_clipped_for_each_network_by_itself(tmp_path: Path, algorithm: str) -> None:
    clip = {"gradient_clip_val": 1e-3, "gradient_clip_algorithm": algorithm}
    usual = fitted(tmp_path / "usual", 1, **clip)
    other = fitted(tmp_path / "other", 1, b=1e3 * pictures(9), **clip)
    assert_same_weights(usual.network_a, other.network_a)


def test_building_a_pair_leaves_the_random_state_alone() -> None:
    state = torch.get_rng_state()
    build_pair(CONFIG)
    assert torch.equal(state, torch.get_rng_state())


def test_the_order_of_batches_depends_on_seed_and_epoch_alone() -> None:
    a, b = torch.arange(20.0), torch.arange(100.0, 120.0)

    def epoch(k: int, seed: int = 0) -> list[Tensor]:
        batches = Batches((a, a), (b, -b), 6, seed)
        drawn = iter(batches)
        batches.set_epoch(k)  # as Lightning does: after the first iterator is made

        sides = [(inputs_a, inputs_b) for (inputs_a, _), (inputs_b, targets_b) in drawn if all(targets_b < 0)]

        return [torch.cat(side) for side in sides]

    assert all(map(torch.equal, epoch(4), epoch(4)))
    assert not all(map(torch.equal, epoch(4), epoch(5)))
    assert not all(map(torch.equal, epoch(4), epoch(4, seed=1)))
    seen = torch.cat(epoch(4)).sort().values
    assert len(seen.unique()) == len(seen) == 36


def test_processes_share_every_batch() -> None:
    a, b = torch.arange(12.0), torch.arange(12.0)
    whole = list(Batches((a, a), (b, b), 6))
    parts = [list(Batches((a, a), (b, b), 6, rank=rank, world_size=2)) for rank in range(2)]

    for ((all_a, _), _), ((one, _), _), ((other, _), _) in zip(whole, *parts, strict=True):
        assert torch.equal(torch.stack([one, other], dim=1).flatten(), all_a)


def share(epoch: float, **settings: float) -> float:
    r"""The learning rate after so many epochs of two steps, as a share of the largest."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = warmup_cosine(optimizer, 2, **({"epochs": 3, "warmup_epochs": 1, "final": 0.01} | settings))

    return schedule.lr_lambdas[0](2 * epoch)


def test_the_learning_rate_does_not_depend_on_how_long_the_trainer_goes_on() -> None:
    assert share(0) == 0.01
    assert share(0.5) == 0.5
    assert share(1) == 1
    assert share(2) == pytest.approx((1 + 0.01) / 2)
    assert share(3) == share(30) == pytest.approx(0.01)


class Rates(pl.Callback):
    r"""Both networks' learning rates at each step."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        self.seen.append([group["lr"] for group in trainer.optimizers[0].param_groups])


@pytest.mark.parametrize("accumulated", [1, 3])
def test_the_learning_rate_of_a_fit_follows_the_schedule(tmp_path: Path, accumulated: int) -> None:
    rates = Rates()
    fitted(tmp_path, 2, callbacks=(rates,), accumulate_grad_batches=accumulated)
    steps = 3 // accumulated  # of 24 pictures, 8 in a batch
    expected = [1e-2 * share(batch // accumulated / steps) for batch in range(6)]
    assert rates.seen == [pytest.approx([lr, lr]) for lr in expected]


def torch_schedule(name: str, **arguments: object) -> dict:
    return {"scheduler": {"_target_": f"torch.optim.lr_scheduler.{name}", "_partial_": True, **arguments}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"scheduler": {}}, [1e-2] * 6),
        (torch_schedule("ExponentialLR", gamma=0.5), [1e-2] * 3 + [5e-3] * 3),  # after an epoch
        (torch_schedule("ReduceLROnPlateau", patience=0, threshold=1e3, mode="max"), [1e-2] * 6),
    ],
)
def test_schedules_of_torch_step_after_every_epoch(
    tmp_path: Path, changes: dict, expected: list[float]
) -> None:
    rates = Rates()
    fitted(tmp_path, 2, callbacks=(rates,), changes=changes)
    assert [a for a, _ in rates.seen] == pytest.approx(expected)


def test_a_schedule_that_counts_steps_is_told_them(tmp_path: Path) -> None:
    rates = Rates()
    fitted(tmp_path, 2, callbacks=(rates,), changes=torch_schedule("OneCycleLR", max_lr=1e-2, epochs=2))
    assert max(rates.seen)[0] == pytest.approx(1e-2, rel=0.1)
    assert len({a for a, _ in rates.seen}) == 6


def test_another_optimizer_trains_both(tmp_path: Path) -> None:
    changes = {"optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1, "fused": True}}
    trained, new = fitted(tmp_path, 1, changes=changes), build_pair(CONFIG)

    for mine, before in zip(trained.parameters(), new.parameters(), strict=True):
        assert not torch.equal(mine, before)


@pytest.mark.parametrize(
    ("name", "settings", "left_out"),
    [
        ("optimizer", {"_target_": "torch.optim.RMSprop", "lr": 0.1, "fused": True}, "~optimizer.fused"),
        ("scheduler", torch_schedule("StepLR", step_size=1, epochs=3)["scheduler"], "~scheduler.epochs"),
    ],
)
def test_arguments_that_do_not_fit_are_named_with_how_to_leave_them_out(
    name: str, settings: dict, left_out: str
) -> None:
    with pytest.raises(ValueError, match=f"'{name}[^']*' should .*{left_out}"):
        build_pair(CONFIG | {name: settings | {"_partial_": True}})


def test_an_optimizer_that_is_not_partial_is_refused() -> None:
    target = {"_target_": "lightning_modules.networks.Centred", "centre": 0.0, "scale": 1.0}

    with pytest.raises(ValueError, match="_partial_: true"):
        build_pair(CONFIG | {"optimizer": target})


def test_a_loaded_pair_is_not_trained_by_an_optimizer_that_it_does_not_have() -> None:
    network = Autoencoder(size=8, pool=2, encoder=(4, 4), decoder=(4, 4), hidden=8, latent=3)

    with pytest.raises(ValueError, match="'optimizer' should be given"):
        NetworkPair(network, network).configure_optimizers()


class Logged(pl.Callback):
    r"""All that was logged, by epoch; draws random numbers where validation could."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.epochs.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def test_losses_are_validated_on_samples_of_their_own(tmp_path: Path) -> None:
    logged = Logged()
    pair = fitted(tmp_path, 2, callbacks=(logged,))
    assert all({"val_loss", "val_loss_a", "val_loss_b", "loss_a"} <= set(each) for each in logged.epochs)

    with torch.no_grad():
        expected = float(nn.functional.mse_loss(pair.network_a(pictures(3, 10)), pictures(3, 10)))

    last = logged.epochs[-1]
    assert last["val_loss_a"] == pytest.approx(expected, rel=1e-6)
    assert last["val_loss"] == pytest.approx(last["val_loss_a"] + last["val_loss_b"])


def test_training_is_bit_for_bit_the_same_with_and_without_validation(tmp_path: Path) -> None:
    class Noisy(nn.Module):
        r"""Draws random numbers whether it trains or not."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(192, 192)

        def forward(self, x: Tensor) -> Tensor:
            noisy = x.flatten(1) + 0.1 * torch.randn(len(x), 192)

            return self.layer(noisy).view_as(x)

    def weights(**arguments: object) -> dict[str, Tensor]:
        torch.manual_seed(0)
        pair = NetworkPair(Noisy(), Noisy(), lambda groups: torch.optim.SGD(groups, lr=0.1), seed=5)
        trainer = pl.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **arguments,
        )
        trainer.fit(pair, datamodule=PairData(sides(), batch_size=8, seed=1))

        return pair.state_dict()

    with_it, without = weights(val_check_interval=1), weights(limit_val_batches=0)
    assert all(torch.equal(tensor, without[name]) for name, tensor in with_it.items())


def test_training_stops_early_by_the_validation_of_one_network(tmp_path: Path) -> None:
    stop = pl.callbacks.EarlyStopping("val_loss_a", patience=1, min_delta=1e3)  # nothing is so much better
    logged = Logged()
    fitted(tmp_path, 9, callbacks=(stop, logged))
    assert len(logged.epochs) == 2


def test_validation_follows_the_order_of_the_samples_in_parts_of_each_process() -> None:
    a, b = torch.arange(1100.0), -torch.arange(1100.0)
    whole = InOrder((a, a), (b, b))
    assert len(whole) == len(list(whole)) == 3
    assert torch.equal(torch.cat([inputs for (inputs, _), _ in whole]), a)
    parts = [InOrder((a, a), (b, b), rank, 3) for rank in range(3)]
    seen = torch.cat([inputs for part in parts for _, (inputs, _) in part])
    assert torch.equal(seen.sort(descending=True).values, b)


def test_the_latent_moves_smoothly_with_the_picture() -> None:
    # Richardson: for a smooth map the error of a central difference falls fourfold with half the step.
    torch.manual_seed(0)
    encoder = Autoencoder(size=16, encoder=(4, 8), hidden=16).double().encoder
    x, v = torch.rand(2, 1, 3, 16, 16, dtype=torch.float64)
    _, exact = torch.autograd.functional.jvp(encoder, x, v)
    errors = [((encoder(x + h * v) - encoder(x - h * v)) / (2 * h) - exact).norm() for h in (0.02, 0.01)]
    assert float((errors[0] / errors[1]).detach()) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed=3 where this run has 4"),
        ({"dataset": {"n_train": 25}}, "dataset.n_train=24 where this run has 25"),
        ({"architecture": {}}, "architecture.network_a"),
        ({"data": {"batch_size": 4}}, "data.batch_size=8 where this run has 4"),
        ({"scheduler": CONFIG["scheduler"] | {"epochs": 4}}, "scheduler.epochs=3 where this run has 4"),
    ],
)
def test_a_run_of_other_settings_cannot_go_on_from_it(tmp_path: Path, change: dict, named: str) -> None:
    (tmp_path / "checkpoints").mkdir()
    torch.save({"config": CONFIG}, tmp_path / "checkpoints" / "last.ckpt")
    longer = CONFIG | {"trainer": {"max_epochs": 9}, "dataset": CONFIG["dataset"] | {"cache": "elsewhere"}}
    assert resume_from(tmp_path, longer).is_file()

    with pytest.raises(ValueError, match=f"'resume'.*{named}"):
        resume_from(tmp_path, CONFIG | change)


def test_resuming_from_nothing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no file"):
        resume_from(tmp_path, CONFIG)


def test_a_checkpoint_of_an_older_version_is_read_and_not_gone_on_from(tmp_path: Path) -> None:
    pair = build_pair(CONFIG)
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "last.ckpt"
    torch.save({"config": OLD, "state_dict": pair.state_dict(), "optimizer_states": [{}]}, path)
    assert_same_weights(pair, load_pair(path))

    with pytest.raises(ValueError, match=r"'resume' should [^\n]*older version[^\n]*train anew"):
        resume_from(tmp_path, CONFIG)


@pytest.mark.parametrize("bad", [{"warmup_epochs": 3}, {"warmup_epochs": -1}, {"final": 0.0}])
def test_bad_numbers_of_the_schedule_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=f"'{next(iter(bad))}'"):
        share(0, **bad)


def test_pictures_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="'size' should be a multiple"):
        Autoencoder(size=30)


@pytest.mark.parametrize("batch_size", [0, 21])
def test_batches_need_enough_inputs(batch_size: int) -> None:
    with pytest.raises(ValueError, match="'batch_size'"):
        Batches((torch.zeros(20),) * 2, (torch.zeros(30),) * 2, batch_size)


def saved(folder: Path, config: dict) -> Path:
    path = folder / "some.ckpt"
    torch.save({"config": config, "state_dict": build_pair(CONFIG).state_dict()}, path)

    return path


@pytest.mark.parametrize("share", [0.03, 0.3, 0.5, 0.7, 0.9])
def test_a_checkpoint_with_a_bit_flipped_is_refused(tmp_path: Path, share: float) -> None:
    path = saved(tmp_path, CONFIG)
    data = path.read_bytes()
    weight = max(build_pair(CONFIG).parameters(), key=lambda each: each.numel()).detach().numpy().tobytes()
    place = data.index(weight) + int(share * len(weight))
    path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])

    with pytest.raises(ValueError, match=r"'path' should be a checkpoint of this program.*checksum"):
        load_pair(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no checkpoint", None])
def test_what_is_no_checkpoint_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = saved(tmp_path, CONFIG)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)

    with pytest.raises(ValueError, match="'path' should be a checkpoint of this program"):
        load_pair(path)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.run",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "torch.serialization.os.system",
        "torch.utils.data.DataLoader",
        "lightning_modules.pair.constructor",
        "nowhere.Net",
        7,
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_checkpoint_calls_nothing_but_networks(tmp_path: Path, target: object, nested: bool) -> None:
    told = {"_target_": target, "command": f"touch {tmp_path / 'run'}"}
    inside = CONFIG["architecture"]["network_a"] | {"activation": told}
    changed = CONFIG["architecture"] | {"network_a": inside if nested else told}

    with pytest.raises(ValueError, match="'path' should be a checkpoint whose settings name networks"):
        load_pair(saved(tmp_path, CONFIG | {"architecture": changed}))

    assert not (tmp_path / "run").exists()


def test_a_checkpoint_may_call_what_is_trusted_by_name(tmp_path: Path) -> None:
    told = {"_target_": "collections.OrderedDict"}
    path = saved(tmp_path, CONFIG | {"architecture": CONFIG["architecture"] | {"network_a": told}})

    with pytest.raises(ValueError, match=r"collections\.OrderedDict"):
        load_pair(path)
    with pytest.raises(ValueError, match="its weights do not fit"):  # called, and no such network
        load_pair(path, trusted=["collections.OrderedDict"])
