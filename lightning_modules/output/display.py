r"""The one display of everything that takes long; without Lightning, whose import a sweep's display would wait for."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from lightning_modules.output.told import in_width, printable

__all__ = ["Display"]


class Display:
    r"""A line with a bar for each long piece of work; nothing at all where the output is no terminal.

    Call it as `display(done, total, label)`, and with a few words that stand at the end of the line; a label that was
    not seen before opens a line. Use as a context manager, so that the terminal is given back.

    Arguments:
        quiet: Say nothing at all: for a job of a sweep, of which the sweep's own display tells, and for all but the
            first of several processes.
    """

    def __init__(self, quiet: bool = False) -> None:
        console = Console(file=sys.stderr)
        self.quiet = quiet
        self._shown = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=None),  # what the others leave of the width
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            TextColumn("{task.fields[told]}"),
            console=console,
            expand=True,
            disable=quiet or not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._shown.start()

        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def __call__(self, done: int, total: int, label: str, told: str = "") -> None:
        if label not in self._tasks:
            self._tasks[label] = self._shown.add_task(label, total=total, told="")

        self._shown.update(self._tasks[label], completed=done, total=total, told=told)

    def note(self, text: str) -> None:
        r"""Prints what is to stay, above the display, which goes on."""
        if self._shown.disable:
            print(printable(text), flush=True)
        else:
            self._shown.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        r"""Prints what is to stay, below the display, which ends."""
        self._shown.stop()

        if not self.quiet:
            print(in_width(printable(text), sys.stdout))
