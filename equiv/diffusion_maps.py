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
from equiv.eigenpairs import Operator, dense_preconditioner, leading_eigenpairs
from equiv.epsilon import RANK, neighbour_epsilon
from equiv.kernel import components, heat_kernel_, normalise
from equiv.mahalanobis import MetricPoints, all_distances, metric_points, pair_distances, tiles
from equiv.observations import Observations

__all__ = ["DiffusionMaps"]

# Largest share of a squared difference that may be normal to the tangent space at either end.
MAX_NORMAL = 0.5
# Kernel entries below this join nothing: a random walk would cross them once in 10^10 steps.
JOINED = 1e-10
# Eigenvalues of the kernel below this have no digits left to divide by.
SMALLEST = 1e-8


class DiffusionMaps:
    r"""Eigenfunctions of the Laplacian of the input space, from activations and frames.

    The kernel is :math:`K_{ij} = \exp(-d_{ij}^2 / (4 \epsilon))` with :math:`d_{ij}^2` of
    `equiv.mahalanobis`, 0 where more than half of a squared difference is normal to the tangent space at
    either end. Observations without frames get the
    plain Euclidean kernel of the activations instead: the baseline, whose spectrum is in activation units.

    Arguments:
        n_coordinates: How many, k.
        epsilon: Squared width of the kernel (see the formula), in squared input units; "auto": the log-sum
            slope rule of `equiv.epsilon`.
        alpha: 1 for the Laplacian whatever the sampling density, 0 for none. Dimensionless, in `[0, 1]`.

    Attributes:
        eigenvalues_: :math:`\lambda = -\log(\mu) / \epsilon`, of minus the Laplacian, ascending, the trivial
            0 first, shape `(k + 1,)`, in 1 / (input unit)^2.
        coordinates_: Eigenfunctions at the samples, unit mean square, the trivial one left out, shape `(n,
            k)`.
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
                raise ValueError(f"'epsilon' should be a positive number or \"auto\", got {epsilon!r}.")
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
            ValueError: If there are fewer than k + 2 samples, all rows are equal, or the samples fall into
                clouds that the kernel does not join.
        """
        obs = observations

        if not isinstance(obs, Observations):
            raise TypeError(
                f"'observations' should be equiv.Observations, got {type(obs).__name__}; wrap arrays in it."
            )

        if len(obs) < self.n_coordinates + 2:
            raise ValueError(
                f"'observations' should hold at least n_coordinates + 2 = {self.n_coordinates + 2} samples, "
                f"got {len(obs)}; add samples or ask for fewer coordinates."
            )

        if torch.equal(obs.values, obs.values[:1].expand_as(obs.values)):
            raise ValueError(
                f"'observations' should hold samples that differ, got {len(obs)} equal rows; "
                "observe neurons that vary."
            )

        self._device = obs.device
        self._frames = obs.frames
        self._points = metric_points(obs.values, obs.frames)
        kernel = all_distances(self._points, MAX_NORMAL)
        self.epsilon_ = self._chosen_epsilon(kernel)
        heat_kernel_(kernel, self.epsilon_)
        self._check_connected(kernel)
        self._normalisation = normalise(kernel, self.alpha)
        self._solve(lambda rows: rows @ kernel, dense_preconditioner(kernel, self._normalisation.conjugate))

        return self

    def _chosen_epsilon(self, distances: Tensor) -> float:
        if not isinstance(self.epsilon, str):
            return self.epsilon

        return neighbour_epsilon(_nearest(distances))

    def _check_connected(self, kernel: Tensor) -> None:
        sizes = components(kernel, JOINED).bincount()

        if len(sizes) > 1:
            shown = ", ".join(str(s) for s in sizes.sort(descending=True).values[:4].tolist())
            raise ValueError(
                f"'observations' should form one connected cloud, got {len(sizes)} (of {shown}"
                f"{', ...' if len(sizes) > 4 else ''} samples) at epsilon = {self.epsilon_:.3g}; "
                "fit the clouds one by one, add samples between them, or give a larger 'epsilon'."
            )

    def _solve(self, apply: Operator, precondition: Operator) -> None:
        r"""Coordinates and spectrum, from products with K and a rough inverse of 1 - S (rows are vectors)."""
        w, root = self._normalisation.conjugate, self._normalisation.degree.sqrt()
        mu, vectors = leading_eigenpairs(
            lambda v: w * apply(w * v), precondition, root / root.norm(), self.n_coordinates + 1
        )

        if mu[-1] < SMALLEST:
            raise ValueError(
                f"'epsilon' should be small enough for {len(mu) - 1} coordinates, got {self.epsilon_:.3g} "
                f"with a kernel eigenvalue of {mu[-1].item():.1e}; lower it, or ask for fewer coordinates."
            )

        # One more step of the walk is the Nystrom formula at the samples: coordinates and `transform` agree
        # exactly.
        functions = vectors[1:] / root / mu[1:, None]
        coordinates = apply(self._normalisation.density * functions) * (
            self._normalisation.density / root.square()
        )
        sign = coordinates.gather(1, coordinates.abs().argmax(dim=1, keepdim=True)).sign()
        scale = sign * coordinates.square().mean(dim=1, keepdim=True).rsqrt()
        self._functions = (scale * functions).T.contiguous()
        self.coordinates_ = (scale * coordinates).T.contiguous()
        # P is stochastic: mu_0 = 1 and none is above it, up to rounding.
        self.eigenvalues_ = -mu.clamp(max=1).log() / self.epsilon_
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
            RuntimeError: If `fit` was not called.
            TypeError, ValueError: If the arrays have another shape or dtype, or are not finite.
        """
        if not hasattr(self, "coordinates_"):
            raise RuntimeError("'transform' needs fitted maps; call fit(observations) first.")

        values = self._checked_values(values)

        if self._frames is not None:
            frames = self._nearest_frames(values) if frames is None else self._checked_frames(frames, values)

        query = metric_points(values, None if self._frames is None else frames, self._points.centre)

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

        return values.to(self._device)

    def _checked_frames(self, frames: Any, values: Tensor) -> Tensor:
        frames = as_floating(frames, "frames", "(q, d, m)", 3)
        check_finite(frames, "frames")

        if frames.shape[:2] != values.shape:
            raise ValueError(
                f"'frames' should have shape (q, d, m) with (q, d) = {tuple(values.shape)} as 'values', "
                f"got {tuple(frames.shape)}; give one (d, m) frame for each sample."
            )

        return frames.to(self._device)

    def _nearest_frames(self, values: Tensor) -> Tensor:
        assert self._frames is not None
        centred = values.detach().double() - self._points.centre
        nearest = [
            torch.cdist(centred[rows], self._points.values).argmin(dim=1) for rows in tiles(len(centred))
        ]

        return self._frames[torch.cat(nearest)]

    def _extend(self, query: MetricPoints) -> Tensor:
        kernel = (pair_distances(query, self._points, MAX_NORMAL) * (-0.25 / self.epsilon_)).exp()
        weights = kernel * self._normalisation.density

        return weights @ self._functions / weights.sum(dim=1, keepdim=True)


def _nearest(distances: Tensor) -> Tensor:
    r"""Squared distances to the `RANK` nearest others, `(n, RANK)`; among c copies, every c-th."""
    n = len(distances)
    width = RANK + 1

    while True:
        near = distances.topk(min(width, n), dim=1, largest=False).values
        copies = max(round((near == 0).sum().item() / n), 1)

        if width >= min(copies * (RANK + 1), n):
            near = near[:, copies::copies][:, :RANK]

            return torch.nn.functional.pad(near, (0, RANK - near.shape[1]), value=torch.inf)

        width = min(4 * width, n)
