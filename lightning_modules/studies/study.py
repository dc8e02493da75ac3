r"""Studies: networks that are trained side by side, and what is found of them, in a run's folder as of every run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from torch import Tensor, nn

import equiv
from lightning_modules.checkpoints import keep_last, resume_from
from lightning_modules.evaluations.finding import Finding
from lightning_modules.output.results import Results, Stopwatch
from lightning_modules.output.tracking import loggers
from lightning_modules.pair import constructor
from lightning_modules.studies.side_by_side import CommonBatches, SideBySide

__all__ = ["Studied", "Study", "run_study"]

#: Shows how far something is: `(done, total, label)`.
Show = Callable[[int, int, str], None]


@dataclass
class Studied:
    r"""What a study found.

    Attributes:
        result: The comparison that stands for it in the run's folder.
        finding: Its own numbers and figures.
        n_anchors: How many anchors that comparison used.
    """

    result: equiv.Comparison
    finding: Finding
    n_anchors: int = 0


class Study(Protocol):
    r"""What is trained, on what, and what is then looked at."""

    def networks(self) -> Mapping[str, nn.Module]:
        r"""New networks, by name, with weights that the study's seed determines."""
        ...

    def samples(self) -> tuple[Tensor, Mapping[str, Tensor]]:
        r"""Inputs to train at, and what each network should answer there."""
        ...

    def __call__(self, networks: Mapping[str, nn.Module], show: Show) -> Studied:
        r"""Looks at the trained networks."""
        ...


def run_study(
    settings: Any, config: dict[str, Any], folder: Path, resume: str | None, clock: Stopwatch, show: Any
) -> Results:
    r"""Trains a study's networks, calls it, and writes everything that a run leaves.

    Arguments:
        settings: Of the run, with `study`.
        config: The same, resolved.
        folder: Of the run.
        resume: Folder of the run that it goes on with, or None.
        clock: Counts seconds.
        show: Shows how far it is.
    """
    checkpoint = resume_from(resume, config)
    study: Study = instantiate(settings.study)
    optimizer, scheduler = (constructor(name, config[name]) for name in ("optimizer", "scheduler"))
    assert optimizer is not None

    with clock("data"), torch.random.fork_rng():
        inputs, targets = study.samples()
        module = SideBySide(study.networks(), optimizer, scheduler, config)
        batches = CommonBatches(inputs, targets, config["data"]["batch_size"], config["seed"])

    callbacks = [*(instantiate(each) for each in settings.callbacks.values()), _Shown(show)]
    trainer = instantiate(settings.trainer, _partial_=True)(callbacks=callbacks, logger=[*loggers(settings)])

    with clock("training"):
        trainer.fit(module, train_dataloaders=batches, ckpt_path=checkpoint, weights_only=True)

    keep_last(trainer, folder)

    with clock("matching"):
        studied = study(dict(module.cpu().eval().networks), show)

    results = Results(studied.result, studied.finding, studied.n_anchors)
    results.write(folder, clock, trainer.loggers, config)

    return results


class _Shown(pl.Callback):
    r"""Shows the training of all networks."""

    def __init__(self, show: Show) -> None:
        super().__init__()
        self.show = show

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.show(trainer.current_epoch + 1, trainer.max_epochs or 1, "training all networks")
