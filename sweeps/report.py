r"""The jobs of a sweep gathered: one table, plots and a report."""

import csv
import math
import os
import re
import urllib.parse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equiv.figures.panels import blank_figure, style
from equiv.findings.storage import replaced, write_text
from equiv.report.markup import Link, escape, table
from equiv.report.page import page_html, versions
from equiv.report.sections import Section, section_html
from equiv.report.ticks import log_ticks
from lightning_modules.output.numbers import is_share, quantity, with_unit
from lightning_modules.output.origin import origin
from sweeps.jobs import Job, objective, read_jobs

__all__ = ["SweepReport"]

VERDICTS = ("equivalent", "a_determines_b", "b_determines_a", "not_equivalent", "inconclusive")
MARKERS = dict(zip(VERDICTS, "o><sX", strict=True))
COLORS = dict(zip(VERDICTS, ("#00694f", "#0068a3", "#8273d6", "#a8350b", "#6a5200"), strict=True))


#: Shares are drawn from here on, 0.001 %.
LEAST = 1e-5


class SweepReport:
    r"""Writes `table.csv`, `figures/` and `report.html` of a sweep, also while it still runs.

    Arguments:
        folder: Of the sweep.
        y: The numbers of `metrics.json` that are plotted, and shown first in the report's table.
        x: The setting to plot them against; None: each one that differs among the jobs.
    """

    def __init__(self, folder: str | None, y: Sequence[str], x: str | None = None) -> None:
        self.folder, self.y, self.x = folder, list(y), x

    def __call__(self, output: Path) -> float:
        r"""Reads the jobs, writes into `output`, and returns how many jobs have not finished."""
        if not self.folder:
            raise ValueError(
                "'folder' should be the folder of a sweep, got none; add folder=multirun/EXPERIMENT/DATE."
            )

        jobs = read_jobs(Path(self.folder))
        known = dict.fromkeys(key for job in jobs for key in job.overrides)
        whole = [job.overrides for job in jobs if job.overrides]
        varied = [key for key in known if len({overrides.get(key) for overrides in whole}) > 1]
        rows = [_row(job, varied) for job in jobs]
        columns = list(dict.fromkeys(name for row in rows for name in row))

        with replaced(output / "table.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [_cell(name) for name in columns])
            writer.writeheader()
            writer.writerows({_cell(name): _cell(value) for name, value in row.items()} for row in rows)

        sections = []
        (output / "figures").mkdir(exist_ok=True)

        for key in [self.x] if self.x else varied:
            if (figure := self._figure(jobs, key)) is not None:
                path = output / "figures" / f"{key}.png"
                figure.savefig(path, dpi=120)
                told = f"Each number against {key}, a mark for each job that finished"
                sections.append(Section(f"By {key}", figure=figure, alt=told, text=f"{told}."))

        write_text(output / "report.html", self._page(output, jobs, rows, varied, sections))
        print(f"Written to {output}\n\n{_headline(jobs)}")

        return float(sum(job.status != "finished" for job in jobs))

    def _page(
        self,
        output: Path,
        jobs: Sequence[Job],
        rows: Sequence[dict[str, Any]],
        varied: Sequence[str],
        sections: Sequence[Section],
    ) -> str:
        shown = [name for name in self.y if any(name in row for row in rows)]
        columns = ["job", "status", *varied, "verdict", *shown]
        common = {key: value for job in jobs for key, value in job.overrides.items() if key not in varied}
        failed = [[job.name, job.error] for job in jobs if job.error]
        told = [
            [_page_of(job, output), *(r[c] if c in varied else with_unit(c, r.get(c)) for c in columns[1:])]
            for job, r in zip(jobs, rows, strict=True)
        ]
        names = [column if column in varied else quantity(column) for column in columns]
        parts = [("Failed jobs", table("What went wrong", ["Job", "Error"], failed))] if failed else []
        parts += [(section.title, section_html(section)) for section in sections]

        if ranges := _ranges(rows, varied, shown):
            parts.append(("Means and ranges", ranges))

        parts.append(("All jobs", table("A job that has a report leads to it", names, told)))
        settings = (
            table("Settings that all jobs share", ["Name", "Value"], list(common.items())) if common else ""
        )
        parts.append(("Settings and versions", settings + versions()))
        counted = _verdicts(rows)
        lead = f"Verdicts: {counted}." if counted else "No job has finished yet."
        tone = "equivalent" if not failed else "not_equivalent"
        head = (
            f'<section class="card verdict {tone}" aria-label="Summary"><h1>{escape(_headline(jobs))}</h1>'
            f'<p class="lead">{escape(lead)}</p></section>'
        )

        return page_html(
            f"Sweep {self.folder}", f"Sweep: {_headline(jobs)}", head, parts, origin(jobs[0].folder)
        )

    def _figure(self, jobs: Sequence[Job], key: str) -> Any:
        r"""The numbers against one setting; None where there are none."""
        done = [(job.overrides[key], job.metrics) for job in jobs if job.metrics and key in job.overrides]
        names = [name for name in self.y if any(objective(metrics, name) < math.inf for _, metrics in done)]

        if not names:
            return None

        places, labels = _places([value for value, _ in done])

        with style():
            return self._drawn(done, names, key, places, labels)

    def _drawn(
        self,
        done: Sequence[tuple[str, dict[str, Any]]],
        names: Sequence[str],
        key: str,
        places: Sequence[float],
        labels: Sequence[str],
    ) -> Any:
        figure = blank_figure(4.2 * min(len(names), 3), 3.1 * -(-len(names) // 3))
        axes = figure.subplots(-(-len(names) // 3), min(len(names), 3), squeeze=False).flatten()

        for axis, name in zip(axes, names, strict=False):
            values = [objective(metrics, name) for _, metrics in done]
            values = [max(value, LEAST) for value in values] if is_share(name) else values
            known = [value for value in values if value < math.inf]

            for verdict in VERDICTS:
                at = [k for k, (_, metrics) in enumerate(done) if metrics["verdict"] == verdict]
                axis.scatter(
                    [places[k] for k in at],
                    [values[k] for k in at],
                    marker=MARKERS[verdict],
                    color=COLORS[verdict],
                    label=verdict.replace("_", " ") if at else None,
                )

            if labels:
                axis.set_xticks(range(len(labels)), labels, rotation=30 if max(map(len, labels)) > 6 else 0)
            else:
                axis.locator_params(axis="x", nbins=5, integer=all(place % 1 == 0 for place in places))

            if is_share(name):
                _in_percent(axis, known)

            axis.set(xlabel=key, title=quantity(name))

        for axis in axes[len(names) :]:
            axis.remove()

        figure.legend(*_legend(figure), loc="outside lower center", ncols=3, frameon=False)

        return figure


def _in_percent(axis: Any, known: Sequence[float]) -> None:
    r"""An axis of shares, of which none is told below a thousandth of a percent."""
    low, high = min(known), max(known)

    if high <= LEAST:
        axis.set(ylim=(0, 2 * LEAST), yticks=[LEAST], yticklabels=[f"below {100 * LEAST:g} %"])
    elif 10 * low < high:
        ticks = log_ticks(low / 1.5, high * 1.5)
        axis.set_yscale("log")
        axis.set_yticks(ticks, [f"{100 * tick:g} %" for tick in ticks])
        axis.minorticks_off()
    else:
        axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g} %")


def _legend(figure: Any) -> tuple[list[Any], list[str]]:
    r"""Each verdict once, whichever of the plots shows it."""
    pairs = zip(*figure.axes[0].get_legend_handles_labels(), strict=True)
    named = {label: handle for handle, label in pairs}

    return list(named.values()), list(named)


def _places(values: Sequence[str]) -> tuple[list[float], list[str]]:
    r"""Where settings stand on an axis: numbers at themselves, anything else in order, with its names."""
    try:
        return [float(value) for value in values], []
    except ValueError:
        names = list(dict.fromkeys(values))

        return [float(names.index(value)) for value in values], names


def _row(job: Job, varied: Sequence[str]) -> dict[str, Any]:
    numbers = {
        name: value for name, value in (job.metrics or {}).items() if not isinstance(value, dict | list)
    }
    told = {"error": job.error} if job.error else {}

    settings = {key: _value(job.overrides.get(key, "")) for key in varied}

    return {"job": job.name, "status": job.status} | settings | numbers | told


def _page_of(job: Job, output: Path) -> Link | str:
    r"""The job's name, which leads to its report where there is one."""
    page = job.folder / "report.html"

    if not page.is_file():
        return job.name

    return Link(job.name, urllib.parse.quote(os.path.relpath(page, output)))


def _ranges(rows: Sequence[dict[str, Any]], varied: Sequence[str], names: Sequence[str]) -> str:
    r"""For each value of each setting that varies, but the seed, the mean of each number and its range."""
    blocks = []
    settings = [key for key in varied if key != "seed"]

    for key in settings or [""]:
        groups: dict[Any, list[dict[str, Any]]] = {}

        for row in rows:
            if row["status"] == "finished":
                groups.setdefault(row.get(key, "all"), []).append(row)

        told = [
            [str(value), len(group), _verdicts(group), *(_range(name, group) for name in names)]
            for value, group in groups.items()
        ]

        if told:
            header = [key or "Jobs", "Finished", "Verdicts", *map(quantity, names)]
            blocks.append(table(f"Mean and range by {key}" if key else "Mean and range", header, told))

    return "".join(blocks)


def _verdicts(rows: Sequence[dict[str, Any]]) -> str:
    counts = Counter(str(row["verdict"]).replace("_", " ") for row in rows if "verdict" in row)

    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _range(name: str, rows: Sequence[dict[str, Any]]) -> str:
    r"""The mean with the smallest and the largest."""
    known = [float(value) for row in rows if (value := objective(row, name)) < math.inf]

    if not known:
        return "unknown"

    mean, low, high = (with_unit(name, x) for x in (sum(known) / len(known), min(known), max(known)))
    bare = (re.sub(r"[^0-9]+$", "", x) for x in (low, high))  # the unit stands behind the mean

    return mean if low == high else f"{mean} ({' to '.join(bare)})"


def _cell(value: Any) -> Any:
    r"""What a spreadsheet shows as it stands: no text that it would take for a formula."""
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )


def _value(text: str) -> str | float:
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def _headline(jobs: Sequence[Job]) -> str:
    counts = Counter(job.status for job in jobs)

    return f"{len(jobs)} jobs: " + ", ".join(
        f"{counts[name]} {name}" for name in ("finished", "failed", "unfinished") if counts[name]
    )
