r"""Comparison of two networks seen at the same inputs: learn both maps, bound their errors, decide."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from equiv.bootstrap import relative_rms
from equiv.comparison import Comparison, Direction
from equiv.determinacy import determinacy
from equiv.frame_alignment import aligned_frames
from equiv.hermite_regression import Fit, fit_map
from equiv.observations import Observations
from equiv.paired_coordinates import canonical_coordinates, integrated_coordinates
from equiv.transformation import Transformation
from equiv.verdict import Interval, decide

__all__ = ["compare_paired"]

MAX_DIMENSION = 6  # of an input space whose coordinates are integrated


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
    if _order(b) < _order(a):
        # Every choice below is made in one fixed order of the two, so that the names A and B cannot matter.
        return _compared(b, a, tolerance, confidence, seed).mirrored

    return _compared(a, b, tolerance, confidence, seed)


def _order(obs: Observations) -> tuple[float, ...]:
    values = obs.values.double()

    return (values.shape[1], values.square().sum().item(), values.sum().item())


def _compared(a: Observations, b: Observations, tolerance: float, confidence: float, seed: int) -> Comparison:
    frames_a, frames_b = _shared_frames(a, b)
    there = fit_map(a.values, b.values, frames_a, frames_b, seed)
    back = fit_map(b.values, a.values, frames_b, frames_a, seed)
    a_to_b = _error(there, confidence, seed)
    b_to_a = _error(back, confidence, seed)
    diagnostics: dict[str, Any] = {
        "paired": True,
        "method": "regression on pairs and frames" if frames_a is not None else "regression on pairs",
        "intrinsic_dimension_a": _rank(a),
        "intrinsic_dimension_b": _rank(b),
    }
    diagnostics["shared_frames"] = _sharing(a, b, frames_b)
    doubts: list[list[str]] = []

    for name, fit, source, target, source_frames, target_frames in (
        ("a_to_b", there, a, b, frames_a, frames_b),
        ("b_to_a", back, b, a, frames_b, frames_a),
    ):
        floor = _floor(fit, _dimension(a, b))
        diagnostics |= {f"error_of_half_{name}": fit.half.mean().sqrt().item()}

        if source_frames is not None and target_frames is not None:
            found = determinacy(source.values, target.values, source_frames, target_frames)
            floor = found.floor
            diagnostics |= {
                f"leak_{name}": found.leak,
                f"leaking_share_{name}": found.leaking_share,
                f"fold_{name}": found.fold,
                f"folded_samples_{name}": found.folded,
            }

        diagnostics |= {f"unavoidable_error_{name}": floor, f"regression_{name}": fit.description}
        doubts.append([] if floor > tolerance else [_doubt(source_frames is not None)])

    verdict, sentence = decide(
        a_to_b,
        b_to_a,
        tolerance,
        confidence=confidence,
        doubts_a_to_b=doubts[0],
        doubts_b_to_a=doubts[1],
    )
    kind, coordinates_a, coordinates_b = _coordinates(a, b, frames_a, frames_b)
    diagnostics["coordinates"] = kind

    return Comparison(
        verdict=verdict,
        a_to_b=Direction(a_to_b),
        b_to_a=Direction(b_to_a),
        transformation=Transformation(there.map, back.map),
        symmetries=1,
        coordinates_a=coordinates_a.to(a.values),
        coordinates_b=coordinates_b.to(b.values),
        diagnostics=diagnostics,
        sentence=sentence,
        tolerance=tolerance,
        confidence=confidence,
    )


def _doubt(frames: bool) -> str:
    if frames:
        return "no leak, fold or crossing accounts for the error, which more samples may lower"

    return "the error still falls with the number of samples"


def _error(fit: Fit, confidence: float, seed: int) -> Interval:
    return relative_rms(fit.squared, confidence, seed)


def _rank(obs: Observations) -> int | None:
    r"""The rank that most frames have."""
    return None if obs.rank is None else int(obs.rank.median().item())


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


def _shared_frames(a: Observations, b: Observations) -> tuple[Tensor | None, Tensor | None]:
    r"""Frames of both along the same directions of the input space, or None twice."""
    if a.frames is None or b.frames is None or a.frames.shape[2] != b.frames.shape[2]:
        return None, None

    aligned = aligned_frames(a.values, b.values, a.frames, b.frames)

    return (None, None) if aligned is None else (a.frames, aligned)


def _sharing(a: Observations, b: Observations, frames_b: Tensor | None) -> str:
    if a.frames is None or b.frames is None:
        return "no frames on one side: values alone"

    if frames_b is None:
        return "the frames do not belong to common directions: values alone"

    return "as given" if frames_b is b.frames else "aligned by neighbours"


def _coordinates(
    a: Observations, b: Observations, frames_a: Tensor | None, frames_b: Tensor | None
) -> tuple[str, Tensor, Tensor]:
    if frames_a is not None and frames_b is not None and frames_a.shape[2] <= MAX_DIMENSION:
        integrated = integrated_coordinates(a.values, b.values, frames_a, frames_b)

        if integrated is not None:
            return "frames integrated along neighbours", *integrated

    return "canonical variables", *canonical_coordinates(a.values, b.values, _dimension(a, b))
