r"""Every number of a comparison's diagnostics, with its unit."""

from __future__ import annotations

import math
import re
from typing import Any

from equiv.verdict import percent

__all__ = ["MEASURES", "evidence_rows", "with_unit"]

# What the usual measures of similarity are called, by their names in the diagnostics of paired comparisons.
MEASURES = {
    "linear_cka": "linear CKA",
    "debiased_cka": "linear CKA, debiased",
    "rbf_cka": "RBF CKA",
    "svcca": "SVCCA",
    "pwcca_a": "PWCCA of A",
    "pwcca_b": "PWCCA of B",
    "procrustes": "Procrustes",
    "rsa": "RSA",
    "mutual_knn": "mutual kNN",
}

# Diagnostics that are shares, and of what.
SHARES = {
    "left_out": "of the inputs",
    "overlap": "of the samples lie where the other side has some",
    "rank_share": "of the frames",
    "spectral_distance": "between eigenvalues, on average",
    "strain": "of lengths",
    "dilation": "of lengths",
    "residual": "of lengths",
    "error_of_half": "of the target's spread, from half of the samples",
    "remaining_error": "of the target's spread",
    "nearest_error": "of the target's spread",
    "error_between_samples": "of the target's spread",
    "fold": "of the target's spread",
    "leak": "of the target's slopes",
    "leaking_share": "of the samples",
    "resolution": "of the distance of all samples",
}

# Diagnostics that have a unit, and which.
UNITS = {
    "samples": "samples",
    "neurons": "neurons",
    "intrinsic_dimension": "dimensions",
    "rank": "dimensions",
    "anchors": "anchors",
    "rejected_anchors": "(rows of the anchors)",
    "left_out_anchors": "(rows of the anchors)",
    "left_out_samples": "(rows of the samples)",
    "folded_samples": "samples",
    "crossing_samples": "samples",
    "periods": "input units",
    "anchor_residual": "input units",
    "outline_misfit": "distances of neighbouring samples",
    "registration_misfit": "distances of neighbouring samples",
    "eigenvalues": "per squared input unit",
    "alike_errors": "standard errors",
    "input_unit": "units of the inputs as given",
}


def evidence_rows(diagnostics: dict[str, Any]) -> list[tuple[str, str]]:
    r"""Names and values of all diagnostics, each number with its unit, the usual measures in one row."""
    chance = diagnostics.get("measures_by_chance", {})
    usual = [
        f"{MEASURES[name]} {value:.2f}" + (f" (chance {chance[name]['high']:.2f})" if name in chance else "")
        for name, value in diagnostics.get("measures", {}).items()
        if value is not None and not math.isnan(value)
    ]
    told = [name for name in diagnostics if not name.startswith("measures")]

    return [
        *((name.replace("_", " "), with_unit(name, diagnostics[name])) for name in told),
        *([("usual measures", ", ".join(usual))] if usual else []),
    ]


def with_unit(name: str, value: Any) -> str:
    r"""A diagnostic in words: shares in percent, other numbers with their unit."""
    quantity = re.sub(r"_(a_to_b|b_to_a|a|b)$", "", name)
    unknown = value is None or (isinstance(value, float) and math.isnan(value))

    if quantity in SHARES and not unknown:
        return f"{percent(value)} % {SHARES[quantity]}"

    said = _plain(value)

    if quantity not in UNITS or said in ("unknown", "none"):
        return said

    return f"{said} {UNITS[quantity].removesuffix('s') if said == '1' else UNITS[quantity]}"


def _plain(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"

    if isinstance(value, bool):
        return "yes" if value else "no"

    if isinstance(value, float):
        return f"{value:.4g}"

    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"

    return str(value)
