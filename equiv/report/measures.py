r"""What the usual measures of similarity would have said, beside what a comparison found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equiv.findings.evidence import MEASURES
from equiv.report.markup import table

__all__ = ["measures_table"]

# What each measure cannot tell from the same representation.
UNSEEN = {
    "linear_cka": "rotated, or rescaled as a whole",
    "debiased_cka": "rotated, or rescaled as a whole",
    "rbf_cka": "rotated, or rescaled as a whole",
    "svcca": "mapped linearly and invertibly in its leading principal components",
    "pwcca_a": "mapped linearly and invertibly",
    "pwcca_b": "mapped linearly and invertibly",
    "procrustes": "rotated, or rescaled as a whole",
    "rsa": "with the distances of samples in the same order",
    "mutual_knn": "with the same nearest neighbours",
}


def measures_table(diagnostics: Mapping[str, Any]) -> str:
    r"""A table of the measures that were taken, with a sentence on what they say.

    Arguments:
        diagnostics: Those of a paired comparison, with `measures` by name and, since it is told, `measures_by_chance`.
    """
    chance = diagnostics.get("measures_by_chance", {})
    rows = [
        [MEASURES[name], value, *(chance.get(name, {}).get(part) for part in ("mean", "high")), UNSEEN[name]]
        for name, value in diagnostics["measures"].items()
        if name in MEASURES
    ]

    return (
        "<p>What the usual measures of similarity say of the same samples, where there are many of evenly spread "
        "ones. Each is 1 for representations that it holds to be the same, and smaller otherwise; none says whether a "
        "map from the one network to the other exists, in which direction, or how large its error is, so that the "
        "verdict makes no use of them. By chance is what each says where samples of the one are paired at random with "
        "those of the other, groups as a whole: its mean, and the largest of 19 pairings, which one in 20 exceeds. A "
        "measure below that has seen nothing in common.</p>"
        + table(
            "Usual measures of similarity",
            ["Measure", "Value", "By chance", "At most, by chance", "1 for a representation"],
            rows,
            named=False,
        )
    )
