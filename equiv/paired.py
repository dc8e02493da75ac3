r"""Comparison of two networks seen at the same inputs: learn both maps, bound their errors, decide."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiv.bootstrap import relative_rms
from equiv.comparison import Comparison, Direction
from equiv.determinacy import determinacy
from equiv.hermite_regression import Fit, fit_map
from equiv.observations import Observations
from equiv.transformation import Transformation
from equiv.verdict import Interval, decide

__all__ = ["compare_paired"]


def compare_paired(
    a: Observations,
    b: Observations,
    *,
    tolerance: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    r"""Compares observations whose i-th samples show the same hidden state.

    Arguments:
        a: Observations of A.
        b: Observations of B, as many samples.
        tolerance: Largest error that still counts as determined, a share of the target's spread.
        confidence: Level of the bounds.
        seed: Seeds subsamples and resampling.

    Returns:
        The comparison, a mirror image of that of B and A.
    """
    frames_a, frames_b = a.frames, b.frames
    shared = frames_a is not None and frames_b is not None and frames_a.shape[2] == frames_b.shape[2]
    used_a, used_b = (frames_a, frames_b) if shared else (None, None)
    there = fit_map(a.values, b.values, used_a, used_b, seed)
    back = fit_map(b.values, a.values, used_b, used_a, seed)
    a_to_b = _error(there, confidence, seed)
    b_to_a = _error(back, confidence, seed)
    diagnostics: dict[str, Any] = {"paired": True, "intrinsic_dimension": _dimension(a, b)}
    doubts: list[list[str]] = []

    for name, fit, source, target in (("a_to_b", there, a, b), ("b_to_a", back, b, a)):
        found, floor = None, _floor(fit, _dimension(a, b))
        diagnostics |= {f"error_of_half_{name}": fit.half.mean().sqrt().item()}

        if shared and source.frames is not None and target.frames is not None:
            found = determinacy(source.values, target.values, source.frames, target.frames)
            floor = found.floor
            diagnostics |= {
                f"leak_{name}": found.leak,
                f"leaking_share_{name}": found.leaking_share,
                f"fold_{name}": found.fold,
                f"folded_samples_{name}": found.folded,
            }

        diagnostics |= {f"unavoidable_error_{name}": floor, f"regression_{name}": _described(fit)}
        doubts.append([] if floor > tolerance else [_doubt(found is not None)])

    verdict, sentence = decide(
        a_to_b,
        b_to_a,
        tolerance,
        confidence=confidence,
        doubts_a_to_b=doubts[0],
        doubts_b_to_a=doubts[1],
    )
    coordinates_a, coordinates_b = _coordinates(a, b)

    return Comparison(
        verdict=verdict,
        a_to_b=Direction(a_to_b),
        b_to_a=Direction(b_to_a),
        transformation=Transformation(there.map, back.map),
        symmetries=1,
        coordinates_a=coordinates_a,
        coordinates_b=coordinates_b,
        diagnostics=diagnostics,
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
    )


def _doubt(frames: bool) -> str:
    if frames:
        return "no leak, fold or crossing accounts for the error, which more samples may lower"

    return "the error still falls with the number of samples"


def _described(fit: Fit) -> str:
    if fit.settings is None:
        return "affine"

    return (
        f"{fit.settings.kind} kernel, length {fit.settings.length:.2g}, whitening {fit.settings.whitening:g}, "
        f"ridge {fit.settings.ridge:.0e}, slopes {fit.settings.slope:g}, {fit.rows} equations"
    )


def _error(fit: Fit, confidence: float, seed: int) -> Interval:
    return relative_rms(fit.squared, confidence, seed)


def _dimension(a: Observations, b: Observations) -> int:
    ranks = [int(obs.rank.max().item()) for obs in (a, b) if obs.rank is not None]

    return max([*ranks, 1]) if ranks else 4


def _floor(fit: Fit, dimension: int) -> float:
    r"""The error left after any further fall, extrapolated at the slowest rate of a Lipschitz map.

    With the error's square going from :math:`e_{n/2}^2` to :math:`e_n^2` and falling as :math:`n^{-2/m}`,
    :math:`e_\infty^2 = e_n^2 - (e_{n/2}^2 - e_n^2) / (2^{2/m} - 1)`.
    """
    full, half = fit.squared.mean().item(), fit.half.mean().item()
    floor = full - max(half - full, 0.0) / (2 ** (2 / dimension) - 1)

    return max(floor, 0.0) ** 0.5


def _coordinates(a: Observations, b: Observations) -> tuple[Tensor, Tensor]:
    r"""The leading canonical directions of each side's values, as many as the input space has dimensions."""
    m = _dimension(a, b) if a.rank is not None or b.rank is not None else 2
    bases = []

    for obs in (a, b):
        centred = obs.values.double() - obs.values.double().mean(dim=0)
        left, singular, _ = torch.linalg.svd(centred, full_matrices=False)
        bases.append((left * (singular > 1e-9 * singular[0].clamp_min(1e-300)), obs.values.dtype))

    (left_a, dtype_a), (left_b, dtype_b) = bases
    u, _, v = torch.linalg.svd(left_a.T @ left_b, full_matrices=False)
    m = min(m, u.shape[1])
    scale = len(a) ** 0.5

    return (scale * left_a @ u[:, :m]).to(dtype_a), (scale * left_b @ v[:m].T).to(dtype_b)
