r"""A closed curve whose coordinate is read as the angles that are known at some of its places."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from equiv.figures.drawing import Array
from equiv.report.correspondence import DrawnChart, DrawnPair, Links

__all__ = ["Reading", "reading_of"]

# Length of the mean of unit vectors that point by how far coordinates and known angles are apart, from which on the
# one is read as the other.
# [dimensionless; chosen: a scatter of 15 degrees has 0.97, angles that go round twice have 0]
AGREEMENT = 0.97


@dataclass(frozen=True)
class Reading:
    r"""How the coordinate of a closed curve is read in degrees.

    Attributes:
        scale: Degrees a unit of the coordinate, negative where it runs against the angles.
        start: Angle at the coordinate 0, in degrees.
    """

    scale: float
    start: float

    def __call__(self, coordinates: Array) -> Array:
        r"""Coordinates `(n, 1)` in degrees, from 0 to 360."""
        return (self.scale * coordinates + self.start) % 360.0

    def pair(self, pair: DrawnPair) -> DrawnPair:
        r"""Both charts with all that is drawn in them."""
        sides = [
            DrawnChart(side.name, side.index, self(side.coordinates), np.array([[360.0]]), degrees=True)
            for side in (pair.a, pair.b)
        ]
        links = [
            link if link is None or link.gap is None else Links(link.index, abs(self.scale) * link.gap)
            for link in pair.links
        ]
        anchors = self(pair.anchors[0]), self(pair.anchors[1])

        return dataclasses.replace(pair, a=sides[0], b=sides[1], links=(links[0], links[1]), anchors=anchors)


def reading_of(pair: DrawnPair, places: Array, angles: Array) -> Reading | None:
    r"""The reading at which places have these angles; None where they do not lie on one closed curve, once round.

    Arguments:
        pair: The charts.
        places: In common coordinates, shape `(k, m)`.
        angles: In radians, shape `(k,)`.
    """
    if not pair.aligned or pair.a.dimension != 1 or pair.a.periods is None:
        return None

    turn = 2 * np.pi / float(np.abs(pair.a.periods[0, 0]))
    means = [np.exp(1j * (angles - sign * turn * places[:, 0])).mean() for sign in (1, -1)]
    best = int(np.argmax(np.abs(means)))

    if abs(means[best]) < AGREEMENT:
        return None

    return Reading((1, -1)[best] * float(np.degrees(turn)), float(np.degrees(np.angle(means[best]))))
