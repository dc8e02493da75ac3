r"""How inaccurate a chart may be: the limits that its diagnosis is held against."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["FOLDED", "PAIRS_PER_MIRRORED", "Limits"]


# One in so many pairs of neighbours may contradict a chart that is torn there: it is as accurate as it shows.
# [pairs; chosen: a tear takes one to two roots of the number of pairs, as many as this where there are 10,000]
PAIRS_PER_TEAR = 100

# With more than one contradiction in so many pairs, a chart may be folded.
# [pairs; chosen: far more than false neighbours make, far fewer than the line along which a fold meets itself]
PAIRS_PER_FOLD = 300

# With more than one mirrored pair in so many, neighbours are on different sheets, which false ones are only by chance.
# [pairs; chosen: as many as may contradict the coordinates of a good chart in any way]
PAIRS_PER_MIRRORED = 2000


@dataclass(frozen=True)
class Limits:
    r"""The limits of one judgement.

    The defaults are those at which coordinates are good for some ten times their usual error. A comparison that
    tolerates more, and reckons with the charts' errors, may allow more: see `at_least`. Noise of frames adds to the
    limits of residuals and of fits.
    """

    # Root mean square misfit of the pairs of neighbours over their lengths.
    # [dimensionless; chosen: some ten times that of good charts]
    residual: float = 2e-3

    # Likewise along a curve, which is never curved in itself: what its pairs miss is noise, which averages out.
    # [dimensionless; chosen: only what is no curve at all misses as much]
    curve_residual: float = 0.2

    # Root mean square misfit of the smooth fit.
    # [share of the spread of the values; chosen: some ten times that of good charts]
    fit_error: float = 5e-3

    # Likewise along a curve.
    # [share of the spread of the values; chosen: noise of the frames bends no curve, and misses less]
    curve_fit_error: float = 0.05

    # Root mean square move of the last correction.
    # [share of the spread of the coordinates; chosen: some ten times that of good charts]
    refinement: float = 2.5e-3

    # One in so many pairs may contradict the coordinates: so few may be false neighbours that were recognised as such.
    # [pairs; chosen: a crease in a surface takes more]
    pairs_per_contradiction: int = 2000

    # Likewise along a curve.
    # [pairs; chosen: curves have few pairs, and one that is wrong breaks them, which other limits show]
    curve_pairs_per_contradiction: int = 500

    # Likewise where frames jump, of pairs that kinks explain and of others.
    # [pairs; chosen: corrections across kinks leave some, and those that no kink explains have a limit of their own]
    kinked_pairs_per_contradiction: int = 20

    # Where frames jump, so many pairs that no kink explains may contradict the coordinates, over the root of all pairs.
    # [roots of the number of pairs; derived: a tear crosses one to two of them, this is a fifth of one]
    unexplained_pairs: float = 0.2

    # Likewise one in so many, whatever their root; None for the root.
    pairs_per_tear: int | None = None

    # Where frames jump, residuals may be larger than kinks explain by this factor.
    # [dimensionless; chosen: good charts are at 0.02 to 1.9, wrong ones above 3]
    kink_excess: float = 2.0

    def at_least(self, limit: float) -> Limits:
        r"""No stricter than `limit` in what charts miss, and a few tears allowed, which errors show."""
        return replace(
            self,
            residual=max(self.residual, limit),
            fit_error=max(self.fit_error, limit),
            refinement=max(self.refinement, limit),
            pairs_per_tear=PAIRS_PER_TEAR,
        )


# Beyond these contradictions a chart may be folded, and excludes nothing.
FOLDED = Limits(
    pairs_per_contradiction=PAIRS_PER_FOLD,
    curve_pairs_per_contradiction=PAIRS_PER_FOLD,
    pairs_per_tear=PAIRS_PER_TEAR,
)
