r"""Have two networks learned the same thing, and how do I translate one into the other?"""

from equiv.compare import compare as compare
from equiv.comparison import Comparison as Comparison
from equiv.comparison import load as load
from equiv.density import density_weights as density_weights
from equiv.diffusion_maps import DiffusionMaps as DiffusionMaps
from equiv.galerkin import GalerkinMaps as GalerkinMaps
from equiv.isometric import IsometricMaps as IsometricMaps
from equiv.mahalanobis import mahalanobis as mahalanobis
from equiv.observations import Observations as Observations
from equiv.probe import probe as probe
from equiv.verdict import Interval as Interval
from equiv.verdict import Verdict as Verdict
