r"""Two networks of one's own, by command: loaded, compared, and a run's folder written as of every experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

import equiv
from equiv.figures.charts import charts_figure, spectrum_figure
from equiv.observe.recorded import read_integers, read_observations
from equiv.report.markup import flattened
from lightning_modules.evaluations.finding import Finding
from lightning_modules.output.results import Results, Stopwatch
from lightning_modules.own.inputs import load_inputs
from lightning_modules.own.listing import module_tree
from lightning_modules.own.sides import layer_names, loaded_side, own_inputs, save_networks
from lightning_modules.own.weights import load_network

__all__ = ["compare_own", "listed"]

#: The word that asks for the names of layers.
LIST = "list"


def listed(config: Mapping[str, Any]) -> str | None:
    r"""The trees of modules that settings ask for by `layers_a=list`, `layers_b=list`; None where they do not."""
    asked = [side for side in "ab" if config[f"layers_{side}"] == LIST]
    trees = []

    for side in asked:
        if config[f"observations_{side}"]:
            raise ValueError(
                f"'layers_{side}' should be left out where observations_{side} is given, got {LIST!r}; arrays have no "
                "layers."
            )

        network = load_network(config[f"network_{side}"], f"network_{side}", config["seed"])
        trees.append(f"network_{side}\n\n{module_tree(network, own_inputs(config, side))}")

    return "\n\n".join(trees) if trees else None


def compare_own(
    config: Mapping[str, Any],
    folder: Path,
    clock: Stopwatch,
    loggers: Iterable[Any],
    show: Callable[[int, int, str], None],
) -> Results:
    r"""Compares the two sides that settings describe, and writes everything that a run leaves.

    Arguments:
        config: The resolved settings.
        folder: Of the run.
        clock: Counts seconds.
        loggers: Asked for at the end; get the final numbers, figures and the report.
        show: Called with how far it is, as `progress` of `equiv.compare`.

    Returns:
        What was found.

    Raises:
        TypeError: If settings are of the wrong kind.
        ValueError: If they contradict each other, or files do not hold what they should.
    """
    with clock("data"):
        inputs, inputs_b = own_inputs(config, "a"), load_inputs(config["inputs_b"], "inputs_b")
        anchors = None if config["anchors_file"] is None else read_integers(config["anchors_file"])
        sides = [loaded_side(config, side, read_observations) for side in "ab"]
        networks = {side: each for side, each in zip("ab", sides, strict=True) if isinstance(each, nn.Module)}

    with clock("matching"):
        a, b = sides
        named: dict[str, Any] = {f"layers_{side}": layer_names(config[f"layers_{side}"]) for side in networks}
        named |= {f"frames_{side}": config["frames"] for side in networks}
        result = equiv.compare(
            a,
            b,
            inputs if networks else None,
            inputs_b,
            paired=config["paired"],
            anchors=anchors,
            positions=config["positions"],
            tolerance=config["tolerance"],
            seed=config["seed"],
            progress=show,
            **named,
        )

    save_networks(networks, folder, config)
    results = Results(result, _figures(result, anchors), 0 if anchors is None else len(anchors))
    results.metrics |= {"seconds_training": 0.0, **_flat(result)}
    results.write(folder, clock, loggers, dict(config))

    return results


def _figures(result: equiv.Comparison, anchors: Tensor | None) -> Finding:
    r"""Figures of what was found, and the anchors that it was found with."""
    figures: dict[str, Any] = {}

    if result.coordinates_a.shape[1] and result.coordinates_b.shape[1]:
        periods = {
            f"periods_{side}": getattr(chart, "periods", None)
            for side, chart in zip("ab", (result.chart_a, result.chart_b), strict=True)
        }
        figures["charts"] = charts_figure(result.coordinates_a, result.coordinates_b, **periods)

    if {"eigenvalues_a", "eigenvalues_b"} <= set(result.diagnostics):
        figures["spectrum"] = spectrum_figure(
            result.diagnostics["eigenvalues_a"], result.diagnostics["eigenvalues_b"]
        )

    return Finding({}, figures, anchors=anchors)


def _flat(result: equiv.Comparison) -> dict[str, Any]:
    r"""All of `to_dict()` by dotted names, those of the diagnostics without that word."""
    rows = flattened(result.to_dict())

    return {name.removeprefix("diagnostics."): value for name, value in rows}
