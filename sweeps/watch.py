r"""What is seen of a sweep while it runs: one line with a bar, and a line for each job that ends."""

import atexit
import math
import time
from collections.abc import Container
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from sweeps.jobs import Job

__all__ = ["Watch"]

SECONDS = 0.5  # between two looks at the folders


class Watch(Callback):
    r"""Looks at the folders of a sweep's jobs from the process that launched them, wherever they run.

    Hydra calls it. Jobs end with `metrics.json` or `error.txt`; nothing else passes between them and this.
    """

    def __init__(self) -> None:
        self._stop = Event()
        self._seen: set[Path] = set()
        self._failed = 0

    def __reduce__(self) -> tuple[type["Watch"], tuple[()]]:
        return Watch, ()  # launchers send it to their workers, where there is nothing to watch

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        from lightning_modules.output.display import Display

        overrides = OverridesParser.create().parse_overrides(list(config.hydra.overrides.task))
        swept = [each for each in overrides if each.is_sweep_override()]
        self._names = {each.key_or_group for each in swept}
        self._total = jobs_in(config, swept)
        self._start, self._folder = time.time(), Path(config.hydra.sweep.dir)
        self._display = Display().__enter__()
        self._display(0, self._total, "jobs of the sweep")
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()
        atexit.register(self._end)  # the only call where a job failed

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        self._end()

    def _watch(self) -> None:
        while not self._stop.wait(SECONDS):
            self._look()

    def _end(self) -> None:
        if self._stop.is_set():
            return

        self._stop.set()
        self._thread.join()
        self._look()
        finished = len(self._seen) - self._failed
        self._display.say(
            f"\n{finished} of {self._total} jobs finished, {self._failed} failed. To gather them:\n"
            f"python run.py experiment=sweep_report folder={self._folder}"
        )

    def _look(self) -> None:
        from sweeps.jobs import ERROR, METRICS, job_folders, read_job

        for folder in sorted(set(job_folders(self._folder)) - self._seen):
            left = [path for name in (METRICS, ERROR) if (path := folder / name).is_file()]

            if any(path.stat().st_mtime >= self._start for path in left):
                ended = read_job(folder, self._folder)

                if ended.status != "unfinished":
                    self._seen.add(folder)
                    self._failed += ended.status == "failed"
                    self._display.note(line(ended, self._names))

        self._display(len(self._seen), self._total, "jobs of the sweep")


def line(job: "Job", names: Container[str]) -> str:
    r"""One line about a job that has ended, with those of its settings that the sweep varies."""
    from lightning_modules.output.numbers import with_unit  # late, as torch is

    settings = " ".join(f"{key}={value}" for key, value in job.overrides.items() if key in names)
    numbers = job.metrics or {}
    found = job.error or ", ".join(
        [str(numbers.get("verdict")).replace("_", " ")]
        + [
            f"{words} {with_unit(name, float(value))}"
            for name, words in (
                ("error_a_to_b", "error A to B"),
                ("error_b_to_a", "B to A"),
                ("seconds_total", "in"),
            )
            if isinstance(value := numbers.get(name), int | float)
        ]
    )

    return f"{job.name:>4}  {job.status:<8}  {settings}  {found}"


def jobs_in(config: DictConfig, swept: list[Override]) -> int:
    r"""How many jobs a sweep over these overrides has."""
    trials = OmegaConf.select(config, "hydra.sweeper.n_trials")

    return int(trials or math.prod(sum(1 for _ in each.sweep_string_iterator()) for each in swept))
