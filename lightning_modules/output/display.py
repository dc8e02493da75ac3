r"""The one display of everything that takes long; without Lightning, whose import a sweep's display would wait for."""

import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

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

__all__ = ["COLUMNS", "Display", "further", "heading"]

#: Columns of a terminal that every line fits.
COLUMNS = 80
#: Variables in which those who start several processes say which one this is; the first that is set counts.
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")


def further() -> bool:
    r"""Whether this is a further one of several processes that train together, as Lightning tells them apart."""
    return next((os.environ[name] for name in RANKS if name in os.environ), "0") != "0"


def heading(experiment: str, config: Mapping[str, Any], folder: Path) -> str:
    r"""What a run is, before anything else is said of it: the experiment, the networks, where it runs and into what."""
    networks = " and ".join(_networks(config))
    rows = {"networks": networks, "device": config["trainer"].get("accelerator"), "folder": folder}
    said = [textwrap.fill(f"{experiment}: {config['description']}", COLUMNS)]

    return "\n".join(said + [f"  {name:<8}  {each}" for name, each in rows.items() if each])


def _networks(config: Mapping[str, Any]) -> Iterator[str]:
    r"""The names of both classes, or the files that stand for networks."""
    for side in "ab":
        given = config["architecture"].get(f"network_{side}") or config[f"network_{side}"]
        told = given if isinstance(given, Mapping) else {}
        target = str(told.get("_target_") or "").rpartition(".")[2]

        if name := target or told.get("weights") or config[f"observations_{side}"]:
            yield str(name)


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
        if self.quiet:
            return

        if self._shown.disable:
            print(printable(text), flush=True)
        else:
            self._shown.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        r"""Prints what is to stay, below the display, which ends."""
        self._shown.stop()

        if not self.quiet:
            print(in_width(printable(text), sys.stdout))
