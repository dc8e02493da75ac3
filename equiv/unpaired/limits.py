r"""Limits that both ways of comparing without pairs share."""

__all__ = ["EXCLUDING_ROUGHNESS", "MIN_OVERLAP"]


# Below this share of samples of either side where the other has samples, a verdict is at best inconclusive.
# [share of the samples; chosen: errors speak of the overlap alone, which may leave out a tenth of the inputs]
MIN_OVERLAP = 0.9

# Charts with objections that miss no more than this, and are not folded, still serve to exclude an isometry.
# [dimensionless; chosen: rougher ones could exclude only what differs by more than an eighth of the spread]
EXCLUDING_ROUGHNESS = 0.05
