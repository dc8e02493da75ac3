r"""Comparison of two networks seen at the same inputs: learn both maps, bound their errors, decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from equiv.comparison import Comparison
from equiv.findings.direction import Direction, in_addition
from equiv.metric.binary_scale import binary_scales
from equiv.metric.neuron_scale import centred
from equiv.metric.rescaled_map import in_given_units
from equiv.observe.draws import Draws
from equiv.observe.observations import Observations, place
from equiv.paired.coordinates import canonical_coordinates, integrated_coordinates
from equiv.paired.direction import PairedDirection, median_rank, paired_direction, widened
from equiv.paired.failed import failed
from equiv.paired.frame_alignment import aligned_frames
from equiv.paired.measures import Measures
from equiv.paired.pairs import Pairs, distinct_pairs
from equiv.probing.compared import shared_groups
from equiv.regression.bounds import MIN_SAMPLES, confirmed
from equiv.regression.paired_draws import MIN_DRAWS, joint_rank, paired_draws
from equiv.shared_part.direction import Asked, described
from equiv.shared_part.readout import Readout, of_given_units
from equiv.transformation import Transformation
from equiv.verdict import NAME_A, NAME_B, Sentence, Verdict, decide, determines

__all__ = ["compare_paired"]

# Coordinates are integrated in input spaces of at most this dimension.
# [dimensions; chosen: in more, no number of samples that can be afforded has near neighbours]
MAX_INTEGRATED_DIMENSION = 6

# Coordinates are integrated for at most so many samples.
# [samples; chosen: more take minutes, and the maps are learned from fewer anyway]
MAX_INTEGRATED_SAMPLES = 20_000

# So many canonical variables stand for coordinates where no frame tells the dimension.
# [dimensions; chosen: as many as can be drawn]
PLOTTED_VARIABLES = 3


def compare_paired(
    a: Observations,
    b: Observations,
    *,
    tolerance: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
    local: tuple[Observations, Observations] | None = None,
    groups: Tensor | None = None,
    readouts: tuple[Readout | None, Readout | None] = (None, None),
    inputs: tuple[Tensor | None, Tensor | None] = (None, None),
) -> Comparison:
    r"""Compares observations whose i-th samples show the same hidden state.

    Arguments:
        a: Observations of A.
        b: Observations of B, as many samples.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Seeds subsamples and resampling.
        local: Where `a` and `b` have no frames: a few samples of both that have, along the same directions.
        groups: Labels `(n,)` of samples that are one independent draw; None: those of the observations, or found.
        readouts: What the rest of each network makes of its activations; None where nothing is read off.
        inputs: Entries of the inputs of each network, `(n, m)`; None where they are not known.

    Returns:
        The comparison, a mirror image of that of B and A.

    Raises:
        ValueError: If the observations have other groups than each other, and none are given.
    """
    framed = local or (a, b)
    scale_a, scale_b = binary_scales(
        [(obs.values, part.frames) for obs, part in zip((a, b), framed, strict=True)]
    )
    a, b = scale_a.observations(a), scale_b.observations(b)
    local = local and (scale_a.observations(local[0]), scale_b.observations(local[1]))
    readouts = of_given_units(readouts[0], scale_a), of_given_units(readouts[1], scale_b)

    try:
        if place(b.values) < place(a.values):
            # Every choice below is made in one fixed order of the two, so that the names A and B cannot matter.
            turned = local and local[::-1], tolerance, confidence, seed, groups, readouts[::-1], inputs[::-1]
            found = _compared(b, a, *turned).mirrored
        else:
            found = _compared(a, b, local, tolerance, confidence, seed, groups, readouts, inputs)
    except torch.linalg.LinAlgError as failure:
        found = failed(a, b, failure, tolerance, confidence)

    return in_given_units(found, scale_a, scale_b)


def _compared(
    a: Observations,
    b: Observations,
    local: tuple[Observations, Observations] | None,
    tolerance: float,
    confidence: float,
    seed: int,
    groups: Tensor | None,
    readouts: tuple[Readout | None, Readout | None],
    inputs: tuple[Tensor | None, Tensor | None],
) -> Comparison:
    r"""The comparison in the order given: pairs, both directions, the verdict, and what is kept as evidence."""
    frames = _shared_frames(a, b)
    draws, doubted = _draws(a, b, frames, groups)
    measures = _measures(a, b, draws, seed)
    pairs = Pairs(a, b, frames, _integrated(a, b, frames), local, draws)
    there, back = (paired_direction(each, tolerance, confidence, seed) for each in (pairs, pairs.reversed))

    if doubted is not None:
        fewer = replace(pairs, draws=doubted)
        there, back = (
            widened(paired_direction(each, tolerance, confidence, seed), found)
            for found, each in ((there, fewer), (back, fewer.reversed))
        )

    there, back = (_confirmed(found, each) for found, each in ((there, pairs), (back, pairs.reversed)))
    verdict, sentence = decide(
        there.error,
        back.error,
        tolerance,
        confidence=confidence,
        blocking=_blocking(a, b, draws),
        doubts_a_to_b=there.doubts,
        doubts_b_to_a=back.doubts,
    )

    if doubted is not None and verdict is Verdict.INCONCLUSIVE:
        sentence += (
            f" Not sure to be independent draws: {doubted.said}. If each row is one, pass "
            f"groups=torch.arange({len(a)}), else the labels of the draws."
        )

    ranks = median_rank(a), median_rank(b)
    share = (1 - confidence) ** (1 / (doubted or draws).count)
    kind, coordinates_a, coordinates_b = _coordinates(pairs, ranks)
    a_to_b, b_to_a = (
        described(
            Direction(found.error, share=share),
            found.fit,
            source.values,
            target.values,
            found.doubts,
            Asked(tolerance, confidence, seed, readout, seen),
        )
        for found, source, target, readout, seen in (
            (there, a, b, readouts[1], inputs[0]),
            (back, b, a, readouts[0], inputs[1]),
        )
    )
    sentence += Sentence(
        in_addition(a_to_b, NAME_A, NAME_B, determines(there.error, tolerance, there.doubts))
        + in_addition(b_to_a, NAME_B, NAME_A, determines(back.error, tolerance, back.doubts))
    )
    return Comparison(
        verdict=verdict,
        a_to_b=a_to_b,
        b_to_a=b_to_a,
        transformation=Transformation(there.fit.map, back.fit.map),
        symmetries=1,
        coordinates_a=coordinates_a.to(a.values),
        coordinates_b=coordinates_b.to(b.values),
        diagnostics={
            "paired": True,
            "method": "regression on pairs" if frames is None else "regression on pairs and frames",
            "samples": len(a),
            **({} if draws.independent and doubted is None else {"groups": (doubted or draws).said}),
            "intrinsic_dimension_a": ranks[0],
            "intrinsic_dimension_b": ranks[1],
            "frames": _sharing(pairs),
            **{f"{name}_a_to_b": value for name, value in there.evidence.items()},
            **{f"{name}_b_to_a": value for name, value in back.evidence.items()},
            "coordinates": kind,
            **measures,
        },
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
    )


def _confirmed(found: PairedDirection, pairs: Pairs) -> PairedDirection:
    r"""The direction, whose error holds of the map that is returned at the samples that it was judged at."""
    rows = slice(None) if found.fit.judged is None else found.fit.judged
    source, target = pairs.source.values[rows], pairs.target.values[rows]

    return replace(found, error=confirmed(found.error, found.fit.map, source, target))


def _draws(
    a: Observations, b: Observations, frames: tuple[Tensor, Tensor] | None, groups: Tensor | None
) -> tuple[Draws, Draws | None]:
    r"""The independent draws, as given or found, and those that they cannot be told from."""
    if frames is None:
        ranks = [rank for rank in (median_rank(a), median_rank(b)) if rank is not None]
        rank = max(ranks, default=None)
    else:
        rank = joint_rank(*frames)

    return paired_draws(a.values, b.values, shared_groups(groups, [a, b]), rank)


def _measures(a: Observations, b: Observations, draws: Draws, seed: int) -> dict[str, Any]:
    r"""What the usual measures say, for the diagnostics."""
    measures = Measures(a.values, b.values)

    return {"measures": measures.usual(), "measures_by_chance": measures.by_chance(draws, seed)}


def _blocking(a: Observations, b: Observations, draws: Draws) -> list[str]:
    r"""Reasons that forbid a conclusion."""
    reasons = []
    what, least = ("sample", MIN_SAMPLES) if draws.independent else ("group", MIN_DRAWS)

    if draws.count < least:
        many = f"{what} is" if draws.count == 1 else f"{what}s are"
        reasons.append(f"{draws.count} {many} too few, at least {least} are needed")

    for name, obs in ((NAME_A, a), (NAME_B, b)):
        if not centred(obs.values.double()).any():
            reasons.append(f"all neurons of {name} are constant, so that there is nothing to measure")

    return reasons


def _shared_frames(a: Observations, b: Observations) -> tuple[Tensor, Tensor] | None:
    r"""Frames of both along the same directions of the input space."""
    if a.frames is None or b.frames is None or a.frames.shape[2] != b.frames.shape[2]:
        return None

    if a.oriented and b.oriented:
        return a.frames, b.frames

    aligned = aligned_frames(a.values, b.values, a.frames, b.frames)

    return None if aligned is None else (a.frames, aligned)


def _sharing(pairs: Pairs) -> str:
    r"""Which frames belong to common directions, in words."""
    if pairs.local is not None:
        count = len(pairs.local[0])
        some = "values alone" if pairs.derivatives is None else "slopes along few directions"

        return f"at {count} samples, since those of all would take too much memory: {some} elsewhere"

    if pairs.source.frames is None or pairs.target.frames is None:
        return "no derivatives of both: values alone"

    if pairs.frames is None:
        return "the frames do not belong to common directions: values alone"

    return "as given" if pairs.frames[1] is pairs.target.frames else "aligned by neighbours"


def _integrated(
    a: Observations, b: Observations, frames: tuple[Tensor, Tensor] | None
) -> tuple[Tensor | None, Tensor | None]:
    r"""Coordinates of both sides where their frames add up to some."""
    if frames is None or len(a) > MAX_INTEGRATED_SAMPLES or frames[0].shape[2] > MAX_INTEGRATED_DIMENSION:
        return None, None

    # Copies of samples would be each other's only neighbours.
    distinct = distinct_pairs(a, b)
    sides = (part[distinct.first] for part in (a.values, b.values, *frames))
    u, v = integrated_coordinates(*sides)

    return (None, None) if u is None or v is None else (u[distinct.place], v[distinct.place])


def _coordinates(pairs: Pairs, ranks: tuple[int | None, int | None]) -> tuple[str, Tensor, Tensor]:
    r"""What the coordinates of both sides are, in words, and these, `(n, m)` each."""
    u, v = pairs.coordinates

    if u is not None and v is not None:
        return "frames integrated along neighbours", u, v

    a, b = pairs.source.values, pairs.target.values
    known = [rank for rank in ranks if rank is not None]
    m = max(known, default=min(PLOTTED_VARIABLES, a.shape[1], b.shape[1]))

    return "canonical variables", *canonical_coordinates(a, b, max(m, 1))
