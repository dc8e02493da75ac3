r"""Galerkin maps: eigenfunctions of the Laplacian of the inputs by Rayleigh-Ritz, linear in the samples.

References:
    | Methods of mathematical physics I, chapter VI (Courant and Hilbert, 1953), for the variational principle

    | Transformations between deep neural networks (Bertalan et al., 2020), for the metric
    | https://arxiv.org/abs/2007.05646
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer
from equiv.metric.binary_scale import binary_scale
from equiv.observe.draws import distinct_samples
from equiv.observe.observations import Observations
from equiv.spectral.basis_choice import LARGEST_EXCESS, choose_basis
from equiv.spectral.gaussian_basis import GaussianBasis
from equiv.spectral.rayleigh_ritz import Ritz, ritz, vanishing_eigenvalues

__all__ = ["GalerkinMaps"]


# Single-precision observations up to this many are promoted to double.
# [samples; chosen: up to there, time is no matter]
LARGEST_PROMOTED = 65536

# Samples per block of `transform`.
# [samples; chosen: bounds the memory, larger blocks are no faster]
BLOCK_SAMPLES = 8192


class GalerkinMaps:
    r"""Minimises :math:`E|\nabla u|^2 / E u^2` over Gaussians of the activations.

    With frames J the gradient in the inputs' metric is :math:`D\psi\, J`, so that the eigenfunctions of minus
    the Laplacian of the input space (with natural, Neumann, conditions on its boundary) are those of

    .. math:: E[(D\psi J)(D\psi J)^\top]\, a = \lambda\, E[\psi \psi^\top]\, a :

    no bandwidth, no inverse of C, no neighbours. Expectations are over the samples, with `weights`;
    unweighted, the operator is :math:`-p^{-1} \nabla \cdot (p \nabla u)` with p the sampling density: give
    one over the density where sampling is not uniform (`equiv.density_weights` finds it, and takes away most
    of the noise of uniform random samples as well). Sums over samples are all that is kept, so that they
    stream (`partial_fit`) and add across processes (`sums_`, `merge`; so does `equiv.spectral.processes`).

    The functions are the constant and Gaussians at farthest-point centres (`equiv.spectral.gaussian_basis`), at most
    `n_basis` and a third of the samples. Their width, and with it how many of them the samples resolve, is
    chosen by held-out Rayleigh quotients (the lower, the truer), one step of :math:`\sqrt 2` narrower than
    their flat minimum: what too wide functions miss does not average out, what chance adds does.

    Arguments:
        n_coordinates: How many, k.
        n_basis: Gaussians at most.

    Attributes:
        eigenvalues_: :math:`\lambda` of minus the Laplacian, the trivial 0 first, `(k + 1,)`, in 1 / (input unit)^2.
        coordinates_: Eigenfunctions at the samples of `fit`, unit mean square, the trivial one left out, `(n, k)`.
        basis_: The functions; a process that shares sums takes over another's before its first samples.
        sums_: Mass and stiffness sums, shape `(2, q + 1, q + 1)`, float64: they add. Over processes, reduce
            a copy and set it; or `merge`.
        diagnostics_: `n_basis`, `width` (in units of the half-whitened activations), `held_out` (mean
            logarithm of the held-out Rayleigh quotients), `excess` (the most times that one exceeds the fitted one:
            eigenfunctions that live between samples), `rank` (functions that the samples resolve),
            `components` (of the input space: eigenvalues that vanish beside the next), and `reasons`, a
            sentence for each ground for doubt.

    Raises:
        TypeError, ValueError: If an argument is out of its range.

    Example:
        >>> angle = torch.arange(200, dtype=torch.float64) / 200 * 2 * torch.pi
        >>> values = torch.stack([angle.cos(), angle.sin() + angle.cos() ** 2], dim=1)
        >>> slope = angle.cos() - 2 * angle.cos() * angle.sin()
        >>> frames = torch.stack([-angle.sin(), slope], dim=1)[:, :, None]
        >>> maps = GalerkinMaps(n_coordinates=4, n_basis=50).fit(Observations(values, frames))
        >>> maps.eigenvalues_.round(decimals=2)
        tensor([0., 1., 1., 4., 4.], dtype=torch.float64)
    """

    basis_: GaussianBasis

    def __init__(self, n_coordinates: int = 10, n_basis: int = 300) -> None:
        self.n_coordinates = check_integer(n_coordinates, "n_coordinates")
        self.n_basis = check_integer(n_basis, "n_basis", self.n_coordinates)
        self._sums: Tensor | None = None
        self._ritz: Ritz | None = None
        self._coordinates: Tensor | None = None
        self._chosen: dict[str, Any] = {}

    def fit(self, observations: Observations, weights: Any = None) -> GalerkinMaps:
        r"""Chooses the functions from these samples and computes their coordinates.

        Arguments:
            observations: `n` samples with frames.
            weights: One over the sampling density up to a factor, shape `(n,)`, not negative; None: uniform.

        Returns:
            Itself.

        Raises:
            TypeError: If `observations` is none.
            ValueError: If there are no frames, too few samples, or no neuron varies; if weights are negative,
                not finite or all zero.
        """
        self._checked(observations)
        self.__dict__.pop("basis_", None)
        self._sums = None
        promoted = len(observations) <= LARGEST_PROMOTED
        self.partial_fit(observations.to(torch.float64) if promoted else observations, weights)
        self._coordinates = self.transform(observations.values)

        return self

    def partial_fit(self, observations: Observations, weights: Any = None) -> GalerkinMaps:
        r"""Adds samples to the sums. The first call fixes the functions: let its samples be representative.

        Products are taken in the dtype of the observations (`fit` promotes up to 65,536 samples), and added
        in float64. Arguments, result and errors as in `fit`; the eigenvalues and `transform` speak of all
        samples so far, `coordinates_` are not kept.
        """
        obs, frames = self._checked(observations)
        weight = None if weights is None else self._checked_weights(weights, obs)

        if not hasattr(self, "basis_"):
            self.choose(obs, weight)

        if obs.values.shape[1] != len(self.basis_.mean):
            raise ValueError(
                f"'observations' should hold the {len(self.basis_.mean)} neurons of the first call, got "
                f"{obs.values.shape[1]}; call fit to start anew."
            )

        return self.merge(self.basis_.sums(obs.values, frames, weight))

    def choose(self, observations: Observations, weights: Any = None) -> GalerkinMaps:
        r"""Fixes the functions by these samples, and adds nothing to the sums.

        Arguments, result and errors as in `fit`.
        """
        obs, frames = self._checked(observations)
        weight = None if weights is None else self._checked_weights(weights, obs)
        distinct = distinct_samples(obs.values, frames)

        if not distinct.all:  # as rows of so many times the weight
            weight = distinct.total(torch.ones_like(obs.values[:, 0]) if weight is None else weight)
            obs, frames = self._checked(distinct.of(obs))

        scale = binary_scale(obs.values, frames)
        values, frames = scale.values(obs.values), scale.frames(frames)
        basis, self._chosen = choose_basis(values, frames, weight, self.n_coordinates, self.n_basis)
        self._chosen["held_out"] += 2 * math.log(scale.lengths)
        self.basis_ = basis.rescaled(scale)

        return self

    def merge(self, sums: Tensor) -> GalerkinMaps:
        r"""Adds sums over other samples, of another process with the same `basis_`, say; returns itself.

        Raises:
            ValueError: If their shape is not that of this basis's sums.
        """
        if not hasattr(self, "basis_"):
            raise ValueError("'choose' should come first, got maps without basis_; call choose or fit.")

        size = self.basis_.size
        sums = as_floating(sums, "sums", "(2, q + 1, q + 1)", 3)
        check_finite(sums, "sums")

        if sums.shape != (2, size, size):
            raise ValueError(
                f"'sums' should have shape {(2, size, size)}, sums over this object's basis_, got "
                f"{tuple(sums.shape)}; share one basis_ before the first samples."
            )

        self.sums_ = sums.clone() if self._sums is None else self._sums + sums

        return self

    @property
    def sums_(self) -> Tensor:
        r"""Mass and stiffness sums; set them to replace them, by those reduced over all processes, say."""
        if self._sums is None:
            raise ValueError("'fit' should come first, got maps not yet fitted; call fit or partial_fit.")

        return self._sums

    @sums_.setter
    def sums_(self, sums: Tensor) -> None:
        self._sums = sums
        self._ritz = self._coordinates = None

    def _checked(self, observations: Any) -> tuple[Observations, Tensor]:
        if not isinstance(observations, Observations):
            raise TypeError(
                f"'observations' should be equiv.Observations, got {type(observations).__name__}; wrap arrays in it."
            )

        if observations.frames is None:
            raise ValueError(
                "'observations' should have frames, which carry the metric of the inputs, got None; "
                'probe with frames="jacobian", bursts or "neighbors".'
            )

        return observations, observations.frames

    def _checked_weights(self, weights: Any, obs: Observations) -> Tensor:
        weights = as_floating(weights, "weights", "(n,)", 1)
        check_finite(weights, "weights")

        if len(weights) != len(obs):
            raise ValueError(f"'weights' should be ({len(obs)},), got {len(weights)}; give one a sample.")

        if not (weights >= 0).all() or not (weights > 0).any():
            raise ValueError(
                f"'weights' should be at least 0 and not all 0, got {weights.min():g} to {weights.max():g}; "
                "give one over the sampling density."
            )

        return weights.to(obs.device)

    def _solved(self) -> Ritz:
        if self._ritz is None:
            solution = ritz(self.sums_, self.n_coordinates)
            peaks = self.basis_.at(self.basis_.centers) @ solution.coefficients
            sign = peaks.gather(0, peaks.abs().argmax(dim=0, keepdim=True)).sign()[0]
            self._ritz = solution._replace(coefficients=solution.coefficients * sign)

        return self._ritz

    @property
    def eigenvalues_(self) -> Tensor:
        r"""Of minus the Laplacian, ascending, 0 first, shape `(k + 1,)`, in 1 / (input unit)^2."""
        return self._solved().eigenvalues * self.basis_.length * self.basis_.length

    @property
    def coordinates_(self) -> Tensor:
        r"""Eigenfunctions at the samples of `fit`, shape `(n, k)`."""
        if self._coordinates is None:
            raise ValueError("'fit' should come first, got streamed samples, not kept; call transform.")

        return self._coordinates

    @property
    def diagnostics_(self) -> dict[str, Any]:
        r"""Named numbers, and `reasons`: a sentence for each ground for doubt."""
        solution = self._solved()
        components = vanishing_eigenvalues(solution.eigenvalues)
        excess = self._chosen.get("excess", math.nan)
        reasons = []

        if components > 1:
            reasons.append(
                f"The samples seem to fall into {components} clouds: as many eigenvalues are near 0."
            )

        if excess > LARGEST_EXCESS:
            reasons.append(
                f"Eigenfunctions live between samples: an eigenvalue is {excess:.1f} times as large at held-out ones."
            )

        if not solution.eigenvalues[-1] > 0:
            reasons.append("All eigenvalues are 0: the frames vanish, so nothing is known of distances.")

        return {**self._chosen, "rank": solution.rank, "components": components, "reasons": reasons}

    def transform(self, values: Any, frames: Any = None) -> Tensor:
        r"""Coordinates of samples, differentiable in `values`.

        Arguments:
            values: Activations, shape `(q, d)`, in the activations' units.
            frames: Not needed, since eigenfunctions here are functions of the values alone; accepted so that
                all maps are called alike.

        Returns:
            Coordinates, shape `(q, k)`, float64. At the samples of `fit` exactly `coordinates_`. Far from all
            samples the Gaussians vanish and the coordinates tend to a constant.

        Raises:
            TypeError, ValueError: If nothing was fitted; if `values` has another shape or dtype, or is not finite.
        """
        solution = self._solved()
        values = as_floating(values, "values", "(q, d)", 2)
        check_finite(values, "values")

        if values.shape[1] != len(self.basis_.mean):
            raise ValueError(
                f"'values' should hold {len(self.basis_.mean)} neurons, as the fitted observations, got "
                f"{values.shape[1]}; observe the same ones."
            )

        device = self.basis_.mean.device
        blocks = (block.to(device, torch.float64) for block in values.split(BLOCK_SAMPLES))

        return torch.cat([self.basis_.evaluate(block) @ solution.coefficients for block in blocks])
