r"""Which Gaussians: centres from the samples, width by held-out Rayleigh quotients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiv.spectral.gaussian_basis import GaussianBasis, farthest_rows, half_whitening, scattered_folds
from equiv.spectral.rayleigh_ritz import held_out_excess, held_out_score, orthonormal_span

__all__ = ["LARGEST_EXCESS", "choose_basis"]


# Samples that fix the basis, evenly drawn from all.
# [samples; chosen: a dozen for each of 300 centres, more would not place these better]
BASIS_SAMPLES = 4096

# Widths tried, s: 2^(s/2) times the largest distance of a sample from its nearest centre.
# [half octaves; chosen: from functions that hardly overlap to nearly dependent ones, the minimum lies between]
WIDTH_STEPS = range(1, 10)

# Mean squares of functions at the samples below this share of the largest are rounding.
# [share of the largest mean square; chosen: amplitudes 1e-5 apart lose a third of float64's digits]
RESOLVED_BY_SAMPLES = 1e-10

# Parts of the samples, each held out in turn when widths are scored.
# [parts; chosen: the usual number, ten would double the time of the choice]
HELD_OUT_PARTS = 5

# Samples that differ, for each Gaussian.
# [samples; chosen: with fewer the functions could reproduce chance in every one of them]
SAMPLES_PER_FUNCTION = 3

# Held-out Rayleigh quotients above so many of the fitted ones: the eigenfunction climbs where no sample is.
# [dimensionless; measured: on a curve at 200 to 1,000 samples eigenvalues right to a third have at most 1.6, those
# off by more 2.6 and more]
LARGEST_EXCESS = 2.0


def choose_basis(
    values: Tensor, frames: Tensor, weights: Tensor | None, n_coordinates: int, n_basis: int
) -> tuple[GaussianBasis, dict[str, float]]:
    r"""Gaussians at farthest-point centres, combined to functions that are orthonormal over the samples.

    Arguments:
        values: Activations of samples without copies, shape `(n, d)`.
        frames: Frames, shape `(n, d, m)`.
        weights: Of the samples, shape `(n,)`; None: all one.
        n_coordinates: Eigenfunctions that the functions shall serve.
        n_basis: Gaussians at most; a third of the samples that differ at most.

    Returns:
        The functions, and `n_basis`, `width`, `held_out` and `excess` as in `GalerkinMaps.diagnostics_`.

    Raises:
        ValueError: If there are too few samples, too few that differ, or no neuron varies.
    """
    if weights is not None:  # samples that do not count choose nothing
        counting = weights > 0
        values, frames = values[counting], frames[counting]
        weights = weights[counting].ldexp(-torch.frexp(weights.max()).exponent)  # whose sums are finite

    mean, projection = half_whitening(values)

    if len(values) < 2 * n_coordinates + 4:
        raise ValueError(
            f"'observations' should hold at least 2 n_coordinates + 4 = {2 * n_coordinates + 4} "
            f"samples that count, got {len(values)} that differ; add samples or ask for fewer coordinates."
        )

    z = (values.double() - mean) @ projection
    rows, fold = scattered_folds(z, BASIS_SAMPLES, HELD_OUT_PARTS)
    samples, directions = values[rows].double(), frames[rows].double()
    weight = torch.ones_like(z[rows, 0]) if weights is None else weights[rows].double()
    distinct = len(torch.unique(values[rows], dim=0))
    index, radius = farthest_rows(z[rows], min(n_basis, distinct // SAMPLES_PER_FUNCTION))
    centers = z[rows][index]

    if len(centers) < n_coordinates:
        raise ValueError(
            f"'observations' should differ in at least {n_coordinates} places, got {len(centers)}; "
            "add samples that differ or ask for fewer coordinates."
        )

    def basis(step: int) -> GaussianBasis:
        h = radius * 2.0 ** (0.5 * step)
        return GaussianBasis(mean, projection / h, centers / h)

    def parts(step: int) -> Tensor:
        candidate = basis(step)
        sums = [
            candidate.sums(samples[fold == f], directions[fold == f], weight[fold == f])
            for f in fold.unique()  # few samples need not fall into all of them
        ]
        return torch.stack(sums)

    lowest, held_out = _descend(lambda step: held_out_score(parts(step), n_coordinates), WIDTH_STEPS)
    step, excess = _without_excess(
        lambda step: held_out_excess(parts(step), n_coordinates),
        range(max(lowest - 1, WIDTH_STEPS[0]), WIDTH_STEPS.stop),
    )
    chosen = basis(step)
    numbers = {
        "n_basis": len(centers),
        "width": radius.item() * 2.0 ** (0.5 * step),
        "held_out": held_out,
        "excess": excess,
    }
    # Sums over functions that are nearly orthonormal lose no digits to the Gaussians' overlap.
    chosen.mixing = orthonormal_span(chosen.evaluate(samples), weight, RESOLVED_BY_SAMPLES)

    return chosen, numbers


def _without_excess(excess: Callable[[int], float], steps: range) -> tuple[int, float]:
    r"""The first of the steps without eigenfunctions that live between samples, and its excess; else the first."""
    found = [excess(steps[0])]

    while found[-1] > LARGEST_EXCESS and len(found) < len(steps):
        found.append(excess(steps[len(found)]))

    chosen = 0 if found[-1] > LARGEST_EXCESS else len(found) - 1

    return steps[chosen], found[chosen]


def _descend(score: Callable[[int], float], steps: range) -> tuple[int, float]:
    r"""The step with the lowest score, and that score, on a walk downhill from the middle of `steps`."""
    known: dict[int, float] = {}
    here = steps[len(steps) // 2]

    while True:
        for step in (here, here + 1, here - 1):
            if step in steps and step not in known:
                known[step] = score(step)
        lowest = min(known, key=lambda step: known[step])
        if lowest == here:
            return here, known[here]
        here = lowest
