r"""What a run leaves in its folder."""

import json
import math
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import equiv
from equiv.comparison import jsonable
from equiv.report import Section, write_report
from lightning_modules.evaluations.finding import Finding
from lightning_modules.tracking import log_results

__all__ = ["Results", "Stopwatch", "plain"]


class Stopwatch:
    r"""Seconds since `start`, in all and by named part.

    Arguments:
        start: `time.perf_counter()` when the run began.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        begun = time.perf_counter()

        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.perf_counter() - begun

    def move(self, source: str, target: str, seconds: float) -> None:
        r"""Counts some of one part's seconds as another's, inside which they were spent."""
        self.seconds[source] -= seconds
        self.seconds[target] = self.seconds.get(target, 0.0) + seconds

    @property
    def total(self) -> float:
        return time.perf_counter() - self.start


class Results:
    r"""A comparison, what its evaluation found, and how to leave both in a folder.

    Arguments:
        result: The comparison.
        finding: The experiment's own numbers and figures.
        n_anchors: How many anchors were used.
    """

    def __init__(self, result: equiv.Comparison, finding: Finding, n_anchors: int) -> None:
        self.result, self.finding = result, finding
        self.metrics: dict[str, Any] = {
            "verdict": str(result.verdict),
            "error_a_to_b": result.a_to_b.error.estimate,
            "error_b_to_a": result.b_to_a.error.estimate,
            "symmetries": result.symmetries,
            "intrinsic_dimension": result.diagnostics.get("intrinsic_dimension_a", math.nan),
            "n_anchors": n_anchors,
            **finding.metrics,
        }

    def __str__(self) -> str:
        own = (
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.finding.metrics.items()
            if value == value and not isinstance(value, dict)  # a table is for the report
        )

        return f"{textwrap.fill(', '.join(own), 100)}\n\n{self.result.summary()}"

    def write(self, folder: Path, clock: Stopwatch, loggers: Sequence[Any], config: dict[str, Any]) -> None:
        r"""Writes comparison, figures, report and, last, `metrics.json`; logs figures, report, numbers."""
        self.result.save(folder / "comparison")
        (folder / "figures").mkdir(exist_ok=True)
        pictures = {name: folder / "figures" / f"{name}.png" for name in self.finding.figures}

        for name, figure in self.finding.figures.items():
            figure.savefig(pictures[name], dpi=150)

        sections = [
            Section(self.finding.captions[name], figure=path.read_bytes()) for name, path in pictures.items()
        ]
        numbers = [{"number": name, "value": value} for name, value in self.metrics.items()]
        write_report(
            self.result,
            folder / "report.html",
            title=config["description"],
            sections=[*self.finding.strips, Section("Numbers of this run", table=numbers), *sections],
            settings=config,
        )
        self.metrics |= {f"seconds_{part}": value for part, value in clock.seconds.items()}
        log_results(loggers, self.metrics, pictures, folder)
        self.metrics["seconds_total"] = clock.total
        text = json.dumps(jsonable(self.metrics), indent=2, allow_nan=False)
        (folder / "metrics.json").write_text(text + "\n")


def plain(settings: Any) -> dict[str, Any]:
    r"""Settings as a plain dictionary with everything in it resolved."""
    return OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
