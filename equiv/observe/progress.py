r"""How far a long computation is: a bar on stderr, or whatever is called."""

from __future__ import annotations

import sys
from collections.abc import Callable

from equiv.checks import without_controls

__all__ = ["Progress", "checked_progress"]

# Called with how many steps are done, of how many, and what comes next.
Progress = Callable[[int, int, str], object]

# How wide a bar is.
# [characters; chosen: with its label it fits into a terminal]
WIDTH = 30


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
