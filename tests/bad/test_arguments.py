"""Wrong arguments of every public door: one table of doors, what they are given, and what they have to say."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from calls import A, B, burst, compared, layered, networks, probed, read_out, rebuilt, sorted_out, unpaired
from doors import framed, network, refused, small_comparison, values
from wrong import (
    COUNTS,
    INPUTS,
    LABELS,
    NO_ANCHORS,
    NO_BURSTS,
    NO_FRAMES,
    NO_LABELS,
    NO_NAMES,
    NO_NETWORKS,
    NO_NEURONS,
    NO_OBSERVATIONS,
    NO_OUTPUTS,
    NO_PATHS,
    NO_POSITIONS,
    NO_READOUTS,
    NO_SUMS,
    NO_WEIGHTS,
    SEEDS,
    SHARES,
    five,
)

import equiv
from equiv import DiffusionMaps, GalerkinMaps, IsometricMaps, Observations

# Doors by name and argument, with what the error has to hold and the arguments that are wrong.
WRONG: dict[str, tuple[Callable[[Any], Any], str, list[Any]]] = {
    "compare, tolerance": (lambda bad: compared(tolerance=bad), "'tolerance'", SHARES),
    "compare, confidence": (lambda bad: compared(confidence=bad), "'confidence'", SHARES),
    "compare, seed": (lambda bad: compared(seed=bad), "'seed'", SEEDS),
    "compare, progress": (lambda bad: compared(progress=bad), "'progress'", [3, "bar", [1]]),
    "compare, groups": (lambda bad: compared(groups=bad), "'groups'", NO_LABELS),
    "compare, groups of no pairs": (lambda bad: unpaired(groups=bad), "'groups'", [LABELS]),
    "compare, anchors": (lambda bad: unpaired(anchors=bad), "'anchors'", NO_ANCHORS),
    "compare, anchors of pairs": (lambda bad: compared(anchors=bad), "'anchors'", [[[0, 0]]]),
    "compare, paired": (
        lambda bad: equiv.compare(A, B, paired=bad),
        "'paired'",
        [1, 0, "yes", None, [True], np.True_],
    ),
    "compare, method": (
        lambda bad: unpaired(method=bad),
        "'method'",
        ["iso", "", 3, None, ["auto"], values()],
    ),
    "compare, positions": (lambda bad: networks(positions=bad), "'positions'", NO_POSITIONS),
    "compare, readout_b": (read_out, "'readout", NO_READOUTS),
    "compare, a": (lambda bad: equiv.compare(bad, network(), INPUTS), "'a'", NO_NETWORKS),
    "compare, b": (lambda bad: equiv.compare(network(), bad, INPUTS), "'b'", NO_NETWORKS),
    "compare, a recorded": (lambda bad: equiv.compare(bad, A, paired=True), "'", NO_NETWORKS),
    "compare, inputs": (
        lambda bad: equiv.compare(network(), network(), bad),
        "'inputs",
        [None, 3, "x", {}, ()],
    ),
    "compare, inputs of recorded": (lambda bad: equiv.compare(A, B, bad, paired=True), "'inputs'", [INPUTS]),
    "compare, numbers of samples": (
        lambda bad: equiv.compare(A, Observations(values()[:bad]), paired=True),
        "'a' and 'b'",
        [1, 20],
    ),
    "compare, no frames": (lambda bad: equiv.compare(A, B, paired=bad), "frames", [False]),
    "compare, layers_a": (lambda bad: networks(layers_a=bad), "'layers'", NO_NAMES),
    "compare, layers_a of recorded": (lambda bad: compared(layers_a=bad), "'layers_a'", [["0"]]),
    "compare, neurons_a": (lambda bad: networks(neurons_a=bad), "'neurons'", NO_NEURONS),
    "compare, frames_a": (
        lambda bad: networks(frames_a=bad),
        "'",
        [*NO_FRAMES, {"framez": 3}, {"batch_size": 0}, {"dimension": 1}, {"burst_std": 1.0}],
    ),
    "compare_layers, tolerance": (lambda bad: layered(tolerance=bad), "'tolerance'", SHARES),
    "compare_layers, confidence": (lambda bad: layered(confidence=bad), "'confidence'", SHARES),
    "compare_layers, seed": (lambda bad: layered(seed=bad), "'seed'", SEEDS),
    "compare_layers, groups": (lambda bad: layered(groups=bad), "'groups'", NO_LABELS),
    "compare_layers, positions": (lambda bad: layered(positions=bad), "'positions'", NO_POSITIONS),
    "compare_layers, progress": (lambda bad: layered(progress=bad), "'progress'", [3, "bar"]),
    "compare_layers, layers_a": (lambda bad: layered(layers_a=bad), "'layers_a'", NO_NAMES),
    "compare_layers, network_a": (
        lambda bad: equiv.compare_layers(bad, network(), INPUTS),
        "'network_a",
        [*NO_NETWORKS, A, {"x": values()[:3], "y": values()}, {"x": None}, {3: values().long()}],
    ),
    "equivalence_classes, networks": (
        equiv.equivalence_classes,
        "'",
        [None, 3, "ab", [], iter([A, B]), {"a": A}, [A, Observations(values()[:9])], [A, None], network(), A],
    ),
    "equivalence_classes, tolerance": (lambda bad: sorted_out(tolerance=bad), "'tolerance'", SHARES),
    "equivalence_classes, seed": (lambda bad: sorted_out(seed=bad), "'seed'", SEEDS),
    "equivalence_classes, groups": (lambda bad: sorted_out(groups=bad), "'groups'", NO_LABELS),
    "equivalence_classes, progress": (lambda bad: sorted_out(progress=bad), "'progress'", [3, "bar"]),
    "equivalence_classes, layers": (
        lambda bad: equiv.equivalence_classes([network()] * 2, INPUTS, layers=bad),
        "'layers'",
        [*NO_NAMES, [["0"]] * 3],
    ),
    "reconstruct, confidence": (lambda bad: rebuilt(confidence=bad), "'confidence'", SHARES),
    "reconstruct, seed": (lambda bad: rebuilt(seed=bad), "'seed'", SEEDS),
    "reconstruct, groups": (lambda bad: rebuilt(groups=bad), "'groups'", NO_LABELS),
    "reconstruct, frames": (
        lambda bad: rebuilt(frames=bad),
        "'frames'",
        [
            3,
            (),
            (values(),),
            (A.values[:, :, None],) * 3,
            (values()[:, :, None], values()[:, :, None].repeat(1, 1, 2)),
        ],
    ),
    "reconstruct, samples": (
        lambda bad: equiv.reconstruct(values()[:bad], values()[:bad]),
        "'observed'",
        [1, 2, 9],
    ),
    "select_neurons, obs": (equiv.select_neurons, "'obs'", NO_OBSERVATIONS),
    "select_neurons, n": (lambda bad: equiv.select_neurons(A, bad), "'n'", [*COUNTS, 4]),
    "select_coordinates, n": (lambda bad: equiv.select_coordinates(values(), bad), "'n'", [*COUNTS, 4]),
    "select_coordinates": (
        equiv.select_coordinates,
        "'coordinates'",
        [values()[:4], torch.ones(30, 3), torch.zeros(30, 3)],
    ),
    "mahalanobis, obs": (equiv.mahalanobis, "'obs'", [*NO_OBSERVATIONS, A]),
    "mahalanobis, other": (
        lambda bad: equiv.mahalanobis(framed(), bad),
        "'other'",
        [*NO_OBSERVATIONS[1:], Observations(framed().values), Observations(values(), values()[:, :, None])],
    ),
    "density_weights": (
        equiv.density_weights,
        "'observations'",
        [*NO_OBSERVATIONS, Observations(values(2, 60)), framed()],
    ),
    "density_weights, n": (lambda bad: equiv.density_weights(framed(), bad), "'n_features'", COUNTS),
    "probe, network": (lambda bad: equiv.probe(bad, INPUTS), "'network'", [*NO_NETWORKS, A]),
    "probe, callable": (lambda bad: equiv.probe(bad, INPUTS, frames=None), "'", NO_OUTPUTS),
    "probe, inputs": (
        lambda bad: equiv.probe(network(), bad),
        "'inputs",
        [
            None,
            3,
            "x",
            {},
            (),
            (INPUTS, INPUTS[:3]),
            ["a"],
            {"a": INPUTS},
            values(),
            {"input": INPUTS.to("meta")},
        ],
    ),
    "probe, layers": (lambda bad: probed(layers=bad), "'layers'", NO_NAMES),
    "probe, neurons": (lambda bad: probed(neurons=bad), "'neurons'", NO_NEURONS),
    "probe, frames": (lambda bad: probed(frames=bad), "'", NO_FRAMES),
    "probe, bursts": (burst, "'frames", NO_BURSTS),
    "probe, burst_std": (
        lambda bad: burst(five, burst_std=bad),
        "burst_std",
        [None, 0, -1, math.nan, math.inf, "a", True, [1.0], 1e-320],
    ),
    "probe, dimension": (lambda bad: burst(five, dimension=bad), "'dimension'", [0, -1, 1.5, "two", True]),
    "probe, dimension in vain": (lambda bad: probed(dimension=bad), "'dimension'", [1]),
    "probe, batch_size": (lambda bad: probed(batch_size=bad), "'batch_size'", COUNTS),
    "probe, positions": (lambda bad: probed(positions=bad), "'positions'", NO_POSITIONS),
    "Observations, groups": (lambda bad: Observations(values(), groups=bad), "'groups'", NO_LABELS),
    "Observations, burst_size": (
        lambda bad: Observations(values(), burst_size=bad),
        "'burst_size'",
        [0, 1, "a"],
    ),
    "Observations.subset": (
        A.subset,
        "'index'",
        ["a", None, [], [99], [-99], torch.ones(3), torch.ones(5) > 0],
    ),
    "DiffusionMaps": (DiffusionMaps, "'n_coordinates'", COUNTS),
    "DiffusionMaps, epsilon": (
        lambda bad: DiffusionMaps(2, epsilon=bad).fit(framed()),
        "'",
        ["wide", 0, -1, math.nan, math.inf, None, True, 1e-320, 1e300],
    ),
    "DiffusionMaps, alpha": (lambda bad: DiffusionMaps(alpha=bad), "'alpha'", ["a", -1, 2, math.nan, None]),
    "GalerkinMaps": (GalerkinMaps, "'n_coordinates'", COUNTS),
    "GalerkinMaps, n_basis": (lambda bad: GalerkinMaps(2, bad), "'n_basis'", [*COUNTS, 1]),
    "GalerkinMaps, weights": (lambda bad: GalerkinMaps(1, 10).fit(framed(), bad), "'", NO_WEIGHTS),
    "GalerkinMaps.merge": (lambda bad: GalerkinMaps(1, 10).fit(framed()).merge(bad), "'sums'", NO_SUMS),
    "IsometricMaps": (IsometricMaps, "'dimension'", COUNTS),
    "IsometricMaps, seed": (lambda bad: IsometricMaps(seed=bad), "'seed'", SEEDS),
    "rbf_cka, width": (
        lambda bad: equiv.baselines.rbf_cka(values(), values(), bad),
        "'width'",
        [0, -1, math.nan, math.inf, "a"],
    ),
    "svcca, variance": (
        lambda bad: equiv.baselines.svcca(values(), values(), bad),
        "'variance'",
        [0, -1, 2, math.nan, "a"],
    ),
    "mutual_knn, k": (lambda bad: equiv.baselines.mutual_knn(values(), values(), bad), "'k'", [*COUNTS, 30]),
    "load": (equiv.load, "'folder'", [*NO_PATHS, "", "/nowhere", Path("/nowhere")]),
    "Comparison.save": (lambda bad: small_comparison().save(bad), "'folder'", NO_PATHS),
    "Comparison.report": (lambda bad: small_comparison().report(bad), "'path'", NO_PATHS),
    "LayerMatrix.save": (lambda bad: layered().save(bad), "'folder'", NO_PATHS),
    "LayerMatrix.report": (lambda bad: layered().report(bad), "'path'", NO_PATHS),
    **{
        f"{kind.__name__}.fit": (
            lambda bad, kind=kind: kind(2).fit(bad),
            "'",
            [
                *NO_OBSERVATIONS,
                framed().subset([0]),
                framed().subset([0, 1]),
                Observations(values() * 0, values()[:, :, None]),
            ],
        )
        for kind in (DiffusionMaps, GalerkinMaps, IsometricMaps)
    },
    **{
        f"{kind.__name__} before fit": (
            lambda bad, kind=kind: getattr(kind(), bad)(values()),
            "fit",
            ["transform"],
        )
        for kind in (DiffusionMaps, GalerkinMaps, IsometricMaps)
    },
    "IsometricMaps before fit": (IsometricMaps().inverse_transform, "fit", [values()]),
    "GalerkinMaps before fit, sums": (
        lambda bad: getattr(GalerkinMaps(), bad),
        "fit",
        ["sums_", "eigenvalues_"],
    ),
    "GalerkinMaps before fit, merge": (GalerkinMaps().merge, "fit", [torch.zeros(2, 3, 3)]),
    **{
        name: (
            lambda bad, name=name: getattr(equiv.baselines, name)(values(), bad),
            "'",
            [values()[:9], values() * 0],
        )
        for name in equiv.baselines.__all__
    },
}

CASES = [(name, k) for name, (_, _, bad) in WRONG.items() for k in range(len(bad))]


@pytest.mark.parametrize(("name", "k"), CASES, ids=[f"{name} {k}" for name, k in CASES])
def test_what_is_wrong_is_refused_in_a_sentence(name: str, k: int) -> None:
    call, words, bad = WRONG[name]

    refused(lambda: call(bad[k]), words)


def test_there_are_many_cases_and_every_public_door_is_among_them() -> None:
    doors = " ".join(WRONG)

    assert len(CASES) >= 200
    assert not [name for name in equiv.__all__ if name[0].islower() and name not in doors]
