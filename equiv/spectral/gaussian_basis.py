r"""Gaussian functions of the activations, their derivatives along frames, and the sums of their products.

The functions see the activations standardised and half whitened: with the correlation matrix
:math:`R = V \Lambda V^\top` of the neurons, :math:`z = \Lambda^{-1/4} V^\top (y - \bar y) / \sigma`.
Distances between z count what differs little almost as much as what differs most, without blowing up noise;
they do not change when a neuron is rescaled or, since each counts 1 / multiplicity, copied.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from equiv.metric.binary_scale import BinaryScale

__all__ = ["GaussianBasis", "farthest_rows", "half_whitening", "scattered_folds"]


# Rows per block of sums.
# [samples; chosen: a block and its derivatives stay in a core's cache, and the products run at full speed]
BLOCK_ROWS = 512

# Blocks added in the products' dtype before they join the float64 sums.
# [blocks; chosen: float32 keeps its digits over so few, and the sums' time does not show]
CHAINED_BLOCKS = 16

# Products with few terms run on whole vectors of so many columns.
# [columns; chosen: half as fast again as on odd numbers of them]
VECTOR_COLUMNS = 16

# Two neurons are copies (up to scale, sign and shift) when 1 - |correlation| is below this.
# [dimensionless; chosen: above rounding in float64, and neurons 1e-5 apart tell nothing new]
COPY_DECORRELATION = 1e-10

# Directions whose standard deviation is below this share of the largest are left out.
# [share of the largest; chosen: half whitening would raise them by 100, and rounding in float32 with them]
SMALLEST_DEVIATION = 1e-4

# A neuron varies when its deviation is above so many roundings of its largest value.
# [roundings; chosen: the mean of equal numbers is off by one or two]
CONSTANT_ROUNDINGS = 4

# Digits of a row's key from this share of the mean on divide the rows as if at random.
# [one over a share of the mean key; chosen: below any trend of the keys, above rounding]
SCATTER_SCALE = 1e4

# Rows nearer to those chosen than this are equal to one of them.
# [share of the largest squared distance; chosen: rows 1e-10 of the cloud apart, rounding in float64 is far less]
EQUAL_ROWS = 1e-20


def half_whitening(values: Tensor) -> tuple[Tensor, Tensor]:
    r"""Mean `(d,)` and projection W `(d, r)` with :math:`z = (y - \bar y) W`, float64.

    Arguments:
        values: Activations, shape `(n, d)`.

    Raises:
        ValueError: If every neuron is constant.
    """
    mean = values.mean(dim=0, dtype=torch.float64)
    centred = values.double() - mean
    deviation = centred.square().mean(dim=0).sqrt()
    size = values.abs().amax(dim=0).double()
    rounding = torch.finfo(values.dtype).eps
    alive = deviation > CONSTANT_ROUNDINGS * rounding * size

    if not alive.any():
        raise ValueError(
            f"'observations' should hold at least one neuron that varies, got {len(deviation)} constant "
            "ones; observe other neurons, or inputs that differ."
        )

    inverse = torch.where(alive, 1 / deviation, torch.zeros_like(deviation))
    correlation = (centred * inverse).mT @ (centred * inverse) / len(values)
    multiplicity = (correlation.abs() > 1 - COPY_DECORRELATION).sum(dim=1).clamp(min=1)
    inverse = inverse / multiplicity.sqrt()
    correlation = correlation / multiplicity.sqrt() / multiplicity.sqrt()[:, None]
    variance, vectors = torch.linalg.eigh(correlation)
    kept = variance > SMALLEST_DEVIATION**2 * variance[-1]

    return mean, inverse[:, None] * vectors[:, kept] * variance[kept] ** -0.25


def farthest_rows(points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    r"""Indices of rows each farthest from those before it, the first farthest from the mean, and the radius.

    Arguments:
        points: Shape `(n, r)`.
        count: How many at most; fewer where the rows differ in fewer places.

    Returns:
        The indices, shape `(p,)`, and the largest distance of a row from the nearest of them, scalar.
    """
    index = (points - points.mean(dim=0)).square().sum(dim=1).argmax()
    nearest = (points - points[index]).square().sum(dim=1)
    tiny = EQUAL_ROWS * nearest.amax()
    chosen = [index]

    while len(chosen) < min(count, len(points)):
        index = nearest.argmax()
        if nearest[index] <= tiny:
            break
        chosen.append(index)
        nearest = torch.minimum(nearest, (points - points[index]).square().sum(dim=1))

    return torch.stack(chosen), nearest.amax().sqrt()


def scattered_folds(points: Tensor, count: int, folds: int) -> tuple[Tensor, Tensor]:
    r"""At most `count` of the rows, and a division of them as if at random, the same whatever their order.

    Rows are told apart by their distances from four farthest rows, which neither the order of rows nor the
    choice of axes changes; equal rows fall in one fold.

    Arguments:
        points: Shape `(n, r)`.
        count: Rows at most.
        folds: Number of parts.

    Returns:
        Indices of rows, shape `(q,)`, and the fold of each, shape `(q,)`, int64.
    """
    anchors, _ = farthest_rows(points, 4)
    key = sum((i + 2) ** 0.5 * (points - points[a]).norm(dim=1) for i, a in enumerate(anchors.tolist()))
    order = key.argsort()
    rows = order[
        torch.arange(min(count, len(points)), device=points.device) * len(points) // min(count, len(points))
    ]
    digits = (key[rows] * (SCATTER_SCALE / key.mean())).frac()

    return rows, (digits * folds).long().clamp(max=folds - 1)


class GaussianBasis:
    r"""Combinations of 1 and Gaussians :math:`\psi_c(y) = \exp(-|z(y) - z_c|^2 / 2 h^2)`, the constant first.

    Attributes:
        mean: Mean of the activations, shape `(d,)`.
        projection: :math:`W / h`, shape `(d, r)`.
        centers: :math:`z_c / h`, shape `(p, r)`.
        mixing: The combinations, shape `(p + 1, q + 1)`, first column (1, 0, ..., 0); None: the Gaussians
            themselves, q = p.
        length: Lengths in the input space are multiplied by it, in stiffness sums.
    """

    def __init__(
        self,
        mean: Tensor,
        projection: Tensor,
        centers: Tensor,
        mixing: Tensor | None = None,
        length: float = 1.0,
    ) -> None:
        self.mean, self.projection, self.centers, self.mixing = mean, projection, centers, mixing
        self.length = length

    @property
    def size(self) -> int:
        r"""Number of functions, the constant included: q + 1."""
        return len(self.centers) + 1 if self.mixing is None else self.mixing.shape[1]

    def to(self, device: torch.device, dtype: torch.dtype) -> GaussianBasis:
        r"""The same functions on another device, in another dtype."""
        return GaussianBasis(
            self.mean.to(device, dtype),
            self.projection.to(device, dtype),
            self.centers.to(device, dtype),
            None if self.mixing is None else self.mixing.to(device, dtype),
            self.length,
        )

    def rescaled(self, scale: BinaryScale) -> GaussianBasis:
        r"""The functions of activations as they were given, where these are functions of rescaled ones."""
        factors = scale.neurons.to(self.mean)

        return GaussianBasis(
            self.mean / factors, self.projection * factors[:, None], self.centers, self.mixing, scale.lengths
        )

    def evaluate(self, values: Tensor) -> Tensor:
        r"""The functions at `(n, d)` values, shape `(n, q + 1)`, differentiable."""
        return self.at((values - self.mean) @ self.projection)

    def at(self, z: Tensor) -> Tensor:
        r"""The functions at z / h, shape `(n, r)`; result as of `evaluate`."""
        half = 0.5 * self.centers.square().sum(dim=1)
        exponent = torch.addmm(-half, z, self.centers.mT) - 0.5 * z.square().sum(dim=1, keepdim=True)
        functions = torch.cat([torch.ones_like(z[:, :1]), exponent.exp()], dim=1)

        return functions if self.mixing is None else functions @ self.mixing

    def sums(self, values: Tensor, frames: Tensor, weights: Tensor | None = None) -> Tensor:
        r"""Mass :math:`\sum_i w_i \psi \psi^\top` and stiffness :math:`\sum_i w_i (D\psi J)(D\psi J)^\top`.

        Products are taken in the dtype of `values` and added up in float64. Of the Gaussians,
        :math:`D\psi_c\, J = \psi_c \, (z_c - z)^\top W^\top J`, so that all but one exponential and a
        multiplication per entry are matrix products, of which the lower triangles are left out.

        Arguments:
            values: Shape `(n, d)`.
            frames: Shape `(n, d, m)`.
            weights: Shape `(n,)`, not negative; None: all one.

        Returns:
            Both, shape `(2, q + 1, q + 1)`, float64.
        """
        basis = self.to(values.device, values.dtype)
        p, m = len(self.centers) + 1, frames.shape[2]
        total = torch.zeros(2, self.size, self.size, dtype=torch.float64, device=values.device)
        width = p + -p % VECTOR_COLUMNS
        at, along = basis._columns(width)
        mixing = None if basis.mixing is None else pad(basis.mixing, (0, 0, 0, width - p))
        rows = min(BLOCK_ROWS, len(values))
        psi, slopes = values.new_empty(rows, width), values.new_empty(m * rows, width)

        for chain in torch.arange(len(values), device="cpu").split(BLOCK_ROWS * CHAINED_BLOCKS):
            products = values.new_zeros(total.shape)

            for block in chain.split(BLOCK_ROWS):
                part = slice(int(block[0]), int(block[-1]) + 1)
                b = len(block)
                z = (values[part] - basis.mean) @ basis.projection
                q = frames[part].permute(2, 0, 1) @ basis.projection / self.length  # (m, b, r)
                f, g = psi[:b], slopes[: m * b]
                half = 0.5 * z.square().sum(dim=1, keepdim=True)
                torch.mm(torch.cat([z, torch.ones_like(half), half], dim=1), at, out=f).exp_()
                if weights is not None:
                    f.mul_(weights[part, None].to(f.dtype).sqrt())
                inward = torch.cat([q, (q * z).sum(dim=2, keepdim=True)], dim=2)
                torch.mm(inward.view(m * b, -1), along, out=g).view(m, b, width).mul_(f)
                _add_gram(products[0], f[:, :p] if mixing is None else f @ mixing)
                _add_gram(products[1], g[:, :p] if mixing is None else g @ mixing)

            total += products

        return torch.triu(total) + torch.triu(total, diagonal=1).mT

    def _columns(self, width: int) -> tuple[Tensor, Tensor]:
        r"""What (z, 1, z^2 / 2) and (q, q.z) are multiplied by to give exponents and their slopes along q.

        The first column is the constant's, exponent 0 and slope 0, and so are those that fill up to `width`.
        """
        exponents = torch.cat(
            [
                self.centers.mT,
                -0.5 * self.centers.square().sum(dim=1)[None],
                -torch.ones_like(self.centers[None, :, 0]),
            ]
        )
        slopes = torch.cat([exponents[:-2], exponents[-1:]])
        around = (1, width - 1 - len(self.centers))

        return pad(exponents, around), pad(slopes, around)


def _add_gram(product: Tensor, columns: Tensor) -> None:
    r"""Adds the upper triangle of `columns.mT @ columns`, and a little of the lower, to `product`."""
    half = -(-(len(product) // 2) // VECTOR_COLUMNS) * VECTOR_COLUMNS
    product[:half].addmm_(columns[:, :half].mT, columns)
    product[half:, half:].addmm_(columns[:, half:].mT, columns[:, half:])
