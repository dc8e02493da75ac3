r"""Differences modulo a lattice, and the local isometries between lattices."""

import math

import pytest
import torch

from equiv.coordinates.lattice import lattice_embeddings, minimum_image

SQUARE = torch.eye(2, dtype=torch.float64)
HEXAGON = torch.tensor([[1.0, 0.0], [0.5, math.sqrt(0.75)]], dtype=torch.float64)


@pytest.mark.parametrize("periods", [SQUARE, HEXAGON, torch.tensor([[1.0, 0.0], [0.45, 0.9]]).double()])
def test_wrap_finds_the_shortest(periods):
    points = 6 * torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 3
    steps = torch.cartesian_prod(torch.arange(-8, 9), torch.arange(-8, 9)).double()
    shortest = (points[:, None] - steps @ periods).norm(dim=2).amin(dim=1)
    assert torch.allclose(minimum_image(points, periods).norm(dim=1), shortest)
    whole = (points - minimum_image(points, periods)) @ torch.linalg.inv(periods)
    assert torch.allclose(whole, whole.round(), atol=1e-12)


@pytest.mark.parametrize(
    ("periods", "count"),
    [(SQUARE, 8), (HEXAGON, 12), (torch.diag(torch.tensor([1.5, 2.0])).double(), 4), (SQUARE[:1], 4)],
)
def test_isometries_of_a_lattice(periods, count):
    # Orders of the point groups of the square, hexagonal and rectangular lattices, and of a cylinder's.
    found = lattice_embeddings(periods, periods, 0.01)
    assert len(found) == count
    for matrix, index, strain in found:
        assert index == 1
        assert strain < 1e-12
        assert torch.allclose(matrix @ matrix.T, torch.eye(2).double(), atol=1e-12)


def test_coverings_have_an_index_and_no_way_back():
    long, short = torch.tensor([[2.0]]).double(), torch.tensor([[1.0]]).double()
    assert sorted((m.item(), i) for m, i, _ in lattice_embeddings(long, short, 0.01)) == [(-1.0, 2), (1.0, 2)]
    assert lattice_embeddings(short, long, 0.01) == []
    assert lattice_embeddings(torch.tensor([[1.5]]).double(), short, 0.01) == []
