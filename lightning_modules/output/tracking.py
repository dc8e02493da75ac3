r"""Where the numbers of a run go while it runs, and its figures, tables and report at the end."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from lightning_modules.output.optional import optional
from lightning_modules.output.trackio_logger import close_runs

__all__ = ["Shown", "close", "log_results", "loggers", "run_id", "show", "wandb_run"]


Table = Sequence[Mapping[str, Any]]


class Shown(NamedTuple):
    r"""What loggers get that can show more than numbers: tables and files of figures, by name.

    Attributes:
        tables: Rows of equal names.
        pictures: Files of figures.
        step: After how many epochs; None at the end.
        folder: At the end that of the run, with `report.html` and `comparison/`.
        verdict: At the end that of the comparison, if there is one.
    """

    tables: Mapping[str, Table]
    pictures: Mapping[str, Path]
    step: int | None = None
    folder: Path | None = None
    verdict: str = ""


def loggers(settings: DictConfig) -> Iterator[Logger]:
    r"""The loggers of the settings, each started when it is asked for; none in any process but the first."""
    if not getattr(rank_zero_only, "rank", 0):
        yield from map(instantiate, settings.logger.values())


def run_id(folder: str | None) -> str | None:
    r"""The identifier of the run of Weights & Biases in a run's folder; None without a folder or a run."""
    names = [path.name for path in Path(folder).glob("wandb/*run-*")] if folder else []
    runs = [found for name in names if (found := re.fullmatch(r"(?:offline-)?run-(\d+_\d+)-(.+)", name))]

    return max(runs, key=lambda found: found[1])[2] if runs else None


def wandb_run(
    resume: str | None, mode: Literal["offline", "online"], settings: Mapping[str, Any], **arguments: Any
) -> Any:
    r"""A run of Weights & Biases, the same one where a run is resumed.

    Arguments:
        resume: Folder of the run that this one goes on with, or None.
        mode: "offline", where nothing at all is sent, or "online".
        settings: Arguments of `wandb.Settings`.
        **arguments: As of `wandb.init`.
    """
    if mode == "offline":  # reports of its own errors would be sent all the same
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

    import wandb

    identifier = run_id(resume)
    # Offline there is nothing to ask whether a run may go on: the identifier alone makes it one when it is synced.
    again: dict[str, Any] = {"resume": "allow"} if identifier and mode == "online" else {}

    return wandb.init(id=identifier, mode=mode, settings=wandb.Settings(**settings), **again, **arguments)


def log_results(
    loggers: Iterable[Any],
    metrics: Mapping[str, Any],
    pictures: Mapping[str, Path],
    folder: Path,
    tables: Mapping[str, Table] | None = None,
) -> None:
    r"""Hands the final numbers to every logger, and what else there is to those that can show it.

    Arguments:
        loggers: Of the run.
        metrics: The numbers and words of `metrics.json`.
        pictures: Files of figures, by name.
        folder: Of the run, with `report.html` and `comparison/`.
        tables: Rows of equal names, by name, beside that of the metrics.
    """
    results = [{"name": name, "value": str(value)} for name, value in metrics.items()]
    verdict = str(metrics.get("verdict", ""))
    left = Shown({"results": results} | dict(tables or {}), pictures, None, folder, verdict)
    numbers = {f"final/{name}": float(x) for name, x in metrics.items() if isinstance(x, int | float)}

    with optional("a logger"):  # one that is started here and now
        for logger in loggers:
            with optional(type(logger).__name__):
                logger.log_metrics(numbers)
                logger.save()  # no trainer will, after the last of them
                show(logger, left)


def show(logger: Any, left: Shown) -> None:
    r"""Hands tables and pictures to a logger, if it is one that can show them."""
    if (shown := SHOWN_BY.get(type(logger).__name__)) is not None:
        shown(logger.experiment, left)


def _to_wandb(run: Any, left: Shown) -> None:
    import wandb

    run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in left.pictures.items()})
    run.log(
        {name: wandb.Table(columns=list(rows[0]), data=_data(rows)) for name, rows in left.tables.items()}
    )

    if left.folder is None:
        return

    run.log({"report": wandb.Html(str(left.folder / "report.html"), inject=False)})

    if left.verdict:
        run.summary["verdict"] = left.verdict

    comparison = wandb.Artifact(f"comparison-{run.id}", type="comparison")

    for path in sorted((left.folder / "comparison").iterdir()):
        comparison.add_file(str(path))  # add_dir would talk on the terminal

    run.log_artifact(comparison)


def _to_trackio(run: Any, left: Shown) -> None:
    import trackio

    said = f"**{left.verdict}**, report" if left.verdict else "Report"
    run.log({f"figures/{name}": trackio.Image(str(path)) for name, path in left.pictures.items()})
    run.log(
        {name: trackio.Table(columns=list(rows[0]), data=_data(rows)) for name, rows in left.tables.items()}
    )

    if left.folder is not None:
        run.log({"summary": trackio.Markdown(f"{said}: `{left.folder / 'report.html'}`")})


def _to_tensorboard(writer: Any, left: Shown) -> None:
    from matplotlib.image import imread

    for name, path in left.pictures.items():
        writer.add_image(f"figures/{name}", imread(path)[..., :3], global_step=left.step, dataformats="HWC")

    for name, table in left.tables.items():
        lines = [list(table[0]), ["---"] * len(table[0]), *_data(table)]
        writer.add_text(
            name, "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines), global_step=left.step
        )

    writer.flush()


def _data(table: Table) -> list[list[Any]]:
    r"""The rows of a table without the names of its columns."""
    return [list(row.values()) for row in table]


SHOWN_BY = {
    "TensorBoardLogger": _to_tensorboard,
    "TrackioLogger": _to_trackio,
    "WandbLogger": _to_wandb,
}


def close() -> None:
    r"""Ends the runs of Weights & Biases and of trackio, if any: the next job of a sweep would go on in them."""
    with optional("trackio"):
        close_runs()

    with optional("wandb"):
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish()
