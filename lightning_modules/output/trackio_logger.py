r"""A logger for Lightning that writes to trackio: a dashboard on one's own machine, without an account."""

import contextlib
import io
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_only

__all__ = ["TrackioLogger", "close_runs"]

#: Where a run's name is kept in its folder.
NAME = "trackio.txt"
#: The run of this process that has not ended, if any.
OPEN: list[Any] = []


class TrackioLogger(Logger):
    r"""A run of trackio, which keeps all runs in one place (`TRACKIO_DIR`, by default in the home folder).

    Arguments:
        project: Name of the project.
        name: First part of the run's name; its folder's name is the second.
        folder: Of the run; the run's name is kept there.
        resume: Folder of the run that this one goes on with, or None.
    """

    def __init__(self, project: str, name: str, folder: str, resume: str | None = None) -> None:
        super().__init__()
        self._project, self._folder = project, Path(folder)
        known = Path(resume) / NAME if resume else None
        self._resumed = known is not None and known.is_file()
        self._name = known.read_text() if known and self._resumed else f"{name}-{self._folder.name}"
        self._run: Any = None

    @property
    def name(self) -> str:
        return self._project

    @property
    def version(self) -> str:
        return self._name

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        r"""The run, which the first use starts."""
        if self._run is None:
            import trackio

            with contextlib.redirect_stdout(io.StringIO()):  # the terminal is the summary's
                self._run = trackio.init(
                    self._project, self._name, resume="allow" if self._resumed else "never", embed=False
                )

            OPEN.append(self._run)
            (self._folder / NAME).write_text(self._run.name)

        return self._run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.experiment.log(dict(metrics), step=step)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        r"""Nothing: the settings are in the run's folder."""


def close_runs() -> None:
    r"""Ends the run that there is, if any, and waits until all of it is written."""
    if OPEN:
        import trackio

        OPEN.clear()

        with contextlib.redirect_stdout(io.StringIO()):
            trackio.finish()
