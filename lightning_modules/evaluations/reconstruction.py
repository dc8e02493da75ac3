r"""A network's inputs, outputs and all other neurons, from few of its neurons."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

import equiv
from equiv.checks import check_number
from lightning_modules.data.checks import check_counts
from lightning_modules.data.views import Views
from lightning_modules.evaluations.everything import Everything, Learned
from lightning_modules.evaluations.finding import TRUE_ERRORS, Finding, Matched, charts, fresh, true_errors
from lightning_modules.evaluations.vector_field import grid_of
from lightning_modules.figures import reconstruction as reconstruction_figures
from lightning_modules.pair import NetworkPair

__all__ = ["FewNeurons"]

CAPTIONS = {
    "errors": "Inputs, outputs and all other neurons from few neurons: the error against their number",
    "inputs": "The inputs, reconstructed from few neurons",
    "charts": "The intrinsic coordinates of both networks, coloured by the first hidden variable",
}
TARGETS = ("The inputs", "The outputs", "All neurons of the layer")
#: Of the figure of the inputs: lines of the grid in each direction, points on each; or pictures.
LINES, POINTS, PICTURES = 11, 81, 8


class FewNeurons:
    r"""Reconstructs everything in network A from few neurons: chosen ones, and many random choices.

    The regression is learned at probe inputs of A, with the derivatives along their tangents where they have
    some, and its errors are those at the held-out inputs.

    Arguments:
        layers: Names of the layers to choose neurons from.
        counts: Numbers of neurons.
        choices: Random choices of each number.
        shown: Numbers of neurons in the figure of the inputs.
        tolerance: The least number of neurons is that from which inputs, outputs and all neurons of the layers
            follow within so much of their spread, by the estimate that comes with the map.
        samples: Probe inputs that the regression learns from, the first ones in their random order.
        seed: Of the choices.
    """

    measures = (*TRUE_ERRORS, "neurons_used", "input_error", "output_error", "neuron_error")

    def __init__(
        self,
        layers: Sequence[str],
        counts: Sequence[int] = (1, 2, 3, 4, 5, 6),
        choices: int = 12,
        shown: Sequence[int] = (1, 2, 3, 5),
        tolerance: float = 0.01,
        samples: int = 400,
        seed: int = 0,
    ) -> None:
        check_counts(("counts", min(counts, default=0), 1), ("choices", choices, 1), ("samples", samples, 10))
        check_number(tolerance, "tolerance", 0.0, 1.0, "take 0.01")

        if not set(shown) <= set(counts):
            raise ValueError(
                f"'shown' should be among 'counts' = {list(counts)}, got {list(shown)}; add the rest to them."
            )

        self.layers, self.counts, self.choices = list(layers), list(counts), choices
        self.shown, self.tolerance, self.samples, self.seed = list(shown), tolerance, samples, seed

    def rehearse(self, pair: NetworkPair, views: Views) -> None:
        r"""Raises ValueError unless A has the layers, and in them as many neurons as are to be chosen."""
        inner = equiv.probe(pair.network_a, views.a.probe[:2], layers=self.layers, frames=None).values

        if max(self.counts) > inner.shape[1]:
            raise ValueError(
                f"'counts' should be at most the {inner.shape[1]} neurons of {', '.join(self.layers)}, got "
                f"{max(self.counts)}; leave it out, or name further layers."
            )

    def __call__(self, pair: NetworkPair, views: Views, matching: Matched) -> Finding:
        r"""Evaluates A as it is, and the last comparison, at the held-out inputs of `views`."""
        network, match = pair.network_a.eval(), matching.last
        known = Everything.of(network, views.a.probe, self.layers, views.a.frames).subset(self.samples)
        held_out = Everything.of(network, views.held_out_a, self.layers, scales=known.scales)
        pool, maps, chosen, drawn = known.observations, {}, [], []

        for count in self.counts:
            neurons = equiv.select_neurons(pool, count)
            maps[count] = known.from_neurons(neurons), neurons
            chosen.append(held_out.predicted(*maps[count]).errors(held_out))
            drawn.append(self._at_random(known, held_out, count))

        best, random = torch.tensor(chosen), torch.tensor(drawn)  # (c, 3), (c, r, 3)
        enough = [maps[k][0].found.error.high < self.tolerance / math.sqrt(len(TARGETS)) for k in self.counts]
        least = enough.index(True) if any(enough) else len(enough) - 1
        usual = random.max(dim=2).values.nanmedian(dim=1).values
        metrics = {
            **true_errors(match, *fresh(pair, views, match)),
            "neurons_used": self.counts[least],
            **dict(zip(("input_error", "output_error", "neuron_error"), chosen[least], strict=True)),
            "error_by_neuron_count": self._by_count(best.max(dim=1).values),
            "error_by_neuron_count_at_random": self._by_count(usual),
        }
        figure = reconstruction_figures.reconstruction_errors(
            self.counts,
            dict(zip(TARGETS, best.T, strict=True)),
            dict(zip(TARGETS, random.permute(2, 0, 1), strict=True)),
            int(pool.rank.max()) if pool.rank is not None else 0,
        )
        inputs = self._inputs(
            network, views, known.scales, maps, dict(zip(self.counts, best[:, 0].tolist(), strict=True))
        )

        return Finding(metrics, {"errors": figure, "inputs": inputs} | charts(match, views), CAPTIONS)

    def _by_count(self, errors: Tensor) -> dict[str, float]:
        return dict(zip(map(str, self.counts), errors.tolist(), strict=True))

    def _at_random(self, known: Everything, held_out: Everything, count: int) -> list[list[float]]:
        r"""Errors with random choices of so many neurons, `(choices, 3)`; NaN where there are fewer choices."""
        width = known.neurons.shape[1]
        generator = torch.Generator().manual_seed(self.seed + count)

        if math.comb(width, count) <= self.choices:
            picks = [torch.tensor(each) for each in combinations(range(width), count)]
        else:
            picks = [torch.randperm(width, generator=generator)[:count] for _ in range(self.choices)]

        found = [held_out.predicted(known.from_neurons(pick), pick).errors(held_out) for pick in picks]

        return found + [[math.nan] * 3] * (self.choices - len(found))

    def _inputs(
        self,
        network: nn.Module,
        views: Views,
        scales: list[float],
        maps: Mapping[int, tuple[Learned, Tensor]],
        errors: Mapping[int, float],
    ) -> Any:
        r"""The figure of inputs reconstructed from the chosen neurons: lines of a grid, or pictures."""
        if views.inputs_at is None:
            order = views.hidden.held_out.argsort()
            inputs = views.held_out_a[order[:: max(len(order) // PICTURES, 1)][:PICTURES]]
            shape = inputs.shape
        else:
            inputs = views.inputs_at(grid_of(views.hidden.held_out, LINES, POINTS))[0]
            shape = torch.Size([2 * LINES, POINTS, inputs.shape[1]])

        shown = Everything.of(network, inputs, self.layers, scales=scales)
        rebuilt = {count: shown.predicted(*maps[count]).parts[0].reshape(shape) for count in self.shown}
        draw = (
            reconstruction_figures.reconstructed_pictures
            if views.inputs_at is None
            else reconstruction_figures.reconstructed_grids
        )

        return draw(inputs.reshape(shape), rebuilt, errors)
