r"""One direction of a comparison: its error, and what of the target is shared."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from equiv.findings.components import Components, interval, numbers
from equiv.verdict import Interval, error_in_words, percent

__all__ = ["Direction", "Known", "further_rows", "in_addition", "shared_rows"]

# What is saved of a direction as an interval or None, beside its error.
INTERVALS = ("identification", "from_inputs", "readout_error", "readout_agreement")


class Further(Protocol):
    r"""What takes regressions of its own, so that it is learned when it is first asked for."""

    @property
    def components(self) -> Components | None: ...

    @property
    def from_inputs(self) -> Interval | None: ...


@dataclass(frozen=True)
class Known:
    r"""What was asked for before, and saved."""

    components: Components | None
    from_inputs: Interval | None


@dataclass(frozen=True)
class Direction:
    r"""One direction of a comparison.

    Attributes:
        error: RMS error of the returned transformation on fresh inputs of the same distribution, over the RMS
            spread of the target. Where no transformation is returned although one direction can be excluded,
            it is 1, the error of always predicting the target's mean. Where several maps are equally good, it is that
            of the nearest of them.
        share: At least this share of the inputs is what the upper bound speaks of, at the stated confidence: n draws
            that show nothing of a rare kind exclude it from all but about 3 / n of the inputs.
        ambiguity: RMS distance from the returned transformation to the farthest equally good one, over the target's
            RMS spread; 0 where it is the only one, and where none is returned.
        by_neuron: Paired only, as is all that follows but what is read off: RMS error of each target neuron over its
            own spread, `(d_target,)`, float64; NaN for one that never changes.
        identification: Share of held-out samples whose image is nearer to its own partner than to those of 99 others,
            drawn again and again (chance is 0.01); NaN of fewer than 100 independent samples.
        readout_error: RMS error of the target's read-out of the image, over the spread of what it makes of the target
            itself; None without a read-out, and where no transformation is returned. Without pairs it is that of maps
            as far off as `error` says and, where several are equally good, of any of these.
        readout_agreement: Share of the samples at which both have the same largest entry; None where there is one.
        needed: About how many independent samples would decide this direction, by how its error falls with them; None
            where it is decided, and where the error has not fallen with them.
        further: Holds `components` and `from_inputs`, each learned when it is first asked for.
    """

    error: Interval
    share: float = 1.0
    ambiguity: float = 0.0
    by_neuron: Tensor | None = field(default=None, compare=False)
    identification: Interval | None = None
    readout_error: Interval | None = None
    readout_agreement: Interval | None = None
    needed: int | None = None
    further: Further | None = field(default=None, compare=False, repr=False)

    @property
    def explained(self) -> Interval | None:
        r"""Share of the target's variance that the source determines, 1 - error^2, at least 0; None without pairs."""
        if self.by_neuron is None:
            return None

        # A NaN stays one: it is larger than nothing.
        estimate, high, low = (x if math.isnan(x) else max(0.0, 1 - x * x) for x in self.error)

        return Interval(estimate, low, high)

    @property
    def components(self) -> Components | None:
        r"""Directions of the target, best determined first; learned when it is first asked for. None without pairs."""
        return None if self.further is None else self.further.components

    @property
    def from_inputs(self) -> Interval | None:
        r"""Error of the same target learned from the inputs themselves: what `error` has to be held against.

        Inputs often determine a network better than another network does. It is learned when it is first asked for;
        None where no floating inputs are known.
        """
        return None if self.further is None else self.further.from_inputs

    def to_dict(self) -> dict[str, Any]:
        r"""The numbers by name: what pairs show where there are any, and all but the directions of components."""
        known = {"error": self.error._asdict(), "share": self.share, "ambiguity": self.ambiguity}

        intervals = {name: getattr(self, name) for name in INTERVALS}

        if self.by_neuron is None or self.explained is None:
            return known | {name: value._asdict() for name, value in intervals.items() if value is not None}

        return {
            **known,
            "explained": self.explained._asdict(),
            "by_neuron": self.by_neuron.tolist(),
            "components": None if self.components is None else self.components.to_dict(),
            **{name: None if value is None else value._asdict() for name, value in intervals.items()},
            "needed": self.needed,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any], directions: Tensor | None, symmetries: float) -> Direction:
        r"""The inverse of `to_dict`, with the directions of its components.

        Comparisons saved before it was asked hold neither share nor ambiguity nor what is shared.
        """
        ambiguity = saved.get("ambiguity", 0.0 if symmetries <= 1 else None)
        error = interval(saved["error"])
        share = saved.get("share", 1.0)
        ambiguity = math.nan if ambiguity is None else ambiguity

        intervals: dict[str, Any] = {
            name: interval(saved[name]) for name in INTERVALS if saved.get(name) is not None
        }
        from_inputs = intervals.pop("from_inputs", None)

        if "by_neuron" not in saved:
            return cls(error, share, ambiguity, **intervals)

        components = None if directions is None else Components.from_dict(saved["components"], directions)

        return cls(
            error,
            share,
            ambiguity,
            numbers(saved["by_neuron"]),
            needed=saved["needed"],
            further=Known(components, from_inputs),
            **intervals,
        )


def shared_rows(direction: Direction, name: str, target: str, tolerance: float) -> list[tuple[str, str]]:
    r"""What of the target is shared, and what is read off it, for the summary: names and values of rows.

    Arguments:
        direction: The direction.
        name: What it is called, such as "A to B".
        target: The target's name.
        tolerance: Largest error that still counts as determined.
    """
    rows, found = [], direction.components

    if found is not None:
        within = (
            f"{found.determined} of {len(found.errors)} directions within {percent(tolerance, 'g')} %, with "
            f"{found.variance_determined} of {target}'s variance"
        )
        best = min((error.estimate for error in found.errors), default=math.nan)
        within += "" if found.determined else f", the best within {percent(best)} %"
        few = "too few samples to tell directions apart, about 3 a dimension are needed"
        rows.append((f"shared {name}", within if found.resolved else few))

    if direction.readout_error is not None:
        agreement = direction.readout_agreement
        same = "" if agreement is None else f"; same answer in {agreement}"
        rows.append(
            (
                f"read-out {name}",
                error_in_words(direction.readout_error, f"{target}'s read-out") + same,
            )
        )

    return rows


def further_rows(direction: Direction, name: str, target: str) -> list[tuple[str, str]]:
    r"""What else pairs show of a direction, as `shared_rows` puts it."""
    rows, explained = [], direction.explained

    if explained is not None:
        rows.append((f"explained {name}", f"{explained} of {target}'s variance"))

    if direction.identification is not None and not math.isnan(direction.identification.estimate):
        rows.append((f"identified {name}", f"the right one of 100 in {direction.identification} of samples"))

    if direction.from_inputs is not None:
        rows.append((f"inputs to {target}", error_in_words(direction.from_inputs, target)))

    if direction.needed is not None:
        rows.append((f"needed {name}", f"about {direction.needed} independent samples to decide"))

    return rows


def in_addition(direction: Direction, source: str, target: str, determined: bool | None) -> str:
    r"""What changes the conclusion from a direction that is not determined, as further sentences; empty where nothing.

    Arguments:
        direction: The direction.
        source: The source's name.
        target: The target's name.
        determined: What was decided.
    """
    said = ""

    if determined is not True and direction.readout_agreement is not None:
        said += (
            f" Read off the image of {source}, the answer of {target} is the same in "
            f"{direction.readout_agreement} of samples."
        )

    if determined is None and direction.needed is not None:
        said += (
            f" From {source} to {target}, about {direction.needed} independent samples would probably decide."
        )

    return said
