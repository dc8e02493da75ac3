r"""The figure of two networks compared again and again while they train."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE
from equiv.figures.panels import blank_figure, in_percent, style
from lightning_modules.figures.functions import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["training_figure"]

_VERDICTS = {
    "equivalent": "#009e73",
    "a_determines_b": "#56b4e9",
    "b_determines_a": "#e69f00",
    "not_equivalent": "#222222",
    "inconclusive": "#c8c8c8",
}

# Eigenvalues that are drawn, the trivial one left out.
# [eigenvalues; chosen: more would crowd the panel]
_EIGENVALUES = 4


def training_figure(rows: Mapping[int, Mapping[str, Any]]) -> Figure:
    r"""Verdict, losses, errors of T, folds, dimension and eigenvalues over the epochs of a training.

    Arguments:
        rows: What was found after so many epochs: `verdict`; `loss_a` and `loss_b`, shares of the target's
            variance; `error_a_to_b` and `error_b_to_a`, intervals; `true_error_a_to_b` and
            `true_error_b_to_a`; `folded_a` and `folded_b`, shares of the inputs; `dimension_a` and
            `dimension_b`; `eigenvalues_a` and `eigenvalues_b`. NaN where there is nothing.
    """
    epochs = sorted(rows)

    with style():
        from matplotlib.ticker import NullLocator

        figure = blank_figure(12.4, 7.0)
        panels = figure.subplots(2, 2, sharex=True)
        (losses, errors), (folds, values) = panels

        for letter, ink in (("a", BLUE), ("b", ORANGE)):
            name, other = letter.upper(), "AB".replace(letter.upper(), "")
            losses.plot(
                epochs, [rows[k][f"loss_{letter}"] for k in epochs], "-o", color=ink, ms=4, label=name
            )
            folds.plot(
                epochs, [100 * rows[k][f"folded_{letter}"] for k in epochs], "-o", color=ink, ms=4, label=name
            )
            direction = f"{letter}_to_{other.lower()}"
            _draw_errors(
                errors, epochs, rows, direction, f"{name} to {other}", ORANGE if letter == "a" else BLUE
            )

            for number in range(1, _EIGENVALUES + 1):
                known = [k for k in epochs if len(rows[k][f"eigenvalues_{letter}"]) > number]
                values.plot(
                    known,
                    [rows[k][f"eigenvalues_{letter}"][number] for k in known],
                    "-o" if letter == "a" else "--s",
                    color=ink,
                    ms=4,
                    lw=1,
                    label=name if number == 1 else "_",
                )

        seen = sorted({f"{rows[k][f'dimension_{letter}']:g}" for k in epochs for letter in "ab"} - {"nan"})
        folds.annotate(
            f"intrinsic dimension {' or '.join(seen) or 'unknown'} at all checkpoints",
            (1, 0.86),
            xycoords="axes fraction",
            ha="right",
        )
        losses.set_ylabel("loss, of the target's variance")
        errors.set_ylabel("error, of the target's spread")
        _scale_by_logarithms(losses)
        _scale_by_logarithms(errors)
        in_percent(losses.yaxis)
        in_percent(errors.yaxis)
        folds.set(ylabel="inputs that are folded over, %", xlabel="epochs trained")
        values.set(ylabel="eigenvalue, 1 / (input unit)²", xlabel="epochs trained")
        values.set_ylim(bottom=0)

        for axes, text in (
            (losses, "What the losses say"),
            (errors, "Error through the map, fresh inputs"),
            (folds, "Where the outputs fold"),
            (values, f"First {_EIGENVALUES} eigenvalues of the input spaces"),
        ):
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xticks(epochs, [str(k) if _room(k) else "" for k in epochs])
            axes.set_xlim(-0.2, 1.15 * max(epochs))
            axes.xaxis.set_minor_locator(NullLocator())
            heading(axes, text)

        for axes in (losses, errors):  # those below share their epochs
            _mark_verdicts(axes, epochs, [str(rows[k]["verdict"]) for k in epochs])

        losses.legend(loc="upper right")
        errors.legend(loc="best")
        _explain_verdicts(figure, {str(rows[k]["verdict"]) for k in epochs})
        said = ", ".join(f"{k}: {str(rows[k]['verdict']).replace('_', ' ')}" for k in epochs)
        figure.set_label(f"Two networks compared while they train. Verdict by epochs trained: {said}.")

    return figure


def _scale_by_logarithms(axes: Axes) -> None:
    r"""Makes the vertical axis logarithmic, unless none of its numbers is known."""
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])

    if (drawn > 0).any():
        axes.set_yscale("log")


def _draw_errors(
    axes: Axes, epochs: list[int], rows: Mapping[int, Mapping[str, Any]], direction: str, name: str, ink: str
) -> None:
    r"""The estimated error with its bounds, and the true one."""
    bounds = np.array([tuple(rows[k][f"error_{direction}"]) for k in epochs], dtype=float)
    axes.fill_between(epochs, bounds[:, 1], bounds[:, 2], color=ink, alpha=0.18, lw=0)
    axes.plot(epochs, bounds[:, 0], "--", color=ink, lw=1, label=f"{name}, estimated")
    true = [rows[k][f"true_error_{direction}"] for k in epochs]
    axes.plot(epochs, true, "-o", color=ink, ms=4, label=f"{name}, true")


def _mark_verdicts(axes: Axes, epochs: list[int], verdicts: list[str]) -> None:
    r"""A strip of the verdicts along the upper edge."""
    for epoch, verdict in zip(epochs, verdicts, strict=True):
        axes.plot(
            [epoch],
            [1.0],
            "s",
            color=_VERDICTS.get(verdict, GREY),
            ms=8,
            mew=0,
            clip_on=False,
            transform=axes.get_xaxis_transform(),
        )


def _explain_verdicts(figure: Figure, seen: set[str]) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], marker="s", ls="none", color=ink, ms=8, label=verdict.replace("_", " "))
        for verdict, ink in _VERDICTS.items()
        if verdict in seen
    ]
    figure.legend(
        handles=marks, loc="outside upper right", ncols=len(marks), title="Verdict at each checkpoint"
    )


def _room(epoch: int) -> bool:
    r"""Whether there is room for the label of this epoch: 0, 1, 2, 4, 8, ... have it."""
    return epoch == 0 or epoch & (epoch - 1) == 0 or epoch % 50 == 0
