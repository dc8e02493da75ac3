r"""Maps through coordinates of the target: the point whose image under the other direction is the given one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiv.coordinates.preimages import Function, gauss_newton_step, preimages
from equiv.regression.kernel_map import KernelMap
from equiv.transformation import Map, check_activations, part, savable

__all__ = ["InverseMap"]

# Searches begin at so many of the nearest samples of the source where the direct map leads nowhere.
# [samples; chosen: the others cost a search each and are seldom needed]
NEAREST_STARTS = 3

# A search from the direct map's prediction that misses its goal by more leads nowhere.
# [share of the source's spread; chosen: a tenth of the largest misfit that is accepted]
MAX_PREDICTED_MISFIT = 0.02

# Where every search misses by more, the direct map's prediction stands.
# [share of the source's spread; chosen: the largest error of a direct map that is worth an inverse one]
MAX_MISFIT = 0.2

# Activations are mapped so many at a time.
# [queries; chosen: bounds memory alone]
QUERIES_PER_SEARCH = 4096


@savable
class InverseMap(Map):
    r"""From the source through coordinates u of the target.

    .. math:: T(y) = F_t(u), \qquad u = \arg\min_u |F_s(u) - y|^2 + \kappa^2 |u - u_0|^2

    with :math:`F_s` and :math:`F_t` learned functions of u, and with :math:`u_0` what a direct map predicts, taken to
    coordinates by the frames of the sample whose target is nearest. :math:`\kappa` is the error of :math:`F_s` over
    that of :math:`u_0`: where the source hardly moves with u, the prediction decides. Where no u is found, it stands.

    Arguments:
        direct: The direct map.
        source: :math:`F_s`.
        target: :math:`F_t`.
        coordinates: u of the samples, shape `(n, m)`.
        sources: y of the samples, `(n, d_s)`.
        targets: The samples' targets, `(n, d_t)`.
        reach: Largest distance of :math:`u_0` from the nearest sample, `()`.
        inverses: Pseudo-inverses of the slopes of :math:`F_t` at the samples, `(n, m, d_t)`.
        spread: RMS distance of the y from their mean, `()`.
        trust: :math:`\kappa`, `()`.
    """

    direct: KernelMap
    source: KernelMap
    target: KernelMap
    coordinates: Tensor
    sources: Tensor
    targets: Tensor
    inverses: Tensor
    reach: Tensor
    spread: Tensor
    trust: Tensor

    def __init__(
        self,
        direct: KernelMap,
        source: KernelMap,
        target: KernelMap,
        coordinates: Tensor,
        sources: Tensor,
        targets: Tensor,
        inverses: Tensor,
        reach: Tensor,
        spread: Tensor,
        trust: Tensor,
    ) -> None:
        super().__init__()
        self.direct, self.source, self.target = direct, source, target
        self.register_tensors(
            coordinates=coordinates,
            sources=sources,
            targets=targets,
            inverses=inverses,
            reach=reach,
            spread=spread,
            trust=trust,
        )

    def forward(self, values: Tensor) -> Tensor:
        r"""Activations `(q, d_s)` to activations `(q, d_t)`, computed in float64, in the dtype given.

        Raises:
            TypeError: If `values` is no floating tensor.
            ValueError: If it has another shape.
        """
        check_activations(values, self.sources.shape[1])
        few = [self._few(part) for part in values.to(self.sources.dtype).split(QUERIES_PER_SEARCH)]

        return torch.cat(few).to(values.dtype)

    def _few(self, values: Tensor) -> Tensor:
        direct = self.direct(values)

        points, found = _Search.apply(values.detach(), direct.detach(), self)
        # Of no length, and with the derivative of the inverse function.
        points = points + self.shift(points, values - values.detach())

        return torch.where(found[:, None], self.target(points), direct)

    def shift(self, points: Tensor, change: Tensor) -> Tensor:
        r"""How u moves, to first order, when :math:`y - F_s` changes by `(q, d_s)` numbers: shape `(q, m)`."""
        with torch.no_grad():
            slopes = self._beside(self.linearised(points, points), points)[1]

        return gauss_newton_step(slopes, torch.cat([change, torch.zeros_like(points)], dim=1))

    def predicted(self, targets: Tensor, own: Tensor | None = None) -> Tensor:
        r""":math:`u_0` of predicted targets `(q, d_t)`, shape `(q, m)`; `own` as in `starts`."""
        nearest = _nearest(targets, self.targets, 1, own)[:, 0]
        beyond = (self.inverses[nearest] @ (targets - self.targets[nearest])[:, :, None])[:, :, 0]
        # Predictions far off the target lead nowhere.
        far = beyond.norm(dim=1, keepdim=True).clamp_min(1e-300)

        return self.coordinates[nearest] + beyond * (self.reach / far).clamp_max(1)

    def starts(self, values: Tensor, predicted: Tensor, own: Tensor | None = None) -> Tensor:
        r""":math:`u_0`, and the samples nearest in the source: where searches begin, shape `(q, s, m)`.

        Arguments:
            values: y, shape `(q, d_s)`.
            predicted: What the direct map makes of them, `(q, d_t)`.
            own: Samples that are not to be used, one for each, `(q,)`; None: all may be.
        """
        others = self.coordinates[_nearest(values, self.sources, NEAREST_STARTS, own)]

        return torch.cat([self.predicted(predicted, own)[:, None], others], dim=1)

    def linearised(self, points: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        r""":math:`F_s` at `(q, m)` points, shape `(q, d_s)`, and its slopes `(q, d_s, m)`."""
        identity = torch.eye(points.shape[1], dtype=points.dtype, device=points.device)

        return self.source.linearised(points, identity.expand(len(points), -1, -1))

    def located(self, values: Tensor, starts: Tensor, function: Function) -> tuple[Tensor, Tensor]:
        r"""Coordinates u, shape `(q, m)`, and whether they were found, `(q,)`, bool.

        Arguments:
            values: y, shape `(q, d_s)`.
            starts: :math:`u_0` and others, `(q, s, m)`.
            function: :math:`F_s`, as `linearised` gives it.
        """
        goal = torch.cat([values, self.trust * starts[:, 0]], dim=1)
        points, misfit = preimages(
            lambda points, rows: self._beside(function(points, rows), points),
            goal,
            starts,
            MAX_PREDICTED_MISFIT * self.spread,
        )

        return points, misfit < MAX_MISFIT * self.spread

    def _beside(self, found: tuple[Tensor, Tensor], points: Tensor) -> tuple[Tensor, Tensor]:
        r""":math:`F_s` and, beside it, :math:`\kappa u`."""
        trusted = self.trust * torch.eye(points.shape[1], dtype=points.dtype, device=points.device)

        return (
            torch.cat([found[0], self.trust * points], dim=1),
            torch.cat([found[1], trusted.expand(len(points), -1, -1)], dim=1),
        )

    def extrapolates(self, values: Tensor) -> Tensor:
        r"""Where `values` lie far from every sample, shape `(q,)`, bool."""
        return self.direct.extrapolates(values)

    def config(self) -> dict[str, Any]:
        r"""JSON-ready description, without tensors."""
        return {name: getattr(self, name).config() for name in ("direct", "source", "target")}

    @classmethod
    def from_config(cls, config: dict[str, Any], tensors: dict[str, Tensor]) -> InverseMap:
        r"""The inverse of `config` and `state_dict`."""
        direct, source, target = (
            KernelMap.from_config(config[name], part(tensors, name))
            for name in ("direct", "source", "target")
        )
        own = {name: tensor for name, tensor in tensors.items() if "." not in name}

        return cls(direct, source, target, **own)


class _Search(torch.autograd.Function):
    r"""The search for u, whose steps depend on the values, made one that torch.func can batch."""

    @staticmethod
    def forward(values: Tensor, direct: Tensor, map_: InverseMap) -> tuple[Tensor, Tensor]:
        r"""Values `(q, d_s)` and predictions `(q, d_t)` to u `(q, m)` and whether it was found `(q,)`."""
        return map_.located(values, map_.starts(values, direct), map_.linearised)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        r"""Derivatives are added afterwards."""
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[None, None, None]:
        r"""None."""
        return None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, int, None], values: Tensor, direct: Tensor, map_: InverseMap
    ) -> tuple[tuple[Tensor, ...], tuple[int, int]]:
        r"""All batches in one search."""
        first, second, _ = in_dims
        flat = values.movedim(first, 0).flatten(0, 1), direct.movedim(second, 0).flatten(0, 1)

        return tuple(out.unflatten(0, (info.batch_size, -1)) for out in _Search.apply(*flat, map_)), (0, 0)


def _nearest(queries: Tensor, samples: Tensor, count: int, own: Tensor | None) -> Tensor:
    r"""The nearest samples but its own, `(q, count)`."""
    distance = torch.cdist(queries, samples)

    if own is not None:
        distance[torch.arange(len(own), device=own.device), own] = torch.inf

    return distance.topk(min(count, len(samples) - 1), largest=False).indices
