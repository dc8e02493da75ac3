r"""What a run can do without: it fails aloud, and the result stays."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lightning_modules.output.told import printable

__all__ = ["optional"]

log = logging.getLogger(__name__)


@contextmanager
def optional(what: str) -> Iterator[None]:
    r"""Tells of an error in here by one line, with the details in run.log, and goes on.

    Arguments:
        what: The file or logger that is then missing.
    """
    try:
        yield
    except Exception as error:
        log.warning("%s failed", what, exc_info=True)
        text = " ".join(str(error).split())[:160] or type(error).__name__
        said = f"warning: {what} failed ({text}); the comparison and its numbers are kept"
        print(printable(said), file=sys.stderr)
