r"""A's read-out on B's activations: carried over by T with few anchors, against one trained on few labels."""

import math
from collections.abc import Sequence
from itertools import dropwhile
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import equiv
from lightning_modules.data.checks import check_counts
from lightning_modules.data.views import Views
from lightning_modules.evaluations.finding import (
    TRUE_ERRORS,
    Finding,
    Matched,
    charts,
    fresh,
    mapped,
    true_errors,
)
from lightning_modules.figures import transfer as transfer_figures
from lightning_modules.match import Match
from lightning_modules.pair import NetworkPair

__all__ = ["ReadOutTransfer"]

CAPTIONS = {
    "transfer": "Accuracy against the number of anchors or labels, and the classes over the hidden square",
    "charts": "The intrinsic coordinates of both networks, coloured by the first hidden variable",
}
#: Points along each side of the pictures of the square.
SIDE = 121


class ReadOutTransfer:
    r"""Accuracy on fresh inputs of B when A's read-out reads B's activations through T.

    The read-out is what A computes behind the observed layer. Beside it stands the usual thing to do: a read-out
    trained on the labels of so many of B's inputs, a support vector machine with Gaussian kernels on B's
    standardised activations.

    Arguments:
        layer: Name of the observed layer in both networks.
        anchors: Numbers of anchors.
        labels: Numbers of labels.
        draws: Random choices of so many labelled inputs, over which the accuracy is averaged.
        seed: Of these choices.
    """

    measures = (*TRUE_ERRORS, "accuracy_a")

    def __init__(
        self,
        layer: str,
        anchors: Sequence[int] = (0, 1, 2, 3, 4, 8),
        labels: Sequence[int] = (3, 4, 8, 16, 32, 64, 128, 256, 512),
        draws: int = 10,
        seed: int = 0,
    ) -> None:
        check_counts(
            ("draws", draws, 1),
            ("anchors", min(anchors, default=-1), 0),
            ("labels", min(labels, default=0), 1),
        )
        self.layer, self.anchors, self.labels = layer, list(anchors), list(labels)
        self.draws, self.seed = draws, seed

    def rehearse(self, pair: NetworkPair, views: Views) -> None:
        r"""Raises ValueError unless both networks have the layer, and A something behind it."""
        for network in (pair.network_a, pair.network_b):
            equiv.probe(network, views.a.probe[:2], layers=[self.layer], frames=None)

        if not len(_behind(pair.network_a, self.layer)):
            raise ValueError(
                f"'layer' should be a child of network_a before its last, got {self.layer!r}; its read-out is what "
                "follows."
            )

    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates the pair at the held-out states of `views`."""
        pair.eval()
        match = matching.last
        right = _labels(views, views.hidden.held_out)
        values_a, values_b = fresh(pair, views, match)
        behind = _behind(pair.network_a, self.layer)
        matches = {
            k: matching.matcher.compared(pair, match.probed_a, match.probed_b, anchors=k)
            for k in self.anchors
            if k <= len(views.anchors)
        }
        carried = {k: _accuracy(_read(behind, each, values_b), right) for k, each in matches.items()}
        trained = {
            k: [_accuracy(self._trained(pair, views, k, draw)(values_b), right) for draw in range(self.draws)]
            for k in self.labels
            if k <= len(views.b.samples[0])
        }
        own = _accuracy(behind(values_a), right)
        metrics = {
            **true_errors(match, values_a, values_b),
            "accuracy_a": own,
            "accuracy_by_anchors": {str(k): accuracy for k, accuracy in carried.items()},
            "accuracy_by_labels": {str(k): float(np.mean(each)) for k, each in trained.items()},
        }
        figure = transfer_figures.transfer_figure(
            carried, trained, own, *self._classes(pair, views, match, behind, trained)
        )

        return Finding(metrics, {"transfer": figure} | charts(match, views), CAPTIONS)

    def _classes(
        self, pair: NetworkPair, views: Views, match: Match, behind: nn.Module, trained: dict[int, Any]
    ) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
        r"""The classes over the hidden square, `(SIDE, SIDE)` each, by name; and the corners of the square."""
        assert views.inputs_at is not None
        low, high = (getattr(views.hidden.held_out, side)(dim=0) for side in ("amin", "amax"))
        unit = torch.linspace(0, 1, SIDE)
        states = low + (high - low) * torch.cartesian_prod(unit, unit)
        values = match.probed_b(pair, views.inputs_at(states)[1]).values
        few, many = min(trained), max(trained)
        maps = {
            "The truth": _labels(views, states),
            "B, by A's read-out": _answer(_read(behind, match, values), states),
            f"B, a read-out of {few} labels": _answer(self._trained(pair, views, few, 0)(values), states),
            f"B, a read-out of {many} labels": _answer(self._trained(pair, views, many, 0)(values), states),
        }

        return {name: each.reshape(SIDE, SIDE) for name, each in maps.items()}, (low, high)

    def _trained(self, pair: NetworkPair, views: Views, count: int, draw: int) -> Any:
        r"""A read-out of B's activations, trained on so many labels."""
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        states, inputs = views.hidden.train_b, views.b.samples[0]
        generator = torch.Generator().manual_seed(1000 * self.seed + draw)
        rows = torch.randperm(len(states), generator=generator)[:count]
        right = _labels(views, states[rows])
        values = equiv.probe(pair.network_b, inputs[rows], layers=[self.layer], frames=None).values.double()
        known = right.unique()

        if len(known) == 1:
            return lambda fresh_values: nn.functional.one_hot(known.expand(len(fresh_values)), 1 + int(known))

        fitted = make_pipeline(StandardScaler(), SVC(C=10.0))
        fitted.fit(values.numpy(), right.numpy())

        return lambda fresh_values: nn.functional.one_hot(
            torch.from_numpy(fitted.predict(fresh_values.double().numpy()))
        )


def _labels(views: Views, states: Tensor) -> Tensor:
    assert views.targets_at is not None

    return views.targets_at(states)[0]


def _behind(network: nn.Module, layer: str) -> nn.Sequential:
    r"""What the network computes behind a layer."""
    layers = dropwhile(lambda each: each[0] != layer, network.named_children())

    return nn.Sequential(*[module for _, module in layers][1:])


@torch.no_grad()
def _read(behind: nn.Module, match: Match, values_b: Tensor) -> Tensor | None:
    r"""What A's read-out makes of B's activations; None where there is no map from B to A."""
    values_a = mapped(match.result.transformation.inverse, values_b)

    return None if values_a is None else behind(values_a)


def _answer(scores: Tensor | None, states: Tensor) -> Tensor:
    return torch.full((len(states),), -1) if scores is None else scores.argmax(dim=1)


def _accuracy(scores: Tensor | None, right: Tensor) -> float:
    return math.nan if scores is None else float((scores.argmax(dim=1) == right).double().mean())
