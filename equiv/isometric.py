r"""Isometric coordinates: the frames of an observed manifold integrated to a flat chart."""

from typing import Any

import torch
from torch import Tensor

from equiv.chart import Chart
from equiv.checks import check_integer
from equiv.frames import split_frames
from equiv.flattening import flatten
from equiv.neighbors import neighbor_graph
from equiv.observations import Observations
from equiv.smooth_fit import SmoothBasis, solve_ridge
from equiv.synchronization import PairEquations, Solution, orient

__all__ = ["IsometricMaps"]


class IsometricMaps:
    r"""Coordinates :math:`u_i \in R^m` in which every frame is orthonormal.

    The metric of a network's input space is flat: :math:`y = F(u)` with :math:`DF(u_i) = J_i R_i` for unknown
    rotations. Both are found from pairs of neighbours (see `equiv.synchronization`), then corrected for the
    error of the trapezoid rule through a smooth fit F.

    Arguments:
        dimension: m; None: the rank of most frames.

    Attributes:
        coordinates_: `(n, m)`, in input units, centred.
        residual_: Root mean square misfit of the edges relative to their lengths. Dimensionless.
        periods_: Lattice vectors `(p, m)`, modulo which the coordinates live; None without.
        accepted_: Whether the diagnosis found nothing wrong.
        diagnostics_: Named numbers, and `"reasons"`, sentences, empty when accepted.
        chart_: The `equiv.chart.Chart` for points out of sample.

    Raises:
        ValueError: Where there are no frames, too few samples, or disconnected clouds.
    """

    coordinates_: Tensor
    residual_: float
    periods_: Tensor | None
    accepted_: bool
    diagnostics_: dict[str, Any]
    chart_: Chart

    def __init__(self, dimension: int | None = None) -> None:
        self.dimension = None if dimension is None else check_integer(dimension, "dimension", 1)

    def fit(self, obs: Observations) -> "IsometricMaps":
        r"""Fits the observations, which need frames; returns self."""
        if obs.frames is None:
            raise ValueError(
                "'obs' should have frames, got frames=None; probe with frames='jacobian', bursts or "
                "'neighbors'."
            )

        values = obs.values.detach().double().cpu()
        frames = obs.frames.detach().double().cpu()
        weights = _neuron_weights(values)
        _, _, rank = split_frames(obs.frames.cpu())
        m = int(rank.mode().values) if self.dimension is None else self.dimension
        noisy = obs.burst_size is not None
        k = 24 if noisy else 12

        if len(values) < k + 2:
            raise ValueError(
                f"'obs' should hold at least {k + 2} samples for isometric coordinates, got {len(values)}; "
                "probe more inputs."
            )

        scaled = values * weights
        basis, scale, _ = split_frames(frames * weights[:, None], rtol=0.0)
        basis, scale = basis[:, :, :m], scale[:, :m]
        scale = scale.clamp_min(1e-10 * float(scale.max()))
        graph = neighbor_graph(scaled, basis, scale, k)
        count, labels = graph.components()

        if count > 1:
            sizes = labels.bincount().sort(descending=True).values.tolist()
            raise ValueError(
                f"'obs' should be one connected cloud, got {count} that no chain of neighbours joins (of "
                f"{', '.join(map(str, sizes[:5]))} samples); fit each alone or probe more densely."
            )

        signs, agree = orient(basis, graph)
        frustration = 1 - float(agree.double().mean())
        if frustration < 0.01 and graph.subset(agree).components()[0] == 1:
            graph = graph.subset(agree)
        frames = basis * scale[:, None]
        frames[:, :, 0] *= signs[:, None]
        equations = PairEquations(scaled, frames, graph.i, graph.j, graph.squared)
        found = flatten(equations, graph, level=0.3 if noisy else 0.05)
        solution, windings, kept = found.solution, found.windings, found.equations
        smooth = _smooth(solution, values, 40 if noisy else 150)
        rounds = 1 if noisy else 3

        for round_ in range(rounds):
            correction = _trapezoid_defect(smooth, kept, solution, windings) * weights
            solution = kept.solve(
                solution.coordinates,
                solution.rotations,
                correction=kept.project(correction),
                windings=windings,
                periods=solution.periods,
                steps=3,
                tolerance=1e-4,
            )
            smooth = _smooth(
                solution, values, 40 if noisy else 300, *((5.0, 1e-9) if noisy else (4.0, 1e-12))
            )

        share = solution.residual.norm(dim=1) / kept.squared.sqrt()
        rejected = len(graph.i) - len(kept.i)
        reasons = []
        if rejected > 0:
            reasons.append(f"{rejected} of {len(graph.i)} pairs of neighbours fit no flat chart.")
        if frustration > 0:
            reasons.append(f"Orientations disagree across {frustration:.2%} of the pairs of neighbours.")

        self.coordinates_ = solution.coordinates
        self.periods_ = solution.periods
        self.residual_ = float(share.square().mean().sqrt())
        self.accepted_ = not reasons
        self.diagnostics_ = {
            "dimension": m,
            "frustration": frustration,
            "rejected_pairs": rejected,
            "converged": solution.converged,
            "reasons": reasons,
        }
        self.chart_ = _chart(solution, smooth, values, frames, weights)

        return self

    def transform(self, values: Tensor, frames: Tensor | None = None) -> Tensor:
        r"""Coordinates out of sample, `(q, d)` to `(q, m)`; frames are not needed."""
        return self.chart_.restrict(values)

    def inverse_transform(self, coordinates: Tensor) -> Tensor:
        r"""Values at coordinates, `(q, m)` to `(q, d)`."""
        return self.chart_.lift(coordinates)


def _neuron_weights(values: Tensor) -> Tensor:
    r"""One over the spread of each neuron and the root of its number of copies, `(d,)`; 0 where constant.

    Distances then do not change when neurons are rescaled, repeated, or dead ones are added.
    """
    centred = values - values.mean(dim=0)
    spread = centred.square().mean(dim=0).sqrt()
    alive = spread > 1e-12 * values.abs().amax(dim=0).clamp_min(1e-300)
    if not bool(alive.any()):
        raise ValueError(
            "'obs' should hold neurons that vary, got values that are all constant; probe others."
        )
    unit = centred / torch.where(alive, spread, torch.inf)
    correlation = unit.T @ unit / len(values)
    copies = (correlation.abs() > 1 - 1e-10).sum(dim=1).clamp_min(1)

    return torch.where(alive, 1 / (spread * copies.double().sqrt()), 0.0)


def _smooth(
    solution: Solution, values: Tensor, count: int, scale: float = 5.0, ridge: float = 1e-9
) -> tuple[SmoothBasis, Tensor]:
    basis = SmoothBasis.at_farthest_points(solution.coordinates, count, solution.periods, scale)

    return basis, solve_ridge(basis.evaluate(solution.coordinates), values, ridge)


def _trapezoid_defect(
    smooth: tuple[SmoothBasis, Tensor], equations: PairEquations, solution: Solution, windings: Tensor | None
) -> Tensor:
    r"""What the trapezoid rule misses of F along each edge, `(E, d)`."""
    basis, coefficients = smooth
    u, i, j = solution.coordinates, equations.i, equations.j
    fitted, slope = basis.combine(u, coefficients)
    step = u[j] - u[i]
    if windings is not None and solution.periods is not None:
        step = step + windings @ solution.periods

    return fitted[j] - fitted[i] - 0.5 * torch.einsum("edm,em->ed", slope[i] + slope[j], step)


def _chart(
    solution: Solution,
    smooth: tuple[SmoothBasis, Tensor],
    values: Tensor,
    frames: Tensor,
    weights: Tensor,
) -> Chart:
    basis, coefficients = smooth
    u = solution.coordinates
    m = u.shape[1]
    distance = torch.stack([torch.cdist(u, u + image) for image in basis.images]).amin(dim=0)
    spacing = distance.topk(5, dim=1, largest=False).values[:, 4]
    normal = ((values - basis.evaluate(u) @ coefficients) * weights).norm(dim=1)
    neighbor = torch.cdist(values * weights, values * weights).topk(5, dim=1, largest=False).values[:, 4]
    tolerance = torch.maximum(3 * normal.max(), 0.1 * neighbor.median())
    empty = torch.zeros(0, m, dtype=torch.float64)

    return Chart(
        {
            "centers": basis.centers,
            "width": basis.width,
            "images": basis.images,
            "free": basis.free,
            "coefficients": coefficients,
            "weights": weights,
            "anchor_values": values.clone(),
            "anchor_coordinates": u.clone(),
            "anchor_inverses": torch.linalg.pinv(frames @ solution.rotations, rtol=1e-6),
            "anchor_spacing": spacing,
            "normal_tolerance": tolerance,
            "periods": empty if solution.periods is None else solution.periods,
        }
    )
