r"""One direction of a paired comparison: a map from pairs, its error, and whether a large error is final."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from equiv.observe.observations import Observations
from equiv.paired.determinacy import determinacy, leaking
from equiv.paired.learning_curve import remaining_error, resolution
from equiv.regression.bounds import MIN_SAMPLES, relative_rms
from equiv.regression.hermite import MAX_REFINED_ERROR, fit_map
from equiv.regression.inverse import fit_inverse
from equiv.regression.kernel_map import Fit
from equiv.regression.kernel_search import EFFORTS
from equiv.verdict import determines

__all__ = ["PairedDirection", "median_rank"]

# So many of the largest errors rule the mean where they make up most of it: a map that suits these samples better
# need not be better elsewhere.
# [samples; chosen: single corners and kinks, of which images have a few]
RULING_SAMPLES = 4

# They do from this share of the squared error on.
# [share of the squared error; chosen: most of it, spread errors have far less in so few]
MAX_RULING_SHARE = 0.75

# A thorough map needs so many times the equations of the first: another choice by the same errors would be luck.
# [dimensionless; chosen: errors that fall as the root of the samples are then told apart]
MIN_EQUATIONS_RATIO = 2

# The neighbours of so many samples are looked at for leaks, folds and crossings.
# [samples; chosen: the distances of all pairs then take a second, and more samples show no other folds]
MAX_EVIDENCE_SAMPLES = 5000

# The frames of so many samples are decomposed to tell the median rank.
# [samples; chosen: a median of ranks that are nearly all alike]
MAX_RANKED_SAMPLES = 100

# Samples with a larger resolution do not show what happens at small scale.
# [RMS distances of samples; chosen: near 1 in tens of dimensions, a few hundredths to tenths in up to four]
MAX_RESOLUTION = 0.4


class PairedDirection:
    r"""One direction: the map, its error, and the evidence on whether a large error is final."""

    def __init__(
        self,
        source: Observations,
        target: Observations,
        frames: tuple[Tensor, Tensor] | None,
        coordinates: Tensor | None,
        local: tuple[Observations, Observations] | None,
        tolerance: float,
        confidence: float,
        seed: int,
    ) -> None:
        self.source, self.target, self.frames, self.local = source, target, frames, local
        self.tolerance, self.confidence, self.seed = tolerance, confidence, seed
        candidates = self._candidates(coordinates)
        self._judge(next(candidates))

        # Where a map decides, another one could change nothing but the numbers.
        while determines(self.error, tolerance, self.doubts) is None:
            fit = next(candidates, None)

            if fit is None:
                break

            if fit.squared.mean() < self.fit.squared.mean():
                self._judge(fit)

    def _candidates(self, coordinates: Tensor | None) -> Iterator[Fit]:
        r"""Maps that take more and more effort, each learned when it is asked for."""
        source, target = self.source.values, self.target.values
        source_frames, target_frames = self.frames or (None, None)

        for effort in EFFORTS:
            direct = fit_map(source, target, source_frames, target_frames, self.seed, effort)
            yield direct

            if self.frames is not None and coordinates is not None and len(source) >= MIN_SAMPLES:
                yield fit_inverse(direct, source, target, *self.frames, coordinates, self.seed)

            if not self._worth_more(direct.squared):
                return

    def _worth_more(self, squared: Tensor) -> bool:
        r"""Whether a map from more equations may be hoped to be better everywhere."""
        m = 0 if self.frames is None else self.frames[0].shape[2]
        ruling = squared.topk(min(RULING_SAMPLES, len(squared))).values.sum()

        return bool(
            len(squared) * (1 + m) >= MIN_EQUATIONS_RATIO * EFFORTS[0].final
            and squared.mean().sqrt() < MAX_REFINED_ERROR
            and ruling <= MAX_RULING_SHARE * squared.sum()
        )

    def _judge(self, fit: Fit) -> None:
        source, target, local = self.source, self.target, self.local
        self.fit = fit
        self.evidence: dict[str, Any] = {
            "error_of_half": fit.half.mean().sqrt().item(),
            "regression": fit.description,
        }
        self.doubts: list[str] = []
        bounded = partial(
            relative_rms, fit.squared, self.confidence, self.seed, resolved=fit.resolved, slack=fit.slack
        )

        if self.frames is not None and len(source) >= MIN_SAMPLES:
            some = _some(len(source), self.seed).to(source.device)
            seen = (source.values, target.values, *self.frames, fit.squared)
            found = determinacy(*(part[some] for part in seen))
            possible = torch.zeros_like(fit.squared)
            possible[some] = found.confusion
            self.error = bounded(possible=possible)
            self.evidence |= {
                "leak": found.leak,
                "leaking_share": found.leaking_share,
                "fold": found.fold,
                "folded_samples": found.folded,
                "crossing_samples": int((found.confusion > 0).sum().item()),
            }

            if found.floor <= self.tolerance:
                self.doubts.append(
                    "no leak, fold or crossing accounts for the error, which more samples may lower"
                )

            return

        self.error = bounded()
        remaining = remaining_error(fit, median_rank(source) or median_rank(target))
        self.evidence |= {"remaining_error": remaining, "resolution": resolution(source.values)}

        if local is not None and local[0].frames is not None and local[1].frames is not None:
            leak, share = leaking(local[0].frames, local[1].frames)
            self.evidence |= {"leak": leak, "leaking_share": share}

            if leak > self.tolerance:
                return  # what B shows of directions that A does not see, no number of samples brings back

        if self.evidence["resolution"] > MAX_RESOLUTION:
            self.doubts.append("no two samples of the source are near each other")
        elif remaining <= self.tolerance:
            self.doubts.append("the error still falls with the number of samples")


def _some(n: int, seed: int) -> Tensor:
    r"""All samples, or as many drawn at random as neighbours are looked for among."""
    if n <= MAX_EVIDENCE_SAMPLES:
        return torch.arange(n)

    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:MAX_EVIDENCE_SAMPLES]


def median_rank(obs: Observations) -> int | None:
    r"""The median rank of frames, of some of them."""
    some = obs.subset(torch.arange(min(len(obs), MAX_RANKED_SAMPLES), device=obs.device)).rank

    return None if some is None else int(some.median().item())
