r"""The matrix of all layers as it forms: what is left of it at each comparison during training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

import equiv
from lightning_modules.evaluations.finding import Finding
from lightning_modules.figures.layers import forming_figure
from lightning_modules.output.optional import optional
from lightning_modules.output.tracking import Shown, show

__all__ = ["leave_layers", "through_training"]


def leave_layers(matrix: equiv.LayerMatrix, epoch: int, trainer: pl.Trainer) -> None:
    r"""Writes a matrix into the trainer's folder, and hands it to its loggers as a table and as a picture.

    The folder `layers/epoch_E` then holds what `equiv.load` reads, `layers.png`, and `report.html`, a page in which a
    click on a cell shows its comparison.
    """
    folder = Path(trainer.default_root_dir) / "layers" / f"epoch_{epoch}"
    matrix.save(folder)
    matrix.report(folder / "report.html")
    matrix.figure().savefig(folder / "layers.png", dpi=150)
    left = Shown({"matching/layers": matrix.pairs()}, {"layers": folder / "layers.png"}, epoch)

    for logger in trainer.loggers:
        with optional(type(logger).__name__):
            show(logger, left)


def through_training(matrices: Mapping[int, equiv.LayerMatrix]) -> Finding:
    r"""Figures of the matrices by epochs trained; none where there are none."""
    if not matrices:
        return Finding({})

    figures: dict[str, Any] = {"layers": matrices[max(matrices)].figure()}
    page = f"layers/epoch_{max(matrices)}/report.html"
    captions = {"layers": f"Every layer of A against every layer of B at the end; pair by pair: {page}"}

    if len(matrices) > 1:
        figures["layers_forming"] = forming_figure(matrices)
        captions["layers_forming"] = "How the layers came to determine each other"

    return Finding({}, figures, captions)
