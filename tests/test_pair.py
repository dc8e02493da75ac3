r"""Two networks in one fit: independent, repeatable, resumable."""

from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_modules.batches import Batches, InMemory
from lightning_modules.networks import Autoencoder
from lightning_modules.pair import NetworkPair, build_pair, load_pair, resume_from

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
    "optimizer": {"batch_size": 8, "lr": 1e-2, "schedule_epochs": 3, "warmup_epochs": 1},
}


def pictures(seed: int, n: int = 24) -> Tensor:
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def fitted(
    folder: Path,
    epochs: int,
    checkpoint: Path | None = None,
    callbacks: tuple[pl.Callback, ...] = (),
    b: Tensor | None = None,
    **arguments: object,
) -> NetworkPair:
    r"""The pair of CONFIG after so many epochs on random pictures."""
    pair = build_pair(CONFIG)
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
    data = InMemory(
        (pictures(1),) * 2, (pictures(2) if b is None else b,) * 2, batch_size=8, seed=CONFIG["seed"]
    )
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


def test_the_learning_rate_does_not_depend_on_how_long_the_trainer_goes_on() -> None:
    pair = build_pair(CONFIG)
    assert pair.share(1) == 1
    assert pair.share(2) == pytest.approx((1 + pair.final) / 2)
    assert pair.share(3) == pair.share(30) == pytest.approx(pair.final)


def test_the_learning_rate_of_a_fit_follows_the_schedule(tmp_path: Path) -> None:
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
            seen.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    pair = fitted(tmp_path, 2, callbacks=(Watch(),))
    expected = [pair.lr * pair.share(step / 3) for step in range(6)]  # 24 pictures, 8 in a batch
    assert seen == [pytest.approx([lr, lr]) for lr in expected]


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


@pytest.mark.parametrize("bad", [{"lr": 0.0}, {"warmup_epochs": 3}, {"final": 0.0}])
def test_bad_numbers_of_the_optimizer_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=f"'{next(iter(bad))}'"):
        build_pair(CONFIG | {"optimizer": CONFIG["optimizer"] | bad})


def test_pictures_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="'size' should be a multiple"):
        Autoencoder(size=30)


@pytest.mark.parametrize("batch_size", [0, 21])
def test_batches_need_enough_inputs(batch_size: int) -> None:
    with pytest.raises(ValueError, match="'batch_size'"):
        Batches((torch.zeros(20),) * 2, (torch.zeros(30),) * 2, batch_size)
