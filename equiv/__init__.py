r"""Have two networks learned the same thing, and how do I translate one into the other?"""

from equiv.diffusion_maps import DiffusionMaps as DiffusionMaps
from equiv.isometric import IsometricMaps as IsometricMaps
from equiv.mahalanobis import mahalanobis as mahalanobis
from equiv.observations import Observations as Observations
from equiv.probe import probe as probe
