r"""Diffusion maps in the metric of the inputs: eigenfunctions of the Laplacian, in and out of sample.

References:
    | Diffusion maps (Coifman and Lafon, 2006), https://doi.org/10.1016/j.acha.2006.04.006

    | Transformations between deep neural networks (Bertalan et al., 2020)
    | https://arxiv.org/abs/2007.05646
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiv.checks import as_floating, check_finite, check_integer, check_number
from equiv.metric.binary_scale import binary_scale
from equiv.metric.mahalanobis import MAX_NORMAL_SHARE, pair_distances, tiles
from equiv.metric.neuron_scale import spread_weights
from equiv.metric.points import MetricPoints, metric_points
from equiv.observe.draws import distinct_samples
from equiv.observe.observations import Observations
from equiv.spectral.dense_kernel import DenseKernel
from equiv.spectral.eigenpairs import leading_eigenpairs
from equiv.spectral.kernel import heat_kernel, normalise
from equiv.spectral.sparse_kernel import SparseKernel

__all__ = ["DiffusionMaps"]


# Up to this many samples the kernel is a matrix, beyond it is sparse.
# [samples; chosen: 110 MB with its factor, which grows with the square]
LARGEST_DENSE = 3000

# Samples at a time in `transform`.
# [samples; chosen: bounds the memory, larger blocks are no faster]
BLOCK_SAMPLES = 8192

# Eigenvalues of the kernel below this have no digits left to divide by.
# [dimensionless; chosen: half of the digits of float64 are left there]
SMALLEST_EIGENVALUE = 1e-8


class DiffusionMaps:
    r"""Eigenfunctions of the Laplacian of the input space, from activations and frames.

    The kernel is :math:`K_{ij} = \exp(-d_{ij}^2 / (4 \epsilon))` with :math:`d_{ij}^2` of
    `equiv.mahalanobis`, 0 where more than half of a squared difference is normal to the tangent space at
    either end. Neurons are first divided by their spread, and copies of one share its weight, so that rescaled,
    repeated and dead neurons change nothing. Observations without frames get the plain Euclidean kernel of the
    activations as they are instead: the baseline, whose spectrum is in activation units. Samples that are copies of
    others change nothing where `alpha` is 1; below, they count as the density does.

    Arguments:
        n_coordinates: How many, k.
        epsilon: Squared width of the kernel (see the formula), in squared input units; "auto": so that a sample
            has 8 to 16 effective neighbours (`equiv.spectral.epsilon`).
        alpha: 1 for the Laplacian whatever the sampling density, 0 for none. Dimensionless, in `[0, 1]`.

    Attributes:
        eigenvalues_: :math:`\lambda = -\log(\mu) / \epsilon`, of minus the Laplacian, ascending, the trivial
            0 first, shape `(k + 1,)`, in 1 / (input unit)^2.
        coordinates_: Eigenfunctions at the samples, unit mean square over those that differ, the trivial one left
            out, shape `(n, k)`.
        epsilon_: The epsilon used, in squared input units.

    Raises:
        TypeError, ValueError: If an argument is out of its range.

    Example:
        >>> angle = torch.arange(200, dtype=torch.float64) / 200 * 2 * torch.pi
        >>> values = torch.stack([angle.cos(), angle.sin()], dim=1)
        >>> frames = torch.stack([-angle.sin(), angle.cos()], dim=1)[:, :, None]
        >>> DiffusionMaps(4, epsilon=1e-3).fit(Observations(values, frames)).eigenvalues_.round(decimals=1)
        tensor([0., 1., 1., 4., 4.], dtype=torch.float64)
    """

    eigenvalues_: Tensor
    coordinates_: Tensor
    epsilon_: float

    def __init__(self, n_coordinates: int = 10, epsilon: float | str = "auto", alpha: float = 1.0) -> None:
        self.n_coordinates = check_integer(n_coordinates, "n_coordinates")
        self.alpha = check_number(alpha, "alpha", -1e-300, 1 + 1e-15, "use 1 for the Laplacian")
        self.epsilon: float | str = epsilon

        if isinstance(epsilon, str):
            if epsilon != "auto":
                raise ValueError(
                    f'\'epsilon\' should be a positive number or "auto", got {epsilon!r}; take "auto".'
                )
        else:
            self.epsilon = check_number(epsilon, "epsilon")

    def fit(self, observations: Observations) -> DiffusionMaps:
        r"""Computes the coordinates of these samples.

        Arguments:
            observations: `n` samples, with frames (or without: Euclidean kernel). All of them are kept.

        Returns:
            Itself.

        Raises:
            TypeError: If `observations` is none.
            ValueError: If there are fewer than k + 2 samples that differ, all rows are equal, or the samples fall into
                clouds that the kernel does not join.
        """
        obs = observations

        if not isinstance(obs, Observations):
            raise TypeError(
                f"'observations' should be equiv.Observations, got {type(obs).__name__}; wrap arrays in it."
            )

        if len(obs) > 1 and torch.equal(obs.values, obs.values[:1].expand_as(obs.values)):
            raise ValueError(
                f"'observations' should hold samples that differ, got {len(obs)} equal rows; "
                "observe neurons that vary."
            )

        self._scale = binary_scale(obs.values, obs.frames)
        obs = self._scale.observations(obs)
        # Copies would fill each other's neighbourhoods.
        distinct = distinct_samples(obs.values, obs.frames)
        obs = distinct.of(obs)

        if len(obs) < self.n_coordinates + 2:
            raise ValueError(
                f"'observations' should hold at least n_coordinates + 2 = {self.n_coordinates + 2} samples, "
                f"got {len(obs)} that differ; add samples or ask for fewer coordinates."
            )

        self._frames = obs.frames
        values = obs.values.double()
        self._weights = None if obs.frames is None else spread_weights(values)
        self._points = self._weighted(values, obs.frames)
        form = DenseKernel if len(obs) <= LARGEST_DENSE else SparseKernel
        unit = self._scale.activations if obs.frames is None else self._scale.lengths
        kernel = form(self._points, None if isinstance(self.epsilon, str) else self.epsilon * unit * unit)
        self._epsilon, self._reach = kernel.epsilon, kernel.reach
        self.epsilon_ = self._epsilon / unit / unit
        self._check_connected(kernel.components())
        self._normalisation = normalise(kernel.product, distinct.counts.to(self._points.values), self.alpha)
        self._solve(kernel)
        self.eigenvalues_ = self.eigenvalues_ * unit * unit
        self.coordinates_ = self.coordinates_[distinct.place]

        return self

    def _weighted(self, values: Tensor, frames: Tensor | None, centre: Tensor | None = None) -> MetricPoints:
        if self._weights is None or frames is None:
            return metric_points(values, frames, centre)

        return metric_points(values * self._weights, frames * self._weights[:, None], centre)

    def _check_connected(self, labels: Tensor) -> None:
        sizes = labels.bincount()

        if len(sizes) > 1:
            shown = ", ".join(str(s) for s in sizes.sort(descending=True).values[:4].tolist())
            raise ValueError(
                f"'observations' should form one connected cloud, got {len(sizes)} (of {shown}"
                f"{', ...' if len(sizes) > 4 else ''} samples) at epsilon = {self.epsilon_:.3g}; "
                "fit the clouds one by one, add samples between them, or give a larger 'epsilon'."
            )

    def _solve(self, kernel: DenseKernel | SparseKernel) -> None:
        w, root = self._normalisation.conjugate, self._normalisation.degree.sqrt()
        trivial = root / root.norm()
        mu, vectors, products = leading_eigenpairs(
            lambda rows: w * kernel.product(w * rows),
            kernel.preconditioner(w, trivial),
            trivial,
            self.n_coordinates + 1,
        )

        if mu[-1] < SMALLEST_EIGENVALUE:
            raise ValueError(
                f"'epsilon' should be small enough for {len(mu) - 1} coordinates, got {self.epsilon_:.3g} "
                f"with a kernel eigenvalue of {mu[-1].item():.1e}; lower it, or ask for fewer coordinates."
            )

        # One more step of the walk is the Nystrom formula at the samples: coordinates and `transform` agree
        # exactly. P psi = (S v) / root for psi = v / root.
        functions = vectors[1:] / root / mu[1:, None]
        coordinates = products[1:] / root / mu[1:, None]
        sign = coordinates.gather(1, coordinates.abs().argmax(dim=1, keepdim=True)).sign()
        scale = sign * coordinates.square().mean(dim=1, keepdim=True).rsqrt()
        self._functions = (scale * functions).T.contiguous()
        self.coordinates_ = (scale * coordinates).T.contiguous()
        # P is stochastic: mu_0 = 1 and none is above it, up to rounding.
        self.eigenvalues_ = -mu.clamp(max=1).log() / self._epsilon
        self.eigenvalues_[0] = 0.0

    def transform(self, values: Any, frames: Any = None) -> Tensor:
        r"""Coordinates of samples, by the Nystrom formula

        .. math:: \psi_k(y) = \frac{1}{\mu_k} \sum_j \frac{k(y, y_j)\, q_j^{-\alpha}}
                  {\sum_l k(y, y_l)\, q_l^{-\alpha}}\, \psi_k(y_j).

        Differentiable in `values`, except where a pair enters or leaves the tangency test or another frame is
        nearest. Far from all samples the kernel underflows, and the coordinates are NaN.

        Arguments:
            values: Activations, shape `(q, d)`, in the activations' units.
            frames: Their frames, shape `(q, d, m)`; None: each gets the frame of the nearest training sample.

        Returns:
            Coordinates, shape `(q, k)`, float64. At training samples, given their frames, exactly
            `coordinates_`.

        Raises:
            TypeError, ValueError: If `fit` was not called; if arrays have another shape or dtype, or are not finite.
        """
        if not hasattr(self, "coordinates_"):
            raise ValueError("'fit' should come first, got maps not yet fitted; call fit(observations).")

        values = self._checked_values(values)

        if self._frames is not None:
            frames = (
                self._nearest_frames(values)
                if frames is None
                else self._scale.frames(self._checked_frames(frames, values))
            )

        query = self._weighted(values, None if self._frames is None else frames, self._points.centre)

        return torch.cat([self._extend(query.subset(rows)) for rows in tiles(len(values))])

    def _checked_values(self, values: Any) -> Tensor:
        values = as_floating(values, "values", "(q, d)", 2)
        check_finite(values, "values")
        d = self._points.values.shape[1]

        if values.shape[1] != d:
            raise ValueError(
                f"'values' should have shape (q, {d}) as in fit, got {tuple(values.shape)}; "
                "observe the same layers and neurons."
            )

        return self._scale.values(values.to(self._points.values.device))

    def _checked_frames(self, frames: Any, values: Tensor) -> Tensor:
        frames = as_floating(frames, "frames", "(q, d, m)", 3)
        check_finite(frames, "frames")

        if frames.shape[:2] != values.shape:
            raise ValueError(
                f"'frames' should have shape (q, d, m) with (q, d) = {tuple(values.shape)} as 'values', "
                f"got {tuple(frames.shape)}; give one (d, m) frame for each sample."
            )

        return frames.to(self._points.values.device)

    def _nearest_frames(self, values: Tensor) -> Tensor:
        assert self._frames is not None
        weights = 1.0 if self._weights is None else self._weights
        centred = values.detach().double() * weights - self._points.centre
        nearest = [
            torch.cdist(centred[rows], self._points.values).argmin(dim=1) for rows in tiles(len(centred))
        ]

        return self._frames[torch.cat(nearest)]

    def _extend(self, query: MetricPoints) -> Tensor:
        r"""The Nystrom formula, over columns piece by piece."""
        total, sums = (
            query.values.new_zeros(len(query), 1),
            query.values.new_zeros(len(query), self.n_coordinates),
        )

        for columns in tiles(len(self._points), BLOCK_SAMPLES):
            distances = pair_distances(query, self._points.subset(columns), MAX_NORMAL_SHARE)
            weights = torch.where(distances < self._reach, heat_kernel(distances, self._epsilon), 0.0)
            weights = weights * self._normalisation.density[columns]
            total = total + weights.sum(dim=1, keepdim=True)
            sums = sums + weights @ self._functions[columns]

        return sums / total
