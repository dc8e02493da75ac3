r"""Have two networks learned the same thing, and how do I translate one into the other?

`compare` takes two networks, or what was recorded of them, and gives a `Comparison`: a verdict, the transformation
in both directions, and its errors. The method is that of Bertalan, Dietrich and Kevrekidis (2020). Its steps, in
their order, with the paper's symbols; the names in brackets are the rooms that they are in:

1. *Observations* of a few neurons, :math:`y = \varphi(x) \in R^d`, and the Jacobian J of :math:`\varphi` along an
   orthonormal frame of the input space: `probe`, with `values` y and `frames` J of `Observations`. [probing] [observe]
2. The *Mahalanobis-like metric*, with covariances :math:`C = J J^\top` of small bursts of inputs,
   :math:`d^2_{ij} = \tfrac12 (y_i - y_j)^\top (C_i^+ + C_j^+) (y_i - y_j)`, which is the squared distance of the
   inputs to fourth order, whatever the network made of them: `mahalanobis`. [metric]
3. *Diffusion maps*: eigenfunctions :math:`\psi_k` of the Laplacian by the kernel
   :math:`\exp(-d^2_{ij} / 4 \epsilon)`, normalised by the density to the power :math:`\alpha`: `DiffusionMaps` with
   `epsilon` and `alpha`; without a kernel, and linear in the samples, `GalerkinMaps`, with `density_weights` where
   sampling is uneven. Those that are harmonics of others are left out by `select_coordinates`. [spectral]
4. The *intrinsic coordinates* of each input space. Where it is flat, frames integrate to coordinates u in the
   inputs' own units, up to an isometry: `IsometricMaps`. [flattening] A chart goes from activations to u,
   *restrict*, and back, *lift*, and is judged. [charts] A curved space has no such coordinates; there the map
   between both spaces is sought that keeps the way from every sample to its neighbours. [isometry]
5. *Registration* g of A's coordinates with B's, up to the symmetries of the space: by a few anchors, known in both
   networks, or by the shapes alone. [registration] Where samples live is told whatever their density. [supports]
6. The *transformation* :math:`T = \ell_B \circ g \circ r_A`, restrict A, register, lift to B:
   `Comparison.transformation`, without pairs of samples. [unpaired] Where the networks saw the same inputs, T is
   learned from the pairs, [paired] by regression on values and frames. [regression]
7. *Whitney's theorem* (and, for observations over time, Takens'): 2m + 1 generic neurons determine all others, m
   being the dimension of the input space: `select_neurons` chooses such neurons, `reconstruct` predicts the rest
   from them, a `Reconstruction`. [observability.py]
8. The *equivalence class*: networks that determine each other. `Verdict` is decided by the errors of T, each an
   `Interval`; `equivalence_classes` sorts many networks into `Classes`. [verdict.py, classes.py]

What of a network another one determines, each `Direction` of a comparison says [findings]: neuron by neuron, and by
directions of its activations, `Components`, found by regressions of their own. [shared_part] Layer by layer, both
ways, it is a `LayerMatrix`, by `compare_layers`. [layers]

Beside these: functions of coordinates, before any network [coordinates]; the usual measures of similarity, `baselines`,
from what they share [similarity]; pictures [figures]; `Comparison.report`
[report]; what was saved is read by `load`; comparisons inside training programs of one's own [integrations]. From a
shell, `python -m equiv a.npz b.npz` compares what was recorded.

References:
    | Transformations between deep neural networks (Bertalan, Dietrich and Kevrekidis, 2020)
    | https://arxiv.org/abs/2007.05646

    | Transformations establishing equivalence across neural networks: When have two networks learned the same
    | task? (Bertalan, Dietrich and Kevrekidis, 2024), https://doi.org/10.1063/5.0206406
"""

from importlib import metadata

from equiv.charts.isometric import IsometricMaps
from equiv.classes import Classes, equivalence_classes
from equiv.compare import compare
from equiv.comparison import Comparison, load
from equiv.findings.components import Components
from equiv.findings.direction import Direction
from equiv.layers.compare import compare_layers
from equiv.layers.matrix import LayerMatrix
from equiv.metric.mahalanobis import mahalanobis
from equiv.observability import Reconstruction, reconstruct, select_neurons
from equiv.observe.observations import Observations
from equiv.probing.probe import probe
from equiv.spectral.density import density_weights
from equiv.spectral.diffusion_maps import DiffusionMaps
from equiv.spectral.galerkin import GalerkinMaps
from equiv.spectral.selection import select_coordinates
from equiv.verdict import Interval, Verdict

__all__ = [
    "Classes",
    "Comparison",
    "Components",
    "DiffusionMaps",
    "Direction",
    "GalerkinMaps",
    "Interval",
    "IsometricMaps",
    "LayerMatrix",
    "Observations",
    "Reconstruction",
    "Verdict",
    "compare",
    "compare_layers",
    "density_weights",
    "equivalence_classes",
    "load",
    "mahalanobis",
    "probe",
    "reconstruct",
    "select_coordinates",
    "select_neurons",
]

try:
    __version__ = metadata.version("equiv")
except metadata.PackageNotFoundError:
    __version__ = "0+unknown"  # a checkout that was not installed


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
