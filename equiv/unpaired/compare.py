r"""Comparison of two networks without pairs: geometry, registration, and an error from what is left.

Only the metric that the frames define is used. Two spaces are equivalent when a local isometry exists in both
directions, and the map that it gives holds where it was not fitted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from equiv.charts.side import ChartedSide, chart_side
from equiv.checks import told
from equiv.comparison import Comparison
from equiv.metric.binary_scale import binary_scales
from equiv.metric.rescaled_map import in_given_units
from equiv.observe.draws import DistinctSamples, distinct_samples
from equiv.observe.memory import check_memory
from equiv.observe.observations import Observations, place
from equiv.registration.anchors import exchanged
from equiv.regression.bounds import confirmed
from equiv.shared_part.readout import Readout, of_given_units
from equiv.unpaired.by_charts import compare_by_charts
from equiv.unpaired.by_eigenfunctions import compare_by_eigenfunctions
from equiv.unpaired.by_isometry import compare_by_isometry, enough_anchors
from equiv.unpaired.evidence import with_observed
from equiv.unpaired.result import Finding, conclude
from equiv.verdict import NAME_A, NAME_B, Verdict, percent

__all__ = ["compare_unpaired"]

# So many rows of anchors and samples are named in the sentence, and all in the diagnostics.
# [rows; chosen: a line of text]
NAMED_ROWS = 10

# What charts of both sides and their supports hold at once: a number of values or frames,
# [bytes a number; measured: 160 at 1,000 samples of 200 neurons, a third of it for the samples whatever the neurons]
NUMBER_BYTES = 110

# and besides, whatever the neurons, a sample with its neighbours.
# [bytes a sample; measured: 19,000 to 29,000 in two dimensions, of which the most counts]
SAMPLE_BYTES = 29_000


@dataclass(frozen=True)
class _Asked:
    r"""Which coordinates are used, and how sure the answer is to be; as of `compare_unpaired`.

    Attributes:
        counts: How often each sample of A and of B occurs; None: once.
    """

    method: str
    tolerance: float
    confidence: float
    seed: int
    readouts: tuple[Readout | None, Readout | None]
    counts: tuple[Tensor | None, Tensor | None] = (None, None)

    @property
    def mirrored(self) -> _Asked:
        r"""The same with A and B exchanged."""
        return replace(self, readouts=self.readouts[::-1], counts=self.counts[::-1])

    def conclude(
        self, a: Observations, b: Observations, found: Finding, anchors: Tensor | None
    ) -> Comparison:
        r"""The comparison of A and B, with the verdict that follows from what was found, and holds at the anchors."""
        held = _confirmed(a, b, found, anchors)

        return conclude(a, b, held, self.tolerance, self.confidence, self.seed, self.readouts)


def compare_unpaired(
    a: Observations,
    b: Observations,
    anchors: Tensor | None = None,
    *,
    method: str = "auto",
    tolerance: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
    readouts: tuple[Readout | None, Readout | None] = (None, None),
) -> Comparison:
    r"""Compares two unrelated sets of samples by the geometry of their frames.

    Arguments:
        a: Observations of A with frames. Samples that are copies of others change nothing.
        b: Observations of B with frames.
        anchors: Pairs of sample indices known to show the same hidden state, shape `(k, 2)`; None for none.
        method: Coordinates: "isometric", "galerkin", "diffusion_maps", or "auto": isometric, and where neither
            side has a flat chart, but a curved space, "galerkin".
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Of starts drawn at random.
        readouts: What the rest of each network makes of its activations; None where nothing is read off.

    Returns:
        The comparison, a mirror image of that of B and A.

    Raises:
        ValueError: If it would take more memory than it may.
    """
    numbers = sum(obs.values.numel() + (0 if obs.frames is None else obs.frames.numel()) for obs in (a, b))
    check_memory(
        NUMBER_BYTES * numbers + SAMPLE_BYTES * (len(a) + len(b)),
        "'a' and 'b'",
        f"charts of {len(a)} and {len(b)} samples of {a.values.shape[1]} and {b.values.shape[1]} neurons",
        "take fewer samples or neurons",
        a.device,
    )
    scales = binary_scales([(a.values, a.frames), (b.values, b.frames)])
    a, b = (scale.observations(obs) for scale, obs in zip(scales, (a, b), strict=True))

    first, second = (of_given_units(*each) for each in zip(readouts, scales, strict=True))
    asked = _Asked(method, tolerance, confidence, seed, (first, second))

    return in_given_units(_of_all(a, b, anchors, asked), *scales)


def _of_all(a: Observations, b: Observations, anchors: Tensor | None, asked: _Asked) -> Comparison:
    r"""The comparison of samples some of which may be copies of others."""
    copies = distinct_samples(a.values, a.frames), distinct_samples(b.values, b.frames)

    if all(each.all for each in copies):
        return _named(_ordered(a, b, anchors, asked))

    # Copies add no neighbour, no point of a support and no anchor.
    sides = copies[0].of(a), copies[1].of(b)
    known = None if anchors is None else torch.stack([copies[k].place[anchors[:, k]] for k in (0, 1)], dim=1)
    repeated = None if known is None else distinct_samples(known)
    some = known if known is None or repeated is None else known[repeated.first]
    counts = copies[0].counts, copies[1].counts
    found = _ordered(*sides, some, replace(asked, counts=counts))

    diagnostics = _of_every(
        found.diagnostics, {f"left_out_samples_{x}": c for x, c in zip("ab", copies, strict=True)}
    )

    if repeated is not None:
        diagnostics = _of_every(
            diagnostics, dict.fromkeys(("rejected_anchors", "left_out_anchors"), repeated)
        )
        diagnostics["anchors"] = len(repeated.place)

    return _named(
        replace(
            found,
            coordinates_a=found.coordinates_a[copies[0].place],
            coordinates_b=found.coordinates_b[copies[1].place],
            diagnostics=diagnostics,
        )
    )


def _named(found: Comparison) -> Comparison:
    r"""The same with what is left out, and anchors that were rejected, named in the sentence by their rows."""
    known, sentence = found.diagnostics, found.sentence
    # In an order that does not change with the names.
    sides = sorted(
        (known.get(f"left_out_samples_{x}", []), x, name) for x, name in (("a", NAME_A), ("b", NAME_B))
    )
    left = [
        f"{percent(known[f'left_out_{letter}'])} % of {name}'s inputs (rows {_listed(rows)})"
        for rows, letter, name in sides
        if rows
    ]

    if left:
        sentence += (
            f" Left out, as their networks do not tell within the tolerance where they are: {' and '.join(left)}; "
            "nothing is said of these."
        )

    if rows := known.get("left_out_anchors"):
        sentence += f" Anchors left out with them: rows {_listed(rows)}."

    if rows := known["rejected_anchors"]:
        sentence += f" Anchors that contradict: rows {_listed(rows)}."

    return replace(found, sentence=sentence)


def _listed(rows: list[int]) -> str:
    more = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""

    return ", ".join(map(str, rows[:NAMED_ROWS])) + more


def _of_every(diagnostics: dict[str, Any], distinct: dict[str, DistinctSamples]) -> dict[str, Any]:
    r"""What the diagnostics say of rows without copies, said of all, by the name of the diagnostic."""
    every = {
        name: torch.isin(each.place.cpu(), torch.tensor(diagnostics[name], dtype=torch.int64))
        .nonzero()[:, 0]
        .tolist()
        for name, each in distinct.items()
        if name in diagnostics
    }

    return diagnostics | every


def _ordered(a: Observations, b: Observations, anchors: Tensor | None, asked: _Asked) -> Comparison:
    # Every choice below is made in one fixed order of the two sets, so that the names A and B cannot matter.
    if (len(b), *place(b.values)) < (len(a), *place(a.values)):
        return _compare(b, a, exchanged(anchors), asked.mirrored).mirrored

    return _compare(a, b, anchors, asked)


def _compare(a: Observations, b: Observations, anchors: Tensor | None, asked: _Asked) -> Comparison:
    try:
        return _found(a, b, anchors, asked)
    except torch.linalg.LinAlgError as failure:
        reason = f"A computation failed: {told(failure)}."

        return asked.conclude(a, b, Finding.nothing(reason, asked.method, "as far as it was gone"), None)


def _found(a: Observations, b: Observations, anchors: Tensor | None, asked: _Asked) -> Comparison:
    if asked.method in ("galerkin", "diffusion_maps"):
        found = compare_by_eigenfunctions(a, b, anchors, asked.method, asked.tolerance, asked.seed)

        return asked.conclude(a, b, found, anchors)

    sides = chart_side(a, asked.tolerance, asked.counts[0]), chart_side(b, asked.tolerance, asked.counts[1])

    curved = None

    if asked.method == "auto" and all(side.objections for side in sides):
        # No flat chart of either: a curved space, or neurons that do not tell all inputs apart.
        curved = asked.conclude(a, b, _as_curved(*sides, anchors, asked), anchors)

        if curved.verdict != Verdict.INCONCLUSIVE:
            return curved

    found = compare_by_charts(*sides, anchors, asked.tolerance, asked.confidence)
    flat = asked.conclude(a, b, found, anchors)

    # What is no isometry of curved spaces may still be told by what rough charts exclude.
    return flat if curved is None or flat.verdict != Verdict.INCONCLUSIVE else curved


def _as_curved(a: ChartedSide, b: ChartedSide, anchors: Tensor | None, asked: _Asked) -> Finding:
    r"""What is found of two spaces without a flat chart, and why they have none."""
    observed = a.observations, b.observations

    if anchors is not None and enough_anchors(observed[0], anchors):
        found = compare_by_isometry(*observed, anchors, asked.tolerance)
    else:
        found = compare_by_eigenfunctions(*observed, anchors, "galerkin", asked.tolerance, asked.seed)

    facts = replace(
        found.facts,
        method_reason=f"neither space is flat: {found.facts.method_reason}",
        anchors=0 if anchors is None else len(anchors),
        objections_a=a.objections,
        objections_b=b.objections,
        a=with_observed(found.facts.a, observed[0]),
        b=with_observed(found.facts.b, observed[1]),
    )
    blocking = [f"neither space has a flat chart, and {reason}" for reason in found.blocking[:1]]

    return replace(found, facts=facts, blocking=[*blocking, *found.blocking[1:]])


def _confirmed(a: Observations, b: Observations, found: Finding, anchors: Tensor | None) -> Finding:
    r"""The finding, whose errors hold of the maps that are returned, at the anchors that do not contradict."""
    pairs = torch.zeros(0, 2, dtype=torch.int64) if anchors is None else anchors.cpu()
    kept = torch.ones(len(pairs), dtype=torch.bool)
    kept[[*found.facts.rejected_anchors, *found.facts.left_out_anchors]] = False
    at_a, at_b = a.values[pairs[kept, 0].to(a.device)], b.values[pairs[kept, 1].to(b.device)]
    there, back = found.transformation.there, found.transformation.back

    return replace(
        found,
        a_to_b=confirmed(found.a_to_b, there, at_a, at_b, b.values),
        b_to_a=confirmed(found.b_to_a, back, at_b, at_a, a.values),
    )
