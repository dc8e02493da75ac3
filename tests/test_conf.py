r"""The settings: every experiment composes, is built, and holds what its file says."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import yaml
from hydra import compose, initialize
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from programs import ROOT, composed

from conf.schema import register
from lightning_modules.pair import NetworkPair

EXPERIMENTS = {file.stem: file for file in sorted((ROOT / "conf" / "experiment").glob("*.yaml"))}


def own_values(tree: dict, path: tuple[str, ...] = ()) -> list[tuple[str, object]]:
    r"""Every leaf of an experiment file by its dotted key."""
    leaves = []

    for key, value in tree.items():
        if key != "defaults":
            deeper = isinstance(value, dict)
            leaves += own_values(value, (*path, key)) if deeper else [(".".join((*path, key)), value)]

    return leaves


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_is_built_from_its_settings(name: str, tmp_path: Path) -> None:
    settings = composed(tmp_path, f"experiment={name}", "logger=none")
    OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)

    if settings.gather:  # reads what others left
        assert callable(instantiate(settings.gather))
        return

    if settings.own:  # compares what others trained
        return

    if settings.study:  # has networks and data of its own
        study = instantiate(settings.study)
        assert callable(study)
        assert all(isinstance(each, torch.nn.Module) for each in study.networks().values())
        return

    instantiate(settings.dataset)

    for node in (
        () if settings.pretrained else settings.architecture.values()
    ):  # the weights need not be there
        assert isinstance(instantiate(node), torch.nn.Module)

    assert callable(instantiate(settings.evaluation))
    assert all(isinstance(instantiate(each), pl.Callback) for each in settings.callbacks.values())
    loggers = [instantiate(each) for each in settings.logger.values()]
    assert isinstance(instantiate(settings.trainer, _partial_=True)(logger=loggers), pl.Trainer)
    assert isinstance(instantiate(settings.matching), pl.Callback)
    taken = {
        name
        for each in (get_class(settings.matching._target_), NetworkPair.matcher)
        for name in inspect.signature(each).parameters
    }
    assert {str(key) for key in settings.matching} - {"_target_"} <= taken


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_a_debugging_size(name: str, tmp_path: Path) -> None:
    usual, small = (composed(tmp_path, f"experiment={name}", *more) for more in ((), ("debug=default",)))
    assert (small.trainer.max_epochs, small.trainer.limit_train_batches) == (1, 2)
    assert list(small.logger) == ["csv"]

    if small.dataset:  # what stands there is made smaller, and nothing is added
        assert instantiate(small.dataset) is not None
        assert small.dataset != usual.dataset
        assert set(small.dataset) == set(usual.dataset)


@pytest.mark.parametrize("name", ["default", "early_stopping", "best"])
def test_callbacks_watch_what_is_logged(name: str, tmp_path: Path) -> None:
    settings = composed(tmp_path, "experiment=horse", f"callbacks={name}")
    made = [instantiate(each) for each in settings.callbacks.values()]
    assert {getattr(each, "monitor", None) for each in made} <= {None, "val_loss"}
    assert composed(tmp_path, "experiment=horse", "scheduler=none").scheduler == {}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_what_an_experiment_sets_is_what_the_run_gets(name: str, tmp_path: Path) -> None:
    settings = composed(tmp_path, f"experiment={name}")
    leaves = own_values(yaml.safe_load(EXPERIMENTS[name].read_text()))
    assert leaves

    for key, value in leaves:
        if "${" not in str(value):  # another setting's value
            assert OmegaConf.select(settings, key) == value, key


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_short_and_says_what_it_does_in_one_line(name: str) -> None:
    text = EXPERIMENTS[name].read_text()
    assert len(text.splitlines()) <= 25
    assert 10 < len(yaml.safe_load(text)["description"]) < 110


def test_the_values_of_an_experiment_come_after_the_common_ones() -> None:
    defaults = yaml.safe_load((ROOT / "conf" / "config.yaml").read_text())["defaults"]
    assert defaults.index("_self_") < defaults.index({"experiment": "???"})


def test_every_argument_of_the_trainer_is_set_without_a_plus() -> None:
    ours = set(yaml.safe_load((ROOT / "conf" / "trainer" / "default.yaml").read_text())) - {"_target_"}
    theirs = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self", "logger", "callbacks"}
    assert ours == theirs


@pytest.mark.parametrize(
    "override",
    [
        "seed=7",
        "resume=some/folder",
        "relation=half",
        "trainer.max_epochs=3",
        "trainer.limit_train_batches=2",
        "dataset.n_train=64",
        "dataset.mesh=horse.ply",
        "architecture.network_a.latent=6",
        "optimizer.lr=0.1",
        "optimizer.weight_decay=0.01",
        "optimizer._target_=torch.optim.SGD",
        "scheduler.epochs=5",
        "scheduler.warmup_epochs=0",
        "data.batch_size=8",
        "matching.anchors=4",
        "matching.method=diffusion_maps",
        "matching.neurons_a=3",
        "matching.every_n_epochs=1",
        "callbacks.checkpoint.every_n_epochs=2",
        "logger=wandb",
        "logger=none",
        "logger=tensorboard",
        "logger=trackio",
        "objective=error_b_to_a",
        "hydra.run.dir=elsewhere",
    ],
)
def test_what_the_contract_lets_one_set_needs_no_plus(override: str, tmp_path: Path) -> None:
    settings = composed(tmp_path, "experiment=horse", override)
    key, value = override.split("=")

    if "." in key and not key.startswith("hydra"):
        assert str(OmegaConf.select(settings, key)) == value


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("sed=1", "sed"),
        ("dataset.n_trian=5", "n_trian"),
        ("trainer.max_epoch=5", "max_epoch"),
        ("matching.anchor=5", "anchor"),
        ("optimizer.batch_size=5", "batch_size"),
        ("scheduler.epoch=5", "epoch"),
        ("data.batchsize=5", "batchsize"),
        ("logger=wanb", "wanb"),
        ("seed=one", "one"),
    ],
)
def test_a_typing_error_is_said_at_once(override: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException), match=complaint):
        composed(tmp_path, "experiment=horse", override)


def test_a_typing_error_on_the_command_line_fits_a_screen_and_fails() -> None:
    done = subprocess.run(
        [sys.executable, "run.py", "experiment=horse", "dataset.n_trian=5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "n_trian" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 12


def test_without_arguments_the_experiments_are_listed_a_paragraph_each() -> None:
    done = subprocess.run([sys.executable, "run.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    names = [line.split()[0] for line in lines[2:] if not line.startswith(" ")]
    assert max(map(len, lines)) <= 80
    assert names == list(EXPERIMENTS)
    assert not re.search(r"\bplanned\b", done.stdout)


def test_sweeps_have_a_folder_before_their_first_job(monkeypatch):
    # Sweepers ask for it while no job, and so none of Hydra's own answers, is there yet.
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    register()

    with initialize(version_base="1.3", config_path="../conf"):
        settings = compose("config", ["experiment=vector_field"], return_hydra_config=True)

    assert settings.hydra.sweep.dir.startswith("multirun/vector_field/")
