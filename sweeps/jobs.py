r"""A job of a sweep: what it left, whether it has to run again, and how its failure is told."""

import json
import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]

from equiv.findings.storage import write_text
from lightning_modules.output.display import further
from lightning_modules.output.told import printable, sentence
from lightning_modules.settings import plain
from sweeps.provenance import PROVENANCE, provenance

__all__ = [
    "ERROR",
    "METRICS",
    "Job",
    "JobFailed",
    "Start",
    "job",
    "job_folders",
    "objective",
    "read_job",
    "read_jobs",
]

log = logging.getLogger(__name__)

SETTINGS, METRICS, ERROR = "settings.json", "metrics.json", "error.txt"
#: How `error.txt` begins where nothing went wrong but the run was stopped.
STOPPED = "stopped by "
CHECKPOINT = Path("checkpoints") / "last.ckpt"


class JobFailed(RuntimeError):
    r"""A job of a sweep failed; the others go on."""


@dataclass(frozen=True)
class Start:
    r"""Where a job starts from.

    Attributes:
        config: Its resolved settings.
        sweeping: Whether it is one of a sweep.
        metrics: What an earlier start of the same sweep found; None if it did not finish.
        resume: The folder of the run that it goes on with, its own where a sweep was stopped; None otherwise.
    """

    config: dict[str, Any]
    sweeping: bool = False
    metrics: dict[str, Any] | None = None
    resume: str | None = None


@dataclass(frozen=True)
class Job:
    r"""A job as its folder shows it.

    Attributes:
        folder: Where it ran.
        name: What it is called in its sweep: its folder's path in the sweep's.
        overrides: Its settings, as on the command line.
        metrics: What it found; None if it did not finish.
        error: Why it failed, was stopped, or cannot be read; empty otherwise.
    """

    folder: Path
    name: str
    overrides: dict[str, str]
    metrics: dict[str, Any] | None
    error: str

    @property
    def status(self) -> str:
        if self.error and not self.error.startswith(STOPPED):
            return "failed"

        return "finished" if self.metrics is not None else "unfinished"


@contextmanager
def job(folder: Path, settings: DictConfig) -> Iterator[Start]:
    r"""Runs a job, and says what an earlier start of the same sweep left of it.

    An error goes into `error.txt`, with its traceback. A run by itself ends with one sentence, see `told`; in a
    sweep every error becomes a `JobFailed`, after which Hydra goes on with the next job. A run that is stopped, by
    SIGINT or SIGTERM, says how to go on, and ends with 128 and the signal's number, a sweep with it.

    Arguments:
        folder: Of the job.
        settings: Its settings.
    """
    if further():  # the first one tells for all
        config = plain(settings)
        yield Start(config, resume=config["resume"])
        return

    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN

    with _signals() as received:
        try:
            config = plain(settings)
            start = _earlier(folder, config) if sweeping else Start(config, resume=config["resume"])
            _prepare(folder, start)
            yield start
        except Exception as error:
            log.info("the run failed", exc_info=True)  # for run.log; the terminal gets the sentence
            said = sentence(error, folder / ERROR)
            write_text(folder / ERROR, f"{said}\n\n{traceback.format_exc()}")

            if sweeping:
                raise JobFailed(f"{folder}: {said}") from None

            raise SystemExit(f"error: {printable(said)}") from None
        except (KeyboardInterrupt, SystemExit):
            if not received:
                raise

            told = _stopped(folder, received[0], sweeping)
            write_text(folder / ERROR, f"{told}\n\n{traceback.format_exc()}")
            print(printable(told), file=sys.stderr, flush=True)
            raise SystemExit(128 + received[0]) from None


@contextmanager
def _signals() -> Iterator[list[int]]:
    r"""SIGINT and SIGTERM interrupt alike what runs here, and are noted in the list; as before afterwards."""
    received: list[int] = []

    def interrupt(number: int, _: Any) -> None:
        received.append(number)

        if len(received) == 1:  # another one would stop what the first one makes it write
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # Python takes signals in that one alone
        yield received
        return

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}

    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stopped(folder: Path, number: int, sweeping: bool) -> str:
    r"""One line: what stopped it, and how to go on."""
    if sweeping:
        how = "the same command goes on where the sweep stopped"
    elif (folder / CHECKPOINT).is_file():
        how = f"go on by adding resume={folder} to the same command"
    else:
        how = "no epoch had been saved, so start it again"

    return f"{STOPPED}{signal.Signals(number).name}: {how}"


def _prepare(folder: Path, start: Start) -> None:
    r"""Takes out of a job's folder what an earlier start left and is no longer true; writes what it starts from."""
    (folder / ERROR).unlink(missing_ok=True)

    if start.metrics is None:
        (folder / METRICS).unlink(missing_ok=True)
    else:
        (folder / METRICS).touch()  # it ended in this sweep too: sweeps/watch.py goes by the time

    if start.sweeping and start.resume != str(folder):
        (folder / CHECKPOINT).unlink(missing_ok=True)  # of other settings, and not to be resumed later

    write_text(folder / SETTINGS, json.dumps(start.config, indent=1))
    write_text(folder / PROVENANCE, json.dumps(provenance(start.config["seed"]), indent=1))
    devices = start.config["trainer"].get("devices", 1)

    if start.sweeping and isinstance(devices, int) and devices > 1:
        raise ValueError(
            f"'trainer.devices' should be 1 in a sweep, got {devices}: each further process would start the whole "
            "sweep again; run the jobs at the same time instead, by launcher=joblib, say."
        )


def _earlier(folder: Path, config: dict[str, Any]) -> Start:
    r"""What is left of a job of a sweep that had the same settings in the same folder."""
    try:
        same = json.loads((folder / SETTINGS).read_text()) == json.loads(json.dumps(config))
    except (OSError, json.JSONDecodeError):
        same = False

    if not same:
        return Start(config, sweeping=True, resume=config["resume"])

    resume = str(folder) if (folder / CHECKPOINT).is_file() else config["resume"]

    return Start(config, sweeping=True, metrics=_metrics(folder), resume=resume)


def _metrics(folder: Path) -> dict[str, Any] | None:
    r"""What a job found; None if it did not finish, or what it left cannot be read."""
    try:
        metrics = json.loads((folder / METRICS).read_text())
    except (OSError, ValueError):
        return None

    return metrics if isinstance(metrics, dict) and "seconds_total" in metrics else None


def objective(metrics: Mapping[str, Any], name: str) -> float:
    r"""The number that a sweep minimises; infinite where there is none."""
    value = metrics.get(name)

    return float(value) if isinstance(value, int | float) and value == value else float("inf")


def read_jobs(folder: Path) -> list[Job]:
    r"""The jobs of a sweep, in the order of their numbers, wherever in its folder they lie.

    Raises:
        ValueError: If the folder holds none.
    """
    places = list(job_folders(folder))

    if not places:
        raise ValueError(
            f"'folder' should be the folder of a sweep, with a folder for each job, got {str(folder)!r}; give the "
            "one that -m wrote, multirun/EXPERIMENT/DATE."
        )

    return sorted((read_job(path, folder) for path in places), key=lambda each: _order(each.name))


def job_folders(folder: Path) -> Iterator[Path]:
    r"""The folders of jobs below this one, however deep; what lies inside a job's folder is not looked through."""
    for place, inside, files in os.walk(folder):
        if PROVENANCE in files or ".hydra" in inside:  # older jobs have the latter alone
            inside.clear()
            yield Path(place)


def _order(name: str) -> list[tuple[int, str]]:
    return [(int(part or 0), text) for part, text in re.findall(r"(\d*)(\D*)", name)]


def read_job(folder: Path, sweep: Path) -> Job:
    r"""The job that ran in a folder of a sweep's; what cannot be read of it is its error."""
    error, metrics, overrides = "", _metrics(folder), []

    try:
        overrides = _overrides(folder)
        error = (folder / ERROR).read_text().partition("\n")[0] if (folder / ERROR).is_file() else ""
    except (OSError, ValueError, KeyError, TypeError, YAMLError) as damage:
        error = f"what it left is damaged: {' '.join(str(damage).split())[:120]}"

    if not error and metrics is None and (folder / METRICS).is_file():
        try:  # whole, and without its seconds yet, it is that of a job that is still at its figures
            json.loads((folder / METRICS).read_text())
        except (OSError, ValueError):
            error = f"what it left is damaged: {METRICS} cannot be read"

    pairs = (each.lstrip("+~").partition("=") for each in overrides)

    return Job(
        folder, str(folder.relative_to(sweep)), {key: value for key, _, value in pairs}, metrics, error
    )


def _overrides(folder: Path) -> list[str]:
    r"""What a job was started with, as on the command line."""
    if (folder / PROVENANCE).is_file():
        return [str(each) for each in json.loads((folder / PROVENANCE).read_text())["overrides"]]

    return [str(each) for each in OmegaConf.load(folder / ".hydra" / "overrides.yaml")]
