r"""The numbers of a run in words, each with its unit: the same in the terminal, in reports and in sweeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from equiv.report.markup import flattened, in_words, number
from equiv.verdict import percent

__all__ = ["is_share", "numbers_of_run", "quantity", "with_unit"]

#: Quantities in words, where the name with spaces does not do.
WORDS = {
    "true_error_a_to_b": "True error from A to B, at inputs never seen",
    "true_error_b_to_a": "True error from B to A, at inputs never seen",
    "ridge_error_a_to_b": "Error of ridge regression from A to B, on pairs",
    "ridge_error_b_to_a": "Error of ridge regression from B to A, on pairs",
    "angle_error_deg": "Error of the recovered angle, median",
    "angle_error_deg_p95": "Error of the recovered angle, 95 % below",
    "angle_error_deg_euclidean": "The same without the metric, median",
    "gait_error_deg": "Error of the recovered phase of the gait, median",
    "gait_error_deg_p95": "Error of the recovered phase of the gait, 95 % below",
    "gait_error_deg_euclidean": "The same without the metric, median",
    "pitch_error_cents": "Error of the predicted pitch, median",
    "pitch_error_cents_p95": "Error of the predicted pitch, 95 % below",
    "own_pitches_differ_cents": "How far the two networks' own pitches are apart, median",
    "own_pitches_differ_cents_p95": "How far the two networks' own pitches are apart, 95 % below",
    "energy_error": "Error of the energy that B reads off A's activations",
    "energy_error_kcal_per_mol": "The same in units of energy",
    "energy_spread_kcal_per_mol": "Spread of the energies",
    "cross_view_psnr": "Pictures of B predicted from A, peak signal to noise",
    "autoencoder_a_psnr": "Pictures of A by its own autoencoder, peak signal to noise",
    "autoencoder_b_psnr": "Pictures of B by its own autoencoder, peak signal to noise",
}
#: Units, by a part of the name; the first that fits.
UNITS = (
    (r"_deg(_|$)", "°"),
    (r"_cents(_|$)", " cents"),
    (r"_kcal_per_mol$", " kcal/mol"),
    (r"_psnr$", " dB"),
    (r"^seconds(_|$)", " s"),
)
#: Names of shares.
SHARES = re.compile(r"(^|_)(error|accuracy)(_|$|\.)")


def quantity(name: str) -> str:
    r"""What a number of `metrics.json` is, in a few words."""
    return WORDS.get(name, in_words(name))


def is_share(name: str) -> bool:
    r"""Whether a number of `metrics.json` is a share, told in percent."""
    return bool(SHARES.search(name)) and not any(re.search(part, name) for part, _ in UNITS)


def with_unit(name: str, value: Any) -> str:
    r"""A number of `metrics.json` with its unit; shares in percent."""
    if not isinstance(value, float) or value != value:
        return str(value).replace("_", " ") if isinstance(value, str) else number(value)

    for part, unit in UNITS:
        if re.search(part, name):
            return f"{number(value, 3)}{unit}"

    return f"{percent(value)} %" if is_share(name) else number(value)


def numbers_of_run(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    r"""Quantities and values, nested ones by dotted names."""
    return [(quantity(name), with_unit(name, value)) for name, value in flattened(metrics)]
