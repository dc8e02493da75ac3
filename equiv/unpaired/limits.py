r"""Limits that both ways of comparing without pairs share."""

__all__ = ["EXCLUDING_ROUGHNESS"]


# Charts with objections that miss no more than this, and are not folded, still serve to exclude an isometry.
# [dimensionless; chosen: rougher ones could exclude only what differs by more than an eighth of the spread]
EXCLUDING_ROUGHNESS = 0.05
