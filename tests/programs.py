r"""The program as a user runs it, small enough for a test: its settings, its files, its metrics."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

import run
from conf.schema import register
from lightning_modules.checkpoints import load_pair

__all__ = ["METRICS", "ROOT", "TINY", "composed", "one_thread", "program", "tiny", "weights"]

ROOT = Path(run.__file__).parent
TINY = (
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
    "dataset.size=16",
    "dataset.n_train=64",
    "dataset.n_held_out=24",
    "dataset.supersampling=1",
    "dataset.mesh_step=0.1",
    "dataset.workers=1",
    "architecture.network_a.encoder=[8,8]",
    "architecture.network_a.decoder=[8,8]",
    "architecture.network_b.encoder=[8,8]",
    "architecture.network_b.decoder=[8,8]",
)
METRICS = {
    "verdict",
    "error_a_to_b",
    "error_b_to_a",
    "true_error_a_to_b",
    "true_error_b_to_a",
    "symmetries",
    "intrinsic_dimension",
    "n_anchors",
    "seconds_total",
    "seconds_data",
    "seconds_training",
    "seconds_matching",
    "angle_error_deg",
    "angle_error_deg_p95",
    "angle_error_deg_euclidean",
    "cross_view_psnr",
    "autoencoder_b_psnr",
}


def composed(tmp_path: Path, *overrides: str) -> DictConfig:
    r"""The settings that `run.py` gets for these overrides, with Hydra's own answers in place."""
    register()

    with initialize(version_base="1.3", config_path="../conf"):
        settings = compose("config", [*overrides, f"hydra.run.dir={tmp_path}"], return_hydra_config=True)

    with open_dict(settings):
        settings.hydra.runtime.output_dir = str(tmp_path)

    HydraConfig.instance().set_config(settings)

    with open_dict(settings):
        del settings["hydra"]

    return settings


def one_thread() -> dict[str, str]:
    r"""The environment in which sums are added up in one order, to the last bit."""
    return os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def program(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    r"""`python run.py` as a user calls it, on one thread and with no terminal."""
    done = subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=ROOT, capture_output=True, text=True, env=one_thread()
    )

    if check and done.returncode:
        pytest.fail(f"{done.stdout}\n{done.stderr}")

    return done


def tiny(
    folder: Path, pictures: Path, *overrides: str, experiment: str = "horse", check: bool = True
) -> subprocess.CompletedProcess[str]:
    chosen = (f"experiment={experiment}", f"dataset.cache={pictures}", f"hydra.run.dir={folder}")

    return program(*chosen, *TINY, *overrides, check=check)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_pair(folder / "checkpoints" / "last.ckpt").state_dict()
