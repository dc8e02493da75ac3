r"""One display for everything that takes long: rendering, training, matching."""

import sys
from types import TracebackType
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Display"]


class Display(pl.Callback):
    r"""A line with a bar for each long piece of work; nothing at all where the output is no terminal, or
    where this is not the first of several processes.

    Call it as `display(done, total, label)`; a label that was not seen before opens a line. As a callback of
    Lightning's it shows the training. Use as a context manager, so that the terminal is given back.

    Arguments:
        quiet: Say nothing at all: for a job of a sweep, of which the sweep's own display tells.
    """

    def __init__(self, quiet: bool = False) -> None:
        console = Console(file=sys.stderr)
        self.quiet = quiet
        self._shown = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal or getattr(rank_zero_only, "rank", 0) > 0,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Display":
        self._shown.start()

        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def __call__(self, done: int, total: int, label: str) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._shown.add_task(label, total=total)

        self._shown.update(self._tasks[label], completed=done, total=total)

    def note(self, text: str) -> None:
        r"""Prints what is to stay, above the display, which goes on."""
        if self._shown.disable:
            print(text, flush=True)
        else:
            self._shown.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        r"""Prints what is to stay, below the display, which ends."""
        self._shown.stop()

        if not self.quiet:
            print(text)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        total = trainer.num_training_batches * (trainer.max_epochs or 1)

        if not self._shown.disable and (trainer.global_step % 8 == 0 or trainer.is_last_batch):
            self(min(trainer.global_step, int(total)), int(total), "training both networks")
