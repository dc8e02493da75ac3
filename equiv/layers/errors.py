r"""Errors of all pairs of layers, in both directions, and of all layers learned from the inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiv.layers.source import Found, from_layer, left_over, squares
from equiv.layers.target import Target, as_target
from equiv.metric.neuron_scale import centred
from equiv.observe.draws import Draws
from equiv.observe.observations import place
from equiv.observe.progress import Watched
from equiv.paired.learning_curve import Neighbours, judged_by_learning, judged_by_nearest
from equiv.regression.bounds import relative_rms_of_each
from equiv.regression.few_parameters import least_of_simple, simple_fits
from equiv.regression.kernel_search import Settings
from equiv.regression.paired_draws import enclosing
from equiv.verdict import Interval

__all__ = ["Asked", "Judged", "errors_between", "widened"]


class Judged(NamedTuple):
    r"""The error from one layer to another, and why a large one may be of too few samples."""

    error: Interval
    doubts: list[str]


@dataclass(frozen=True)
class Asked:
    r"""How sure the answers are to be, and who is told how far it has come."""

    tolerance: float
    confidence: float
    seed: int
    progress: Watched
    dimension: int | None = None  # of the input space


def errors_between(
    a: Sequence[Tensor], b: Sequence[Tensor], entries: Tensor | None, draws: Draws, asked: Asked
) -> tuple[list[list[Judged]], list[list[Judged]], tuple[Tensor, Tensor]]:
    r"""Errors from A's layers to B's, from B's to A's, and of both from the inputs.

    Arguments:
        a: A's layers, `(n, d)` each.
        b: B's at the same inputs.
        entries: Entries of the inputs, `(n, m)`; None where they are not known.
        draws: Which samples are one independent draw.
        asked: What is asked.

    Returns:
        From layer i of A to layer j of B by `[i][j]`; from layer j of B to layer i of A by `[j][i]`; errors from the
        inputs, `(L_a,)` and `(L_b,)`, NaN without any.
    """
    layers = [*a, *b]
    ours, theirs = range(len(a)), range(len(a), len(layers))
    # One order of the layers, whatever the networks are called.
    order = sorted(range(len(layers)), key=lambda k: place(layers[k]))
    generator = torch.Generator().manual_seed(asked.seed)
    targets = {k: as_target(layers[k], generator) for k in order}
    asked.progress.more(len(layers) + (entries is not None))
    found: dict[int, list[Judged]] = {}

    for k in order:
        asked.progress.stage("layers")
        others = theirs if k in ours else ours
        # Equal targets must meet the same numbers in the same order.
        ranked = [other for other in order if other in others]
        wanted = [targets[other] for other in ranked]
        errors = _from(layers[k], wanted, draws, asked.seed)
        errors = _or_simple(errors, layers[k], [layers[other] for other in ranked], draws, asked.seed)
        cells = _judged(errors, wanted, Neighbours(layers[k], draws), asked)
        cells = _confirmed(cells, errors, layers[k], [(layers[j], targets[j]) for j in ranked], asked)
        judged = dict(zip(ranked, cells, strict=True))
        found[k] = [judged[other] for other in others]

    by_inputs = torch.full((len(layers),), math.nan, dtype=torch.float64)

    if entries is not None:
        asked.progress.stage("inputs")
        errors = _from(entries, [targets[k] for k in order], draws, asked.seed)
        by_inputs[order] = errors.squared.mean(dim=0).sqrt().cpu()

    return (
        [found[k] for k in ours],
        [found[k] for k in theirs],
        (by_inputs[: len(a)], by_inputs[len(a) :]),
    )


def widened(found: list[list[Judged]], other: list[list[Judged]]) -> list[list[Judged]]:
    r"""What the fewer draws say, with the bounds of the more beside, and their doubts, as of a comparison."""
    return [
        [Judged(enclosing(fewer.error, more.error), more.doubts) for fewer, more in zip(*rows, strict=True)]
        for rows in zip(found, other, strict=True)
    ]


def _from(values: Tensor, targets: list[Any], draws: Draws, seed: int) -> Found:
    return from_layer(values, targets, draws, torch.Generator().manual_seed(seed))


def _or_simple(found: Found, source: Tensor, targets: list[Tensor], draws: Draws, seed: int) -> Found:
    r"""The errors of maps with no or few parameters where they are smaller: few samples tell copies by these alone."""
    squared, missed, learned = found.squared.clone(), list(found.missed), list(found.learned)
    source = source.double()

    for k, target in enumerate(targets):
        target = target.double()

        if least_of_simple(source, target) < squared[:, k].mean():
            for fit in simple_fits(source, target, draws, torch.Generator().manual_seed(seed)):
                if fit.missed is not None and fit.squared.mean() < squared[:, k].mean():
                    squared[:, k], learned[k] = fit.draw_errors, fit.map
                    missed[k] = fit.missed / centred(target).square().sum(dim=1).mean().sqrt()

    return replace(found, squared=squared, missed=missed, learned=learned)


def _judged(found: Found, targets: list[Target], neighbours: Neighbours, asked: Asked) -> list[Judged]:
    r"""Errors with bounds, and doubts as of a comparison of values alone, of all targets of one source."""
    judged = []

    for k, error in enumerate(relative_rms_of_each(found.squared, asked.confidence, asked.seed)):
        columns, dimension = targets[k].columns, asked.dimension
        curve = found.curve[0][:, k], found.curve[1][:, k]
        doubts, _ = judged_by_learning(
            curve, neighbours, columns, found.missed[k], dimension, asked.tolerance
        )
        doubts, _ = judged_by_nearest(error, doubts, neighbours, columns, asked.tolerance)
        judged.append(Judged(error, doubts))

    return judged


def _confirmed(
    cells: list[Judged], found: Found, source: Tensor, targets: list[tuple[Tensor, Target]], asked: Asked
) -> list[Judged]:
    r"""Errors that would say yes, none smaller than what maps that are learned anew miss at the same samples.

    As in `equiv.regression.bounds.confirmed`, it changes nothing unless something failed on the way from the samples to
    the error; here no map is returned that it could be held against.

    Arguments:
        cells: What is said of each target.
        found: What it rests on.
        source: The source layer, `(n, d)`.
        targets: The targets, as layers `(n, d_k)`, and as columns.
        asked: What is asked.
    """
    yes = [k for k, cell in enumerate(cells) if cell.error.high <= asked.tolerance]
    left: dict[int, Tensor] = {}

    for settings in {found.learned[k] for k in yes}:
        mine = [k for k in yes if found.learned[k] == settings]

        if isinstance(settings, Settings):
            columns = [targets[k][1].columns for k in mine]
            parts = left_over(found.data, settings, torch.cat(columns, dim=1))
            left |= zip(mine, parts.split([each.shape[1] for each in columns], dim=1), strict=True)
        else:
            for k in mine:
                layer, deviation = targets[k][0].double(), centred(targets[k][0].double())
                missed = deviation if settings is None else settings(source.double()) - layer
                left[k] = missed / deviation.square().sum(dim=1).mean().sqrt()

    confirmed = list(cells)

    for k, missed in left.items():
        least = squares([missed], found.data.draws).mean().sqrt().item()
        error = cells[k].error

        if not least <= error.high:
            confirmed[k] = cells[k]._replace(error=error._replace(high=least))

    return confirmed
