r"""Checkpoints: the one that holds what was compared, to load and to go on from; nothing in them is trusted unseen."""

import inspect
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import get_class
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_modules.pair import NetworkPair, build_networks

__all__ = ["keep_last", "load_pair", "resume_from"]

#: Settings that a resumed run has to share with the run that it goes on from.
SHARED = ("seed", "relation", "dataset", "architecture", "data", "optimizer", "scheduler", "study")
#: Settings of the data that training knows nothing of.
UNTRAINED = ("cache", "workers", "n_anchors", "n_held_out", "burst_step", "burst_size")
#: Where classes come from that a checkpoint may name by itself.
TRUSTED = ("torch.", "lightning_modules.", "equiv.")
#: What such a class has to be: whatever else could be called does things.
KINDS = (nn.Module, Optimizer, LRScheduler)


def keep_last(trainer: pl.Trainer, folder: Path) -> None:
    r"""Makes `checkpoints/last.ckpt` hold the networks as they are now, however the training ended.

    What the settings ask to be kept on the way may be older, or there may be none; what lies there may be another's.
    """
    trainer.save_checkpoint(folder / "checkpoints" / "last.ckpt")


def load_pair(path: str | Path, trusted: Collection[str] = ()) -> NetworkPair:
    r"""The pair of a checkpoint, built from its own settings and holding its weights, in eval mode.

    Its architecture and weights alone are read: those of older versions are, whatever trained them.

    Arguments:
        path: The file.
        trusted: Names of classes or factories, as in the settings, that it may call beside the networks of torch and
            of this package: a checkpoint is somebody else's word, and to call what it names is to run it.

    Raises:
        ValueError: If there is no such checkpoint, it is damaged, or its settings name anything else.
    """
    checkpoint = read_checkpoint(path)
    config = checkpoint["config"]
    _check_targets(config["architecture"], trusted)
    pair = NetworkPair(**build_networks(config), seed=config["seed"], config=config)

    try:
        pair.load_state_dict(checkpoint["state_dict"])
    except (KeyError, RuntimeError, TypeError) as error:
        raise _damaged(
            path, f"its weights do not fit its settings: {' '.join(str(error).split())[:160]}"
        ) from error

    return pair.eval()


def _check_targets(settings: Any, trusted: Collection[str]) -> None:
    r"""Refuses settings that would call anything but a network, an optimizer or a schedule that is known."""
    if isinstance(settings, dict):
        for name, value in settings.items():
            if name == "_target_" and not (value in trusted or _known(value)):
                raise ValueError(
                    f"'path' should be a checkpoint whose settings name networks of torch or of this package, got "
                    f"{value!r}; if you know what it does, pass trusted=[{value!r}]."
                )

            _check_targets(value, trusted)

    elif isinstance(settings, list | tuple):
        for value in settings:
            _check_targets(value, trusted)


def _known(target: Any) -> bool:
    if not isinstance(target, str) or not target.startswith(TRUSTED):
        return False

    try:
        found = get_class(target)
    except Exception:  # whatever there is, it is no class
        return False

    return inspect.isclass(found) and issubclass(found, KINDS) and found.__module__.startswith(TRUSTED)


def resume_from(folder: str | Path | None, config: dict[str, Any]) -> Path | None:
    r"""The checkpoint in a run's folder, for a run with these settings to go on from; None without a folder.

    Raises:
        ValueError: If the folder holds no checkpoint, or one of other data, architecture, optimizer or seed, or
            one of a version that had the batch size and the schedule among the optimizer's settings.
    """
    if folder is None:
        return None

    path = Path(folder) / "checkpoints" / "last.ckpt"
    before, now = (_trained_by(each) for each in (read_checkpoint(path)["config"], config))

    if not {"data", "scheduler"} <= before.keys():
        raise ValueError(
            f"'resume' should name a run with settings for data, optimizer and scheduler, got {str(folder)!r} of an "
            "older version, whose training cannot go on in this one; train anew. Its networks can still be loaded."
        )

    for name in SHARED:
        if before.get(name, {}) != now.get(name, {}):
            raise ValueError(
                f"'resume' should name a run with the same {name}, got {str(folder)!r} with "
                f"{_difference(name, before.get(name), now.get(name))}; give this run the same settings."
            )

    return path


def _trained_by(config: dict[str, Any]) -> dict[str, Any]:
    r"""The settings without those of the data that do not touch training."""
    data = {name: value for name, value in config["dataset"].items() if name not in UNTRAINED}

    return config | {"dataset": data}


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    r"""What a checkpoint holds, once the checksum of each of its parts was found right.

    Raises:
        ValueError: If there is no such file, or it is damaged.
    """
    file = Path(path)

    if not file.is_file():
        raise ValueError(
            f"'path' should be a checkpoint, and there is no file {str(path)!r}; give the folder of a run "
            "that was finished or interrupted."
        )

    try:  # torch itself reads on over a bit that was flipped
        with zipfile.ZipFile(file) as parts:
            wrong = parts.testzip()

        if wrong is not None:
            raise ValueError(f"the checksum of {wrong} is wrong")

        held = torch.load(file, map_location="cpu", weights_only=True)
        config = held["config"]
    except Exception as error:  # whatever the readers say of a file that is none of theirs
        raise _damaged(path, " ".join(str(error).split())[:160]) from error

    if not isinstance(config, dict):
        raise _damaged(path, "its settings are none")

    return held


def _damaged(path: str | Path, what: str) -> ValueError:
    return ValueError(
        f"'path' should be a checkpoint of this program, got {str(path)!r}, which is damaged or something else "
        f"({what}); take another, or train anew."
    )


def _difference(name: str, before: Any, now: Any) -> str:
    r"""The first setting that differs, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*now, *before]:
            if before.get(key) != now.get(key):
                return _difference(f"{name}.{key}", before.get(key), now.get(key))

    return f"{name}={before} where this run has {now}"
