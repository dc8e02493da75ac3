r"""Numbers that several judgements of supports share."""

__all__ = ["MAX_DIMENSION", "NEIGHBORS"]


# Rotations are searched in up to so many dimensions, on a grid.
# [dimensions; chosen: `equiv.coordinates.motion.rotation_grid` has none in more, where it would take thousands]
MAX_DIMENSION = 3

# The neighbour whose distance tells how far apart samples are.
# [neighbours; chosen: of nearer ones the distance scatters more than by a fifth in the plane, farther ones blur edges]
NEIGHBORS = 6
