r"""Classical scaling of landmark geodesics: rough coordinates to start from."""

from typing import Any

import torch
from torch import Tensor

from equiv.metric.neighbors import NeighborGraph

__all__ = ["landmark_scaling", "shortest_paths", "tree_potential"]


# Samples whose geodesics to all others are found.
# [samples; chosen: m + 1 span the coordinates, and more average out how much longer than geodesics paths are]
LANDMARKS = 50


def _lengths(graph: NeighborGraph) -> Any:
    from scipy.sparse import coo_matrix

    length = graph.squared.sqrt() + 1e-12 * graph.squared.max().sqrt()
    matrix = coo_matrix((length.numpy(), (graph.i.numpy(), graph.j.numpy())), shape=(graph.n, graph.n))

    return (matrix + matrix.T).tocsr()


def shortest_paths(graph: NeighborGraph, root: int) -> tuple[Tensor, Tensor]:
    r"""Distances from the root along edges, `(n,)`, and each sample's predecessor, `(n,)`."""
    from scipy.sparse.csgraph import dijkstra

    distances, parents = dijkstra(_lengths(graph), indices=root, return_predecessors=True)

    return torch.from_numpy(distances), torch.from_numpy(parents).long()


def tree_potential(graph: NeighborGraph, displacements: Tensor) -> Tensor:
    r"""Coordinates with :math:`u_j - u_i = z_{ij}` along the shortest paths from sample 0, `(n, m)`."""
    distances, parents = shortest_paths(graph, 0)
    order = distances.argsort()[1:]
    above = parents[order]
    keys = graph.i * graph.n + graph.j  # ascending, as `neighbor_graph` leaves them
    edge = torch.searchsorted(keys, torch.minimum(order, above) * graph.n + torch.maximum(order, above))
    steps = displacements[edge] * torch.where(above < order, 1.0, -1.0)[:, None]
    coordinates = torch.zeros(graph.n, displacements.shape[1], dtype=displacements.dtype)

    for node, parent, step in zip(order.tolist(), above.tolist(), steps, strict=True):
        coordinates[node] = coordinates[parent] + step

    return coordinates


def landmark_scaling(graph: NeighborGraph, m: int) -> Tensor:
    r"""Coordinates `(n, m)` from shortest paths to farthest-point landmarks.

    Distances along paths of edges are embedded by classical scaling of the landmarks; every other sample
    follows by the linear formula of landmark multidimensional scaling.

    References:
        | Sparse multidimensional scaling using landmark points (de Silva and Tenenbaum, 2004), section 2
        | Global versus local methods in nonlinear dimensionality reduction (de Silva and Tenenbaum, 2002)
    """
    from scipy.sparse.csgraph import dijkstra

    matrix = _lengths(graph)
    chosen = [0]
    rows = [torch.from_numpy(dijkstra(matrix, indices=0))]
    nearest = rows[0]

    for _ in range(min(LANDMARKS, graph.n) - 1):
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
