r"""`equiv.integrations.lightning.Compare` in a training run of one's own, without Hydra."""

import csv
import math
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import pytorch_lightning as pl
import torch
from manifolds import random
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import equiv
from equiv.integrations.lightning import Compare


class Own(pl.LightningModule):
    r"""Anybody's module, which learns what the reference says."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.1))
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def training_step(self, batch: Any, _: int) -> Tensor:
        return (self(batch[0]) - batch[1]).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), 1e-2)


REFERENCE = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))
X, FRESH = random(64, 2).float(), random(40, 2, seed=1).float()


def trained(logger: Path | pl.loggers.Logger, *callbacks: pl.Callback, epochs: int = 3) -> Own:
    pl.seed_everything(0, verbose=False)
    module = Own()
    data = DataLoader(TensorDataset(X, REFERENCE(X).detach()), batch_size=16, shuffle=True)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=pl.loggers.CSVLogger(logger) if isinstance(logger, Path) else logger,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
    )
    trainer.fit(module, data)

    return module


@pytest.mark.filterwarnings("ignore:.*num_workers")
def test_it_logs_both_errors_with_bounds_and_the_verdict_and_touches_nothing(tmp_path: Path) -> None:
    callback = Compare(REFERENCE, FRESH, every_n_epochs=2)
    module = trained(tmp_path / "with", callback)
    plain = trained(tmp_path / "without")
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True))
    assert sorted(callback.results) == [2, 3]
    last = callback.results[3]
    again = equiv.compare(module, REFERENCE, FRESH)
    assert last.verdict == again.verdict and last.a_to_b.error == again.a_to_b.error
    rows = list(csv.DictReader(next((tmp_path / "with").rglob("metrics.csv")).read_text().splitlines()))
    logged = [row for row in rows if row["compare/a_to_b"]]
    assert len(logged) == 2
    error = last.b_to_a.error
    assert [float(logged[-1][f"compare/b_to_a{end}"]) for end in ("", "_low", "_high")] == pytest.approx(
        [error.estimate, error.low, error.high]
    )
    assert sum(float(logged[-1][f"compare/{verdict}"]) for verdict in equiv.Verdict) == 1
    assert float(logged[-1][f"compare/{last.verdict}"]) == 1


@pytest.mark.filterwarnings("ignore:.*num_workers")
def test_layers_and_recorded_references(tmp_path: Path) -> None:
    recorded = equiv.probe(REFERENCE, FRESH, layers=["1"], frames=None)
    options = {"every_n_epochs": 1, "frames_a": None}
    by_name = Compare(
        REFERENCE, FRESH, ["body.1"], reference_layers=["1"], frames_b=None, name="other", **options
    )
    by_record = Compare(recorded, DataLoader(FRESH, batch_size=9), ["body.1"], **options)
    trained(tmp_path, by_name, by_record, epochs=1)
    assert by_name.results[1].a_to_b.error == by_record.results[1].a_to_b.error
    assert "other/a_to_b" in next(tmp_path.rglob("metrics.csv")).read_text()
    with pytest.raises(ValueError, match="'every_n_epochs' should be an integer of at least 1"):
        Compare(REFERENCE, FRESH, every_n_epochs=0)


class WandbLogger(pl.loggers.CSVLogger):
    r"""Known by its name; keeps what its run is given."""

    experiment = Mock()


@pytest.mark.filterwarnings("ignore:.*num_workers")
def test_all_layers_are_followed_as_they_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", Mock(Table=dict))
    callback = Compare(REFERENCE, FRESH, "all", every_n_epochs=2, reference_layers=["1", "2"])
    logger = WandbLogger(tmp_path)
    module, plain = trained(logger, callback), trained(tmp_path / "without")
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), plain.parameters(), strict=True))
    found = callback.results[3]
    assert (found.layers_a, found.layers_b) == (("body.0", "body.1", "head"), ("1", "2"))
    assert found.to_dict() == equiv.compare_layers(module, REFERENCE, FRESH, layers_b=["1", "2"]).to_dict()
    tables = [call.args[0]["compare/layers"] for call in logger.experiment.log.call_args_list if call.args]
    assert len(tables) == 2 and tables[-1]["columns"][:3] == ["layer_a", "layer_b", "a_to_b"]
    assert tables[-1]["data"] == [list(row.values()) for row in found.pairs()]
    (*_, last) = (call.args[0] for call in logger.experiment.log_metrics.call_args_list)
    for layer, match in zip(found.layers_a, found.matches, strict=True):
        number = last[f"compare/{layer}/b_to_a"]
        assert math.isnan(number) if match is None else number == match.b_to_a


@pytest.mark.slow
def test_it_needs_no_hydra() -> None:
    code = "import equiv.integrations.lightning, sys; assert not {'hydra', 'omegaconf'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(equiv.__file__).parent.parent)
