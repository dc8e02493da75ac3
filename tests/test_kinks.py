r"""Charts of networks with kinks: frames that jump between neighbours."""

import torch
from torch import Tensor

from equiv import IsometricMaps, Observations
from equiv.anchors import rigid_fit
from equiv.hermite_fit import fit_hermite
from equiv.kinks import KINKED, unexplained_share
from equiv.metric_points import neuron_weights
from equiv.neighbors import neighbor_graph
from equiv.voids import stranded


def _observed(kind: str, n: int) -> tuple[Observations, Tensor]:
    r"""A layer of 40 neurons on the unit square, with its frames."""
    generator = torch.Generator().manual_seed(0)
    weight, bias, x = (
        torch.randn(40, 2, generator=generator, dtype=torch.float64),
        torch.randn(40, generator=generator, dtype=torch.float64) / 2,
        torch.rand(n, 2, generator=generator, dtype=torch.float64),
    )
    z = x @ weight.T + bias
    slope = (z > 0).double() if kind == "relu" else 1 - z.tanh() ** 2

    return Observations(z.relu() if kind == "relu" else z.tanh(), slope[:, :, None] * weight), x


def _share(obs: Observations) -> float:
    values = obs.values * neuron_weights(obs.values)
    assert obs.frames is not None
    frames = obs.frames * neuron_weights(obs.values)[:, None]
    basis, scale, _ = torch.linalg.svd(frames, full_matrices=False)

    return unexplained_share(values, frames, neighbor_graph(values, basis, scale))


def test_kinks_leave_a_twelfth_of_the_variance_of_what_jumps() -> None:
    assert KINKED < _share(_observed("relu", 500)[0]) < 0.45
    assert _share(_observed("tanh", 500)[0]) < KINKED / 3


def test_charts_of_relu_layers_are_right_within_the_tolerance_of_a_comparison() -> None:
    obs, x = _observed("relu", 400)
    u = IsometricMaps().fit(obs).coordinates_
    error = min((rigid_fit(u, x, side)(u) - x).norm() / (x - x.mean(dim=0)).norm() for side in (1, -1))

    assert error < 0.05


def test_what_a_fit_misses_of_a_sample_left_out_is_what_a_fit_without_it_misses() -> None:
    x = torch.rand(60, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    values, frames = torch.cat([x.sin(), x**2], dim=1), torch.stack([x.cos(), 2 * x], dim=1)
    found = fit_hermite(x, values, frames, None, 2.0)

    # Polynomials are smooth: the residuals left out are above those of the fit, and small.
    inside = found.fit.basis.evaluate(x) @ found.fit.coefficients - values
    assert inside.norm() <= found.missed.norm() < 1e-3 * values.norm()


def test_only_points_in_holes_are_stranded() -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = (2 * torch.rand(800, 2, generator=generator, dtype=torch.float64) - 1 for _ in range(2))

    assert stranded(a, b) <= 5
    assert stranded(a, b[b.norm(dim=1) > 0.4]) > 30
