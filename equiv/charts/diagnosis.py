r"""What speaks against a flat chart: neighbours that contradict it, crossings, and what it misses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equiv.flattening.curve_ends import NEAR_ENDS

__all__ = ["TORN", "Limits", "contradicting", "objections"]


# One in so many pairs may contradict the coordinates: so few may be false neighbours that were recognised as such; a
# crease in a surface takes more.
FALSE = 2000
FALSE_ALONG_CURVES = 500

# Where frames jump, of those pairs that no kink explains, in roots of the number of pairs: a tear takes one to two.
UNEXPLAINED = 0.2

# Charts with one such pair in so many are as accurate as they show.
TORN = 100

# Where frames jump, one in so many pairs may contradict the coordinates at all, and residuals may be larger than kinks
# explain by this factor; good charts are at 0.02 to 1.9, wrong ones above 3.
KINKED_PAIRS = 20
MOST_EXCESS = 2.0


@dataclass(frozen=True)
class Limits:
    r"""How inaccurate a chart of exact frames may be.

    The defaults are those at which coordinates are good for some ten times their usual error. A comparison
    that tolerates more, and reckons with the charts' errors, may allow more.

    Attributes:
        residual: Root mean square misfit of the pairs of neighbours over their lengths.
        fit_error: Root mean square misfit of the smooth fit over the spread of the values.
        refinement: Root mean square move of the last correction over the spread of the coordinates.
        torn: Where frames jump, one in so many pairs that no kink explains; None: as many as a tear does not take.
    """

    residual: float = 2e-3
    fit_error: float = 5e-3
    refinement: float = 2.5e-3
    torn: int | None = None

    def at_least(self, limit: float) -> "Limits":
        r"""No stricter than `limit` in anything, and a few tears allowed, which errors show."""
        residual, fit_error, refinement = (
            max(each, limit) for each in (self.residual, self.fit_error, self.refinement)
        )

        return Limits(residual, fit_error, refinement, TORN)


def contradicting(found: Mapping[str, Any], most: int | None = None) -> int:
    r"""How many pairs of neighbours contradict the coordinates, 0 where they are few.

    Arguments:
        found: As for `objections`.
        most: One in so many is few, of those that no kink explains; None: the limit for charts that are good.
    """
    pairs, unexplained = found["pairs"], found["torn_pairs"] + found["mirrored_pairs"]
    every = found["rejected_pairs"] + found["frustrated_pairs"]

    if found["kinks"] is None:
        usual = FALSE_ALONG_CURVES if found["dimension"] == 1 else FALSE
        return every if every > max(1, pairs // (most or usual)) else 0

    if unexplained > max(1.0, UNEXPLAINED * math.sqrt(pairs) if most is None else pairs / most):
        return int(unexplained)

    return every if every > pairs // KINKED_PAIRS else 0


def objections(found: Mapping[str, Any], limits: Limits) -> list[str]:
    r"""Sentences, empty where nothing speaks against the chart.

    Arguments:
        found: `IsometricMaps.diagnostics_`: dimension, noise, kinks, pairs, rejected_pairs, frustrated_pairs,
            torn_pairs, mirrored_pairs, residual, fit_error, refinement, crossings, nearest_ends.
        limits: What is allowed where frames are exact; noise adds to it.
    """
    reasons = []
    curve, noise, kinks = found["dimension"] == 1, found["noise"], found["kinks"]
    contradictions = contradicting(found, None if kinks is None else limits.torn)

    if contradictions:
        mirrored = found["frustrated_pairs"] if kinks is None else found["mirrored_pairs"]
        reasons.append(
            f"{contradictions} of {found['pairs']} pairs of neighbours contradict the coordinates ({mirrored} in "
            "orientation): no flat chart, or too few samples."
        )

    # A curve is never curved in itself: what its pairs miss is noise, which averages out.
    if kinks is not None:
        if not kinks <= MOST_EXCESS:
            reasons.append(
                f"The pairs of neighbours miss the coordinates by {kinks:.1f} times what kinks explain: a curved "
                "space, or too few samples."
            )
    elif not found["residual"] <= (0.2 if curve else limits.residual + noise):
        reasons.append(
            f"The pairs of neighbours miss the coordinates by {found['residual']:.2%} of their lengths: a "
            "curved space, noisy frames, or too few samples."
        )

    if not found["fit_error"] <= (0.05 if curve else limits.fit_error + noise):
        reasons.append(
            f"The values are off a smooth function of the coordinates by {found['fit_error']:.2%} of their "
            "spread: the coordinates overlap themselves, or too few samples."
        )

    # Noisy frames get one correction only: how far it moved the coordinates says nothing.
    if not (curve or noise > 0 or found["refinement"] <= limits.refinement):
        reasons.append(
            f"The last correction still moved the coordinates by {found['refinement']:.2%} of their spread: "
            "too few samples."
        )

    if found["crossings"] > 0:
        reasons.append(
            f"The image of the coordinates crosses itself (found from {found['crossings']} pairs of samples): "
            "the neurons do not tell all inputs apart."
        )

    if found["nearest_ends"] <= NEAR_ENDS:
        reasons.append(
            f"Two ends of the curve are as near as {found['nearest_ends']:.1f} times the usual distance of "
            "neighbours there: it may go on, in a bend that too few samples show."
        )

    return reasons
