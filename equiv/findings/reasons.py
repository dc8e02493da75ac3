r"""What a no rests on, and what would help where the samples do not decide: rows of a summary."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

from equiv.findings.direction import Direction
from equiv.transformation import Transformation
from equiv.verdict import Verdict, percent

__all__ = ["GIVEN", "MIN_OVERLAP", "Finding", "counted", "held_out", "next_steps", "why_not"]

# Below this share of samples of either side where the other has samples, a verdict is at best inconclusive.
# [share of the samples; chosen: errors speak of the overlap alone, which may leave out a tenth of the inputs]
MIN_OVERLAP = 0.9

# How the diagnostics end where groups were given,
GIVEN = "as given"

# and what they say of frames that were turned to each other, which prove no leak.
ALIGNED = "aligned by neighbours"


class Finding(Protocol):
    r"""What of a comparison is put in words; the attributes are those of `equiv.Comparison`."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def a_to_b(self) -> Direction: ...
    @property
    def b_to_a(self) -> Direction: ...
    @property
    def transformation(self) -> Transformation: ...
    @property
    def symmetries(self) -> float: ...
    @property
    def diagnostics(self) -> dict[str, Any]: ...
    @property
    def sentence(self) -> str: ...
    @property
    def tolerance(self) -> float: ...
    @property
    def confidence(self) -> float: ...


def why_not(found: Finding) -> Iterator[tuple[str, str]]:
    r"""What a no rests on, of pairs: without them the last sentence says it."""
    known, verdict = found.diagnostics, found.verdict

    if not known.get("paired") or verdict is Verdict.INCONCLUSIVE:
        return

    for source, target in ("AB", "BA"):
        name = f"{source.lower()}_to_{target.lower()}"

        if (verdict if source == "A" else verdict.mirrored) in (Verdict.EQUIVALENT, Verdict.A_DETERMINES_B):
            continue

        leak, fold, remaining = (
            known.get(f"{what}_{name}") or 0.0 for what in ("leak", "fold", "remaining_error")
        )
        folded = f"{known.get(f'folded_samples_{name}')} of {known['samples']} samples"

        if fold > found.tolerance:
            said = f"{folded} look to {source} like others that {target} tells apart"
        elif leak > found.tolerance and known["frames"] != ALIGNED:
            said = (
                f"inputs change so that {target} moves and {source} does not: {percent(leak)} % of its motion"
            )
        else:
            said = f"eight times the samples would still leave an error of about {percent(remaining)} %"

        yield f"why not {source} to {target}", said


def held_out(found: Finding) -> Iterator[tuple[str, str]]:
    r"""Which samples were held out together although nobody said so, and how to say otherwise."""
    known = found.diagnostics
    groups = known.get("groups", "")

    if known.get("paired") and groups and not groups.endswith(GIVEN):
        yield "held out", f"{groups}; if rows are independent, say groups=torch.arange({known['samples']})"


def next_steps(found: Finding) -> Iterator[str]:
    r"""What would decide, or choose among maps, with numbers; nothing where there is nothing to do."""
    known, undecided = found.diagnostics, found.verdict is Verdict.INCONCLUSIVE

    if known.get("paired"):
        if undecided:
            yield from _more_pairs(found)

        return

    samples = [known.get(f"samples_{letter}") for letter in "ab"]
    overlaps = [(letter.upper(), known.get(f"overlap_{letter}", math.nan)) for letter in "ab"]
    dimensions = [d for letter in "ab" if (d := known.get(f"intrinsic_dimension_{letter}")) is not None]

    if undecided:
        for (name, share), (other, _) in zip(overlaps, overlaps[::-1], strict=True):
            if share is not None and share < MIN_OVERLAP:  # one that is loaded has None for NaN
                yield f"inputs of one kind: only {percent(share)} % of {name}'s samples lie where {other} has some"

        if None not in samples:
            yield (
                f"more samples: {samples[0]} of A and {samples[1]} of B so far, try twice as many, drawn evenly where "
                "that can be: frames bridge no gaps"
            )

    if (undecided or found.symmetries > 1) and dimensions:
        given, least = known.get("anchors", 0), max(dimensions) + 1

        if given <= least:
            space = f"spaces of {counted(least - 1, 'dimension')}"
            yield f"anchors: {given} so far, {least} fix most {space}, one more checks them"

    if rejected := known.get("rejected_anchors"):
        rows = "row {} is" if len(rejected) == 1 else "rows {} are"
        yield f"other anchors: {rows.format(', '.join(map(str, rejected)))} at odds with the rest"


def _more_pairs(found: Finding) -> Iterator[str]:
    known = found.diagnostics
    constant = [
        name for name, each in (("B", found.a_to_b), ("A", found.b_to_a)) if math.isnan(each.error.estimate)
    ]

    if constant:
        yield f"other inputs or layers: {' and '.join(constant)} shows nothing that varies and is finite here"

        return

    needed = [each.needed for each in (found.a_to_b, found.b_to_a) if each.needed is not None]

    if needed:
        yield f"samples: {known['samples']} so far, about {max(needed)} independent ones would decide"
    else:
        yield f"samples: {known['samples']} so far, try four times as many"

    highest = max(found.a_to_b.error.high, found.b_to_a.error.high)

    if highest < 1:
        yield f"another tolerance: by their bounds both errors are at most {percent(highest)} %"

    if "values alone" in known.get("frames", ""):
        yield "frames: with derivatives of both (networks instead of arrays, say) usually far fewer samples decide"


def counted(count: int, what: str) -> str:
    r"""A number of things, in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
