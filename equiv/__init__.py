r"""Have two networks learned the same thing, and how do I translate one into the other?"""

from equiv.charts.isometric import IsometricMaps as IsometricMaps
from equiv.classes import Classes as Classes
from equiv.classes import equivalence_classes as equivalence_classes
from equiv.compare import compare as compare
from equiv.comparison import Comparison as Comparison
from equiv.comparison import load as load
from equiv.metric.mahalanobis import mahalanobis as mahalanobis
from equiv.observability import Reconstruction as Reconstruction
from equiv.observability import reconstruct as reconstruct
from equiv.observability import select_neurons as select_neurons
from equiv.observe.observations import Observations as Observations
from equiv.observe.probe import probe as probe
from equiv.spectral.density import density_weights as density_weights
from equiv.spectral.diffusion_maps import DiffusionMaps as DiffusionMaps
from equiv.spectral.galerkin import GalerkinMaps as GalerkinMaps
from equiv.spectral.selection import select_coordinates as select_coordinates
from equiv.verdict import Interval as Interval
from equiv.verdict import Verdict as Verdict
