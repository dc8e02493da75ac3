r"""The pictures of docs/concepts.md.

    python docs/pictures.py    # docs/figures/concept_*.svg

Nothing is trained: two maps of the square stand for the networks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.patches
import numpy as np

from equiv.figures.drawing import BLUE, GREY, ORANGE
from equiv.figures.panels import blank_figure, style

ROOT = Path(__file__).parent.parent

FIGURES = ROOT / "docs" / "figures"
GRID = np.linspace(-1, 1, 9)
PLACES = np.array([[x, y] for x in (-0.6, 0.0, 0.6) for y in (-0.6, 0.0, 0.6)])
L_SHAPE = np.array([[0, 0], [3, 0], [3, 1], [1, 1], [1, 2], [0, 2], [0, 0]], dtype=float)
ANCHORS = np.array([[0.5, 1.5], [0.5, 0.5], [2.5, 0.5]])


def network_a(x: np.ndarray) -> np.ndarray:
    r"""A's two neurons at inputs `(n, 2)`."""
    return np.stack([1.6 * np.tanh(x[:, 0]) + 0.3 * x[:, 1], x[:, 1] * (0.55 + 0.3 * x[:, 0])], axis=1)


def network_b(x: np.ndarray) -> np.ndarray:
    r"""B's."""
    return np.stack([x[:, 0] - 0.7 * x[:, 1] ** 2, 1.1 * np.sinh(0.9 * x[:, 1]) + 0.35 * x[:, 0]], axis=1)


def draw_square(axes: Any, network: Callable[[np.ndarray], np.ndarray], title: str, ink: str) -> None:
    r"""The grid of inputs as a network puts it."""
    along = np.linspace(-1, 1, 25)

    for level in GRID:
        for line in ((along, np.full(25, level)), (np.full(25, level), along)):
            axes.plot(*network(np.stack(line, axis=1)).T, color="#cccccc", lw=0.7, zorder=0)

    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, color=ink, fontweight="bold")


def slopes(network: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    r"""Frames `(n, 2, 2)`, by central differences."""
    step = 1e-4
    columns = [(network(at + step * e) - network(at - step * e)) / (2 * step) for e in np.eye(2)]

    return np.stack(columns, axis=2)


SIDES = (
    (lambda x: x, "the inputs", "#222222"),
    (network_a, "in A's activations", BLUE),
    (network_b, "in B's activations", ORANGE),
)


def frame() -> Any:
    r"""A step along each direction of the inputs, and what becomes of it."""
    figure = blank_figure(8.4, 2.9)

    for axes, (network, title, ink) in zip(figure.subplots(1, 3), SIDES, strict=True):
        draw_square(axes, network, title, ink)
        at, arrows = network(PLACES), 0.25 * slopes(network, PLACES)

        for column, shade in ((0, ink), (1, GREY)):
            axes.quiver(
                *at.T,
                *arrows[:, :, column].T,
                color=shade,
                angles="xy",
                scale_units="xy",
                scale=1,
                width=0.012,
            )

    return figure


def metric() -> Any:
    r"""Circles of inputs, and the ellipses that they become: the ruler of each place."""
    figure = blank_figure(8.4, 2.9)
    turn = np.linspace(0, 2 * np.pi, 40)
    circle = 0.2 * np.stack([np.cos(turn), np.sin(turn)])

    for axes, (network, title, ink) in zip(figure.subplots(1, 3), SIDES, strict=True):
        draw_square(axes, network, title, ink)

        for place, jacobian in zip(network(PLACES), slopes(network, PLACES), strict=True):
            axes.plot(*(place[:, None] + jacobian @ circle), color=ink, lw=1.4)

    return figure


def moved(points: np.ndarray, turn: float, mirror: bool, shift: tuple[float, float]) -> np.ndarray:
    r"""Points turned, mirrored and shifted."""
    c, s = np.cos(turn), np.sin(turn)
    flipped = points * [1, -1] if mirror else points

    return flipped @ np.array([[c, s], [-s, c]]) + shift


def registration() -> Any:
    r"""Two maps of one country, and one laid on the other by three anchors."""
    figure = blank_figure(8.4, 2.9)
    left, middle, right = figure.subplots(1, 3)
    there = {"turn": 0.7, "mirror": True, "shift": (0.0, 0.0)}

    for axes, placed, title, ink in (
        (left, lambda x: x, "A's map", BLUE),
        (middle, lambda x: moved(x, **there), "B's map", ORANGE),
    ):
        axes.fill(*placed(L_SHAPE).T, color=ink, alpha=0.2, lw=0)
        axes.plot(*placed(L_SHAPE).T, color=ink, lw=1.5)
        draw_anchors(axes, placed(ANCHORS))
        axes.set_title(title, color=ink, fontweight="bold")

    right.fill(*moved(L_SHAPE, **there).T, color=ORANGE, alpha=0.2, lw=0)
    right.plot(*moved(L_SHAPE, **there).T, color=ORANGE, lw=3.5, alpha=0.5)
    right.plot(*moved(L_SHAPE, **there).T, color=BLUE, lw=1.3)
    draw_anchors(right, moved(ANCHORS, **there))
    right.set_title("A's, laid on B's", fontweight="bold")

    for axes in (left, middle, right):
        axes.set_aspect("equal")
        axes.set_axis_off()

    return figure


def draw_anchors(axes: Any, at: np.ndarray) -> None:
    r"""Numbered diamonds."""
    axes.plot(*at.T, "D", color="black", ms=5)

    for number, place in enumerate(at, 1):
        axes.annotate(str(number), place, xytext=(6, 3), textcoords="offset points")


def ambiguity() -> Any:
    r"""The eight ways in which a square lies on itself."""
    figure = blank_figure(8.4, 1.5)
    letter = np.array([[-0.4, -0.6], [-0.4, 0.6], [0.4, 0.6], [-0.4, 0.6], [-0.4, 0.05], [0.25, 0.05]])
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], dtype=float)

    for number, axes in enumerate(figure.subplots(1, 8)):
        axes.plot(*square.T, color=ORANGE, lw=1.5)
        axes.plot(*moved(letter, np.pi / 2 * (number % 4), number >= 4, (0, 0)).T, color=BLUE, lw=2.5)
        axes.set_aspect("equal")
        axes.set_axis_off()

    return figure


def verdict() -> Any:
    r"""Errors with their bounds against the tolerance."""
    figure = blank_figure(8.4, 1.9)
    axes = figure.subplots()
    cases = (("yes", 1.2, 0.6, 2.8), ("no", 11.0, 8.5, 15.0), ("neither: more samples", 4.0, 2.2, 8.0))

    for row, (said, estimate, low, high) in enumerate(cases):
        axes.plot([low, high], [-row, -row], color=BLUE, lw=4, alpha=0.4, solid_capstyle="butt")
        axes.plot([estimate], [-row], "o", color=BLUE)
        axes.annotate(said, (16, -row), va="center")

    axes.axvline(5, color="black", lw=1)
    axes.annotate("tolerance", (5, 0.55), xytext=(4, 0), textcoords="offset points")
    axes.set(
        xlim=(0, 21), ylim=(-2.5, 0.9), yticks=[], xlabel="error, % of the target's spread, with its bounds"
    )
    axes.set_xticks([0, 5, 10, 15])
    axes.spines["left"].set_visible(False)

    return figure


def groups() -> Any:
    r"""Frames of five films, held out one by one and film by film."""
    figure = blank_figure(8.4, 2.2)
    films, frames = 5, 14
    generator = np.random.default_rng(0)
    alone = generator.random((films, frames)) < 0.2
    whole = np.zeros((films, frames), dtype=bool)
    whole[2] = True

    for axes, held, title in (
        *zip(
            figure.subplots(1, 2),
            (alone, whole),
            ("by rows: each has a twin beside it", "by groups"),
            strict=True,
        ),
    ):
        for film in range(films):
            for number in range(frames):
                ink = ORANGE if held[film, number] else "#b8cfe0"
                axes.add_patch(matplotlib.patches.Rectangle((number, -film), 0.85, 0.7, color=ink, lw=0))

        axes.set(xlim=(-0.2, frames), ylim=(-films + 0.8, 0.9), yticks=[0.35 - k for k in range(films)])
        axes.set_yticklabels([f"film {k + 1}" for k in range(films)])
        axes.set_xticks([])
        axes.tick_params(length=0)
        axes.set_title(f"Held out (orange) {title}", fontweight="bold")

        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)

    return figure


PICTURES = (frame, metric, registration, ambiguity, verdict, groups)

if __name__ == "__main__":
    # The same drawing gives the same file, whose text stays text.
    settings = {"svg.hashsalt": "equiv", "svg.fonttype": "none", "font.family": "sans-serif"}

    for picture in PICTURES:
        with style(), matplotlib.rc_context(settings):
            path = FIGURES / f"concept_{picture.__name__}.svg"
            picture().savefig(path, metadata={"Date": None})
            # Lines of white space are no part of the drawing.
            path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
