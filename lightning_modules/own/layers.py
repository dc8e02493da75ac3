r"""All layers of two networks of one's own against each other, by command: `layers=all`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

import equiv
from equiv.observe.recorded import read_layers
from equiv.probing.compared import agreed_groups
from equiv.report.markup import flattened
from lightning_modules.output.optional import optional
from lightning_modules.output.results import Stopwatch, files_left, finish, save_figures, write_metrics
from lightning_modules.own.sides import layer_names, loaded_side, own_inputs, save_networks

__all__ = ["ALL", "LayerResults", "compare_own_layers"]

#: The word that asks for every pair of layers.
ALL = "all"
#: Entries of `to_dict()` that are words for each pair: the report and the saved matrix have them.
WORDS = ("verdicts", "sentences")


class LayerResults:
    r"""A matrix of layers, and how to leave it in a folder.

    Arguments:
        result: What was found.
    """

    def __init__(self, result: equiv.LayerMatrix) -> None:
        self.result = result
        known = {name: value for name, value in result.to_dict().items() if name not in WORDS}
        answers = [match for match in result.matches if match is not None]
        # What a sweep makes small: layers that answer to each other, better.
        errors = {
            f"error_{way}": fmean(getattr(answer, way) for answer in answers) if answers else None
            for way in ("a_to_b", "b_to_a")
        }
        self.metrics: dict[str, Any] = {"answered": len(answers), "seconds_training": 0.0}
        self.metrics |= errors | dict(flattened(known))

    def told(self, folder: Path) -> str:
        r"""What ends a run in the terminal."""
        return f"{files_left(folder)}\n\n{self.result.summary()}"

    def write(self, folder: Path, clock: Stopwatch, loggers: Iterable[Any]) -> None:
        r"""Writes matrix and `metrics.json`, then figure and report; logs figure, report, numbers and the pairs."""
        self.result.save(folder / "comparison")
        write_metrics(self.metrics, folder)
        pictures = save_figures({"layers": self.result.figure()}, folder)

        with optional("report.html"):
            self.result.report(folder / "report.html")

        finish(self.metrics, folder, clock, loggers, pictures, {"layers": self.result.pairs()})


def compare_own_layers(
    config: Mapping[str, Any],
    folder: Path,
    clock: Stopwatch,
    loggers: Iterable[Any],
    show: Callable[[int, int, str], None],
) -> LayerResults:
    r"""Compares every layer of A with every layer of B, and writes everything that a run leaves.

    Arguments:
        config: The resolved settings.
        folder: Of the run.
        clock: Counts seconds.
        loggers: Asked for at the end; get the final numbers, the figure, the table and the report.
        show: Called with how far it is, as `progress` of `equiv.compare_layers`.

    Returns:
        What was found.

    Raises:
        TypeError: If settings are of the wrong kind.
        ValueError: If they contradict each other, or files do not hold what they should.
    """
    if config["layers"] != ALL:
        raise ValueError(
            f"'layers' should be null or {ALL!r}, got {config['layers']!r}; name the layers of each side, "
            "layers_a=[...], or ask for their names by layers_a=list."
        )

    unpaired = {"inputs_b": config["inputs_b"], "anchors_file": config["anchors_file"]}

    for name, value in (unpaired | {"paired=false": config["paired"] is False}).items():
        if value:
            raise ValueError(
                f"'{name}' should be left out with layers={ALL}, got it; all layers are compared at the same inputs, "
                "so leave it out, or name one layer of each side."
            )

    with clock("data"):
        inputs = own_inputs(config, "a")
        loaded = {side: loaded_side(config, side, read_layers) for side in "ab"}
        networks = {side: each for side, each in loaded.items() if isinstance(each, nn.Module)}
        recorded = {side: each for side, each in loaded.items() if not isinstance(each, nn.Module)}
        sides = [networks[side] if side in networks else recorded[side][0] for side in "ab"]
        groups = agreed_groups([labels for _, labels in recorded.values()])

    with clock("matching"):
        result = equiv.compare_layers(
            sides[0],
            sides[1],
            inputs,
            layers_a=layer_names(config["layers_a"]),
            layers_b=layer_names(config["layers_b"]),
            positions=config["positions"],
            groups=groups,
            tolerance=config["tolerance"],
            seed=config["seed"],
            progress=show,
        )

    save_networks(networks, folder, config)
    results = LayerResults(result)
    results.write(folder, clock, loggers)

    return results
