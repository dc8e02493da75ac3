r"""What a run leaves in its folder."""

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import equiv
from equiv.findings.storage import replaced, write_text
from equiv.report.report import write_report
from equiv.report.sections import Section
from equiv.transformation import jsonable
from lightning_modules.evaluations.finding import Finding
from lightning_modules.output.numbers import numbers_of_run
from lightning_modules.output.optional import optional
from lightning_modules.output.origin import origin
from lightning_modules.output.tracking import log_results

__all__ = ["MEASURES", "Results", "Stopwatch", "files_left", "finish", "save_figures", "write_metrics"]

#: Figures that the report draws itself, for the mouse and the keyboard.
DRAWN = ("charts", "registration", "spectrum")
#: Figures that are parts of others.
PARTS = {"horse": ("cross_view", "angles")}
#: What a run leaves in its folder, and what each is for.
FILES = {
    "report.html": "all that was found, for a browser",
    "metrics.json": "its numbers",
    "figures": "pictures and films",
    "comparison": "the result, for equiv.load",
    "checkpoints": "both networks; with resume= a run goes on from them",
}
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

    def told(self, folder: Path) -> str:
        r"""What ends a run in the terminal: the verdict, what was measured, the files, and the verdict's sentence."""
        known = {
            name: value
            for name, value in self.finding.metrics.items()
            if value == value and not isinstance(value, dict)  # a table is for the report
        }
        measured = lines_of(numbers_of_run(known))
        answer = self.result.summary().removesuffix(self.result.sentence).strip()
        blocks = [answer, measured, files_left(folder), self.result.sentence]

        return "\n\n".join(block for block in blocks if block)

    def write(self, folder: Path, clock: Stopwatch, loggers: Iterable[Any], config: dict[str, Any]) -> None:
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
                origin=origin(folder),
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


def files_left(folder: Path) -> str:
    r"""The files of a run, and what each is for."""
    left = [(name, what) for name, what in FILES.items() if (folder / name).exists()]

    return f"Left in {folder}:\n{lines_of(left)}"


def lines_of(rows: Sequence[tuple[str, str]]) -> str:
    r"""Names and values in two columns."""
    width = max((len(name) for name, _ in rows), default=0)

    return "\n".join(f"  {name:<{width}}  {value}" for name, value in rows)


def write_metrics(metrics: Mapping[str, Any], folder: Path) -> None:
    r"""Writes `metrics.json`, whole or not at all; a run has ended where it holds `seconds_total`."""
    write_text(folder / "metrics.json", json.dumps(jsonable(dict(metrics)), indent=2, allow_nan=False) + "\n")


def finish(
    metrics: dict[str, Any],
    folder: Path,
    clock: Stopwatch,
    loggers: Iterable[Any],
    pictures: Mapping[str, Path],
    tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> None:
    r"""Logs what a run leaves, and writes `metrics.json` again, with the seconds it took."""
    metrics |= {f"seconds_{part}": value for part, value in clock.seconds.items()}
    log_results(loggers, metrics, pictures, folder, tables)
    metrics["seconds_total"] = clock.total

    with optional("the seconds in metrics.json"):
        write_metrics(metrics, folder)
