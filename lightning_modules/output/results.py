r"""What a run leaves in its folder."""

import json
import math
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

import equiv
from equiv.findings.storage import replaced, write_text
from equiv.report.report import write_report
from equiv.report.sections import Section
from equiv.transformation import jsonable
from lightning_modules.evaluations.finding import Finding
from lightning_modules.output.numbers import numbers_of_run
from lightning_modules.output.optional import optional
from lightning_modules.output.tracking import log_results

__all__ = ["MEASURES", "Results", "Stopwatch", "finish", "plain", "save_figures", "write_metrics"]

#: Figures that the report draws itself, for the mouse and the keyboard.
DRAWN = ("charts", "registration", "spectrum")
#: Figures that are parts of others.
PARTS = {"horse": ("cross_view", "angles")}
#: Numbers that every run leaves in metrics.json.
MEASURES = (
    *("error_a_to_b", "error_b_to_a", "symmetries", "intrinsic_dimension", "n_anchors"),
    *(f"seconds_{part}" for part in ("total", "data", "training", "matching")),
)


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
        r"""The verdict with its errors, and what the evaluation measured, one line each."""
        known = {
            name: value
            for name, value in self.finding.metrics.items()
            if value == value and not isinstance(value, dict)  # a table is for the report
        }
        rows = numbers_of_run(known)
        width = max((len(name) for name, _ in rows), default=0)

        return "\n".join(
            [self.result.summary(), "", *(f"  {name:<{width}}  {value}" for name, value in rows)]
        )

    def write(self, folder: Path, clock: Stopwatch, loggers: Sequence[Any], config: dict[str, Any]) -> None:
        r"""Writes comparison and `metrics.json`, and then what can fail without a loss: figures, report, logs."""
        self.result.save(folder / "comparison")
        write_metrics(self.metrics, folder)
        pictures = save_figures(self.finding.figures, folder)

        for name, film in self.finding.films.items():
            with optional(f"figures/{name}.gif"), replaced(folder / "figures" / f"{name}.gif") as file:
                file.write_bytes(film)

        with optional("report.html"):
            write_report(
                self.result,
                folder / "report.html",
                title=config["description"],
                sections=[*self.finding.strips, *self._figures(pictures), *self._numbers()],
                settings=config,
                anchors=self.finding.anchors,
                held_out=self.finding.held_out,
                origin=_origin(folder),
            )

        finish(self.metrics, folder, clock, loggers, pictures)

    def _numbers(self) -> list[Section]:
        r"""What the evaluation measured; what the comparison found stands in the report anyway."""
        rows = [{"Quantity": name, "Value": value} for name, value in numbers_of_run(self.finding.metrics)]

        return (
            [Section("Numbers of this run", "Errors are over the spread of what is predicted.", table=rows)]
            if rows
            else []
        )

    def _figures(self, pictures: Mapping[str, Path]) -> list[Section]:
        r"""The figures that the report does not draw itself, and no part of a figure that is shown."""
        left_out = {*DRAWN, *(part for whole in pictures for part in PARTS.get(whole, ()))}

        return [
            Section(self.finding.captions[name], figure=self.finding.figures[name])
            for name in pictures
            if name not in left_out
        ]


def _origin(folder: Path) -> list[str]:
    r"""The command and the commit that a run was started with, as far as its folder tells them."""
    try:
        known = json.loads((folder / "provenance.json").read_text())
    except (OSError, ValueError):
        return []

    commit = known.get("commit")

    return [
        shlex.join(["python", *map(str, known.get("command", []))]),
        *([f"commit {commit[:10]}{'+' if commit.endswith('+') else ''}"] if commit else []),
    ]


def save_figures(figures: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    r"""Writes figures of matplotlib into a run's folder, and returns the files of those that could be, by name."""
    pictures: dict[str, Path] = {}

    for name, figure in figures.items():
        with optional(f"figures/{name}.png"):
            (folder / "figures").mkdir(exist_ok=True)

            with replaced(folder / "figures" / f"{name}.png") as file:
                figure.savefig(file, dpi=150)

            pictures[name] = folder / "figures" / f"{name}.png"

    return pictures


def write_metrics(metrics: Mapping[str, Any], folder: Path) -> None:
    r"""Writes `metrics.json`, whole or not at all; a run has ended where it holds `seconds_total`."""
    write_text(folder / "metrics.json", json.dumps(jsonable(dict(metrics)), indent=2, allow_nan=False) + "\n")


def finish(
    metrics: dict[str, Any],
    folder: Path,
    clock: Stopwatch,
    loggers: Sequence[Any],
    pictures: Mapping[str, Path],
    tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    r"""Logs what a run leaves, and writes `metrics.json` again, with the seconds it took."""
    metrics |= {f"seconds_{part}": value for part, value in clock.seconds.items()}
    log_results(loggers, metrics, pictures, folder, tables)
    metrics["seconds_total"] = clock.total

    with optional("the seconds in metrics.json"):
        write_metrics(metrics, folder)


def plain(settings: Any) -> dict[str, Any]:
    r"""Settings as a plain dictionary with everything in it resolved."""
    return OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)  # type: ignore[return-value]
