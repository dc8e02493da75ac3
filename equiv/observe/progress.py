r"""How far a long computation is: a bar on stderr, or whatever is called."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from equiv.checks import without_controls

__all__ = ["Progress", "Watched", "checked_progress", "further", "watched"]

# Called with how many steps are done, of how many, and what comes next.
Progress = Callable[[int, int, str], object]

# How wide a bar is.
# [characters; chosen: with its label it fits into a terminal]
WIDTH = 30


# Between stages a long computation is told of no more often than this.
# [seconds; chosen: a bar that moves calmly, and a twentieth of what it may stand still]
INTERVAL = 0.1


class Watched:
    r"""Stages, and the pieces of work in them, which are counted as they come: the total grows, done never falls."""

    def __init__(self, show: Progress, stages: int) -> None:
        self.show, self.total = show, stages
        self.done = -1  # nothing has begun
        self.label, self.told = "", time.monotonic()

    def more(self, stages: int) -> None:
        r"""Adds stages that were not known before."""
        self.total += stages

    def stage(self, label: str) -> None:
        r"""Tells that the next stage begins."""
        self.done += 1
        self._tell(label)

    def finish(self, label: str) -> None:
        r"""Tells that all is done."""
        self.done = self.total
        self._tell(label)

    def piece(self) -> None:
        r"""Tells that a piece of work is done, if nothing was told for a while."""
        if time.monotonic() - self.told >= INTERVAL:
            self.done, self.total = self.done + 1, self.total + 1
            self._tell(self.label)

    def _tell(self, label: str) -> None:
        self.label, self.told = label, time.monotonic()
        self.show(self.done, self.total, label)


# Who watches the computation that runs.
_watching: ContextVar[Watched | None] = ContextVar("watching", default=None)


@contextmanager
def watched(show: Progress, stages: int) -> Iterator[Watched]:
    r"""Shows how far what runs inside is, also what it calls.

    Arguments:
        show: What `checked_progress` returns.
        stages: How many are known. Pieces of work in them, as `further` tells, add to the total as they come.
    """
    seen = Watched(show, stages)
    token = _watching.set(None if show is silent else seen)

    try:
        yield seen
    finally:
        _watching.reset(token)


def further() -> None:
    r"""Says from within a long computation that a piece of it is done; idle where nobody watches."""
    if (seen := _watching.get()) is not None:
        seen.piece()


def checked_progress(progress: object) -> Progress:
    r"""What to call after each step.

    Arguments:
        progress: True for a bar on stderr, a callable `(done, total, label)`, None or False for nothing.

    Raises:
        TypeError: If it is something else.
    """
    if progress is True:
        return bar

    if progress is None or progress is False:
        return silent

    if not callable(progress):
        raise TypeError(
            f"'progress' should be True, None or a callable (done, total, label), got {progress!r}; "
            "take True for a bar."
        )

    return progress


def silent(done: int, total: int, label: str) -> None:
    r"""Shows nothing."""


def bar(done: int, total: int, label: str) -> None:
    r"""Draws a bar on stderr, over the last one; a line of its own at the end."""
    full = WIDTH * done // max(total, 1)
    said = f"{done}/{total} {without_controls(label)}"
    sys.stderr.write(f"\r\033[K[{'#' * full}{'.' * (WIDTH - full)}] {said}" + "\n" * (done >= total))
    sys.stderr.flush()
