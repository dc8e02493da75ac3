r"""What the usual measures of similarity would have said, beside what a comparison found."""

from __future__ import annotations

from collections.abc import Mapping

from equiv.comparison import MEASURES
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


def measures_table(known: Mapping[str, float | None]) -> str:
    r"""A table of the measures that were taken, with a sentence on what they say.

    Arguments:
        known: The measures by name, as the diagnostics `measures` of a paired comparison hold them.
    """
    rows = [[MEASURES[name], value, UNSEEN[name]] for name, value in known.items() if name in MEASURES]

    return (
        "<p>What the usual measures of similarity say of the same samples, where there are many of evenly spread "
        "ones. Each is 1 for representations that it holds to be the same, and smaller otherwise; none says whether a "
        "map from the one network to the other exists, in which direction, or how large its error is, so that the "
        "verdict makes no use of them.</p>"
        + table(
            "Usual measures of similarity", ["Measure", "Value", "1 for a representation"], rows, named=False
        )
    )
