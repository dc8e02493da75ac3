r"""Registration: the local isometry between two coordinate domains that carries anchors to anchors.

Rows are points: the registration of A's coordinates u is :math:`g(u) = Q u + t`, modulo B's periods.
"""

from __future__ import annotations

import enum
import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from equiv.lattice import lattice_embeddings, wrap
from equiv.support import inside

__all__ = ["Domain", "Registration", "Relation", "register", "rigid_fit"]

# More subsets of anchors than this are never tried; then a fixed selection of them is.
SUBSETS = 500
# An anchor is wrong when it is off by more than this many typical residuals, and by more than this share of
# the spread.
OUTLIER_RESIDUALS = 8.0
OUTLIER_SHARE = 0.01


@dataclass(frozen=True)
class Domain:
    r"""The intrinsic coordinates of one side's samples.

    Attributes:
        coordinates: Shape `(n, m)`, in input units, float64, on the CPU.
        periods: Shape `(p, m)`, p > 0, or None where the coordinates are not periodic.
    """

    coordinates: Tensor
    periods: Tensor | None = None

    @property
    def dimension(self) -> int:
        return self.coordinates.shape[1]

    @property
    def spread(self) -> float:
        r"""RMS distance from the centre, in input units."""
        return (self.coordinates - self.coordinates.mean(dim=0)).square().sum(dim=1).mean().sqrt().item()

    @property
    def n_periods(self) -> int:
        return 0 if self.periods is None else len(self.periods)


class Relation(enum.StrEnum):
    r"""What the registration says about the two spaces."""

    ISOMETRIC = "isometric"
    A_COVERS_B = "A covers B"
    B_COVERS_A = "B covers A"
    NONE = "no local isometry"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Registration:
    r"""A local isometry from a source to a target domain, with its evidence.

    Attributes:
        relation: ISOMETRIC and A_COVERS_B: the source is A and the target B. B_COVERS_A: the reverse. NONE
            and UNDECIDED: no registration, `matrix` and `offset` are None.
        matrix: Q, shape `(m, m)`.
        offset: t, shape `(m,)`, in input units.
        residuals: Misfit at each anchor, shape `(k,)`, in input units; empty without anchors.
        rejected: Rows of the anchors that contradict the others.
        symmetries: Number of equally good registrations.
        overlap_a: Share of A's samples that land in B's support.
        overlap_b: Share of B's samples that lie in the image of A's support.
        reason: One sentence.
    """

    relation: Relation
    reason: str
    matrix: Tensor | None = None
    offset: Tensor | None = None
    residuals: Tensor = torch.zeros(0, dtype=torch.float64)
    rejected: tuple[int, ...] = ()
    symmetries: float = 0
    overlap_a: float = math.nan
    overlap_b: float = math.nan


def rigid_fit(source: Tensor, target: Tensor, handedness: int) -> tuple[Tensor, Tensor]:
    r"""The rigid motion of given handedness that best carries one set of points to another.

    .. math:: \min_{Q \in O(m),\ \det Q = h} \sum_k \lvert Q a_k + t - b_k \rvert^2

    Arguments:
        source: Points :math:`a_k`, shape `(k, m)`.
        target: Points :math:`b_k`, shape `(k, m)`.
        handedness: h, 1 or -1.

    Returns:
        Q of shape `(m, m)` and t of shape `(m,)`.

    References:
        | A generalized solution of the orthogonal Procrustes problem (Schönemann, 1966)
        | https://doi.org/10.1007/BF02289451
        | Least-squares estimation of transformation parameters between two point patterns (Umeyama, 1991)
        | https://doi.org/10.1109/34.88573
    """
    a, b = source.mean(dim=0), target.mean(dim=0)
    left, _, right = torch.linalg.svd((target - b).T @ (source - a))
    signs = torch.ones(len(left), dtype=left.dtype)
    signs[-1] = handedness * torch.sign(torch.linalg.det(left) * torch.linalg.det(right))
    matrix = (left * signs) @ right

    return matrix, b - matrix @ a


def register(a: Domain, b: Domain, anchors: Tensor | None, tolerance: float) -> Registration:
    r"""Finds how two coordinate domains correspond.

    Closed directions first: a local isometry has to carry the periods of the one into those of the other,
    which leaves finitely many linear parts. Then the anchors choose among them and fix the translation; in a
    flat domain they fix the whole rigid motion. Where several fit the anchors equally well, the supports
    decide.

    Arguments:
        a: Domain of A.
        b: Domain of B, of the same dimension.
        anchors: Pairs of sample indices, shape `(k, 2)`, int64; None for none.
        tolerance: Largest relative difference of lengths between isometric domains.

    Returns:
        The best registration. A failed one has relation NONE (excluded) or UNDECIDED, never the identity.
    """
    relation, choices, reason = _linear_parts(a, b, tolerance)

    if relation in (Relation.NONE, Relation.UNDECIDED):
        return Registration(relation, reason)

    if relation is Relation.B_COVERS_A:
        a, b, anchors = b, a, None if anchors is None else anchors.flip(1)

    if anchors is None:
        candidates = _without_anchors(a, b, choices)
    else:
        ends = a.coordinates[anchors[:, 0]], b.coordinates[anchors[:, 1]]
        candidates = _with_anchors(*ends, b.periods, choices, OUTLIER_SHARE * b.spread)

    if not candidates:
        return Registration(Relation.UNDECIDED, "too few anchors fix no registration of these domains")

    best = _best(a, b, [replace(c, relation=relation, reason=reason) for c in candidates])

    if relation is Relation.B_COVERS_A:
        return replace(best, overlap_a=best.overlap_b, overlap_b=best.overlap_a)

    return best


def _linear_parts(a: Domain, b: Domain, tolerance: float) -> tuple[Relation, list[Tensor] | None, str]:
    r"""The linear parts that the periods leave; None for all of O(m)."""
    m, identity = a.dimension, torch.eye(a.dimension, dtype=torch.float64)

    if a.periods is None and b.periods is None:
        return Relation.ISOMETRIC, ([identity, -identity] if m == 1 else None), "neither space is periodic"

    if a.n_periods != b.n_periods:
        if m > 1:
            reason = f"A has {a.n_periods} closed directions and B has {b.n_periods}"

            return Relation.NONE, None, reason

        if a.periods is None:
            return Relation.A_COVERS_B, [identity, -identity], "A is an open interval and B is closed"

        return Relation.B_COVERS_A, [identity, -identity], "A is closed and B is an open interval"

    if m - a.n_periods > 1:
        return Relation.UNDECIDED, None, "closed spaces with more than one open direction are not registered"

    for relation, source, target, names in (
        (Relation.A_COVERS_B, a.periods, b.periods, "AB"),
        (Relation.B_COVERS_A, b.periods, a.periods, "BA"),
    ):
        found = lattice_embeddings(source, target, tolerance)

        if found:
            index = min(index for _, index, _ in found)
            choices = [matrix for matrix, i, _ in found if i == index]

            if index == 1:
                return Relation.ISOMETRIC, choices, "the periods agree"

            return relation, choices, f"{names[0]} covers {names[1]} {index} times: so do the periods"

    return Relation.NONE, None, "no isometry carries the periods of A into those of B or the reverse"


def _with_anchors(
    source: Tensor, target: Tensor, periods: Tensor | None, choices: list[Tensor] | None, floor: float
) -> list[Registration]:
    r"""One robust fit for each linear part or handedness, those that fit the anchors about as well as the best."""
    if choices is None:
        fits = [_robust_rigid(source, target, handedness, floor) for handedness in (1, -1)]
        fits = [fit for fit in fits if fit is not None]
    else:
        fits = [_robust_shift(source, target, matrix, periods, floor) for matrix in choices]

    if not fits:
        return []

    def cost(fit: Registration) -> float:
        return fit.residuals.clamp(max=3 * floor).square().mean().sqrt().item()

    best = min(cost(fit) for fit in fits)

    return [fit for fit in fits if cost(fit) <= max(3 * best, floor / 2)]


def _fitted(matrix: Tensor, offset: Tensor, source: Tensor, target: Tensor, periods: Tensor | None) -> Tensor:
    return wrap(source @ matrix.T + offset - target, periods).norm(dim=1)


def _outliers(residuals: Tensor, floor: float) -> Tensor:
    r"""Anchors far off the others' fit; none where they would be a third or more."""
    scale = 1.4826 * residuals.median().item()
    wrong = residuals > max(OUTLIER_RESIDUALS * scale, floor)

    return wrong if 3 * wrong.sum() < len(residuals) else torch.zeros_like(wrong)


def _robust_shift(
    source: Tensor, target: Tensor, matrix: Tensor, periods: Tensor | None, floor: float
) -> Registration:
    r"""The translation modulo the periods that most anchors agree on."""
    shifts = target - source @ matrix.T
    distances = wrap(shifts[:, None] - shifts[None], periods).norm(dim=2)
    pivot = shifts[distances.median(dim=1).values.argmin()]
    offset = pivot
    wrong = torch.zeros(len(shifts), dtype=torch.bool)

    for _ in range(3):  # mean of the agreeing ones, then once more who agrees
        offset = offset + wrap(shifts[~wrong] - offset, periods).mean(dim=0)
        residuals = _fitted(matrix, offset, source, target, periods)
        wrong = _outliers(residuals, floor)

    return _candidate(matrix, offset, residuals, wrong)


def _robust_rigid(source: Tensor, target: Tensor, handedness: int, floor: float) -> Registration | None:
    r"""The rigid motion that most anchors agree on: least median of squares over subsets, then least squares."""
    k, m = source.shape

    if k < m:
        return None

    size = min(k, m + 1)
    subsets = itertools.islice(itertools.combinations(range(k), size), SUBSETS)
    wrong = torch.zeros(k, dtype=torch.bool)
    lowest = math.inf

    for subset in subsets if k > size else [tuple(range(k))]:
        matrix, offset = rigid_fit(source[list(subset)], target[list(subset)], handedness)
        residuals = _fitted(matrix, offset, source, target, None)
        median = residuals.sort().values[math.ceil(2 * k / 3) - 1].item()

        if median < lowest:
            lowest, wrong = median, _outliers(residuals, floor)

    for _ in range(3):
        matrix, offset = rigid_fit(source[~wrong], target[~wrong], handedness)
        residuals = _fitted(matrix, offset, source, target, None)
        wrong = _outliers(residuals, floor)

    return _candidate(matrix, offset, residuals, wrong)


def _candidate(matrix: Tensor, offset: Tensor, residuals: Tensor, wrong: Tensor) -> Registration:
    return Registration(
        Relation.ISOMETRIC, "", matrix, offset, residuals, tuple(wrong.nonzero().flatten().tolist())
    )


def _without_anchors(a: Domain, b: Domain, choices: list[Tensor] | None) -> list[Registration]:
    r"""All linear parts, with the middles of the supports laid over each other."""
    if choices is None:
        return []

    closed = b.n_periods == b.dimension
    middle = [(d.coordinates.amin(dim=0) + d.coordinates.amax(dim=0)) / 2 for d in (a, b)]
    shifts = [
        torch.zeros(b.dimension, dtype=torch.float64) if closed else middle[1] - q @ middle[0]
        for q in choices
    ]
    none = torch.zeros(0, dtype=torch.float64)

    return [
        Registration(Relation.ISOMETRIC, "", q, t, none, symmetries=math.inf if closed else 0)
        for q, t in zip(choices, shifts, strict=True)
    ]


def _best(a: Domain, b: Domain, candidates: list[Registration]) -> Registration:
    r"""The candidate under which the supports overlap most, and how many do as well."""
    scored = []

    for candidate in candidates:
        moved = a.coordinates @ candidate.matrix.T + candidate.offset
        scored.append(
            replace(
                candidate,
                overlap_a=inside(moved, b.coordinates, b.periods).double().mean().item(),
                overlap_b=inside(b.coordinates, moved, b.periods).double().mean().item(),
            )
        )

    def overlap(c: Registration) -> float:
        return min(c.overlap_a, c.overlap_b)

    most = max(overlap(c) for c in scored)
    # Within the sampling error of the overlap the anchors' own fit decides.
    good = [c for c in scored if overlap(c) >= most - 0.02]
    best = min(good, key=lambda c: c.residuals.square().sum().item())

    return replace(best, symmetries=max(best.symmetries, len(good)))
