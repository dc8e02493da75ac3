r"""Closed manifolds: periods from the sums of displacements around loops, and coordinates modulo these."""

import torch
from torch import Tensor

from equiv.coordinates.lattice import reduce_lattice
from equiv.flattening.flat import largest_misfit
from equiv.flattening.pair_equations import PairEquations
from equiv.flattening.synchronization import Flattening, PairSolution, synchronise, torn_pairs

__all__ = ["closing", "find_lattice", "solve_closed"]


# Mismatches longer than so many of the longest pairs are sums around loops, not errors of single pairs.
# [lengths of the longest pairs; chosen: periods are many pairs long, and errors of one are shorter than it]
LOOP_LENGTHS = 3.0

# The pairs of this rank count as the longest.
# [quantile; chosen: beyond it lie a few pairs across gaps]
LONGEST_PAIRS = 0.95

# Mismatches nearer to each other than this belong to one period.
# [share of the period; chosen: developed coordinates are bent by some percent, periods differ by most of themselves]
SAME_PERIOD = 0.15

# Mismatches farther than this from the lattice found so far may belong to another period.
# [share of the shortest period; chosen: a little more than the above, so that what was gathered is not found again]
OFF_LATTICE = 0.2

# No other period is looked for in this share of the mismatches, or less.
# [share of the long mismatches; chosen: a period is crossed by about as many pairs as any other]
FEW_MISMATCHES = 0.1

# Where more than this share lies on no lattice, there is none.
# [share of the long mismatches; chosen: twice the above]
UNEXPLAINED_MISMATCHES = 0.2

# Mismatches that are tried as periods.
# [mismatches; chosen: any of those that gather serves, and distances to all others are reckoned for each]
PERIODS_TRIED = 300

# Residual with windings below which a pair fits the developed coordinates.
# [share of the shortest period; chosen: farther from the lattice a winding is a guess]
DEVELOPED_MISFIT = 0.3

# Share of the samples that may be set down in a wrong place.
# [share of the samples; chosen: single samples next to a loop's seam; a larger piece would be another sheet]
MISPLACED = 0.01

# How often pairs are rejected and the rest is solved for again.
# [rounds; chosen: it ends earlier once no pair changes sides]
REJECTIONS = 3

# Coordinates have settled when a step moves them by less than this.
# [share of their spread; chosen: a tenth of what others need, as no later correction finds the periods anew]
SETTLED_WITH_PERIODS = 1e-5


def find_lattice(mismatch: Tensor, squared: Tensor) -> tuple[Tensor, Tensor] | None:
    r"""Lattice vectors around which the mismatches of pairs gather.

    Arguments:
        mismatch: :math:`z_{ij} - (u_j - u_i)` of coordinates developed along a tree, `(E, m)`.
        squared: Squared lengths of the pairs, `(E,)`.

    Returns:
        Reduced periods T, `(p, m)`, and the integers of each pair, `(E, p)`; None where no mismatch is far
        longer than the pairs, or the long ones do not gather.
    """
    far = mismatch.norm(dim=1) > LOOP_LENGTHS * squared.sqrt().quantile(LONGEST_PAIRS)
    pool = mismatch[far]
    found: list[Tensor] = []

    while len(pool) > max(2, FEW_MISMATCHES * far.sum()) and len(found) < mismatch.shape[1]:
        centers = pool[:: max(1, len(pool) // PERIODS_TRIED)]
        # The vector, of either sign, that most mismatches agree with.
        apart = torch.minimum(torch.cdist(centers, pool), torch.cdist(-centers, pool))
        agreeing = apart < SAME_PERIOD * centers.norm(dim=1, keepdim=True)
        center = centers[int(agreeing.sum(dim=1).argmax())]
        same = (pool - center).norm(dim=1) < SAME_PERIOD * center.norm()
        opposite = (pool + center).norm(dim=1) < SAME_PERIOD * center.norm()
        found.append(torch.cat([pool[same], -pool[opposite]]).median(dim=0).values)
        periods = torch.stack(found)
        rest = pool - (pool @ torch.linalg.pinv(periods)).round() @ periods
        pool = pool[rest.norm(dim=1) > OFF_LATTICE * periods.norm(dim=1).min()]

    if not found or len(pool) > UNEXPLAINED_MISMATCHES * far.sum():
        return None

    periods = reduce_lattice(torch.stack(found))

    return periods, (mismatch @ torch.linalg.pinv(periods)).round()


def closing(mismatch: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor] | None:
    r"""The period of a curve whose ends a few pairs join, as around a corner.

    Arguments:
        mismatch: As of `find_lattice`, `(E, 1)`.
        coordinates: The developed coordinates, `(n, 1)`.

    Returns:
        As `find_lattice`; None where no pair spans the curve: false neighbours span a part of it.
    """
    longest = mismatch[mismatch.abs().argmax()]

    if float(longest.abs()) < float(coordinates.max() - coordinates.min()):
        return None

    return longest.abs()[None], (mismatch / longest.abs()).round()


def solve_closed(
    equations: PairEquations, start: PairSolution, periods: Tensor, windings: Tensor
) -> Flattening:
    r"""Solves for coordinates, rotations and periods together, without the pairs that fit no winding.

    Arguments:
        equations: Of all pairs.
        start: Developed coordinates and rotations.
        periods: T, nearly right, `(p, m)`.
        windings: How often each pair crosses them, `(E, p)`.
    """
    solution = start
    kept = torch.ones(len(equations.i), dtype=torch.bool)
    mismatch = equations.mismatch(start.coordinates, start.rotations) + windings @ periods
    good = _joined(equations, mismatch.norm(dim=1) < DEVELOPED_MISFIT * periods.norm(dim=1).min())

    for _ in range(REJECTIONS):
        if equations.graph.subset(good).components()[0] > 1:
            break
        kept = good
        solution = synchronise(
            equations.subset(kept),
            solution.coordinates,
            solution.rotations,
            windings=windings[kept],
            periods=periods,
            tolerance=SETTLED_WITH_PERIODS,
        )
        assert solution.periods is not None
        periods = solution.periods
        bare = equations.mismatch(solution.coordinates, solution.rotations)
        windings = -(bare @ torch.linalg.pinv(periods)).round()
        residual = (bare + windings @ periods).norm(dim=1) / equations.lengths
        good = _joined(equations, residual <= largest_misfit(residual[kept]))
        if bool((good == kept).all()):
            break

    part = equations.subset(kept)

    return Flattening(solution, part, windings[kept], int((~kept).sum()), torn_pairs(solution, equations))


def _joined(equations: PairEquations, good: Tensor) -> Tensor:
    r"""The good pairs, and all those of few samples that good ones do not join to the rest: set down in a wrong place,
    they are moved as one by a solution that keeps these.
    """
    labels = equations.graph.subset(good).components()[1]
    apart = labels != labels.bincount().argmax()

    if float(apart.double().mean()) >= MISPLACED:
        return good

    return good | apart[equations.i] | apart[equations.j]
