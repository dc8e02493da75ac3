r"""The kernel of many samples: only pairs within its reach, found without the n x n matrix.

A pair that passes the tangency test (a share of at most s of its squared difference is normal at either end)
has :math:`|L_i^\top (y_j - y_i)|^2 \ge (1 - s) |y_j - y_i|^2 / \sigma_i^2`, with :math:`\sigma_i` the largest
singular value of its frame. So :math:`d_{ij}^2 < R^2` means :math:`|y_j - y_i| < \sigma R / \sqrt{1 - s}`:
samples are sorted into small boxes, and each box is compared, in one dense tile, with the samples that are
that close to it.
"""

from typing import Any

import torch
from torch import Tensor

from equiv.metric.mahalanobis import MAX_NORMAL_SHARE, pair_distances
from equiv.metric.points import MetricPoints
from equiv.spectral.dense_kernel import nearest_others
from equiv.spectral.eigenpairs import Operator
from equiv.spectral.epsilon import neighbour_epsilon

__all__ = ["SparseKernel"]


# Exponent d2 / (4 epsilon) beyond which pairs have no weight.
# [dimensionless; derived: in the plane they carry a share of 11 e^-10 = 0.05 % of the kernel's second moment]
TAIL_EXPONENT = 10.0

# Rows from which epsilon is chosen and pairs are counted.
# [samples; chosen: the mean distance is then right to a few percent, and epsilon with it]
EPSILON_ROWS = 400

# Rows of these at a time.
# [samples; chosen: bounds the memory at 50 times the number of samples]
EPSILON_BLOCK = 50

# Distances of each of these rows that are looked at, the smallest.
# [samples; chosen: enough to count the pairs within reach, and to see past copies]
NEAREST_LOOKED_AT = 4096

# Pairs that the kernel may hold.
# [pairs; chosen: 3 GiB at 12 bytes]
LARGEST_PAIR_COUNT = 2.5e8

# Samples in a box.
# [samples; chosen: a dense tile of a box and what is near it runs at full speed, larger ones hold more in vain]
BOX_SAMPLES = 128

# Principal directions that boxes are drawn in.
# [directions; chosen: distances in fewer are never longer, and more of them hardly lengthen them]
BOX_DIRECTIONS = 12

# A pair within this much of the bound on distances is not left out.
# [share of the squared distance; chosen: rounding of squares]
BOUND_ROUNDING = 1e-9

# Samples that share one unknown of the preconditioner.
# [samples; chosen: aggregates no wider than the kernel, which joins 8 to 16]
AGGREGATE_SAMPLES = 4

# Unknowns of the preconditioner, above which aggregates grow.
# [unknowns; chosen: its factor fills in three dimensions, and would take longer than it saves]
LARGEST_UNKNOWN_COUNT = 12_000

# Shift of the coarse operator, so that the trivial direction can be solved for.
# [dimensionless; chosen: above rounding, far below 1 minus the wanted eigenvalues]
COARSE_SHIFT = 1e-7


def principal_scores(points: MetricPoints) -> Tensor:
    r"""Coordinates of the samples along the leading principal directions of the cloud, `(n, p)`, at most 12."""
    covariance = points.values.T @ points.values
    directions = torch.linalg.eigh(covariance).eigenvectors.flip(1)[:, :BOX_DIRECTIONS]

    return points.values @ directions


def boxes(scores: Tensor, size: int) -> list[Tensor]:
    r"""Index tensors of at most `size` samples each, by halving the cloud along its widest direction."""
    whole, done = [torch.arange(len(scores), device=scores.device)], []

    while whole:
        index = whole.pop()

        if len(index) <= size:
            done.append(index)
            continue

        own = scores[index]
        axis = int((own.amax(dim=0) - own.amin(dim=0)).argmax())
        order = own[:, axis].argsort(stable=True)
        whole += [index[order[: len(order) // 2]], index[order[len(order) // 2 :]]]

    return done


class SparseKernel:
    r"""K among the samples, without the pairs that it weighs below :math:`e^{-10}`.

    In the plane these carry a share of 11 e^-10 = 0.05 % of the kernel's second moment.

    Arguments:
        points: The samples.
        epsilon: In squared input units; None: by `equiv.spectral.epsilon`, from some of the samples.

    Attributes:
        epsilon: As given, or chosen.
        reach: Pairs at a larger squared distance have no weight.

    Raises:
        ValueError: If the kernel would not fit the memory.
    """

    def __init__(self, points: MetricPoints, epsilon: float | None) -> None:
        import numpy as np

        self.scores = principal_scores(points)
        # Evenly spread along the cloud, whatever the order of the samples.
        order = self.scores[:, 0].argsort()
        some = order[torch.linspace(0, len(order) - 1, EPSILON_ROWS, device=order.device).round().long()]
        near = torch.cat([_nearest(points.subset(index), points) for index in some.split(EPSILON_BLOCK)])
        self.epsilon = neighbour_epsilon(nearest_others(near), points.rank) if epsilon is None else epsilon
        self.reach = 4 * TAIL_EXPONENT * self.epsilon
        count = (near < self.reach).sum().item() / EPSILON_ROWS * len(points)

        if count > LARGEST_PAIR_COUNT:
            raise ValueError(
                f"'epsilon' should be small enough for a sparse kernel of {len(points)} samples, got "
                f"{self.epsilon:.3g}, which joins about {count:.1e} pairs; lower it, or fit fewer samples "
                "and transform the others."
            )

        self.matrix = pairs_within(points, self.scores, self.reach, MAX_NORMAL_SHARE)
        self.matrix.data *= -0.25 / self.epsilon
        np.exp(self.matrix.data, out=self.matrix.data)

    def product(self, rows: Tensor) -> Tensor:
        r"""Rows times K, `(b, n) -> (b, n)`."""
        return torch.from_numpy((self.matrix @ rows.cpu().numpy().T).T).to(rows.device)

    def components(self) -> Tensor:
        r"""Labels of the connected components, shape `(n,)`, int64."""
        from scipy.sparse.csgraph import connected_components

        return torch.from_numpy(connected_components(self.matrix, directed=False)[1]).long()

    def preconditioner(self, conjugate: Tensor, trivial: Tensor) -> Operator:
        r"""Roughly the inverse of 1 - S, for :math:`S = \mathrm{diag}(w) K \mathrm{diag}(w)`."""
        return aggregate_preconditioner(self.matrix, conjugate, trivial, self.scores)


def _nearest(some: MetricPoints, points: MetricPoints) -> Tensor:
    r"""The few thousand smallest squared distances of some samples to all."""
    return (
        pair_distances(some, points, MAX_NORMAL_SHARE)
        .topk(min(NEAREST_LOOKED_AT, len(points)), dim=1, largest=False)
        .values
    )


def pairs_within(points: MetricPoints, scores: Tensor, reach: float, max_normal: float) -> Any:
    r"""All pairs of tangent neighbours with squared distance below `reach`, as a SciPy CSR matrix `(n, n)`.

    Arguments:
        points: The samples.
        scores: Their principal scores, shape `(n, p)`.
        reach: :math:`R^2`, in squared input units.
        max_normal: As in `equiv.metric.mahalanobis.pair_distances`, at most a half.

    Returns:
        Squared distances; those of zero (the diagonal, copies) are stored.
    """
    from scipy.sparse import csr_matrix

    n = len(points)
    scale = points.values.new_ones(n) if points.frames is None else points.frames.scale[0]
    # Without frames the metric is Euclidean: sigma = 1, and no part is normal.
    share = 1.0 if points.frames is None else 1.0 - max_normal
    rows, columns, lengths = [], [], []

    for index in boxes(scores, BOX_SAMPLES):
        own = scores[index]
        low, high = own.amin(dim=0), own.amax(dim=0)
        outside = (scores - scores.clamp(low, high)).square_().sum(dim=1)
        # d2 averages both ends, so the larger singular value of the two bounds the difference.
        bound = reach / share * torch.maximum(scale, scale[index].amax()).square()
        near = (outside <= bound * (1 + BOUND_ROUNDING)).nonzero().flatten()
        tile = pair_distances(points.subset(index), points.subset(near), max_normal)
        i, j = (tile < reach).nonzero(as_tuple=True)
        rows.append(index[i].int())
        columns.append(near[j].int())
        lengths.append(tile[i, j])

    row, column, length = (torch.cat(parts).cpu().numpy() for parts in (rows, columns, lengths))
    matrix = csr_matrix((length, (row, column)), shape=(n, n))
    matrix.sort_indices()

    return matrix


def aggregate_preconditioner(kernel: Any, conjugate: Tensor, trivial: Tensor, scores: Tensor) -> Operator:
    r""":math:`(1 + \delta - S)^{-1}`, roughly: exact on aggregates of samples, the identity beside them.

    S damps what varies faster than the kernel, so that there the inverse is nearly 1; what varies slowly is
    nearly constant, up to the trivial eigenvector, on aggregates no wider than the kernel.

    Arguments:
        kernel: K, a symmetric SciPy CSR matrix, shape `(n, n)`.
        conjugate: w with :math:`S = \mathrm{diag}(w) K \mathrm{diag}(w)`, shape `(n,)`.
        trivial: The eigenvector of S of eigenvalue 1, positive, shape `(n,)`.
        scores: Coordinates to aggregate by, shape `(n, p)`.
    """
    import numpy as np
    from scipy.sparse import csr_matrix, diags, identity
    from scipy.sparse.linalg import splu

    n = len(scores)
    parts = boxes(scores, max(AGGREGATE_SAMPLES, -(-n // LARGEST_UNKNOWN_COUNT)))
    label = np.empty(n, dtype=np.int32)

    for k, index in enumerate(parts):
        label[index.cpu().numpy()] = k

    weight = trivial.cpu().numpy()
    norm = np.sqrt(np.bincount(label, weights=weight**2))
    aggregate = csr_matrix((weight / norm[label], (np.arange(n), label)), shape=(n, len(parts)))
    scaled = diags(conjugate.cpu().numpy()) @ aggregate
    coarse = (1 + COARSE_SHIFT) * identity(len(parts)) - scaled.T @ (kernel @ scaled)
    factor = splu(
        coarse.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )

    def solve(vectors: Tensor) -> Tensor:
        rows = vectors.cpu().numpy()
        slow = aggregate @ factor.solve(aggregate.T @ rows.T)

        return torch.from_numpy(rows + slow.T).to(vectors)

    return solve
