r"""A job of a sweep: what it left, whether it has to run again, and how its failure is told."""

import json
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import OmegaConf

__all__ = ["ERROR", "METRICS", "Job", "JobFailed", "Start", "job", "objective", "read_job", "read_jobs"]

log = logging.getLogger(__name__)

SETTINGS, METRICS, ERROR = "settings.json", "metrics.json", "error.txt"
CHECKPOINT = Path("checkpoints") / "last.ckpt"


class JobFailed(RuntimeError):
    r"""A job of a sweep failed; the others go on."""


@dataclass(frozen=True)
class Start:
    r"""Where a job starts from.

    Attributes:
        sweeping: Whether it is one of a sweep.
        quiet: Whether the terminal is another's: the sweep's, or the first's of several processes.
        metrics: What an earlier start of the same sweep found; None if it did not finish.
        resume: Its folder, where it was stopped between two epochs; None otherwise.
    """

    sweeping: bool
    quiet: bool
    metrics: dict[str, Any] | None = None
    resume: str | None = None


@dataclass(frozen=True)
class Job:
    r"""A job as its folder shows it.

    Attributes:
        folder: Where it ran.
        overrides: Its settings, as on the command line.
        metrics: What it found; None if it did not finish.
        error: Why it failed; empty if it did not.
    """

    folder: Path
    overrides: dict[str, str]
    metrics: dict[str, Any] | None
    error: str

    @property
    def status(self) -> str:
        if self.error:
            return "failed"

        return "finished" if self.metrics is not None else "unfinished"


@contextmanager
def job(folder: Path, config: Mapping[str, Any]) -> Iterator[Start]:
    r"""Runs a job, and says what an earlier start of the same sweep left of it.

    An error goes into `error.txt`. A run by itself ends with one sentence where its settings were wrong; in a
    sweep every error becomes a `JobFailed`, after which Hydra goes on with the next job.

    Arguments:
        folder: Of the job.
        config: Its resolved settings.
    """
    from pytorch_lightning.utilities.rank_zero import rank_zero_only  # late: a sweep's display does without

    if getattr(rank_zero_only, "rank", 0):  # the first of several processes that train together tells for all
        yield Start(sweeping=False, quiet=True)
        return

    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN

    try:
        start = _earlier(folder, config) if sweeping else Start(sweeping=False, quiet=False)
        (folder / ERROR).unlink(missing_ok=True)

        if start.metrics is None:
            (folder / METRICS).unlink(missing_ok=True)
        else:
            (folder / METRICS).touch()  # it ended in this sweep too: sweeps/watch.py goes by the time

        if sweeping and start.resume is None:
            (folder / CHECKPOINT).unlink(missing_ok=True)  # of other settings, and not to be resumed later

        (folder / SETTINGS).write_text(json.dumps(config, indent=1))
        devices = config["trainer"].get("devices", 1)

        if sweeping and isinstance(devices, int) and devices > 1:
            raise ValueError(
                f"'trainer.devices' should be 1 in a sweep, got {devices}: each further process would start the whole "
                "sweep again; run the jobs at the same time instead, by launcher=joblib, say."
            )

        yield start
    except Exception as error:
        log.info("the run failed", exc_info=True)  # for run.log; the terminal gets the sentence
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        expected = isinstance(error, InstantiationException | TypeError | ValueError)
        (folder / ERROR).write_text(f"{_sentence(cause)}\n\n{traceback.format_exc()}")

        if sweeping:
            raise JobFailed(f"{folder}: {_sentence(cause)}") from None

        if expected:
            raise SystemExit(f"error: {cause}") from None

        raise


def _sentence(error: BaseException | None) -> str:
    text = " ".join(str(error).split())

    return text if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: {text}"


def _earlier(folder: Path, config: Mapping[str, Any]) -> Start:
    r"""What is left of a job of a sweep that had the same settings in the same folder."""
    try:
        same = json.loads((folder / SETTINGS).read_text()) == json.loads(json.dumps(config))
    except (OSError, json.JSONDecodeError):
        same = False

    if not same:
        return Start(sweeping=True, quiet=True)

    resume = str(folder) if (folder / CHECKPOINT).is_file() else None

    return Start(sweeping=True, quiet=True, metrics=_metrics(folder), resume=resume)


def _metrics(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / METRICS).read_text())
    except (OSError, json.JSONDecodeError):
        return None


def objective(metrics: Mapping[str, Any], name: str) -> float:
    r"""The number that a sweep minimises; infinite where there is none."""
    value = metrics.get(name)

    return float(value) if isinstance(value, int | float) and value == value else float("inf")


def read_jobs(folder: Path) -> list[Job]:
    r"""The jobs of a sweep, in the order of their numbers.

    Raises:
        ValueError: If the folder holds none.
    """
    places = [path.parent.parent for path in folder.glob("*/.hydra/overrides.yaml")]

    if not places:
        raise ValueError(
            f"'folder' should be the folder of a sweep, with a folder for each job, got {str(folder)!r}; give the "
            "one that -m wrote, multirun/EXPERIMENT/DATE."
        )

    return [read_job(path) for path in sorted(places, key=_order)]


def _order(path: Path) -> list[tuple[int, str]]:
    return [(int(part or 0), text) for part, text in re.findall(r"(\d*)(\D*)", path.name)]


def read_job(folder: Path) -> Job:
    r"""The job that ran in a folder."""
    overrides = [str(each) for each in OmegaConf.load(folder / ".hydra" / "overrides.yaml")]
    pairs = (each.lstrip("+~").partition("=") for each in overrides)
    error = folder / ERROR

    return Job(
        folder,
        {key: value for key, _, value in pairs},
        _metrics(folder),
        error.read_text().splitlines()[0] if error.is_file() else "",
    )
