r"""Figures of pretrained potentials: one pair, and the matrix of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE, Array, as_array, chart_colours
from equiv.figures.panels import blank_figure, in_percent, style
from equiv.verdict import percent
from lightning_modules.figures.functions import heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_clouds", "ensemble_figure", "potentials_figure"]


def potentials_figure(
    states: object,
    names: Sequence[str],
    values_a: object,
    values_b: object,
    predicted_b: object,
    energy: object,
    read: object,
    error: object,
) -> Figure:
    r"""Two potentials at fresh states of a molecule, what T makes of the one's neurons, and the other's energy.

    Arguments:
        states: Coordinates of the molecule, shape `(q, m)`.
        names: Of the coordinates, m of them.
        values_a: A's neurons there, shape `(q, d_a)`.
        values_b: B's, shape `(q, d_b)`.
        predicted_b: B's neurons as T predicts them from A's, `(q, d_b)`; None without a map.
        energy: The energy that B finds, in kcal/mol, `(q,)`.
        read: The same as B's last layer reads it off `predicted_b`, `(q,)`; None where it cannot.
        error: Size of T's error at each state over the target's RMS spread, `(q,)`; None without a map.
    """
    at = as_array(states, "states", 2)
    a, b = as_array(values_a, "values_a", 2), as_array(values_b, "values_b", 2)
    shade = chart_colours(at[:, :2])
    sizes = None if error is None else as_array(error, "error", 1)
    rms = "no map" if sizes is None else f"{percent(np.sqrt(np.square(sizes).mean()))} %"

    with style():
        figure = blank_figure(16.0, 3.5)
        shown_a, shown_b, carried, energies, where = figure.subplots(1, 5)
        draw_clouds((shown_a, shown_b, carried), a, b, predicted_b, shade)
        _draw_energies(energies, as_array(energy, "energy", 1), read)
        _draw_errors(figure, where, at, names, sizes)
        heading(shown_a, "The molecule in A's neurons")
        heading(shown_b, "The molecule in B's neurons")
        heading(carried, "A's, carried to B (grey: truth)")
        heading(energies, "B's energy, read off A's neurons")
        heading(where, f"Error through the map: {rms} (RMS)")
        figure.set_label(
            f"{len(at):,} fresh states of a molecule in the neurons of two potentials, coloured by its coordinates; "
            f"A's carried to B with an error of {rms} of the spread, and the energy that B reads off them."
        )

    return figure


def ensemble_figure(
    cka: object, ridge: object, errors: object, verdicts: Sequence[Sequence[str | None]], subject: str
) -> Figure:
    r"""All pairs of an ensemble: linear CKA, the error of ridge regression, and that of T without pairs.

    Arguments:
        cka: Linear CKA, shape `(k, k)`; NaN on the diagonal and where a pair was not measured.
        ridge: Error of a linear map from the row's to the column's neurons, given all pairs, `(k, k)`.
        errors: True error of T from the row to the column, without pairs, `(k, k)`.
        verdicts: Of these comparisons, k rows of k; None on the diagonal.
        subject: What they were compared on, for the title.
    """
    from matplotlib.colors import LogNorm, Normalize

    similarity, linear, ours = (
        as_array(each, name, 2) for each, name in ((cka, "cka"), (ridge, "ridge"), (errors, "errors"))
    )
    same = sum(verdict == "equivalent" for row in verdicts for verdict in row)
    asked = sum(verdict is not None for row in verdicts for verdict in row)
    low, high = np.nanmin(similarity), np.nanmax(similarity)
    median, worst = 100 * np.nanmedian(ours), 100 * np.nanmax(ours)
    scale = LogNorm(1e-3, 1e-1)

    with style():
        figure = blank_figure(12.2, 4.5)
        first, second, third = figure.subplots(1, 3)
        _draw_matrix(
            first,
            similarity,
            [[f"{each:.2f}" for each in row] for row in similarity],
            "Greys",
            Normalize(0, 1),
        )
        _draw_matrix(second, linear, [[f"{100 * x:.2f}" for x in row] for row in linear], "Blues", scale)
        image = _draw_matrix(third, ours, _words(ours, verdicts), "Blues", scale)
        bar = figure.colorbar(image, ax=[second, third], shrink=0.75, label="error, of the target's spread")
        bar.set_ticks([1e-3, 1e-2, 1e-1], labels=["0.1 %", "1 %", "10 %"])
        heading(first, f"Linear CKA, all pairs: {low:.2f} to {high:.2f}")
        heading(second, f"Ridge, all pairs: error in %, median {100 * np.nanmedian(linear):.2g}")
        heading(third, f"equiv, no pairs: error in %, median {median:.2g}")
        figure.suptitle(subject, x=0.01, ha="left", fontsize=11, fontweight="bold")
        figure.set_label(
            f"{subject} Linear CKA {low:.2f} to {high:.2f}; true error of the map from row to column without pairs, in "
            f"percent of the spread: median {median:.2g}, largest {worst:.2g}; {same} of {asked} equivalent."
        )

    return figure


def _words(errors: Array, verdicts: Sequence[Sequence[str | None]]) -> list[list[str]]:
    r"""Errors in percent, with a question mark where the verdict is another than equivalent."""
    return [
        [
            f"{100 * error:.2f}{'' if verdict == 'equivalent' else '?'}"
            for error, verdict in zip(row, said, strict=True)
        ]
        for row, said in zip(errors, verdicts, strict=True)
    ]


def _draw_matrix(axes: Axes, values: Array, words: Sequence[Sequence[str]], cmap: str, shades: Any) -> Any:
    image = axes.imshow(values, cmap=cmap, norm=shades)
    axes.set_xticks(range(len(values)))
    axes.set_yticks(range(len(values)))
    axes.set(xlabel="network B", ylabel="network A")

    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if shades(value) > 0.6 else "black"
            axes.text(j, i, words[i][j], ha="center", va="center", fontsize=7, color=ink)

    return image


def draw_clouds(axes: Sequence[Axes], a: Array, b: Array, predicted_b: object, shade: Array) -> None:
    r"""Neurons of A, those of B, and A's carried to B on top of B's, in three axes, each in two principal components.

    Arguments:
        axes: The three.
        a: Neurons of A, `(q, d_a)`.
        b: Neurons of B at the same inputs, `(q, d_b)`.
        predicted_b: What the map makes of A's, `(q, d_b)`; None without a map.
        shade: Colours of the inputs, `(q, 3)`.
    """
    shown_a, shown_b, carried = axes
    middle, axes_b = _principal(b)
    _draw_cloud(shown_a, (a - a.mean(axis=0)) @ _principal(a)[1], shade, "A", BLUE)
    _draw_cloud(shown_b, (b - middle) @ axes_b, shade, "B", ORANGE)
    _draw_cloud(carried, (b - middle) @ axes_b, GREY, "B", ORANGE)

    if predicted_b is not None:
        predicted = as_array(predicted_b, "predicted_b", 2)
        _draw_cloud(carried, (predicted - middle) @ axes_b, shade, "B", ORANGE)


def _principal(values: Array) -> tuple[Array, Array]:
    r"""The mean of samples, `(d,)`, and the two directions in which they vary most, `(d, 2)`."""
    middle = values.mean(axis=0)
    two = np.zeros((values.shape[1], 2))
    directions = np.linalg.svd(values - middle, full_matrices=False)[2][:2].T
    two[:, : directions.shape[1]] = directions

    return middle, two


def _draw_cloud(axes: Axes, points: Array, colours: Any, name: str, ink: str) -> None:
    r"""Neurons of the network `name` in two principal components, `(q, 2)`."""
    axes.scatter(points[:, 0], points[:, 1], c=colours, s=5, lw=0)
    axes.set(xlabel=f"first principal component of {name}", ylabel="second")
    axes.xaxis.label.set_color(ink)


def _draw_energies(axes: Axes, energy: Array, read: object) -> None:
    middle = energy.mean()
    ends = np.array([energy.min(), energy.max()]) - middle
    axes.plot(ends, ends, color=GREY, lw=1)
    axes.set(xlabel="B's own, kcal/mol", ylabel="read off A's neurons, kcal/mol")

    if read is None:
        axes.text(0.5, 0.5, "no map to all of B's neurons", ha="center", transform=axes.transAxes)
    else:
        axes.scatter(energy - middle, as_array(read, "read", 1) - middle, s=5, lw=0, color=ORANGE)


def _draw_errors(figure: Any, axes: Axes, at: Array, names: Sequence[str], sizes: Array | None) -> None:
    from matplotlib.colors import LogNorm

    axes.set(xlabel=names[0], ylabel=names[1])

    if sizes is None:
        axes.text(0.5, 0.5, "no map", ha="center", transform=axes.transAxes)
        return

    order, top = np.argsort(sizes), float(sizes.max())
    norm = LogNorm(top / 1000, top)
    shown = np.maximum(sizes[order], top / 1000)
    drawn = axes.scatter(at[order, 0], at[order, 1], c=shown, s=7, lw=0, norm=norm)
    in_percent(figure.colorbar(drawn, ax=axes, label="error, of the spread").ax.yaxis)
