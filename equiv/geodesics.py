r"""Classical scaling of landmark geodesics: rough coordinates to start from."""

import torch
from torch import Tensor

from equiv.neighbors import NeighborGraph

__all__ = ["landmark_scaling"]


def landmark_scaling(graph: NeighborGraph, m: int, landmarks: int = 100) -> Tensor:
    r"""Coordinates `(n, m)` from shortest paths to farthest-point landmarks.

    Distances along paths of edges are embedded by classical scaling of the landmarks; every other sample
    follows by the linear formula of landmark multidimensional scaling.

    References:
        | Sparse multidimensional scaling using landmark points (de Silva and Tenenbaum, 2004), section 2
        | Global versus local methods in nonlinear dimensionality reduction (de Silva and Tenenbaum, 2002)
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    length = graph.squared.sqrt() + 1e-12 * graph.squared.max().sqrt()
    matrix = coo_matrix((length.numpy(), (graph.i.numpy(), graph.j.numpy())), shape=(graph.n, graph.n))
    matrix = (matrix + matrix.T).tocsr()
    chosen = [0]
    rows = [torch.from_numpy(dijkstra(matrix, indices=0))]
    nearest = rows[0]

    for _ in range(min(landmarks, graph.n) - 1):
        chosen.append(int(nearest.argmax()))
        rows.append(torch.from_numpy(dijkstra(matrix, indices=chosen[-1])))
        nearest = torch.minimum(nearest, rows[-1])

    squared = torch.stack(rows).square()  # (landmarks, n)
    between = squared[:, chosen]
    centred = between - between.mean(dim=0)
    centred = -0.5 * (centred - centred.mean(dim=1, keepdim=True))
    values, vectors = torch.linalg.eigh(centred)
    values, vectors = values[-m:].flip(0).clamp_min(1e-12 * values[-1]), vectors[:, -m:].flip(1)
    offset = squared - between.mean(dim=1, keepdim=True)

    return -0.5 * offset.T @ (vectors / values.sqrt())
